// SPDX-License-Identifier: MIT
#include <array>

#include "config/keys.h"
#include "config/rows.h"
#include "redis/url.h"

namespace sb::config {
namespace {

using enum Takes;
constexpr Bounds kPath{0, 4096};

constexpr std::array<std::string_view, 3> kStoreKinds = {"memory", "embedded", "redis"};
constexpr std::array<std::string_view, 5> kWriteConcerns = {"fsync", "interval", "none", "primary", "replica"};
constexpr std::array<std::string_view, 2> kOnNoReplica = {"degrade", "wait"};

}  // namespace

std::string check_redis_url(const Value& v) {
  const auto& text = std::get<std::string>(v);
  if (text.empty()) return "";
  std::string why;
  const auto url = redis::parse_url(text, why);
  if (!url) return why + "; write a URL such as \"redis://user:password@127.0.0.1:6379/0\"";
  return url->password == "***" ? "has no password any more, it was hidden when it was shown; write the real one" : "";
}

void add_store_keys(std::vector<Key>& out) {
  Rows<Config> row(out);
  row.choice("store.kind", SB_FIELD(store.kind), kStoreKinds, restart,
             "Where durable sessions, their messages and retained messages are kept. `memory`: in this process, gone "
             "when it ends. `embedded`: in files of this node, see `store.path`. `redis`: in the Redis of `redis.url`. "
             "A broker that is started before its Redis waits for it.");
  row.text("store.path", SB_FIELD(store.path), kPath, restart,
           "Directory of the embedded store, made when it is not there; one broker at a time. Empty: the "
           "`STATE_DIRECTORY` of systemd, else `/var/lib/signalbox` for root, else `signalbox` in `XDG_STATE_HOME` or "
           "`~/.local/state`.");
  row.choice(
      "store.write_concern", SB_FIELD(store.write_concern), kWriteConcerns, restart,
      "What an acknowledgement means. With the embedded store: `fsync`: it is on the disk. `interval`: the operating "
      "system has it, and the disk within `store.sync_interval`. `none`: the operating system has it. A kill of the "
      "broker loses nothing with any of them; a power failure may with the last two. With Redis: `primary`: its "
      "primary has it. `replica`: and `store.replicas` replicas. `fsync`: it is on the disk of the primary, which "
      "needs "
      "`appendfsync always`. Not set: `fsync` with the embedded store, `primary` with Redis.");
  row.duration("store.sync_interval", SB_FIELD(store.sync_interval), {1, 3'600'000}, restart,
               "Longest time until what was acknowledged is on the disk, with `store.write_concern` = `interval`.")
      .unit_ms = 1;
  row.number("store.replicas", SB_FIELD(store.replicas), {1, 100}, restart,
             "Replicas that have to confirm, with `store.write_concern` = `replica`.");
  row.choice("store.on_no_replica", SB_FIELD(store.on_no_replica), kOnNoReplica, restart,
             "What a primary of Redis without any replica means for `store.write_concern` = `replica`. `degrade`: what "
             "the primary has is acknowledged, and counted. `wait`: nothing is acknowledged until there is one.");
}

void add_redis_store_keys(std::vector<Key>& out) {
  Rows<Config> row(out);
  row.text("cluster.name", SB_FIELD(cluster.name), {1, 128}, restart,
           "Name of the cluster that this node belongs to, the same on all of its nodes.");
  row.duration("cluster.lease", SB_FIELD(cluster.lease), {1000, 300'000}, restart,
               "How long a node that says nothing is still one of the cluster. After that the others go on without it, "
               "and its clients have to come again. The same on all nodes.")
      .unit_ms = 1;
  row.size("cluster.inbox_bytes", SB_FIELD(cluster.inbox_bytes), {1024 * 1024, std::uint64_t{1} << 40}, restart,
           "Bytes that may wait in Redis for one node from another. Beyond them messages for subscribers there are "
           "dropped and counted, but not those of logs.");
  Key& url = row.text("redis.url", SB_FIELD(redis.url), {0, 4096}, restart,
                      "Redis 6.2 or later with `store.kind` = `redis`: `redis://`, `rediss://`, `unix://`, "
                      "`redis+sentinel://` or `redis+cluster://`.");
  url.check = check_redis_url;
  url.hides_password = true;
  row.text("redis.ca_file", SB_FIELD(redis.ca_file), kPath, restart,
           "PEM file with the authorities that the certificate of `rediss://` is checked against. Empty: those of the "
           "system.");
  row.text("redis.prefix", SB_FIELD(redis.prefix), {0, 256}, restart,
           "What all keys begin with; clusters that share a Redis have different ones.");
  row.size("redis.redo_bytes", SB_FIELD(redis.redo_bytes), {1024 * 1024, std::uint64_t{1} << 40}, restart,
           "Bytes of writes that are kept for 30 s, for a failover of Redis that forgets them. When they are full, "
           "acknowledgements wait.");
  row.duration("redis.hold", SB_FIELD(redis.hold), {100, 600'000}, restart,
               "How long acknowledgements are held back while Redis does not answer. After that what needs it is "
               "refused; QoS 2 of durable sessions ends the connection, since nobody knows whether it was stored.")
      .unit_ms = 1;
}

}  // namespace sb::config
