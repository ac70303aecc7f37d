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
  std::uint64_t get() const { return v_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> v_{0};
};

/// What one shard has seen. Every drop has its reason (promise 4).
struct Counters {
  Counter connections;  ///< MQTT connections that are up
  Counter connects, connects_refused, takeovers;
  Counter bytes_received, bytes_sent;
  Counter packets_received, packets_sent;
  Counter publishes_received, publishes_sent;  ///< PUBLISH packets
  Counter payload_received, payload_sent;      ///< bytes of their payloads
  Counter subscriptions;                       ///< of connected sessions, all kinds
  Counter shared_subscriptions;
  Counter protocol_errors, keep_alive_timeouts;
  Counter dropped_output_full;    ///< QoS 0 to a client whose output is at its bound
  Counter dropped_queue_full;     ///< QoS 1/2 to a volatile session whose queue is at its bound
  Counter dropped_too_large;      ///< above the client's Maximum Packet Size [MQTT-3.1.2-24]
  Counter dropped_expired;        ///< expired before delivery [MQTT-3.3.2-5]
  Counter dropped_session_end;    ///< waiting when a volatile session ended
  Counter dropped_no_member;      ///< for a shared group without members
  Counter dropped_log_bound;      ///< not read before a bound took them from a log
  Counter retained_refused;       ///< the retained store was full
  Counter dropped_denied;         ///< to a client that may not receive the topic
  Counter publishes_denied;       ///< to a topic that the client may not publish to
  Counter subscribes_denied;      ///< refused, or withdrawn when rights changed
  Counter dropped_store_refused;  ///< messages without a publisher who could be told (wills)
};

}  // namespace sb::channel
