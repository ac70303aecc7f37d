// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "redis/connection.h"
#include "redis/slot_map.h"
#include "redis/topology.h"

namespace sb::redis {

/// Asks one server of a cluster after the other, until one answers, for its slots and how old its view is; again every
/// few seconds, and at once when something speaks against what is known.
class ClusterTopology final : public Topology, ConnectionListener, Handler, io::Timer {
 public:
  ClusterTopology(io::EventLoop& loop, std::vector<Endpoint> seeds, const Options& options, Listener& listener);
  ~ClusterTopology() override;

  void start() override;
  const Endpoint* primary(std::uint16_t slot) const override { return map_.owner(slot); }
  bool is_primary(const Endpoint& e) const override { return map_.has(e); }
  void doubt() override;
  void moved(const Redirect& r) override;

 private:
  enum Tag : std::uint64_t { kInfo, kSlotsOf };
  void on_up(Connection&) override { ask(); }
  void on_down(Connection&, error_code, const std::string&) override;
  void on_outcome(Outcome& outcome, std::uint64_t tag) override;
  void on_timer() override;
  void ask();
  void ask_next();
  void ask_within(Millis most);
  void take(Reply::View slots);

  io::EventLoop& loop_;
  const std::vector<Endpoint> seeds_;
  Listener& listener_;
  std::shared_ptr<const Options> options_;
  SlotMap map_;
  std::int64_t epoch_ = 0;         ///< of the map: the highest that was seen
  std::int64_t answer_epoch_ = 0;  ///< of the server that is asked
  int outdated_ = 0;               ///< answers in a row that were older than the map
  bool asked_ = false;
  MonoTime began_ = kNever;  ///< when who is asked now was; kNever: it has answered, or cannot
  bool elsewhere_ = false;   ///< the next question goes to another server
  std::size_t next_ = 0;     ///< who is asked next, of the seeds and the known primaries
  ConnectionPtr connection_;
};

}  // namespace sb::redis
