// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash_map.h"
#include "model/session_record.h"
#include "model/subscription.h"
#include "model/topic.h"
#include "ports/authorizer.h"
#include "ports/log_store.h"
#include "session/queue.h"
#include "session/verdicts.h"
#include "session/window.h"

namespace sb::session {

/// How far a durable subscription has got in the log of its filter.
struct Cursor {
  std::uint64_t log = 0;   ///< ports::LogId, 0 = not known yet
  std::uint32_t at = 0;    ///< its subscription's place in the session
  bool ready = false;      ///< there may be something to read
  bool moved = false;      ///< the store does not know all of its progress
  model::Position next;    ///< last position that was taken: sent, or passed over
  std::uint64_t lost = 0;  ///< messages that a bound took away, not yet told
  /// Unsubscribed, but younger subscriptions have passed over messages that this one was to deliver: what lies up to
  /// drain_to is still owed from it.
  bool draining = false;
  bool anew = false;  ///< subscribed again behind that: goes on from the log's head when the store has told where it is
  model::Position drain_to;
  /// What lies in the logs of others up to there, and matches it too, it has delivered, or will. By filter; also of one
  /// that was subscribed again.
  std::vector<std::pair<std::string, model::Position>> covers;
  /// Where it stood last in each of the recent generations before this one; null: nowhere.
  std::unique_ptr<std::vector<model::Position>> passed;

  /// It has read earlier generations up to there.
  void pass(std::vector<model::Position> positions) {
    if (!positions.empty()) passed = std::make_unique<std::vector<model::Position>>(std::move(positions));
  }
  /// Stands at `p` from now on.
  void go_on(model::Position p);
  /// True when it has had the message at another position, which the store has forgotten since.
  bool has_had(const ports::StoredMessage& m) const;
};

/// One subscription of a session.
struct Subscription {
  std::string filter;  ///< as subscribed, with `$share/group/`
  model::SubscribeOptions options;
  bool indexed = false;               ///< publishers find it
  bool restricted = false;            ///< not every topic that matches may be received
  bool holds_group = false;           ///< shared and durable: it keeps the group's log alive
  std::uint8_t interest = 0;          ///< ports::Interest that other nodes were told of
  std::uint32_t subscription_id = 0;  ///< 0 = none
  std::uint32_t group = 0;            ///< key of the shared group that it is a member of, 0 = none
  std::uint64_t order = 0;            ///< age within the session: the oldest matching durable one delivers
  std::unique_ptr<Cursor> cursor;     ///< durable, QoS > 0, not shared
};

/// The state that MQTT calls Session State [MQTT5 4.1], without I/O. Volatile (ends with the connection) or durable.
/// Owner: the shard of the connection that has it.
class Session {
 public:
  std::string client_id;
  std::string username;
  std::uint64_t epoch = 0;  ///< of the record, durable only
  std::uint64_t incarnation = 0;
  std::uint32_t expiry = 0;  ///< seconds; 0 = volatile
  /// Inbound QoS 2 exchanges of earlier connections: they do not count for the Receive Maximum of this one.
  std::uint32_t inbound_carried = 0;
  ports::RightsPtr rights;             ///< null: everything is allowed
  bool own_rights = false;             ///< they came with what the client showed, and end with the connection
  bool restricted = false;             ///< some subscription is
  std::unique_ptr<Verdicts> verdicts;  ///< of a restricted one: what its rights say of topics; none after a change
  ports::Subject subject() const { return {client_id, username}; }
  bool durable = false;
  bool save_soon = false;       ///< a QoS 2 delivery waits until the store has its packet id
  std::uint32_t draining = 0;   ///< subscriptions that are
  bool covering = false;        ///< some may cover others
  std::uint64_t published = 0;  ///< number of its last QoS 2 publish, under this epoch

  Window window;

  // --- subscriptions
  const std::vector<Subscription>& subscriptions() const { return subscriptions_; }
  std::vector<Subscription>& subscriptions() { return subscriptions_; }
  Subscription* find(std::string_view filter);
  /// Adds a subscription (there must be none with that filter) as the youngest.
  Subscription& add(std::string filter);
  void remove(std::string_view filter);
  /// Calls f(subscription) for all that match `topic`, in any order; shared ones do not.
  template <class F>
  void for_each_matching(std::string_view topic, F f) const;
  std::uint64_t next_order() const { return next_order_; }
  void set_next_order(std::uint64_t n) { next_order_ = n; }

  // --- waiting deliveries (volatile sessions)
  bool has_waiting() const { return queue_ && !queue_->empty(); }
  Queue& queue() {
    if (!queue_) queue_ = std::make_unique<Queue>();
    return *queue_;
  }
  void drop_queue() { queue_.reset(); }

