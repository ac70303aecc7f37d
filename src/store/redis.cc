// SPDX-License-Identifier: MIT
#include "store/redis.h"

#include <fmt/format.h>

#include <optional>

#include "store/memory_retained.h"
#include "store/memory_sessions.h"
#include "store/redis_check.h"
#include "store/redis_engine.h"
#include "store/redis_logs.h"

namespace sb::store {

std::string open_redis(io::EventLoop& loop, const RedisOptions& options, OnLog on_log, Backend& out, bool& later,
                       LogPeers* peers, LogsOfPeers** logs) {
  loop.run_once(Millis(0));  // reads the clocks
  auto engine = std::make_unique<RedisEngine>(loop, options);
  auto redis_logs = std::make_unique<RedisLogs>(*engine, std::move(on_log), peers);
  Backend b;
  b.sessions = std::make_unique<MemorySessions>(*redis_logs, options.limits.sessions);
  b.retained = std::make_unique<MemoryRetained>(options.limits.retained_messages, options.limits.retained_bytes);

  later = false;
  std::optional<std::string> loaded;
  check_redis(engine->writer().client(), options, [&](std::string why, bool may_pass) {
    later = may_pass;
    if (!why.empty() || peers)
      loaded = std::move(why);
    else
      redis_logs->load(options.wait, [&](std::string not_read) { loaded = std::move(not_read); });
  });
  engine->connect();
  const MonoTime until = loop.now() + options.wait;
  while (!loaded && loop.now() < until) loop.run_once(Millis(100));
  if (!loaded) {
    later = true;
    return fmt::format("cannot reach Redis at {}: no answer", options.url.text());
  }
  if (!loaded->empty()) return *loaded;
  if (logs) *logs = redis_logs.get();
  b.logs = std::move(redis_logs);
  b.engine = std::move(engine);
  out = std::move(b);
  return {};
}

}  // namespace sb::store
