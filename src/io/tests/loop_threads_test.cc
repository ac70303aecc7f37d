// SPDX-License-Identifier: MIT
// Loops that change their thread while they are at work; for the thread sanitizer too.
#include "io/loop_threads.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <future>
#include <optional>
#include <string>

namespace sb::io {
namespace {

using Move = LoopBalance::Move;
using Moves = std::vector<Move>;
using Policy = LoopThreads::Policy;

/// Patience of a test: a failure, not a measure.
bool until(const std::function<bool()>& done) {
  auto end = std::chrono::steady_clock::now() + Seconds(30);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

class Loops {
 public:
  explicit Loops(std::size_t n, Policy policy = Policy::by_hand, BalanceLimits limits = {}) {
    std::vector<EventLoop*> pointers;
    for (std::size_t i = 0; i < n; ++i) {
      all.push_back(std::make_unique<EventLoop>());
      pointers.push_back(all.back().get());
    }
    threads = std::make_unique<LoopThreads>(pointers, policy, limits);
  }
  EventLoop& operator[](std::size_t i) { return *all[i]; }
  /// Runs `f` on loop i and waits for its answer.
  template <class F>
  auto ask(std::size_t i, F f) {
    std::promise<decltype(f())> answer;
    all[i]->post_fn([&] { answer.set_value(f()); });
    return answer.get_future().get();
  }
  /// Before what the loops refer to goes.
  void end() {
    threads->stop();
    threads->join();
  }
  void move(const Moves& moves) {
    ASSERT_TRUE(until([&] { return threads->move(moves); }));
    for (auto& m : moves) ASSERT_TRUE(until([&] { return threads->thread_of(m.loop) == m.to; }));
  }

  std::vector<std::unique_ptr<EventLoop>> all;
  std::unique_ptr<LoopThreads> threads;
};

TEST(LoopThreads, WhoRunsWhat) {
  struct Case {
    const char* what;
    Policy policy;
    std::vector<Moves> moves;
    std::vector<std::size_t> together;  ///< loops with the same number are on one thread
  };
  for (const Case& c : {
           Case{"at the beginning one thread has them all", Policy::by_hand, {}, {0, 0, 0}},
           Case{"balanced begins the same way", Policy::balanced, {}, {0, 0, 0}},
           Case{"apart", Policy::apart, {}, {0, 1, 2}},
           Case{"a guest goes home", Policy::by_hand, {{{1, 1}}}, {0, 1, 0}},
           Case{"and comes back", Policy::by_hand, {{{1, 1}}, {{1, 0}}}, {0, 0, 0}},
           Case{"two at once", Policy::by_hand, {{{1, 1}, {2, 2}}}, {0, 1, 2}},
           Case{"to another thread than it came from", Policy::by_hand, {{{1, 1}}, {{2, 2}}, {{2, 1}}}, {0, 1, 1}},
           Case{"a thread gives away all it has",
                Policy::by_hand,
                {{{1, 1}}, {{2, 2}}, {{2, 1}}, {{1, 0}, {2, 0}}},
                {0, 0, 0}},
       }) {
    Loops loops(3, c.policy);
    loops.threads->start();
    for (auto& m : c.moves) loops.move(m);
    std::vector<std::thread::id> ids;
    for (std::size_t i = 0; i < 3; ++i) {
      ids.push_back(loops.ask(i, [] { return std::this_thread::get_id(); }));
      EXPECT_TRUE(loops.ask(i, [&] { return loops[i].in_loop_thread(); })) << c.what;
      EXPECT_FALSE(loops[i].in_loop_thread());
    }
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t k = 0; k < 3; ++k)
        EXPECT_EQ(ids[i] == ids[k], c.together[i] == c.together[k]) << c.what << ": " << i << " and " << k;
    }
  }
}

struct Pipe final : EventHandler {
  Pipe() { EXPECT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0); }
  ~Pipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  void write() const { EXPECT_EQ(::write(ends[1], "x", 1), 1); }
  void on_events(std::uint32_t) override {
    char bytes[64];
    for (ssize_t n; (n = ::read(ends[0], bytes, sizeof bytes)) > 0;) got += static_cast<int>(n);
  }
  int ends[2];
  std::atomic<int> got{0};
};

