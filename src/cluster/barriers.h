// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "base/time.h"
#include "cluster/stats.h"
#include "ports/peers.h"

namespace sb::cluster {

/// Changes of routes that the other nodes have to know before a client hears of them. A barrier travels behind the
/// changes; it is over when every node has answered it, or is a member no more, or in time: a node that is behind
/// acknowledges nothing then, since it is not fresh. PROTOCOLS 5. No I/O.
///
/// The time begins with the request; but where a node was not written to within half of it, half of it has to pass
/// from when it was, or else it may think that it is fresh. Without Redis that is waited for a few times as long.
class Barriers {
 public:
  using Done = std::function<void()>;
  static constexpr Millis kTime{500};
  static constexpr Millis kWithoutRedis{2000};

  explicit Barriers(Stats& stats) : stats_(stats) {}

  void add_peer(ports::PeerNumber peer) { peers_[peer] = {last_, last_, {}}; }
  /// Those who wait may go on: call run().
  void remove_peer(ports::PeerNumber peer) { peers_.erase(peer); }
  bool any_peers() const { return !peers_.empty(); }

  /// The number of a new barrier.
  std::uint64_t add(std::vector<Done> done, MonoTime now) {
    open_.push_back({++last_, now, std::move(done)});
    return last_;
  }
  /// The number of the newest one.
  std::uint64_t last() const { return last_; }
  /// Something that changed nothing waits for what is under way. False: nothing is.
  bool join(Done done) {
    if (open_.empty()) return false;
    open_.back().done.push_back(std::move(done));
    return true;
  }
  /// By everybody who is a member now.
  bool answered(std::uint64_t number) const;
  /// Redis has the barrier for this node.
  void written(ports::PeerNumber peer, std::uint64_t number, MonoTime now);
  /// The node knows everything up to this barrier.
  void answered(ports::PeerNumber peer, std::uint64_t number);
  /// Those that are over, in their order.
  std::vector<Done> run(MonoTime now);
  /// When run() has to be called again; kNever: nobody waits.
  MonoTime next() const;

 private:
  struct Peer {
    std::uint64_t answered = 0, written = 0;
    MonoTime written_at{};
  };
  struct Barrier {
    std::uint64_t number;
    MonoTime since;
    std::vector<Done> done;
  };
  MonoTime over_at(const Barrier& b) const;

  Stats& stats_;
  std::uint64_t last_ = 0;
  std::map<ports::PeerNumber, Peer> peers_;
  std::deque<Barrier> open_;
};

}  // namespace sb::cluster
