// SPDX-License-Identifier: MIT
#include "app/stores.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "store/memory_logs.h"
#include "store/memory_retained.h"
#include "store/memory_sessions.h"
#include "store/redis.h"
#include "store/sys_retained.h"

namespace sb::app {
namespace {

store::WriteConcern embedded_concern(config::WriteConcern c) {
  switch (c) {
    case config::WriteConcern::interval:
      return store::WriteConcern::interval;
    case config::WriteConcern::none:
      return store::WriteConcern::none;
    default:
      return store::WriteConcern::fsync;
  }
}

store::RedisOptions::Concern redis_concern(config::WriteConcern c) {
  switch (c) {
    case config::WriteConcern::replica:
      return store::RedisOptions::Concern::replica;
    case config::WriteConcern::fsync:
      return store::RedisOptions::Concern::fsync;
    default:
      return store::RedisOptions::Concern::primary;
  }
}

bool is_here(const redis::Endpoint& e) {
  return !e.unix_path.empty() || e.host == "localhost" || e.host == "::1" || e.host.starts_with("127.");
}

void make_memory(const config::Config& c, store::OnLog on_log, store::Backend& out) {
  auto logs = std::make_unique<store::MemoryLogs>(c.limits, std::move(on_log));
  out.sessions = std::make_unique<store::MemorySessions>(*logs, c.limits.sessions);
  out.logs = std::move(logs);
  out.retained = std::make_unique<store::MemoryRetained>(c.limits.retained_messages, c.limits.retained_bytes);
}

std::string make_embedded(const config::Config& c, store::OnLog on_log, store::Backend& out) {
  if (c.store.path.empty()) return "store.path: this user has no home directory; name a directory for the store";
  store::EmbeddedOptions o;
  o.path = c.store.path;
  o.concern = embedded_concern(c.store.write_concern);
  o.sync_interval = Millis(c.store.sync_interval);
  o.limits = c.limits;
  std::string why = store::open_embedded(o, std::move(on_log), out);
  return why.empty() ? why : "store.path: " + why;
}

std::string redis_options(const config::Config& c, store::RedisOptions& o) {
  std::string why;
  auto url = redis::parse_url(c.redis.url, why);
  if (!url) return "redis.url: " + why;
  if (url->tls) {
    auto tls = io::TlsContext::client({.ca_file = c.redis.ca_file}, why);
    if (!tls) return "redis.ca_file: " + why;
    o.tls = *tls;
  } else if (!std::all_of(url->hosts.begin(), url->hosts.end(), is_here)) {
    log::warn("redis.url: sessions and messages travel in plain text; rediss:// is right");
  }
  o.url = std::move(*url);
  o.prefix = c.redis.prefix;
  o.cluster = c.cluster.name;
  o.node = c.node.name;
  o.limits = c.limits;
  o.concern = redis_concern(c.store.write_concern);
  o.replicas = c.store.replicas;
  o.degrade = c.store.on_no_replica == config::OnNoReplica::degrade;
  o.redo_bytes = c.redis.redo_bytes;
  o.hold = Millis(c.redis.hold);
  o.scripts = cluster::Scripts::get().all();
  return {};
}

/// Runs the loop until the node is a member.
std::string join_cluster(io::EventLoop& loop, ClusterNode& cluster, const store::RedisStores& stores,
                         const std::function<bool()>& ends) {
  cluster.join(stores);
  log::RateLimit limit(Seconds(5));
  limit.pass();
  while (!cluster.joined()) {
    loop.run_once(Millis(100));
    if (ends()) return "ended while it waited for the cluster";
    if (!cluster.joined() && limit.pass()) log::warn("waiting for the cluster: not a member yet");
  }
  return {};
}

}  // namespace

std::string open_stores(const config::Config& c, store::OnLog on_log, store::Service& out, ClusterNode* cluster,
                        const std::function<bool()>& ends) {
  store::RedisOptions redis;
  const bool in_redis = c.store.kind == config::StoreKind::redis;
  if (in_redis)
    if (std::string why = redis_options(c, redis); !why.empty()) return why;
  auto make = [&](io::EventLoop& loop, store::Backend& b) -> std::string {
    std::string why;
    if (c.store.kind == config::StoreKind::memory) make_memory(c, on_log, b);
    if (c.store.kind == config::StoreKind::embedded) why = make_embedded(c, on_log, b);
    while (in_redis) {
      bool later = false;
      store::RedisStores stores;
      why = store::open_redis(
          loop, redis, on_log, b, later,
          [&](redis::Writer& w, const store::RedisKeys& keys) { return cluster->make(loop, w, keys); }, &stores);
      if (why.empty()) why = join_cluster(loop, *cluster, stores, ends);
      if (why.empty() || !later) break;
      log::warn("waiting for redis: {}", why);
      if (ends()) return "ended while it waited for Redis";
    }
    if (why.empty()) b.retained = std::make_unique<store::SysRetained>(std::move(b.retained));
    return why;
  };
  return out.open(make);
}

}  // namespace sb::app