TEST(LoopThreads, EventsReachGuestsWhereverTheyAre) {
  Loops loops(2);
  Pipe pipes[2];
  for (std::size_t i = 0; i < 2; ++i) ASSERT_FALSE(loops[i].add(pipes[i].ends[0], EPOLLIN, &pipes[i]));
  pipes[1].write();  // before anybody runs it
  loops.threads->start();
  EXPECT_TRUE(until([&] { return pipes[1].got == 1; }));
  int sent[2] = {0, 1};
  for (int round = 0; round < 200; ++round) {
    for (std::size_t i = 0; i < 2; ++i) {
      pipes[i].write();
      ++sent[i];
    }
    if (round % 2) {
      ASSERT_TRUE(until([&] { return loops.threads->move({{1, round % 4 == 1 ? 1u : 0u}}); }));
    }
    for (std::size_t i = 0; i < 2; ++i) {
      ASSERT_TRUE(until([&] { return pipes[i].got == sent[i]; })) << i;
    }
  }
  loops.end();
}

/// What came in on both is exchanged before either of them ends its turn and sends.
TEST(LoopThreads, LoopsOfOneThreadMeetInTheMiddleOfATurn) {
  static std::vector<std::string> calls;  // touched by one thread
  calls.clear();
  struct Noting final : Turn {
    void on_turn_begin() override { calls.push_back("begin " + name); }
    void on_events_done() override {
      if (to) to->post_fn([this] { calls.push_back("mail from " + name); });
    }
    bool on_turn_end() override {
      calls.push_back("end " + name);
      ended = true;
      return false;
    }
    std::string name;
    EventLoop* to = nullptr;
    std::atomic<bool> ended{false};
  } turns[2];
  Loops loops(2);
  Pipe pipes[2];
  for (std::size_t i = 0; i < 2; ++i) {
    turns[i].name = std::to_string(i);
    loops[i].set_turn(&turns[i]);
    ASSERT_FALSE(loops[i].add(pipes[i].ends[0], EPOLLIN, &pipes[i]));
    pipes[i].write();
  }
  turns[1].to = &loops[0];
  loops.threads->start();
  EXPECT_TRUE(until([&] { return turns[1].ended.load(); }));
  loops.end();
  calls.resize(5);
  EXPECT_EQ(calls, (std::vector<std::string>{"begin 0", "begin 1", "mail from 1", "end 0", "end 1"}));
}

/// More than one wait brings: the rest of an edge-triggered batch is no edge again.
TEST(LoopThreads, AGuestWithMoreEventsThanAWaitBrings) {
  Loops loops(2);
  std::vector<std::unique_ptr<Pipe>> pipes(EventLoop::kEvents + 100);
  for (auto& p : pipes) {
    p = std::make_unique<Pipe>();
    ASSERT_FALSE(loops[1].add(p->ends[0], EPOLLIN, p.get()));
    p->write();
  }
  loops.threads->start();
  for (auto& p : pipes) ASSERT_TRUE(until([&] { return p->got == 1; }));
  loops.end();
}

struct Alarm final : Timer {
  explicit Alarm(std::function<void()> call) : f(std::move(call)) {}
  void on_timer() override { f(); }
  std::function<void()> f;
};

TEST(LoopThreads, TimersOfAllItsLoops) {
  for (std::size_t home : {0u, 1u}) {
    Loops loops(2);
    std::atomic<int> rings[2] = {0, 0};
    std::optional<Alarm> alarms[2];
    for (std::size_t i = 0; i < 2; ++i) {
      alarms[i].emplace([&, i] {
        ++rings[i];
        loops[i].timers().set(*alarms[i], loops[i].now() + Millis(2 + static_cast<int>(i)));
      });
      loops[i].timers().set(*alarms[i], loops[i].now() + Millis(1));
    }
    loops.threads->start();
    if (home) loops.move({{1, 1}});
    EXPECT_TRUE(until([&] { return rings[0] >= 5 && rings[1] >= 5; }));
    loops.end();
    for (std::size_t i = 0; i < 2; ++i) loops[i].timers().cancel(*alarms[i]);
  }
}

/// No event and no timer would wake them: without it, they wait for good.
TEST(LoopThreads, WhatIsSoonOfAllItsLoops) {
  struct Again final : TurnEnd {
    EventLoop* loop = nullptr;
    std::atomic<int> calls{0};
    void next() { loop->soon(std::chrono::steady_clock::now() + std::chrono::microseconds(200), this); }
    void on_end_of_turn() override { ++calls, next(); }
  };
  for (std::size_t home : {0u, 1u}) {
    Loops loops(2);
    Again again[2];
    loops.threads->start();
    if (home) loops.move({{1, 1}});
    for (std::size_t i = 0; i < 2; ++i) {
      again[i].loop = &loops[i];
      loops.ask(i, [&] { return again[i].next(), 0; });
      EXPECT_TRUE(until([&] { return again[i].calls >= 5; })) << i;
    }
    loops.end();
  }
}

