// SPDX-License-Identifier: MIT
#include "store/tests/implementations.h"

#include <mutex>

#include "redis/tests/redis_server.h"
#include "store/embedded.h"
#include "store/memory_logs.h"
#include "store/memory_retained.h"
#include "store/memory_sessions.h"
#include "store/redis.h"
#include "store/service.h"
#include "store/tests/temp_dir.h"

namespace sb::store::test {
namespace {

/// Filled on the store's thread, read by the test.
struct Announcements {
  void add(std::string_view filter, ports::LogId log) {
    std::lock_guard lock(mutex);
    list.emplace_back(filter, log);
  }
  Stores::Announced copy() {
    std::lock_guard lock(mutex);
    return list;
  }
  std::mutex mutex;
  Stores::Announced list;
};

Backend memory_backend(const model::Limits& limits, Announcements& announcements) {
  Backend b;
  b.logs =
      std::make_unique<MemoryLogs>(limits, [&](std::string_view f, ports::LogId log) { announcements.add(f, log); });
  b.sessions = std::make_unique<MemorySessions>(*b.logs, limits.sessions);
  b.retained = std::make_unique<MemoryRetained>(limits.retained_messages, limits.retained_bytes);
  return b;
}

bool run_until(io::EventLoop& loop, const std::function<bool()>& answered) {
  auto until = std::chrono::steady_clock::now() + Seconds(60);
  while (!answered()) {
    if (std::chrono::steady_clock::now() > until) return false;
    loop.run_once(Millis(1000));
  }
  return true;
}

/// A store of its own, gone with the object.
struct EmbeddedFiles {
  TempDir dir;
  Backend backend(const model::Limits& limits, Announcements& announcements, WriteConcern concern) const {
    EmbeddedOptions options;
    options.path = dir.store();
    options.concern = concern;
    options.limits = limits;
    Backend b;
    EXPECT_EQ(open_embedded(
                  options, [&](std::string_view f, ports::LogId log) { announcements.add(f, log); }, b),
              "");
    return b;
  }
};

/// The implementation itself: answers at once.
class Direct final : public Stores {
 public:
  explicit Direct(const model::Limits& limits) : backend_(memory_backend(limits, announcements_)) {}
  ports::LogStore& logs() override { return *backend_.logs; }
  ports::SessionStore& sessions() override { return *backend_.sessions; }
  ports::RetainedStore& retained() override { return *backend_.retained; }
  bool wait(const std::function<bool()>& answered) override { return answered(); }
  void settle() override {}
  Announced announced() override { return announcements_.copy(); }

 private:
  Announcements announcements_;
  Backend backend_;
};

/// The embedded store itself, on the loop of this thread.
template <WriteConcern concern>
class DirectEmbedded final : public Stores {
 public:
  explicit DirectEmbedded(const model::Limits& limits) : backend_(files_.backend(limits, announcements_, concern)) {
    loop_.set_turn(backend_.engine.get());
    backend_.engine->start(loop_);
  }
  ~DirectEmbedded() override { backend_.engine->stop(); }
  ports::LogStore& logs() override { return *backend_.logs; }
  ports::SessionStore& sessions() override { return *backend_.sessions; }
  ports::RetainedStore& retained() override { return *backend_.retained; }
  bool wait(const std::function<bool()>& answered) override { return run_until(loop_, answered); }
  void settle() override {
    bool back = false;
    logs().read(0, {}, 1, [&](auto) { back = true; });  // answers and notices are in order
    EXPECT_TRUE(wait([&] { return back; }));
  }
  Announced announced() override { return announcements_.copy(); }

 private:
  EmbeddedFiles files_;
  Announcements announcements_;
  io::EventLoop loop_;
  Backend backend_;
};

/// Through the store thread, as in a node: requests go there, answers and notices come to the loop of this thread.
class ThroughService : public Stores {
 public:
  ThroughService(const model::Limits& limits, std::function<Backend(const model::Limits&, Announcements&)> make)
      : service_(make(limits, announcements_)), shard_stores_(service_, shard_) {
    service_.start();
  }
  explicit ThroughService(const model::Limits& limits) : ThroughService(limits, memory_backend) {}
  ~ThroughService() override { service_.stop(); }
  ports::LogStore& logs() override { return shard_stores_.logs(); }
  ports::SessionStore& sessions() override { return shard_stores_.sessions(); }
  ports::RetainedStore& retained() override { return shard_stores_.retained(); }
  bool wait(const std::function<bool()>& answered) override { return run_until(shard_, answered); }
  void settle() override {
    bool back = false;
    logs().read(0, {}, 1, [&](auto) { back = true; });  // answers and notices are in order
    EXPECT_TRUE(wait([&] { return back; }));
  }
  Announced announced() override { return announcements_.copy(); }

