// SPDX-License-Identifier: MIT
#include "io/loop_balance.h"

#include <gtest/gtest.h>

#include <functional>
#include <numeric>
#include <string>

namespace sb::io {
namespace {

using Time = LoopBalance::Time;
using Shares = std::vector<double>;  ///< of a thread's time that each loop would take if it had one for itself
using namespace std::chrono_literals;

/// Threads that give their loops what they want, as far as a thread has it.
class Machine {
 public:
  explicit Machine(std::size_t loops) : balance(loops), busy_(loops) {}

  /// Lets time pass; `wanted` says what the loops want at a time since the beginning.
  void run(Time how_long, const std::function<Shares(Time)>& wanted, Time step = 10ms) {
    for (Time end = now + how_long; now < end;) {
      now += step;
      Shares want = wanted(now);
      for (std::size_t i = 0; i < want.size(); ++i) {
        double all = 0;
        for (std::size_t k = 0; k < want.size(); ++k)
          if (balance.thread_of(k) == balance.thread_of(i)) all += want[k];
        busy_[i] += Time(static_cast<Time::rep>(static_cast<double>(step.count()) * want[i] / std::max(1.0, all)));
      }
      for (auto& m : balance.look(now, busy_)) {
        EXPECT_EQ(balance.thread_of(m.loop), m.to);
        last_move = now;
        ++moves;
      }
      for (std::size_t i = 0; i < busy_.size(); ++i) {
        std::size_t t = balance.thread_of(i);
        EXPECT_EQ(balance.thread_of(t), t) << "a thread with guests has its own loop";
      }
    }
  }
  void run(Time how_long, Shares wanted) {
    run(how_long, [&](Time) { return wanted; });
  }
  std::vector<std::size_t> threads() const {
    std::vector<std::size_t> all;
    for (std::size_t i = 0; i < busy_.size(); ++i) all.push_back(balance.thread_of(i));
    return all;
  }

  LoopBalance balance;
  Time now{}, last_move{};
  int moves = 0;

 private:
  std::vector<Time> busy_;
};

using Threads = std::vector<std::size_t>;

TEST(LoopBalance, WhereSteadyWorkEndsUp) {
  struct Case {
    const char* what;
    Shares wanted;
    Threads threads;
  };
  for (const Case& c : {
           Case{"nothing to do", {0, 0}, {0, 0}},
           Case{"one thread is enough", {0.3, 0.3}, {0, 0}},
           Case{"one thread is just enough", {0.35, 0.35}, {0, 0}},
           Case{"too much for one", {0.5, 0.4}, {0, 1}},
           Case{"saturated", {1, 1}, {0, 1}},
           Case{"only the lead works: nobody is in its way", {1, 0.001}, {0, 0}},
           Case{"only a guest works", {0.001, 1}, {0, 0}},
           Case{"little work beside much", {1, 0.1}, {0, 1}},
           Case{"two guests work: one of them goes", {0, 0.6, 0.4}, {0, 1, 0}},
           Case{"the idle ones stay", {0.6, 0.001, 0.001, 0.6}, {0, 0, 0, 3}},
           Case{"all saturated", Shares(8, 1.0), {0, 1, 2, 3, 4, 5, 6, 7}},
           Case{"alone", {1}, {0}},
       }) {
    Machine m(c.wanted.size());
    m.run(5s, c.wanted);
    EXPECT_EQ(m.threads(), c.threads) << c.what;
    Time settled = m.last_move;
    m.run(60s, c.wanted);
    EXPECT_EQ(m.last_move, settled) << c.what << ": moved again";
  }
}

TEST(LoopBalance, SpreadsWithinSomeTensOfMilliseconds) {
  Machine m(2);
  m.run(1s, {0.1, 0.1});
  EXPECT_EQ(m.moves, 0);
  Time before = m.now;
  m.run(200ms, {1, 1});
  EXPECT_EQ(m.threads(), (Threads{0, 1}));
  EXPECT_GE(m.last_move - before, 20ms);
  EXPECT_LE(m.last_move - before, 50ms);
}

TEST(LoopBalance, GathersAfterASecondOfLittleWork) {
  Machine m(2);
  m.run(3s, {1, 1});
  Time before = m.now;
  m.run(5s, {0.1, 0.1});
  EXPECT_EQ(m.threads(), (Threads{0, 0}));
  EXPECT_GE(m.last_move - before, 1s);
  EXPECT_LE(m.last_move - before, 1500ms);
}

TEST(LoopBalance, WhatWasSpreadStaysSoForASecond) {
  Machine m(2);
  m.run(100ms, {1, 1});
  ASSERT_EQ(m.moves, 1);
  Time spread = m.last_move;
  m.run(5s, {0, 0});
  EXPECT_EQ(m.moves, 2);
  EXPECT_GE(m.last_move - spread, 1s);
}

TEST(LoopBalance, ManyLoopsGatherPairByPair) {
  Machine m(16);
  m.run(1s, Shares(16, 1.0));
  EXPECT_EQ(m.threads().back(), 15u);
  m.run(5s, Shares(16, 0.01));
  EXPECT_EQ(m.threads(), Threads(16, 0));
}

/// As many threads as the work needs, and no more moves once it has them.
TEST(LoopBalance, WorkForSomeThreadsOfMany) {
  Machine m(16);
  m.run(20s, Shares(16, 0.15));  // 2.4 threads
  Threads threads = m.threads();
  std::sort(threads.begin(), threads.end());
  auto used = std::unique(threads.begin(), threads.end()) - threads.begin();
  EXPECT_GE(used, 4);  // none above 0.75
  EXPECT_LE(used, 9);  // no two below 0.6 together
  Time settled = m.last_move;
  m.run(60s, Shares(16, 0.15));
  EXPECT_EQ(m.last_move, settled);
}

/// A turn may last longer than the time between two looks.
TEST(LoopBalance, LongTurnsCountByTheirAverage) {
  Machine m(2);
  m.run(10s, [](Time t) { return t / 10ms % 4 == 0 ? Shares{0.8, 0.8} : Shares{0.05, 0.05}; });
  EXPECT_EQ(m.moves, 0);
}

TEST(LoopBalance, BurstsDoNotMakeItFlap) {
  Machine m(2);
  // 100 ms of full load every 300 ms: it spreads once, since the pauses are too short to gather in.
  m.run(60s, [](Time t) { return t / 100ms % 3 == 0 ? Shares{1, 1} : Shares{0, 0}; });
  EXPECT_EQ(m.moves, 1);
  // Every three seconds: there and back each time.
  m.moves = 0;
  m.run(60s, [](Time t) { return t / 100ms % 30 == 0 ? Shares{1, 1} : Shares{0, 0}; });
  EXPECT_LE(m.moves, 42);
}

TEST(LoopBalance, NobodyLookedForAWhile) {
  Machine m(2);
  m.run(1s, {1, 1});
  m.run(
      20s,
      [](Time) {
        return Shares{0.01, 0.01};
      },
      500ms);
  EXPECT_EQ(m.threads(), (Threads{0, 0}));
}

}  // namespace
}  // namespace sb::io
