// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "broker/subscription_index.h"
#include "ports/log_store.h"
#include "session/session.h"

namespace sb::broker {

/// The durable side of a shared group: while durable sessions subscribe to it, its messages of QoS > 0 go through one
/// log, and one shard of the node reads that and hands them out, to connected members on all shards.
///
/// It is a session of its own, whose packet ids name what members have under way. QoS 1: what a member has not
/// acknowledged when it leaves comes back and goes to another. QoS 2: what a member has taken is the member's.
/// PROTOCOLS: shared groups. Owner: one shard.
struct DurableGroup {
  std::string filter;  ///< with `$share/group/`
  SharedGroupPtr group;
  ports::LogId log = 0;
  std::unique_ptr<session::Session> session;  ///< null until it was claimed
  std::deque<session::PacketId> ready;        ///< to be handed out, by sequence
  bool reading = false;                       ///< the log was asked for the message of the first of them
  bool pumping = false, again = false;
  bool dirty = false;   ///< the store does not know all
  bool joined = false;  ///< the log is being read

  /// What one member has under way from this group.
  struct Load {
    std::uint32_t out = 0;
    std::uint32_t most = kFirst;  ///< grows as the member keeps up, so that a slow one does not get all at once
    bool full = false;            ///< it has refused one; it will tell when it has room
    bool gone = false;            ///< it was not there; whether it is still a member is seen with the next tick
  };
  static constexpr std::uint32_t kFirst = 16, kMost = 4096;
  absl::flat_hash_map<std::uint64_t, Load> loads;  ///< ClientKey::packed

  session::Cursor& cursor() { return *session->subscriptions().front().cursor; }
  /// To be handed out, in the order of the log.
  void set_ready(session::PacketId id) {
    auto& window = session->window;
    auto older = [&](session::PacketId a, session::PacketId b) {
      return window.sequence_of(a) < window.sequence_of(b);
    };
    if (ready.empty() || older(ready.back(), id)) return ready.push_back(id);
    ready.insert(std::lower_bound(ready.begin(), ready.end(), id, older), id);
  }
};

/// A message on its way from a group to a member; or, with handle 0, the question whether it takes again.
struct GroupDelivery {
  std::uint32_t owner;  ///< shard of the group
  ports::LogId log;
  session::PacketId handle;
  model::Position position;
  model::MessagePtr message;
  Subscriber member;
};

/// What a member's shard tells the owner of a group. A member that has refused one refuses all that are on their way to
/// it, so that those behind do not overtake; it has `room`, is asked, and takes `again`: everything that it has refused
/// is back by then.
struct GroupAnswer {
  enum class What : std::uint8_t {
    done,      ///< acknowledged, refused by the client, or the member's own now (QoS 2)
    returned,  ///< the member has left
    unsure,    ///< the member has left, and has taken it or not: the record of the group tells
    gone,      ///< not taken: the member is not there, and may be in the index for as long as a store takes to answer
    no_room,   ///< not taken; `room` follows
    room,      ///< the member would take again, and waits to be asked (no handle)
    again,     ///< the member was asked, and takes again (no handle)
    joined,    ///< there may be a new member (no handle)
  };
  ports::LogId log;
  session::PacketId handle;
  What what;
  ClientKey member;
};

}  // namespace sb::broker