  // --- inbound QoS 2: packet ids that were accepted and not yet released [MQTT-4.3.3-10]
  struct Inbound {
    std::uint64_t publish = 0, epoch = 0;  ///< see model::InboundRecord
    /// From an earlier owner, which may have died before the message was stored: a repeat is routed again, as the same.
    bool unsure = false;
  };
  bool inbound_has(PacketId id) const { return inbound_ && inbound_->contains(id); }
  void inbound_add(PacketId id) { inbound_add(id, Inbound()); }
  void inbound_add(PacketId id, const Inbound& n) {
    if (!inbound_) inbound_ = std::make_unique<absl::flat_hash_map<PacketId, Inbound>>();
    inbound_->try_emplace(id, n);
  }
  /// Null: it is not under way.
  Inbound* inbound(PacketId id) {
    if (!inbound_) return nullptr;
    auto it = inbound_->find(id);
    return it == inbound_->end() ? nullptr : &it->second;
  }
  bool inbound_remove(PacketId id) { return inbound_ && inbound_->erase(id) > 0; }
  std::size_t inbound_count() const { return inbound_ ? inbound_->size() : 0; }

  // --- durable: reading
  /// The subscription begins to read its log, or stops to.
  Cursor& give_cursor(Subscription& s, std::uint64_t log, model::Position next);
  void drop_cursor(Subscription& s);
  /// It is the youngest from now on.
  void renew_order(Subscription& s) { s.order = next_order_++; }
  /// The log of a cursor is known now.
  void bind(Cursor& c, std::uint64_t log);
  Subscription& of(const Cursor& c) { return subscriptions_[c.at]; }
  /// The cursor that reads `log`, null when none does.
  Cursor* reader_of(std::uint64_t log);
  /// Cursors in whose logs there may be something to read: a queue.
  void set_ready(Cursor& c);
  bool has_ready() const { return durable_ && !durable_->ready.empty(); }
  /// Takes the first one; null when its subscription is gone.
  Cursor* take_ready();

  // --- durable: what the store does not know yet
  void set_moved(Cursor& c);
  /// A packet id of which the store knows is free again.
  void set_done(PacketId id) { durable_state().done.push_back(id); }
  struct Progress {
    std::string filter;
    model::Position next;  ///< of the cursor
    model::Position low;   ///< what lies at or before it is not needed any more: nothing there is unacknowledged
    std::vector<model::Position> passed;
  };
  /// Of the cursors that moved, which then count as known to the store.
  std::vector<Progress> take_progress();
  std::vector<PacketId> take_done() { return durable_ ? std::exchange(durable_->done, {}) : std::vector<PacketId>(); }
  /// A write that told of these ids and of the rest failed: the next one has everything again.
  void forget_saved(const std::vector<PacketId>& done);

  /// True when `s`, whose log holds a message on `topic` at `at`, is to deliver it: no older durable subscription
  /// matches.
  bool responsible(const Subscription& s, std::string_view topic, model::Position at) const;
  /// Name of this incarnation among the members of a log; a shared group is the only one of its kind.
  /// Who numbers its QoS 2 publishes (ports::LogStore::Origin): the numbers are those of one epoch.
  std::string origin(std::uint64_t of_epoch) const { return member() + '#' + std::to_string(of_epoch); }
  std::string member() const {
    if (client_id.starts_with('\0')) return std::string(ports::kGroupMember);
    return client_id + '#' + std::to_string(incarnation);
  }

 private:
  static constexpr std::size_t kIndexFrom = 32;  ///< subscriptions, from which on a hash index pays

  /// What only durable sessions need.
  struct Durable {
    std::deque<std::uint64_t> ready;   ///< logs
    std::vector<std::uint64_t> moved;  ///< logs
    std::vector<PacketId> done;
    std::unique_ptr<absl::flat_hash_map<std::uint64_t, Cursor*>> by_log;  ///< made when there are many
  };
  Durable& durable_state() {
    if (!durable_) durable_ = std::make_unique<Durable>();
    return *durable_;
  }
  const Subscription* find_exact(std::string_view filter) const;

  std::vector<Subscription> subscriptions_;
  std::unique_ptr<StringMap<std::uint32_t>> by_filter_;  ///< made when there are many
  std::unique_ptr<Durable> durable_;
  std::unique_ptr<Queue> queue_;
  std::unique_ptr<absl::flat_hash_map<PacketId, Inbound>> inbound_;
  std::uint64_t next_order_ = 1;
  std::uint32_t wildcards_ = 0;  ///< subscriptions with a wildcard
};

template <class F>
void Session::for_each_matching(std::string_view topic, F f) const {
  // Whichever is less work: to look at every subscription, or at every filter that could match.
  const std::size_t all = subscriptions_.size();
  if (!by_filter_ || (wildcards_ > 0 && model::filters_of(model::level_count(topic)) > all)) {
    for (auto& s : subscriptions_)
      if (!model::is_shared(s.filter) && model::matches(s.filter, topic)) f(s);
    return;
  }
  auto look_up = [&](std::string_view filter) {
    if (const Subscription* s = find_exact(filter); s && !model::is_shared(filter)) f(*s);
  };
  if (wildcards_ == 0) return look_up(topic);
  model::for_each_filter_of(topic, look_up);
}

}  // namespace sb::session
