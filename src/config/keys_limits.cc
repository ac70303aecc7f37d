// SPDX-License-Identifier: MIT
#include "config/keys.h"
#include "config/rows.h"

namespace sb::config {
namespace {

using enum Takes;

constexpr std::uint64_t kKiB = 1024, kMiB = 1024 * kKiB, kGiB = 1024 * kMiB;
constexpr std::uint64_t kU32 = 0xFFFFFFFF;
constexpr Bounds kCount16{1, 65535};
constexpr Bounds kCount32{1, kU32};

void add_packet_limits(Rows<Config>& row) {
  row.size("limits.max_packet_size", SB_FIELD(limits.max_packet_size), {16, 256 * kMiB}, reload,
           "Largest packet a client may send. Above: DISCONNECT 0x95, and the connection is closed.");
  row.number("limits.topic_levels", SB_FIELD(limits.topic_levels), {1, 1024}, reload,
             "Levels of a topic name or filter. Above: a PUBLISH ends the connection (0x90), a SUBSCRIBE is refused "
             "with 0x97 (v3: 0x80), a CONNECT with such a will with 0x90.");
  row.number("limits.topic_length", SB_FIELD(limits.topic_length), kCount16, reload,
             "Bytes of a topic name or filter. Above: as `limits.topic_levels`.");
}

void add_connection_limits(Rows<Config>& row) {
  row.duration("limits.connect_timeout", SB_FIELD(limits.connect_timeout), {1, 3600}, reload,
               "Time from accepting a connection to its complete CONNECT. Then it is closed.");
  row.duration("limits.keep_alive_max", SB_FIELD(limits.keep_alive_max), {1, 65535}, reload,
               "Longest keep alive. A v5 client that asks for more, or for none when this is below 65535s, "
               "is told this "
               "one (Server Keep Alive).");
  row.number("limits.receive_maximum", SB_FIELD(limits.receive_maximum), kCount16, reload,
             "Unacknowledged QoS 1 and 2 messages from a client. Above: DISCONNECT 0x93 for v5; v3 clients "
             "are read no "
             "further until some are acknowledged.");
  row.number("limits.topic_alias_maximum", SB_FIELD(limits.topic_alias_maximum), {0, 65535}, reload,
             "Topic aliases that a v5 client may set.");
  row.number("limits.topic_alias_maximum_out", SB_FIELD(limits.topic_alias_maximum_out), {0, 65535}, reload,
             "Topic aliases that the broker sets at most on a client that allows it.");
  row.size("limits.output_bytes", SB_FIELD(limits.output_bytes), {4 * kKiB, kGiB}, reload,
           "Bytes waiting in a connection's output. Above: QoS 0 messages are dropped and counted, QoS 1 and "
           "2 wait in "
           "the session's queue.");
  row.duration("limits.output_stall", SB_FIELD(limits.output_stall), {0, 86400}, reload,
               "Time without any progress of a full output before the connection is closed. 0: never.");
  row.number("limits.publish_rate", SB_FIELD(limits.publish_rate), {0, kU32}, reload,
             "Messages a second that a client may publish, and as many at once. Above: it is read more slowly; nothing "
             "is dropped. 0: no bound.");
  row.size("limits.publish_bytes", SB_FIELD(limits.publish_bytes), {0, 64 * kGiB}, reload,
           "The same in bytes a second of PUBLISH packets. 0: no bound.");
}

void add_session_limits(Rows<Config>& row) {
  row.number("limits.inflight", SB_FIELD(limits.inflight), kCount16, reload,
             "Unacknowledged QoS 1 and 2 deliveries to a client; its own Receive Maximum may be lower.");
  row.number("limits.queued_messages", SB_FIELD(limits.queued_messages), kCount32, reload,
             "Messages that wait for the window of a session. At a full queue `limits.drop_oldest` decides.");
  row.size("limits.queued_bytes", SB_FIELD(limits.queued_bytes), {kKiB, 64 * kGiB}, reload,
           "The same in bytes: whichever is reached first. Messages under way to a durable session or a member of a "
           "shared group are bounded by as much: above, the next ones wait for acknowledgements.");
  row.boolean("limits.drop_oldest", SB_FIELD(limits.drop_oldest), reload,
              "What is dropped, and counted, at a full queue: the oldest waiting message (true) or the new "
              "one (false).");
  row.number("limits.subscriptions", SB_FIELD(limits.subscriptions), kCount32, reload,
             "Subscriptions of one session. Above: SUBACK 0x97.");
  row.duration("limits.session_expiry_max", SB_FIELD(limits.session_expiry_max), {0, kU32}, reload,
               "Longest session expiry. A longer wish is lowered, and a v5 client is told. 4294967295s: "
               "sessions may stay "
               "for ever.");
  row.number("limits.max_qos", SB_FIELD(limits.max_qos), {0, 2}, reload,
             "Highest QoS. v5 clients are told; a higher PUBLISH is refused with 0x9B, subscriptions are "
             "granted at most "
             "this.");
}

void add_node_limits(Rows<Config>& row) {
  row.number("limits.connections", SB_FIELD(limits.connections), {0, kU32}, restart,
             "Connections at once. Above: closed at accept, and counted. 0: as many as the open-file limit allows.");
  row.number("limits.connections_per_address", SB_FIELD(limits.connections_per_address), {0, kU32}, restart,
             "Connections at once from one IP address; behind a proxy, the one that the PROXY protocol says. Above: "
             "closed at accept, and counted. 0: no bound, for networks whose clients share an address.");
  row.number("limits.half_open", SB_FIELD(limits.half_open), kCount32, restart,
             "Connections that have not sent a complete CONNECT. Above: the oldest of them is closed, so that others "
             "still get in.");
  row.number("limits.connect_rate", SB_FIELD(limits.connect_rate), {0, kU32}, restart,
             "CONNECTs a second that are worked on. More of them wait, those of durable sessions in front, up to "
             "`limits.connect_timeout`; then they are refused with 0x9F. 0: no bound.");
  row.size("limits.memory", SB_FIELD(limits.memory), {0, 1024 * kGiB}, restart,
           "Memory of the process at which new work is refused: CONNECT and SUBSCRIBE with 0x97, messages for a store "
           "in memory as well; clients that are behind get nothing more until it is less. 0: four fifths of what the "
           "machine or the container has.");
  row.number(
      "limits.retained_messages", SB_FIELD(limits.retained_messages), {0, kU32}, restart,
      "Retained messages. Above: refused with 0x97, and counted; of v3 clients it is only counted: the message is "
      "delivered and not retained.");
  row.size("limits.retained_bytes", SB_FIELD(limits.retained_bytes), {kKiB, 1024 * kGiB}, restart,
           "Bytes of retained messages with their topics: whichever is reached first.");
  row.size("limits.log_bytes", SB_FIELD(limits.log_bytes), {64 * kKiB, 1024 * kGiB}, restart,
           "Bytes of the stored messages of one durable filter. Above: the oldest go, and the sessions that "
           "had not "
           "read them are told of the gap.");
  row.number("limits.log_messages", SB_FIELD(limits.log_messages), kCount32, restart,
             "The same in messages: whichever is reached first.");
  row.duration(
      "limits.log_age", SB_FIELD(limits.log_age), {0, kU32}, restart,
      "Longest time that stored messages of a durable filter are kept, in a store on the disk. Older ones go as "
      "above `limits.log_bytes`. 0: no bound.");
  row.size(
      "limits.logs_total_bytes", SB_FIELD(limits.logs_total_bytes), {kMiB, 1024 * kGiB}, restart,
      "Bytes of the stored messages of all durable filters together. Above: as `limits.log_bytes`, in the filter that "
      "grows.");
  row.number("limits.sessions", SB_FIELD(limits.sessions), kCount32, restart,
             "Durable sessions. Above: a client that wants a new one is refused with 0x97.");
  row.number("limits.route_cache", SB_FIELD(limits.route_cache), {1, 16 * kMiB}, restart,
             "Topics whose receivers one shard remembers.");
  row.size("limits.tail_cache_bytes", SB_FIELD(limits.tail_cache_bytes), {4 * kKiB, 16 * kGiB}, restart,
           "Newest messages of one log that are kept in memory, per shard.");
  row.size("limits.tail_caches_bytes", SB_FIELD(limits.tail_caches_bytes), {kMiB, 1024 * kGiB}, restart,
           "The same of all logs and shards together. Above: sessions that are behind read from the store.");
}

}  // namespace

void add_limit_keys(std::vector<Key>& out) {
  Rows<Config> row(out);
  add_packet_limits(row);
  add_connection_limits(row);
  add_session_limits(row);
  add_node_limits(row);
  row.boolean("features.retain", SB_FIELD(features.retain), reload,
              "Retained messages. Off: announced in CONNACK, and a PUBLISH with the retain flag is refused.");
  row.boolean("features.wildcard_subscriptions", SB_FIELD(features.wildcard_subscriptions), reload,
              "Filters with `+` and `#`. Off: announced in CONNACK, and SUBSCRIBE is refused.");
  row.boolean("features.shared_subscriptions", SB_FIELD(features.shared_subscriptions), reload,
              "Filters `$share/GROUP/FILTER`. Off: announced in CONNACK, and SUBSCRIBE is refused.");
  row.boolean("features.subscription_identifiers", SB_FIELD(features.subscription_identifiers), reload,
              "Subscription identifiers. Off: announced in CONNACK, and SUBSCRIBE with one is refused.");
}

}  // namespace sb::config
