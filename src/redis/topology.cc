// SPDX-License-Identifier: MIT
#include "redis/topology.h"

#include "redis/cluster.h"
#include "redis/sentinel.h"

namespace sb::redis {
namespace {

class SingleTopology final : public Topology {
 public:
  explicit SingleTopology(Endpoint e) : endpoint_(std::move(e)) {}
  void start() override {}
  const Endpoint* primary(std::uint16_t) const override { return &endpoint_; }
  bool is_primary(const Endpoint& e) const override { return e == endpoint_; }

 private:
  const Endpoint endpoint_;
};

}  // namespace

std::unique_ptr<Topology> make_topology(io::EventLoop& loop, const Url& url, const Options& options,
                                        Topology::Listener& listener) {
  switch (url.kind) {
    case Url::Kind::sentinel:
      return std::make_unique<SentinelTopology>(loop, url.hosts, url.primary, options, listener);
    case Url::Kind::cluster:
      return std::make_unique<ClusterTopology>(loop, url.hosts, options, listener);
    case Url::Kind::single:
      break;
  }
  return std::make_unique<SingleTopology>(url.hosts.front());
}

}  // namespace sb::redis
