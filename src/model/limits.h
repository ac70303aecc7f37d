// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>

namespace sb::model {

/// Every bound of the broker, with its unit and default. What happens at a bound is said beside it; every drop or
/// refusal is counted (broker/stats.h). Configuration keys: `limits.*`, same names.
struct Limits {
  // --- one packet
  std::uint32_t max_packet_size = 1024 * 1024;  ///< bytes, whole packet from a client; above: DISCONNECT 0x95, close
  std::uint16_t topic_levels = 128;   ///< levels of a topic; above: PUBLISH, will 0x90, SUBSCRIBE 0x97 (v3 0x80)
  std::uint16_t topic_length = 4096;  ///< bytes of a topic name or filter; above: as topic_levels

  // --- one connection
  std::uint32_t connect_timeout = 10;  ///< seconds from accept to a complete CONNECT; then the connection is closed
  std::uint16_t keep_alive_max =
      65535;  ///< seconds; a v5 client that asks for more, or for none when < 65535, is told this (Server Keep Alive)
  std::uint16_t receive_maximum =
      1024;  ///< unacknowledged QoS > 0 publishes from a client; v5: above is DISCONNECT 0x93; v3: reading pauses
  std::uint16_t topic_alias_maximum = 64;      ///< aliases a v5 client may set
  std::uint16_t topic_alias_maximum_out = 64;  ///< aliases the broker sets at most on a client that allows it
  std::size_t output_bytes =
      4 * 1024 * 1024;  ///< bytes waiting in a connection's output: above, QoS 0 is dropped, QoS 1/2 waits in the queue
  std::uint32_t output_stall =
      60;  ///< seconds without any progress of a full output before the connection is closed; 0 = never
  std::uint32_t publish_rate = 0;   ///< messages a second from a client, 0 = no bound; above: it is read more slowly
  std::uint64_t publish_bytes = 0;  ///< the same in bytes of PUBLISH packets

  // --- one session
  std::uint16_t inflight =
      1024;  ///< unacknowledged QoS > 0 deliveries to a client (lower of this and its Receive Maximum)
  std::uint32_t queued_messages =
      10000;  ///< messages waiting for the window of a volatile session; above: see drop_policy
  std::size_t queued_bytes = 16 * 1024 * 1024;  ///< the same in bytes; and of what is kept of deliveries under way
  bool drop_oldest = false;              ///< at a full queue: drop the oldest waiting message instead of the new one
  std::uint32_t subscriptions = 100000;  ///< subscriptions of one session; above: SUBACK 0x97
  std::uint32_t session_expiry_max = 0xFFFFFFFF;  ///< seconds; a longer wish is lowered and told (v5) or lowered (v3)
  std::uint8_t max_qos =
      2;  ///< v5: told in CONNACK, a higher PUBLISH is refused 0x9B; subscriptions are granted at most this

  // --- the node
  std::uint32_t connections =
      0;  ///< connections at once, 0 = as many as the open-file limit allows; above: refused at accept
  std::uint32_t connections_per_address = 0;  ///< from one IP address, 0 = no bound; above: as connections
  std::uint32_t half_open = 10000;    ///< connections without a complete CONNECT; above: the oldest of them is closed
  std::uint32_t connect_rate = 5000;  ///< CONNECTs a second, 0 = no bound; above: they wait for connect_timeout at
                                      ///< most, those of durable sessions in front, then 0x9F
  std::size_t memory = 0;  ///< resident bytes of the process; above: CONNECT, SUBSCRIBE 0x97, clients that are behind
                           ///< get nothing more. 0 = four fifths of what the machine or container has
  std::uint32_t retained_messages = 1000000;           ///< retained messages; above: refused 0x97, counted
  std::size_t retained_bytes = 1024ull * 1024 * 1024;  ///< bytes of their topics and contents; as retained_messages
  std::size_t log_bytes = 256 * 1024 * 1024;  ///< bytes of one log; above: the oldest go, sessions are told (gap)
  std::uint32_t log_messages = 1000000;       ///< messages of one log; as log_bytes
  std::uint32_t log_age = 0;                  ///< seconds that messages of a log are kept, 0 = no bound; as log_bytes
  std::size_t logs_total_bytes =
      4ull * 1024 * 1024 * 1024;                      ///< bytes of all logs; above: as log_bytes, in the log that grows
  std::uint32_t sessions = 10000000;                  ///< durable sessions; above: a new one is refused with 0x97
  std::uint32_t route_cache = 8192;                   ///< topics whose receivers one shard remembers
  std::size_t tail_cache_bytes = 4 * 1024 * 1024;     ///< bytes of the newest messages of one log kept per shard
  std::size_t tail_caches_bytes = 128 * 1024 * 1024;  ///< of all logs and shards; above: whole logs go, oldest first
};

/// What the broker offers; a feature that is off is announced in CONNACK and refused when used.
struct Features {
  bool retain = true;
  bool wildcard_subscriptions = true;
  bool shared_subscriptions = true;
  bool subscription_identifiers = true;
};

}  // namespace sb::model
