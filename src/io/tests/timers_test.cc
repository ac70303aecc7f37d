// SPDX-License-Identifier: MIT
#include "io/timers.h"

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <random>
#include <set>

namespace sb::io {
namespace {

MonoTime at(long ms) { return MonoTime(Millis(ms)); }

struct Probe final : Timer {
  explicit Probe(std::function<void()> call = {}) : f(std::move(call)) {}
  void on_timer() override {
    ++fired;
    idle_when_called &= !armed();
    if (f) f();
  }
  std::function<void()> f;
  int fired = 0;
  bool idle_when_called = true;
};

TEST(Timers, FireWhenDueInTheOrderOfDeadlines) {
  Timers timers;
  EXPECT_EQ(timers.next(), kNever);
  std::vector<int> order;
  std::deque<Probe> probes;
  for (int i = 0; i < 5; ++i) probes.emplace_back([&order, i] { order.push_back(i); });
  const long deadlines[] = {30, 10, 50, 20, 40};
  for (std::size_t i = 0; i < 5; ++i) timers.set(probes[i], at(deadlines[i]));
  EXPECT_EQ(timers.next(), at(10));
  timers.run(at(9));
  EXPECT_TRUE(order.empty());
  timers.run(at(30));  // a deadline is due at its own time
  EXPECT_EQ(order, (std::vector<int>{1, 3, 0}));
  EXPECT_EQ(timers.next(), at(40));
  timers.run(at(1000));
  EXPECT_EQ(order, (std::vector<int>{1, 3, 0, 4, 2}));
  EXPECT_EQ(timers.size(), 0u);
  EXPECT_EQ(timers.next(), kNever);
  for (auto& p : probes) EXPECT_TRUE(p.idle_when_called);
}

TEST(Timers, SettingAgainMovesAndCancellingAnIdleOneIsNothing) {
  Timers timers;
  Probe p, other;
  timers.cancel(p);
  timers.set(other, at(50));
  timers.set(p, at(100));
  timers.set(p, at(10));
  EXPECT_EQ(timers.size(), 2u);
  EXPECT_EQ(p.deadline(), at(10));
  EXPECT_EQ(timers.next(), at(10));
  timers.set(p, at(70));
  EXPECT_EQ(timers.next(), at(50));
  timers.cancel(other);
  EXPECT_FALSE(other.armed());
  EXPECT_EQ(timers.next(), at(70));
  timers.cancel(p);
  timers.cancel(p);
  timers.run(at(1000));
  EXPECT_EQ(p.fired + other.fired, 0);
}

TEST(Timers, ATimerMaySetItselfAndOthersFromItsCall) {
  Timers timers;
  Probe other;
  Probe self([&] {
    if (self.fired < 3) timers.set(self, self.deadline() + Millis(10));
    timers.cancel(other);
  });
  timers.set(self, at(10));
  timers.set(other, at(15));
  timers.run(at(10));
  EXPECT_EQ(self.fired, 1);
  EXPECT_FALSE(other.armed());
  timers.run(at(100));  // both further deadlines have passed by then
  EXPECT_EQ(self.fired, 3);
  EXPECT_EQ(other.fired, 0);
  EXPECT_EQ(timers.size(), 0u);
}

/// Random operations against a multimap of deadlines.
TEST(Timers, BehaveLikeAMultimap) {
  std::mt19937 random(3);
  Timers timers;
  std::multimap<MonoTime, std::size_t> model;
  std::vector<std::size_t> fired;
  std::deque<Probe> probes;
  for (std::size_t i = 0; i < 300; ++i) probes.emplace_back([&fired, i] { fired.push_back(i); });
  auto forget = [&](std::size_t i) {
    for (auto it = model.begin(); it != model.end(); ++it)
      if (it->second == i) return void(model.erase(it));
  };
  MonoTime now = at(1000);
  std::size_t all_fired = 0;
  for (int step = 0; step < 30000; ++step) {
    std::size_t i = random() % probes.size();
    switch (random() % 8) {
      case 0: {
        now += Millis(random() % 40);
        fired.clear();
        timers.run(now);
        // The same timers, and none before one that was due earlier.
        std::multiset<std::size_t> expected;
        while (!model.empty() && model.begin()->first <= now) {
          expected.insert(model.begin()->second);
          model.erase(model.begin());
        }
        ASSERT_EQ(std::multiset<std::size_t>(fired.begin(), fired.end()), expected);
        for (std::size_t k = 1; k < fired.size(); ++k)
          ASSERT_LE(probes[fired[k - 1]].deadline(), probes[fired[k]].deadline());
        all_fired += fired.size();
        break;
      }
      case 1:
        timers.cancel(probes[i]);
        forget(i);
        break;
      default: {
        MonoTime deadline = now + Millis(static_cast<long>(random() % 500));
        timers.set(probes[i], deadline);
        forget(i);
        model.emplace(deadline, i);
      }
    }
    ASSERT_EQ(timers.size(), model.size());
    ASSERT_EQ(timers.next(), model.empty() ? kNever : model.begin()->first);
    ASSERT_EQ(probes[i].armed(), std::any_of(model.begin(), model.end(), [&](auto& e) { return e.second == i; }));
  }
  EXPECT_GT(all_fired, 1000u);
}

}  // namespace
}  // namespace sb::io
