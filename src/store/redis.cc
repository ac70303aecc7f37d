// SPDX-License-Identifier: MIT
#include "store/redis.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "store/lone_node.h"
#include "store/redis_check.h"
#include "store/redis_engine.h"
#include "store/redis_logs.h"

namespace sb::store {

std::string open_redis(io::EventLoop& loop, const RedisOptions& options, OnLog on_log, Backend& out, bool& later,
                       const MakeCluster& make_cluster, RedisStores* stores) {
  loop.run_once(Millis(0));  // reads the clocks
  Backend b;
  auto made = std::make_unique<RedisEngine>(loop, options);
  RedisEngine& engine = *made;
  b.engine = std::move(made);
  RedisCluster cluster;
  if (make_cluster)
    cluster = make_cluster(engine.writer(), engine.keys());
  else
    cluster.life = engine.live_alone();
  b.cluster = cluster.owned;

  auto logs = std::make_unique<RedisLogs>(engine, std::move(on_log), cluster.logs);
  auto sessions = std::make_unique<RedisSessions>(engine.writer(), engine.keys(), *cluster.life, *logs,
                                                  options.limits.sessions, cluster.sessions);
  RedisRetained::Options bounds;
  bounds.limit = options.limits.retained_messages;
  bounds.bytes = options.limits.retained_bytes;
  auto retained =
      std::make_unique<RedisRetained>(engine.writer(), engine.keys(), *cluster.life, bounds, cluster.retained);

  later = false;
  std::optional<std::string> checked;
  check_redis(engine.writer().client(), options, [&](std::string why, bool may_pass) {
    later = may_pass;
    if (!why.empty() || make_cluster)
      checked = std::move(why);
    else
      logs->load(options.wait, [&](std::string not_read) { checked = std::move(not_read); });
  });
  engine.connect();
  auto known = [&] { return make_cluster || (cluster.life->epoch() > 0 && sessions->counted() && retained->loaded()); };
  const MonoTime until = loop.now() + options.wait;
  while (!(checked && (!checked->empty() || known())) && loop.now() < until) loop.run_once(Millis(100));
  if (checked && !checked->empty()) return *checked;
  if (!checked || !known()) {
    later = true;
    return fmt::format("cannot reach Redis at {}: no answer", options.url.text());
  }
  if (stores) *stores = {logs.get(), sessions.get(), retained.get(), &engine.writer()};
  b.logs = std::move(logs);
  b.sessions = std::move(sessions);
  b.retained = std::move(retained);
  out = std::move(b);
  return {};
}

}  // namespace sb::store
