// SPDX-License-Identifier: MIT
#include "io/event_loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <atomic>
#include <deque>
#include <functional>
#include <string>

namespace sb::io {
namespace {

struct Pipe {
  Pipe() { EXPECT_EQ(::pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0); }
  ~Pipe() {
    ::close(ends[0]);
    close_writer();
  }
  void write(std::string_view s) const {
    EXPECT_EQ(::write(ends[1], s.data(), s.size()), static_cast<ssize_t>(s.size()));
  }
  void close_writer() {
    if (ends[1] >= 0) ::close(ends[1]);
    ends[1] = -1;
  }
  int ends[2] = {-1, -1};
};

struct Events final : EventHandler {
  explicit Events(std::function<void(std::uint32_t)> call = {}) : f(std::move(call)) {}
  void on_events(std::uint32_t e) override {
    seen.push_back(e);
    if (f) f(e);
  }
  std::function<void(std::uint32_t)> f;
  std::vector<std::uint32_t> seen;
};

struct Recorder final : Turn {
  void on_turn_begin() override { calls.emplace_back("begin"); }
  bool on_turn_end() override {
    calls.emplace_back("end");
    return more-- > 0;
  }
  std::vector<std::string> calls;
  int more = 0;
};

struct Alarm final : Timer {
  explicit Alarm(std::function<void()> call) : f(std::move(call)) {}
  void on_timer() override { f(); }
  std::function<void()> f;
};

TEST(EventLoop, ATurnIsEventsThenMailThenTimers) {
  Recorder turn;
  EventLoop loop(&turn);
  Pipe pipe;
  Events events([&](auto) { turn.calls.emplace_back("event"); });
  ASSERT_FALSE(loop.add(pipe.ends[0], EPOLLIN, &events));
  Alarm alarm([&] { turn.calls.emplace_back("timer"); });
  loop.timers().set(alarm, loop.now());
  loop.post_fn([&] { turn.calls.emplace_back("mail"); });
  pipe.write("x");
  loop.run_once(Millis(1000));
  EXPECT_EQ(turn.calls, (std::vector<std::string>{"begin", "event", "mail", "timer", "end"}));
  EXPECT_EQ(loop.turns(), 1u);
}

TEST(EventLoop, TheEndOfATurnIsCalledOnceBehindEverythingElse) {
  Recorder turn;
  EventLoop loop(&turn);
  struct End final : TurnEnd {
    void on_end_of_turn() override { calls->emplace_back("last"); }
    std::vector<std::string>* calls = nullptr;
  } end;
  end.calls = &turn.calls;
  loop.post_fn([&] {
    EXPECT_TRUE(loop.in_turn());
    loop.at_turn_end(&end);
  });
  EXPECT_FALSE(loop.in_turn());
  loop.run_once(Millis(1000));
  EXPECT_FALSE(loop.in_turn());
  EXPECT_EQ(turn.calls, (std::vector<std::string>{"begin", "end", "last"}));
  loop.run_once(Millis(0));
  EXPECT_EQ(turn.calls.size(), 5u);
}

TEST(EventLoop, EventsAreEdges) {
  EventLoop loop;
  Pipe pipe;
  Events events;
  ASSERT_FALSE(loop.add(pipe.ends[0], EPOLLIN, &events));
  pipe.write("x");
  loop.run_once(Millis(1000));
  ASSERT_EQ(events.seen.size(), 1u);
  EXPECT_TRUE(events.seen[0] & EPOLLIN);
  loop.run_once(Millis(0));  // not read, but nothing new either
  EXPECT_EQ(events.seen.size(), 1u);
  pipe.write("y");
  loop.run_once(Millis(1000));
  EXPECT_EQ(events.seen.size(), 2u);
  pipe.close_writer();
  loop.run_once(Millis(1000));
  ASSERT_EQ(events.seen.size(), 3u);
  EXPECT_TRUE(events.seen[2] & EPOLLHUP);
}

TEST(EventLoop, ModifyAndRemove) {
  EventLoop loop;
  Pipe pipe;
  Events reads, writes;
  ASSERT_FALSE(loop.add(pipe.ends[1], 0, &writes));
  loop.run_once(Millis(0));
  EXPECT_TRUE(writes.seen.empty());
  ASSERT_FALSE(loop.modify(pipe.ends[1], EPOLLOUT, &writes));
  loop.run_once(Millis(1000));
  ASSERT_EQ(writes.seen.size(), 1u);
  EXPECT_TRUE(writes.seen[0] & EPOLLOUT);
  ASSERT_FALSE(loop.add(pipe.ends[0], EPOLLIN, &reads));
  loop.remove(pipe.ends[0]);
  pipe.write("x");
  loop.run_once(Millis(0));
  EXPECT_TRUE(reads.seen.empty());
}

TEST(EventLoop, AFaultOfTheSystemIsAnErrorCode) {
  EventLoop loop;
  Events events;
  EXPECT_EQ(loop.add(-1, EPOLLIN, &events), boost::system::errc::bad_file_descriptor);
  Pipe pipe;
  EXPECT_EQ(loop.modify(pipe.ends[0], EPOLLIN, &events), boost::system::errc::no_such_file_or_directory);
  ASSERT_FALSE(loop.add(pipe.ends[0], EPOLLIN, &events));
  EXPECT_EQ(loop.add(pipe.ends[0], EPOLLIN, &events), boost::system::errc::file_exists);
}

TEST(EventLoop, MoreToDoMeansPollingInsteadOfWaiting) {
  Recorder turn;
  turn.more = 1;
  EventLoop loop(&turn);
  loop.run_once(Millis(0));
  auto before = std::chrono::steady_clock::now();
  loop.run_once(Millis(60'000));  // would wait for a minute otherwise
  EXPECT_LT(std::chrono::steady_clock::now() - before, Seconds(30));
  EXPECT_EQ(turn.calls.size(), 4u);
}

TEST(EventLoop, WaitsNoLongerThanTheNextTimer) {
  EventLoop loop;
  bool fired = false;
  Alarm alarm([&] { fired = true; });
  MonoTime deadline = loop.now() + Millis(20);
  loop.timers().set(alarm, deadline);
  while (!fired) loop.run_once(Millis(60'000));
  EXPECT_GE(loop.now(), deadline);
  EXPECT_LT(loop.now(), deadline + Seconds(30));
}

TEST(EventLoop, SoonIsSoonerThanATimer) {
  using std::chrono::microseconds;
  using std::chrono::steady_clock;
  EventLoop loop;
  struct Call : TurnEnd {
    steady_clock::time_point at{};
    void on_end_of_turn() override { at = steady_clock::now(); }
  } first, second, never;
  auto best = steady_clock::duration::max();
  for (int i = 0; i < 50; ++i) {
    first.at = second.at = {};
    const auto begin = steady_clock::now();
    loop.soon(begin + microseconds(500), &second);
    loop.soon(begin + microseconds(200), &first);
    loop.soon(begin + microseconds(100), &never);
    loop.forget(&never);
    while (first.at == steady_clock::time_point() || second.at == steady_clock::time_point()) loop.run_once(Millis(20));
    EXPECT_GE(first.at - begin, microseconds(200));
    EXPECT_GE(second.at - begin, microseconds(500));
    best = std::min(best, second.at - begin);
  }
  EXPECT_LT(best, Millis(20)) << "nothing else would have woken it";
  EXPECT_EQ(never.at, steady_clock::time_point());
}

TEST(EventLoop, TheClockStandsDuringATurn) {
  EventLoop loop;
  MonoTime in_mail, in_timer;
  Alarm alarm([&] { in_timer = loop.now(); });
  loop.timers().set(alarm, loop.now());
  loop.post_fn([&] {
    in_mail = loop.now();
    auto until = std::chrono::steady_clock::now() + Millis(3);
    while (std::chrono::steady_clock::now() < until) {
    }
  });
  loop.run_once(Millis(1000));
  EXPECT_EQ(in_mail, in_timer);
  EXPECT_EQ(in_mail, loop.now());
  MonoTime before = loop.now();
  loop.run_once(Millis(0));
  EXPECT_GE(loop.now(), before + Millis(3));
}

TEST(EventLoop, MailFromAnotherThreadWakesItAndStopEndsIt) {
  EventLoop loop;
  std::thread::id ran_on;
  bool in_loop = false;
  std::thread thread([&] { loop.run(); });
  std::thread::id expected = thread.get_id();
  loop.post_fn([&] {
    ran_on = std::this_thread::get_id();
    in_loop = loop.in_loop_thread();
    loop.stop();
  });
  thread.join();
  EXPECT_EQ(ran_on, expected);
  EXPECT_TRUE(in_loop);
  EXPECT_FALSE(loop.in_loop_thread());
}

/// Each question is asked only when the last one was answered, so a wake-up that gets lost stops the test.
TEST(EventLoop, NoWakeUpIsLost) {
  EventLoop a, b;
  std::thread thread([&] { b.run(); });
  constexpr int kRounds = 20000;
  int answers = 0;
  std::function<void()> ask = [&] {
    b.post_fn([&] {
      a.post_fn([&] {
        if (++answers < kRounds)
          ask();
        else
          a.stop();
      });
    });
  };
  ask();
  a.run();
  b.stop();
  thread.join();
  EXPECT_EQ(answers, kRounds);
}

TEST(EventLoop, ManySendersLoseNothing) {
  constexpr int kSenders = 4, kEach = 5000;
  EventLoop loop;
  int got = 0;  // touched by the loop only
  std::thread receiver([&] { loop.run(); });
  std::vector<std::thread> senders;
  for (int s = 0; s < kSenders; ++s)
    senders.emplace_back([&] {
      for (int i = 0; i < kEach; ++i)
        loop.post_fn([&] {
          if (++got == kSenders * kEach) loop.stop();
        });
    });
  for (auto& t : senders) t.join();
  receiver.join();
  EXPECT_EQ(got, kSenders * kEach);
}

}  // namespace
}  // namespace sb::io
