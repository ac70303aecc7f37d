// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/subscription_index.h"
#include "ports/log_store.h"
#include "ports/peers.h"
#include "session/session.h"

namespace sb::broker {

/// The durable side of a shared group: while durable sessions subscribe to it, its messages of QoS > 0 go through one
/// log, and one shard of the node reads that and hands them out, to connected members on all shards.
///
/// It is a session of its own, whose packet ids name what members have under way. QoS 1: what a member has not
/// acknowledged when it leaves comes back and goes to another. QoS 2: what a member has taken is the member's.
/// PROTOCOLS: shared groups. Owner: one shard.
///
/// Among several nodes one owns the group: who has claimed its session. To it another node with members is a member,
/// too, and there the same shard as here gives the owner's messages to its own members, and passes on their answers.
/// What is under way is named by its position in the log, which means the same to all nodes and owners. ADR 17.
struct DurableGroup {
  std::string filter;  ///< with `$share/group/`
  SharedGroupPtr group;
  ports::LogId log = 0;
  std::unique_ptr<session::Session> session;  ///< null until it was claimed
  std::deque<session::PacketId> ready;        ///< to be handed out, by sequence
  bool reading = false;                       ///< the log was asked for the message of the first of them
  MonoTime missing = kNever;                  ///< since when it is not there
  bool pumping = false, again = false;
  bool dirty = false;   ///< the store does not know all
  bool joined = false;  ///< the log is being read
  bool claiming = false;
  std::uint32_t asks = 0;  ///< other nodes have not yet said what they have of it: nothing is handed out
  bool announced = false;  ///< other nodes were told that this one owns it

  /// A message that a member has.
  struct Out {
    session::PacketId id = 0;   ///< of the group's session; 0 = it has not been read here as the owner
    ClientKey member;           ///< another node, too, at the owner
    std::uint64_t number = 0;   ///< GroupNote::number
    std::uint64_t since = 0;    ///< tick of the hand-out, at the owner
    std::size_t bytes = 0;      ///< that another node has
    model::MessagePtr message;  ///< of another owner's group, so that it can go to another member here
  };
  struct HashPosition {
    std::size_t operator()(const model::Position& p) const {
      return static_cast<std::size_t>((p.offset * 0x9E3779B97F4A7C15ull) ^ p.generation);
    }
  };
  template <class V>
  using ByPosition = absl::flat_hash_map<model::Position, V, HashPosition>;
  using Positions = absl::flat_hash_set<model::Position, HashPosition>;
  ByPosition<Out> out;

  // --- as the owner, of the time before
  std::uint64_t hands = 0;  ///< messages that were given to other nodes
  Positions done;           ///< acknowledged, and not read here
  model::Position upto;     ///< what lies up to there is done, but for:
  Positions open;
  absl::flat_hash_map<ports::PeerNumber, std::uint64_t> answered;  ///< `done` of that node
  absl::flat_hash_map<ports::PeerNumber, std::uint64_t> stored;    ///< of them, as it was told
  Subscriber stay_on;      ///< a node that has several members gets several in a row
  std::uint32_t stay = 0;  ///< so many more

  // --- as a node with members
  std::uint64_t owner_epoch = 0;             ///< the highest that was heard of
  std::optional<ports::PeerNumber> owner;    ///< another node, as far as is known
  std::deque<model::Position> acknowledged;  ///< done here, and perhaps not in the group's record
  std::uint64_t forgotten = 0;               ///< of those told to this owner
  bool full = false, told = false;           ///< it has refused one; and has said that there is room again

  /// What one member has under way from this group.
  struct Load {
    std::uint32_t out = 0;
    std::uint32_t most = kFirst;  ///< grows as the member keeps up, so that a slow one does not get all at once
    bool full = false;            ///< it has refused one; it will tell when it has room
    bool gone = false;            ///< it was not there; whether it is still a member is seen with the next tick
    std::uint32_t members = 1;    ///< of another node
    std::uint64_t heard = 0;      ///< tick of the last answer, or the first message behind it
    std::size_t bytes = 0;        ///< of another node
    bool has_room() const { return !full && out < most && bytes < kMostBytes; }
  };
  static constexpr std::uint32_t kFirst = 16, kMost = 4096;
  static constexpr std::size_t kMostBytes = 8 << 20;
  static constexpr std::size_t kMostKept = 64 << 20;  ///< of messages that were read and are not done
  absl::flat_hash_map<std::uint64_t, Load> loads;     ///< ClientKey::packed

  /// It owns the group, and knows what the others have of it.
  bool owns() const { return session && asks == 0; }
  session::Cursor& cursor() { return *session->subscriptions().front().cursor; }
  /// To be handed out, in the order of the log.
  void set_ready(session::PacketId id) {
    auto& window = session->window;
    const auto key = [&](session::PacketId i) {
      const session::InFlight* e = window.find(i);
      return std::pair(!(e && e->moved), window.sequence_of(i));
    };
    const auto older = [&](session::PacketId a, session::PacketId b) { return key(a) < key(b); };
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
  std::uint64_t number = 0;  ///< to another node
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
  model::Position position = {};  ///< with a handle
};

}  // namespace sb::broker
