// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/session_record.h"

namespace sb::ports {

/// Changes to a session record, stored together in the order of the members. What is not set stays.
struct SessionChange {
  std::vector<std::string> subscriptions_removed;            ///< filters
  std::vector<model::SubscriptionRecord> subscriptions_set;  ///< added, or changed by filter
  std::optional<std::uint64_t> next_order;
  /// How far the log of a filter has been read. Written together with what is under way up to there (outbound_set), so
  /// that a record is always whole: what lies at or before the cursor and is not under way is done.
  struct Cursor {
    std::string filter;
    model::Position next;
    std::vector<model::Position> passed = {};  ///< a store whose logs forget nothing need not keep them
  };
  std::vector<Cursor> cursors;
  std::vector<std::uint16_t> outbound_removed;
  std::vector<model::OutboundRecord> outbound_set;  ///< added, or changed by packet id
  std::vector<std::uint16_t> inbound_removed;
  std::vector<model::InboundRecord> inbound_added;  ///< added, or changed by packet id
  /// Filter of a shared group → packet id under way in the record of the group. It ends there with this write, because
  /// the message is among outbound_set. At no time has neither of them the message; where the records are in different
  /// places, this one has it first, and a crash in between leaves it in both. When the answer comes, the group's has it
  /// no more.
  std::vector<std::pair<std::string, std::uint16_t>> group_taken;
  std::optional<model::WillRecord> will;
  std::optional<std::uint32_t> expiry;
  /// The connection ended: when the session and its will are due. With a will of none (`will`) the time tells whether
  /// it was published in this turn or, kNoExpiry, shall not be published: a store that refuses this remembers that.
  struct Left {
    WallTime expires_at, will_due;
  };
  std::optional<Left> left;
};

/// Durable sessions. Every write carries the epoch of its owner; a stale one is refused (errc::stale_epoch). Answers
/// come once, on the thread that asked, at once or later; those to one client id in the order of the requests. A
/// session whose connection the store believed up when it was closed, or lost, left at the last time that the store
/// knew of: its expiry and the delay of its will count from there.
///
/// A shared group that has a log keeps its state as a session too, under a name that no client can have: U+0000 and the
/// filter. It does not count for the bound of sessions.
class SessionStore {
 public:
  template <class T>
  using Done = std::function<void(result<T>)>;

  /// A will whose time has come: the store gives it to one caller, who publishes it and says fired() in the same turn,
  /// so that it is published once, whatever fails in between. One of which the store has not heard so is given again
  /// when it was closed, or away. PROTOCOLS: wills.
  struct Will {
    std::uint64_t id = 0;
    std::string username;      ///< of the session
    model::WillRecord record;  ///< message null = none
  };
  struct Claim {
    std::string client_id;
    std::string username;
    bool clean = false;        ///< end what is there, then begin a new incarnation
    bool durable = false;      ///< keep a record; false: only end what is there
    std::uint32_t expiry = 0;  ///< seconds, of the new connection
    model::WillRecord will;    ///< of the new connection
    WallTime now;
    /// True when the connection has gone meanwhile: what would only take the session from another one is not done then.
    std::shared_ptr<const std::atomic<bool>> given_up = nullptr;
  };
  struct Claimed {
    bool present = false;  ///< an older session goes on
    /// Only with `durable`; but its epoch, the new one, is above that of a session that the claim ended, too.
    model::SessionRecord record;
    Will will;                  ///< of the session that the claim ended
    std::string previous_node;  ///< another node that had it connected until now, or kAnyNode; "" = none
  };
  /// Its owner died connected to it, and may not have told the one that had it before: that may be any node.
  static constexpr std::string_view kAnyNode = "*";

  /// Name of the session that a shared group is.
  static std::string group_session(std::string_view filter) { return std::string(1, '\0').append(filter); }

  virtual ~SessionStore() = default;
  /// True when there may be records: otherwise a claim that is not durable can be left out.
  virtual bool any() const = 0;
  /// A store that is away answers a claim that only ends what is there at once, and ends it when it is back.
  virtual void claim(Claim c, Done<Claimed> done) = 0;
  virtual void change(std::string_view client_id, std::uint64_t epoch, SessionChange c, Done<void> done) = 0;
  /// The session is over: its record, its memberships and its timers go.
  virtual void end(std::string_view client_id, std::uint64_t epoch, Done<void> done) = 0;

  /// What the record has under way with a packet id; nothing when there is no such id, or session.
  using Outbound = std::optional<model::OutboundRecord>;
  virtual void outbound(std::string_view client_id, std::uint16_t packet_id, Done<Outbound> done) = 0;

  /// A session or will whose time has come while nobody was connected.
  struct Due {
    std::string client_id;
    Will will;
    bool ended = false;
  };
  /// Takes what is due; every entry is given to one caller only.
  virtual void take_due(WallTime now, Done<std::vector<Due>> done) = 0;
  /// The will was published in this turn.
  virtual void fired(std::uint64_t will) = 0;

  /// A client with a volatile session has connected, by `connection`, with a will: where others can survive this node,
  /// they publish it should the node die. Nobody waits for it.
  virtual void keep_will(std::string_view /*client_id*/, std::string_view /*username*/, model::WillRecord /*will*/,
                         std::uint64_t /*connection*/) {}
  /// The will of that connection was published, or is not to be. A later connection's stays.
  virtual void forget_will(std::string_view /*client_id*/, std::uint64_t /*connection*/) {}
};

}  // namespace sb::ports