/// Whoever runs it on finds its mail, whenever that came.
TEST(LoopThreads, OneMayStayBehind) {
  for (int round = 0; round < 100; ++round) {
    Loops loops(3);
    loops.threads->start();
    loops.ask(2, [] { return 0; });
    loops.threads->stop();
    std::atomic<bool> mail = false;
    loops[2].post_fn([&] { mail = true; });
    loops.threads->join(&loops[2]);
    loops[2].run_once(Millis(0));
    ASSERT_TRUE(mail);
  }
}

/// A loop with more to do (Turn) keeps nobody else from running.
TEST(LoopThreads, PollingOfOneLoopIsNoWaitForTheOther) {
  struct Busy final : Turn {
    bool on_turn_end() override { return true; }
  } busy;
  for (std::size_t which : {0u, 1u}) {
    Loops loops(2);
    loops[which].set_turn(&busy);
    loops.threads->start();
    EXPECT_EQ(loops.ask(0, [] { return 5; }), 5);
    EXPECT_EQ(loops.ask(1, [] { return 6; }), 6);
  }
}

/// Balls that each loop passes on to the next, in order, while the loops change threads all the time.
TEST(LoopThreads, NothingIsLostOnTheWay) {
  constexpr std::size_t kLoops = 3;
  constexpr int kBalls = 8, kHops = 6000;
  Loops loops(kLoops);
  std::atomic<int> finished{0}, elsewhere{0};
  int plain[kLoops] = {0, 0, 0};  // not atomic: one thread at a time has a loop
  std::function<void(std::size_t, int)> hop = [&](std::size_t at, int left) {
    loops[at].post_fn([&, at, left] {
      if (!loops[at].in_loop_thread()) ++elsewhere;
      ++plain[at];
      if (left == 0)
        ++finished;
      else
        hop((at + 1) % kLoops, left - 1);
    });
  };
  loops.threads->start();
  for (int i = 0; i < kBalls; ++i) hop(static_cast<std::size_t>(i) % kLoops, kHops);
  // Threads: together, two and one, apart, two and one, together.
  const Moves steps[] = {{{1, 1}}, {{2, 2}}, {{2, 1}}, {{1, 0}, {2, 0}}, {{2, 2}}, {{2, 0}}};
  for (std::size_t i = 0; finished < kBalls; i = (i + 1) % std::size(steps)) loops.move(steps[i]);
  loops.end();
  EXPECT_EQ(elsewhere, 0);
  EXPECT_EQ(plain[0] + plain[1] + plain[2], kBalls * (kHops + 1));
}

TEST(LoopThreads, StopsInTheMiddleOfMoves) {
  for (int round = 0; round < 50; ++round) {
    Loops loops(3);
    loops.threads->start();
    for (int i = 0; i < round % 5; ++i) loops.threads->move({{1, i % 2 ? 0u : 1u}});
    loops.end();
  }
}

/// With short times: full load on both loops sends them apart, no load brings them together.
TEST(LoopThreads, PartsWhenBusyAndGathersWhenQuiet) {
  BalanceLimits quick;
  quick.look_every = std::chrono::milliseconds(1);
  quick.spread_average = std::chrono::milliseconds(3);
  quick.gather_average = quick.gather_after = std::chrono::milliseconds(10);
  struct Work final : Turn {
    bool on_turn_end() override { return load.load(); }
    std::atomic<bool> load{false};
  } work[2];
  Loops loops(2, Policy::balanced, quick);
  std::optional<Alarm> ticks[2];  // as shards have them: the balance is looked at when somebody wakes
  for (std::size_t i = 0; i < 2; ++i) {
    loops[i].set_turn(&work[i]);
    ticks[i].emplace([&, i] { loops[i].timers().set(*ticks[i], loops[i].now() + Millis(2)); });
    ticks[i]->on_timer();
  }
  loops.threads->start();
  for (int round = 0; round < 3; ++round) {
    for (auto& w : work) w.load = true;
    EXPECT_TRUE(until([&] { return loops.threads->thread_of(1) == 1; })) << round;
    for (auto& w : work) w.load = false;
    EXPECT_TRUE(until([&] { return loops.threads->thread_of(1) == 0; })) << round;
  }
  loops.end();
  for (std::size_t i = 0; i < 2; ++i) loops[i].timers().cancel(*ticks[i]);
  EXPECT_GE(loops.threads->moved(), 6u);
}

}  // namespace
}  // namespace sb::io
