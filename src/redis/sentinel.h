// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "redis/connection.h"
#include "redis/topology.h"

namespace sb::redis {

/// Whom the Sentinels call primary. One that is cut off, or has just been started, may be wrong: more than half of all
/// have to say the same, and until they do the last one that they agreed on stays.
class SentinelVotes {
 public:
  explicit SentinelVotes(std::size_t sentinels) : votes_(sentinels) {}
  /// Nothing: it does not answer, or knows none. True when the primary is another one now.
  bool say(std::size_t sentinel, std::optional<Endpoint> primary);
  const std::optional<Endpoint>& primary() const { return primary_; }

 private:
  std::vector<std::optional<Endpoint>> votes_;
  std::optional<Endpoint> primary_;
};

/// Asks all Sentinels of the URL twice a second. That the server agrees to be primary is seen by the connection to it
/// (Options::primary_only).
class SentinelTopology final : public Topology, io::Timer {
 public:
  SentinelTopology(io::EventLoop& loop, std::vector<Endpoint> sentinels, std::string group, const Options& options,
                   Listener& listener);
  ~SentinelTopology() override;

  void start() override;
  const Endpoint* primary(std::uint16_t) const override { return votes_.primary() ? &*votes_.primary() : nullptr; }
  bool is_primary(const Endpoint& e) const override { return votes_.primary() == e; }
  void doubt() override { ask_all(); }

 private:
  /// One Sentinel.
  struct Peer final : ConnectionListener, Handler {
    Peer(SentinelTopology& t, std::size_t i) : topology(t), index(i) {}
    void on_up(Connection&) override { ask(); }
    void on_down(Connection&, error_code, const std::string&) override;
    void on_outcome(Outcome& outcome, std::uint64_t) override;
    void ask();
    SentinelTopology& topology;
    const std::size_t index;
    bool asked = false;
    ConnectionPtr connection;
  };
  void on_timer() override;
  void ask_all();
  void heard(std::size_t sentinel, std::optional<Endpoint> primary);

  io::EventLoop& loop_;
  const std::string group_;
  Listener& listener_;
  SentinelVotes votes_;
  log::RateLimit log_limit_{Seconds(10)};
  std::vector<std::unique_ptr<Peer>> peers_;
};

}  // namespace sb::redis
