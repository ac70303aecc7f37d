// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/hash_map.h"
#include "base/time.h"
#include "mqtt/protocol.h"
#include "ports/log_store.h"

namespace sb::broker {

/// What only few clients of a shard have, and not for long.
struct ClientExtra {
  /// A retained message look-up for one subscription: it goes on when the client has room.
  struct Scan {
    std::uint64_t number = 0;  ///< the answers to an earlier one are not for it
    std::string filter, resume;
    bool asked = false;
  };
  /// The look-ups of a client: one is under way, every other subscription waits once at most.
  struct Scans {
    std::unique_ptr<Scan> current;
    std::deque<std::string> order;
    StringSet waiting;                               ///< those of `order` that still count
    StringSet seen_live;                             ///< topics whose retained message came live meanwhile
    static constexpr std::size_t kSeen = 16 * 1024;  ///< topics; beyond, a client may get some of them twice
  };
  /// What an earlier connection left under way: sent again in its order, as the client's Receive Maximum allows.
  struct Resend {
    std::deque<mqtt::PacketId> ids;
    bool reading = false;       ///< the log was asked for the message of the first one
    MonoTime missing = kNever;  ///< since when the first of those that are not there is not
    /// The first one of `ids`, `sought`, is not between its place and there, where the log has a later generation.
    model::Position searched;
    mqtt::PacketId sought = 0;
  };

  std::vector<std::function<void()>> released;  ///< to be told when the session is in the store
  std::string opening;                          ///< client id until the session is there
  bool waits = false;                           ///< an earlier connection has to leave before the session is claimed
  bool yields = false;                          ///< somebody waits who takes it over as soon as it is in
  bool stale = false;                           ///< another node owns the session: nothing of it is stored any more
  std::uint64_t kicked = 0;                     ///< while opening: claimed by another node with this epoch
  std::shared_ptr<std::atomic<bool>> given_up;  ///< Claim::given_up
  std::unique_ptr<Scans> scans;
  std::unique_ptr<Resend> resend;  ///< until all of it is sent, reading does not go on
  /// A group whose messages it had no room for, until it is asked again.
  struct Refused {
    std::uint32_t owner;
    ports::LogId log;
    bool told = false;  ///< that there is room
  };
  std::vector<Refused> refused;
  std::function<void()> unsubscribing;  ///< goes on with an UNSUBSCRIBE when it is known how far the logs go
  bool idle() const {
    return released.empty() && opening.empty() && !scans && !resend && refused.empty() && !unsubscribing;
  }
};

}  // namespace sb::broker
