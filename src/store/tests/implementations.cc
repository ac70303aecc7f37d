// SPDX-License-Identifier: MIT
#include "store/tests/implementations.h"

#include <mutex>

#include "store/memory_logs.h"
#include "store/memory_retained.h"
#include "store/memory_sessions.h"
#include "store/service.h"

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
  b.retained = std::make_unique<MemoryRetained>(limits.retained_messages);
  return b;
}

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

/// Through the store thread, as in a node: requests go there, answers and notices come to the loop of this thread.
class ThroughService final : public Stores {
 public:
  explicit ThroughService(const model::Limits& limits)
      : service_(memory_backend(limits, announcements_)), shard_stores_(service_, shard_) {
    service_.start();
  }
  ~ThroughService() override { service_.stop(); }
  ports::LogStore& logs() override { return shard_stores_.logs(); }
  ports::SessionStore& sessions() override { return shard_stores_.sessions(); }
  ports::RetainedStore& retained() override { return shard_stores_.retained(); }
  bool wait(const std::function<bool()>& answered) override {
    auto until = std::chrono::steady_clock::now() + Seconds(60);
    while (!answered()) {
      if (std::chrono::steady_clock::now() > until) return false;
      shard_.run_once(Millis(1000));
    }
    return true;
  }
  void settle() override {
    // Notices are gathered behind the request that made them: one round for the requests, one for the notices.
    for (int round = 0; round < 2; ++round) {
      bool back = false;
      service_.loop().post_fn([&] { shard_.post_fn([&] { back = true; }); });
      EXPECT_TRUE(wait([&] { return back; }));
    }
  }
  Announced announced() override { return announcements_.copy(); }

 private:
  Announcements announcements_;
  io::EventLoop shard_;
  Service service_;
  ShardStores shard_stores_;
};

template <class S>
std::unique_ptr<Stores> make(const model::Limits& limits) {
  return std::make_unique<S>(limits);
}

}  // namespace

std::vector<Implementation> implementations() {
  return {{"Memory", make<Direct>}, {"MemoryThroughService", make<ThroughService>}};
}

}  // namespace sb::store::test