 private:
  Announcements announcements_;
  io::EventLoop shard_;
  Service service_;
  ShardStores shard_stores_;
};

class EmbeddedThroughService final : private EmbeddedFiles, public ThroughService {
 public:
  explicit EmbeddedThroughService(const model::Limits& limits)
      : ThroughService(
            limits, [this](const model::Limits& l, Announcements& a) { return backend(l, a, WriteConcern::fsync); }) {}
};

/// One server for all, and a prefix of its own for each store.
std::string open_redis_of_test(io::EventLoop& loop, const model::Limits& limits, Announcements& a, Backend& out) {
  static redis::testing::RedisServer server;
  static int prefixes = 0;
  RedisOptions o;
  o.url.hosts = {server.endpoint()};
  o.prefix = "sb" + std::to_string(++prefixes) + ":";
  o.limits = limits;
  bool later = false;
  return open_redis(
      loop, o, [&a](std::string_view f, ports::LogId log) { a.add(f, log); }, out, later);
}

/// The stores in Redis, on the loop of this thread.
class DirectRedis final : public Stores {
 public:
  explicit DirectRedis(const model::Limits& limits) {
    EXPECT_EQ(open_redis_of_test(loop_, limits, announcements_, backend_), "");
    loop_.set_turn(backend_.engine.get());
    backend_.engine->start(loop_);
  }
  ~DirectRedis() override { backend_.engine->stop(); }
  ports::LogStore& logs() override { return *backend_.logs; }
  ports::SessionStore& sessions() override { return *backend_.sessions; }
  ports::RetainedStore& retained() override { return *backend_.retained; }
  bool wait(const std::function<bool()>& answered) override { return run_until(loop_, answered); }
  void settle() override {
    bool back = false;
    logs().read(0, {}, 1, [&](auto) { back = true; });  // answers and notices are in order
    EXPECT_TRUE(wait([&] { return back; }));
  }
  Announced announced() override { return announcements_.copy(); }

 private:
  Announcements announcements_;
  io::EventLoop loop_;
  Backend backend_;
};

class RedisThroughService final : public Stores {
 public:
  explicit RedisThroughService(const model::Limits& limits) {
    EXPECT_EQ(service_.open(
                  [&](io::EventLoop& loop, Backend& b) { return open_redis_of_test(loop, limits, announcements_, b); }),
              "");
    shard_stores_ = std::make_unique<ShardStores>(service_, shard_);
    service_.start();
  }
  ~RedisThroughService() override { service_.stop(); }
  ports::LogStore& logs() override { return shard_stores_->logs(); }
  ports::SessionStore& sessions() override { return shard_stores_->sessions(); }
  ports::RetainedStore& retained() override { return shard_stores_->retained(); }
  bool wait(const std::function<bool()>& answered) override { return run_until(shard_, answered); }
  void settle() override {
    bool back = false;
    logs().read(0, {}, 1, [&](auto) { back = true; });
    EXPECT_TRUE(wait([&] { return back; }));
  }
  Announced announced() override { return announcements_.copy(); }

 private:
  Announcements announcements_;
  io::EventLoop shard_;
  Service service_;
  std::unique_ptr<ShardStores> shard_stores_;
};

template <class S>
std::unique_ptr<Stores> make(const model::Limits& limits) {
  return std::make_unique<S>(limits);
}

}  // namespace

std::vector<Implementation> implementations() {
  std::vector<Implementation> all = {{"Memory", make<Direct>},
                                     {"MemoryThroughService", make<ThroughService>},
                                     {"Embedded", make<DirectEmbedded<WriteConcern::fsync>>},
                                     {"EmbeddedNoSync", make<DirectEmbedded<WriteConcern::none>>},
                                     {"EmbeddedThroughService", make<EmbeddedThroughService>}};
  if (redis::testing::RedisServer::available()) {
    all.push_back({"RedisSingle", make<DirectRedis>});
    all.push_back({"RedisThroughService", make<RedisThroughService>});
  }
  return all;
}

}  // namespace sb::store::test
