// SPDX-License-Identifier: MIT
// What only the stores in memory and the store thread promise.
#include <algorithm>
#include <random>

#include "model/topic.h"
#include "store/memory_logs.h"
#include "store/memory_retained.h"
#include "store/memory_sessions.h"
#include "store/service.h"
#include "store/tests/implementations.h"

namespace sb::store {
namespace {

TEST(NextCandidate, Table) {
  const struct {
    std::string_view filter, topic, next;
  } rows[] = {
      {"b", "a", "b"},           {"b/+", "a/x/y", "b"},      {"a/+", "a", std::string_view("a\x01")},
      {"a/+", "a/b/c", "a/b0"},  {"a/+", "a!x", "a/"},       {"a/+", "ab", ""},
      {"+/x", "a/b", "a/x"},     {"+/x", "a/x/y", "a/x0"},   {"+/x", "a/y", "a0"},
      {"+/b/c", "a/b!", "a/b/"}, {"#", "$SYS/a/b", "$SYS0"}, {"a/b", "b", ""},
  };
  for (const auto& row : rows)
    EXPECT_EQ(next_candidate(row.filter, row.topic), row.next) << row.filter << " at " << row.topic;
}

/// It always gets on, and jumps over nothing that matches.
TEST(NextCandidate, SkipsNoMatchingTopic) {
  std::mt19937 random(9);
  const std::string_view levels[] = {"", "a", "b", "a!", "a.", "a0", "$x", "\x01"};
  auto make = [&](bool filter) {
    std::string t;
    for (std::size_t depth = 1 + random() % 4, i = 0; i < depth; ++i) {
      if (i) t += '/';
      t += filter && random() % 3 == 0 ? "+" : levels[random() % std::size(levels)];
    }
    if (filter && random() % 4 == 0) t += t.empty() ? "#" : "/#";
    return t;
  };
  std::vector<std::string> topics;
  for (int i = 0; i < 600; ++i)
    if (std::string t = make(false); !t.empty()) topics.push_back(t);
  std::sort(topics.begin(), topics.end());
  topics.erase(std::unique(topics.begin(), topics.end()), topics.end());
  for (int i = 0; i < 400; ++i) {
    std::string filter = make(true);
    if (filter.empty()) continue;
    const std::string* match_behind = nullptr;  // the first matching topic behind the k-th
    for (std::size_t k = topics.size(); k-- > 0;) {
      if (model::matches(filter, topics[k])) {
        match_behind = &topics[k];
        continue;
      }
      std::string next = next_candidate(filter, topics[k]);
      if (next.empty()) {
        ASSERT_EQ(match_behind, nullptr) << filter << " at " << topics[k] << " misses " << *match_behind;
        continue;
      }
      ASSERT_GT(next, topics[k]) << filter;
      if (match_behind) {
        ASSERT_LE(next, *match_behind) << filter << " at " << topics[k];
      }
    }
  }
}

TEST(MemoryLogs, ForgetsWhatEveryMemberHasHad) {
  MemoryLogs logs({}, [](auto, auto) {});
  ports::LogStore::Joined joined;
  logs.join("a", "m", [&](auto j) { joined = *j; });
  model::MessagePtr m = model::Message::copy({});
  std::size_t most = 0;
  for (std::uint64_t i = 1; i <= 20'000; ++i) {
    logs.append({{joined.log, m}}, [](auto) {});
    logs.release("a", "m", {joined.head.generation, i});
    most = std::max(most, logs.messages("a"));
  }
  EXPECT_LE(most, 512u);
  EXPECT_LE(m->use_count(), 600u) << "the messages themselves are let go";
  EXPECT_EQ(logs.count(), 1u);
  logs.leave("a", "m");
  EXPECT_EQ(logs.count(), 0u);
  EXPECT_EQ(m->use_count(), 1u);
}

TEST(MemoryLogs, LargeMessagesAreForgottenSooner) {
  MemoryLogs logs({}, [](auto, auto) {});
  ports::LogStore::Joined joined;
  logs.join("a", "m", [&](auto j) { joined = *j; });
  std::string payload(100'000, 'x');
  model::MessageView v;
  v.payload = payload;
  model::MessagePtr m = model::Message::copy(v);
  std::size_t most = 0;
  for (std::uint64_t i = 1; i <= 500; ++i) {
    logs.append({{joined.log, m}}, [](auto) {});
    logs.release("a", "m", {joined.head.generation, i});
    most = std::max(most, logs.messages("a"));
  }
  EXPECT_LE(most, 25u);
}

TEST(MemoryLogs, TheSlowestMemberSaysHowFar) {
  MemoryLogs logs({}, [](auto, auto) {});
  ports::LogStore::Joined joined;
  logs.join("a", "fast", [&](auto j) { joined = *j; });
  logs.join("a", "slow", [](auto) {});
  auto append = [&](int n) {
    for (int i = 0; i < n; ++i) logs.append({{joined.log, model::Message::copy({})}}, [](auto) {});
  };
  append(1000);
  logs.release("a", "fast", {joined.head.generation, 1000});
  logs.release("a", "slow", {joined.head.generation, 400});
  append(1100);
  // 1..400 are gone, 401..2100 are not; what was not lost by a bound is not asked for any more.
  EXPECT_EQ(logs.messages("a"), 1700u);
  logs.leave("a", "slow");
  append(3400);
  EXPECT_LE(logs.messages("a"), 4500u) << "one that left holds nothing back";
}

TEST(MemoryRetained, ExpiredOnesFreeTheirPlaceWhenTheyAreSeen) {
  MemoryRetained store(10, 1 << 20);
  model::MessageView v;
  v.topic = "a";
  v.payload = "x";
  v.expires_at = WallTime(Seconds(10));
  store.set(model::Message::copy(v), [](auto) {});
  EXPECT_EQ(store.count(), 1u);
  store.match("#", "", 10, WallTime(Seconds(10)), [](auto page) { EXPECT_TRUE(page->messages.empty()); });
  EXPECT_EQ(store.count(), 0u);
}

// ---------------------------------------------------------------- the store thread

Backend memory() {
  Backend b;
  b.logs = std::make_unique<MemoryLogs>(model::Limits{}, [](auto, auto) {});
  b.sessions = std::make_unique<MemorySessions>(*b.logs);
  b.retained = std::make_unique<MemoryRetained>(100, 1 << 20);
  return b;
}

TEST(Service, AnswersComeOnTheShardsThreadAndOnlyWhenItsLoopRuns) {
  io::EventLoop shard;
  Service service(memory());
  ShardStores stores(service, shard);
  service.start();
  std::thread::id answered_on;
  bool answered = false;
  stores.logs().join("a", "m", [&](auto) {
    answered = true;
    answered_on = std::this_thread::get_id();
  });
  // The store thread has certainly done it once it has done what came behind.
  std::atomic<bool> done = false;
  service.loop().post_fn([&] { done = true; });
  while (!done) std::this_thread::yield();
  EXPECT_FALSE(answered);
  while (!answered) shard.run_once(Millis(1000));
  EXPECT_EQ(answered_on, std::this_thread::get_id());
  service.stop();
  service.stop();
}

TEST(Service, TwoShardsShareTheStores) {
  io::EventLoop one, two;
  Service service(memory());
  ShardStores a(service, one), b(service, two);
  service.start();
  struct Watcher final : ports::LogWatcher {
    void on_appended(ports::LogId, model::Position, const ports::StoredMessage& m) override {
      payloads += std::string(m.message->view().payload);
      on = std::this_thread::get_id();
    }
    std::string payloads;
    std::thread::id on;
  } watch_a, watch_b;
  // Shard two on a thread of its own; this one is shard one.
  std::thread thread([&] { two.run(); });
  ports::LogId log = 0;
  a.logs().join("a", "m", [&](auto j) { log = j->log; });
  while (!log) one.run_once(Millis(1000));
  std::atomic<int> attached = 0;
  a.logs().attach(log, &watch_a, [&](auto) { ++attached; });
  two.post_fn([&] { b.logs().attach(log, &watch_b, [&](auto) { ++attached; }); });
  while (attached < 2) one.run_once(Millis(1));
  model::MessageView v;
  v.payload = "x";
  for (int i = 0; i < 100; ++i) a.logs().append({{log, model::Message::copy(v)}}, [](auto) {});
  while (watch_a.payloads.size() < 100) one.run_once(Millis(1000));
  // Its notices were posted to shard two in the same pass of the store thread, before anything that follows from here.
  std::atomic<bool> passed = false;
  service.loop().post_fn([&] { two.post_fn([&] { passed = true; }); });
  while (!passed) std::this_thread::yield();
  two.stop();
  std::thread::id expected = thread.get_id();
  thread.join();
  service.stop();
  EXPECT_EQ(watch_a.payloads, std::string(100, 'x'));
  EXPECT_EQ(watch_b.payloads, std::string(100, 'x'));
  EXPECT_EQ(watch_a.on, std::this_thread::get_id());
  EXPECT_EQ(watch_b.on, expected);
}

TEST(Service, WhatWasAskedBeforeStopIsDone) {
  io::EventLoop shard;
  Service service(memory());
  ShardStores stores(service, shard);
  service.start();
  for (int i = 0; i < 1000; ++i) stores.logs().join("f" + std::to_string(i), "m", [](auto) {});
  service.stop();
  EXPECT_EQ(static_cast<MemoryLogs&>(*service.backend().logs).count(), 1000u);
}

TEST(Service, RequestsThatWereNeverRunAreFreed) {
  io::EventLoop shard;
  Service service(memory());
  ShardStores stores(service, shard);
  auto held = std::make_shared<int>();
  stores.logs().join("a", "m", [held](auto) { ADD_FAILURE() << "no thread ran it"; });
  EXPECT_GT(held.use_count(), 1);
  // The leak check of the address sanitizer sees the rest.
}

}  // namespace
}  // namespace sb::store
