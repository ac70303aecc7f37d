// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <cstdint>

namespace sb::channel {

/// A number that one thread raises and all may read.
class Counter {
 public:
  void add(std::uint64_t n = 1) { v_.store(v_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  void sub(std::uint64_t n = 1) { v_.store(v_.load(std::memory_order_relaxed) - n, std::memory_order_relaxed); }
  void set(std::uint64_t n) { v_.store(n, std::memory_order_relaxed); }
  std::uint64_t get() const { return v_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> v_{0};
};

/// What one shard has seen. Every drop has its reason (promise 4).
struct Counters {
  Counter connections;  ///< MQTT connections that are up
  Counter connects, connects_refused, takeovers;
  Counter connects_waiting;  ///< CONNECTs that wait for the admission budget
  Counter bytes_received, bytes_sent;
  Counter packets_received, packets_sent;
  Counter publishes_received, publishes_sent;  ///< PUBLISH packets
  Counter payload_received, payload_sent;      ///< bytes of their payloads
  Counter subscriptions;                       ///< of connected sessions, all kinds
  Counter shared_subscriptions;
  Counter protocol_errors, keep_alive_timeouts, output_stalls;
  Counter dropped_output_full;    ///< QoS 0 to a client whose output is at its bound
  Counter dropped_queue_full;     ///< QoS 1/2 to a volatile session whose queue is at its bound
  Counter dropped_too_large;      ///< above the client's Maximum Packet Size [MQTT-3.1.2-24]
  Counter dropped_expired;        ///< expired before delivery [MQTT-3.3.2-5]
  Counter dropped_session_end;    ///< waiting when a volatile session ended
  Counter held_acks;              ///< acknowledgements that waited, since this node's routes were not fresh
  Counter dropped_no_member;      ///< for a shared group without members
  Counter dropped_log_bound;      ///< not read before a bound took them from a log
  Counter retained_refused;       ///< the retained store was full
  Counter dropped_memory;         ///< to a client that is behind, while the process has no memory to spare
  Counter dropped_denied;         ///< to a client that may not receive the topic
  Counter publishes_denied;       ///< to a topic that the client may not publish to
  Counter subscribes_denied;      ///< refused, or withdrawn when rights changed
  Counter dropped_store_refused;  ///< messages without a publisher who could be told (wills)
  Counter limited_publish;        ///< times that a client was read no further for its publish rate
  // What was refused, by the bound; `connects_refused` has all that are connections.
  Counter refused_connections;    ///< limits.connections, or a listener's own bound
  Counter refused_address;        ///< limits.connections_per_address
  Counter refused_half_open;      ///< limits.half_open
  Counter refused_connect_rate;   ///< limits.connect_rate
  Counter refused_memory;         ///< limits.memory: connections, subscriptions, messages for stores in memory
  Counter refused_banned;         ///< on the ban list
  Counter refused_credentials;    ///< who it is could not be shown, or may not come in
  Counter refused_sessions;       ///< limits.sessions
  Counter refused_subscriptions;  ///< limits.subscriptions
  Counter events_dropped;         ///< events that came faster than they are published
};

}  // namespace sb::channel
