// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash_map.h"
#include "cluster/envelope.h"
#include "ports/peers.h"

namespace sb::cluster {

/// What the broker is told when a node wants this of a filter.
ports::Interest interest_of(std::uint8_t wants);

/// What the sessions of this node want, counted: from all shards. No I/O.
class OwnRoutes {
 public:
  /// One subscription has changed. The bits of Wants that the node wants of the filter now, if they are others.
  std::optional<std::uint8_t> change(const ports::Peers::Change& c);
  std::uint8_t wants(std::string_view filter) const {
    const auto it = counts_.find(filter);
    return it == counts_.end() ? 0 : wants(it->second);
  }
  /// Calls `f(filter, wants)` for all.
  template <class F>
  void for_each(F f) const {
    for (auto& [filter, c] : counts_) f(std::string_view(filter), wants(c));
  }
  std::size_t size() const { return counts_.size(); }

 private:
  using Counts = std::array<std::uint32_t, 4>;  ///< live, logged, group, owner
  static std::uint8_t wants(const Counts& c) {
    return static_cast<std::uint8_t>((c[0] ? kWantsLive : 0) | (c[1] ? kWantsLogged : 0) | (c[2] ? kWantsGroup : 0) |
                                     (c[3] ? kWantsOwner : 0));
  }
  StringMap<Counts> counts_;
};

/// What the other nodes want. They tell all of it first, then each change. No I/O.
class PeerRoutes {
 public:
  /// `peer` begins to tell everything.
  void begin(ports::PeerNumber peer);
  /// The interest, if it is another one than before.
  std::optional<ports::Interest> set(ports::PeerNumber peer, std::string_view filter, std::uint8_t wants);
  /// It has told everything: what it did not name, it does not want.
  std::vector<std::string> end(ports::PeerNumber peer);
  /// It is a member no more.
  std::vector<std::string> drop(ports::PeerNumber peer);
  /// Calls `f(peer)` for those who read the log of the filter.
  template <class F>
  void for_readers(std::string_view filter, F f) const {
    const auto it = wants_.find(filter);
    if (it == wants_.end()) return;
    for (auto& w : it->second)
      if (w.wants & kReadsLog) f(w.peer);
  }
  std::size_t size() const { return wants_.size(); }

 private:
  struct Want {
    ports::PeerNumber peer;
    std::uint8_t wants;
    bool named = true;  ///< since begin()
  };
  template <class Which>
  std::vector<std::string> remove(ports::PeerNumber peer, Which which);
  StringMap<std::vector<Want>> wants_;
};

}  // namespace sb::cluster
