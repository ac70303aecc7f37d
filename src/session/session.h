// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash_map.h"
#include "model/session_record.h"
#include "model/subscription.h"
#include "session/queue.h"
#include "session/window.h"

namespace sb::session {

/// How far a durable subscription has got in the log of its filter.
struct Cursor {
  std::uint64_t log = 0;   ///< ports::LogId
  model::Position next;    ///< last position that was taken: sent, or passed over
  std::uint64_t lost = 0;  ///< messages that a bound took away, not yet told
  /// Unsubscribed, but younger subscriptions have passed over messages that this one was to deliver: what lies up to
  /// drain_to is still owed from it, and it still answers for what `covers` says of the logs of the others.
  bool draining = false;
  model::Position drain_to;
  std::vector<std::pair<std::string, model::Position>> covers;  ///< by filter
};

/// One subscription of a session.
struct Subscription {
  std::string filter;  ///< as subscribed, with `$share/group/`
  model::SubscribeOptions options;
  std::uint32_t subscription_id = 0;  ///< 0 = none
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
  bool durable = false;

  Window window;

  // --- subscriptions
  const std::vector<Subscription>& subscriptions() const { return subscriptions_; }
  std::vector<Subscription>& subscriptions() { return subscriptions_; }
  Subscription* find(std::string_view filter);
  /// Adds a subscription (there must be none with that filter) as the youngest.
  Subscription& add(std::string filter);
  void remove(std::string_view filter);
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
  bool inbound_has(PacketId id) const { return inbound_ && inbound_->contains(id); }
  void inbound_add(PacketId id) {
    if (!inbound_) inbound_ = std::make_unique<absl::flat_hash_set<PacketId>>();
    inbound_->insert(id);
  }
  bool inbound_remove(PacketId id) { return inbound_ && inbound_->erase(id) > 0; }
  std::size_t inbound_count() const { return inbound_ ? inbound_->size() : 0; }

  // --- durable
  /// True when `s`, whose log holds a message on `topic` at `at`, is to deliver it: no older durable subscription
  /// matches.
  bool responsible(const Subscription& s, std::string_view topic, model::Position at) const;
  /// Name of this incarnation among the members of a log.
  std::string member() const { return client_id + '#' + std::to_string(incarnation); }
  /// The lowest position of the cursor that may still be needed: the one before its oldest unacknowledged message.
  model::Position low(const Cursor& c);

 private:
  std::vector<Subscription> subscriptions_;
  std::unique_ptr<StringMap<std::uint32_t>> by_filter_;  ///< made when there are many
  std::unique_ptr<Queue> queue_;
  std::unique_ptr<absl::flat_hash_set<PacketId>> inbound_;
  std::uint64_t next_order_ = 1;
};

}  // namespace sb::session
