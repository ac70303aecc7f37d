// SPDX-License-Identifier: MIT
#pragma once
#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <cassert>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "io/mailbox.h"
#include "io/timers.h"

namespace sb::io {

/// What a file descriptor's events go to.
class EventHandler {
 public:
  /// `events`: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR, EPOLLRDHUP.
  virtual void on_events(std::uint32_t events) = 0;

 protected:
  ~EventHandler() = default;
};

/// What frames a turn of the loop.
class Turn {
 public:
  /// The clocks were read; events follow.
  virtual void on_turn_begin() {}
  /// Only where other loops run on the same thread: the events were handled. What is for these loops goes to them now,
  /// so that they have it before their turn ends, and send once.
  virtual void on_events_done() {}
  /// After all events, tasks and timers, before the loop waits again.
  /// True when there is more to do at once: the next turn then polls instead of waiting.
  virtual bool on_turn_end() = 0;

 protected:
  ~Turn() = default;
};

/// Something to be done once, when the turn that asked for it ends.
class TurnEnd {
 public:
  virtual void on_end_of_turn() = 0;

 protected:
  ~TurnEnd() = default;
};

/// An event loop over epoll, edge-triggered. A turn is: wait, events, mail from other threads, timers, turn end. One
/// clock read per turn. Everything but post() and stop() belongs to the thread that runs it: one and the same all the
/// time with run(), one at a time with LoopThreads.
class EventLoop {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;

  explicit EventLoop(Turn* turn = nullptr);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// Watches `fd`, edge-triggered. These three: the loop's thread, or any while it has none. The handler stays valid
  /// until remove(), and until the end of the turn of its removal.
  error_code add(int fd, std::uint32_t events, EventHandler* handler);
  error_code modify(int fd, std::uint32_t events, EventHandler* handler);
  void remove(int fd);

  /// Runs until stop().
  void run();
  /// One turn; waits at most `max_wait` (tests, drains).
  void run_once(Millis max_wait);
  /// Any thread: run() returns after the turn it is in.
  void stop();

  /// Any thread: `t->run()` will be called on the loop's thread.
  void post(Task* t) {
    box_.push(t);
    if (asleep_.load(std::memory_order_seq_cst) && asleep_.exchange(false, std::memory_order_seq_cst)) ring();
  }
  /// Any thread: calls `f` on the loop's thread.
  template <class F>
  void post_fn(F f) {
    post(new FunctionTask<F>(std::move(f)));
  }

  /// The time of this turn.
  MonoTime now() const { return now_; }
  WallTime wall() const { return wall_; }
  Timers& timers() { return timers_; }
  /// True from the turn's beginning to its end: what is asked then can be gathered until at_turn_end().
  bool in_turn() const { return in_turn_; }
  /// Within a turn: calls `e` once, behind everything else of this turn. It stays valid until then.
  void at_turn_end(TurnEnd* e) { turn_ends_.push_back(e); }
  /// Calls `e` once, behind the timers of the first turn that begins at `t` or later: for waits of less than a timer's
  /// millisecond. It stays valid until then, or until forget(). Costs no system call.
  void soon(SteadyTime t, TurnEnd* e) { soon_.push_back({t, e}); }
  void forget(TurnEnd* e);
  bool in_loop_thread() const { return thread_.load(std::memory_order_relaxed) == std::this_thread::get_id(); }
  void set_turn(Turn* t) { turn_ = t; }
  /// Turns so far, for statistics.
  std::uint64_t turns() const { return turns_; }

  // --- the pieces of a turn, for LoopThreads; between two turns a loop may change threads
  static constexpr std::size_t kEvents = 512;  ///< that one wait brings at most

  /// The calling thread has the loop from here on, or has it no more.
  void take_over() { thread_.store(std::this_thread::get_id(), std::memory_order_relaxed); }
  void let_go() { thread_.store({}, std::memory_order_relaxed); }
  /// Readable when wait() has events; to be watched by another epoll.
  int fd() const { return epoll_; }
  /// Milliseconds until a turn is due without an event: 0 = at once, -1 = never.
  int due_in(MonoTime now) const;
  /// When a turn is due for what was asked with soon(); max() for nothing.
  SteadyTime soon_at() const;
  bool has_mail() const { return !box_.empty(); }
  /// From here on a post rings. False when mail came before: do not wait.
  bool fall_asleep() {
    asleep_.store(true, std::memory_order_seq_cst);
    return box_.empty();
  }
  void wake_up() {
    if (asleep_.load(std::memory_order_relaxed)) asleep_.store(false, std::memory_order_seq_cst);
  }
  /// Takes events for the next turn, kEvents at most; returns how many. Waits no longer than both say: until `soon` to
  /// the microsecond where the kernel can (Linux 5.11), else to the millisecond.
  std::size_t wait(int timeout_ms, SteadyTime soon = SteadyTime::max());
  /// The turn behind the wait, in two parts: events; mail, timers and end. Between them the other loops of the thread
  /// may have their first part, after meet_others().
  void begin_turn();
  void meet_others() {
    if (turn_) turn_->on_events_done();
  }
  void end_turn();
  /// The loop runs no more: its mail goes while those who posted it are still there.
  void drop_mail() { box_.drop_all(); }
  /// When the last turn began, finer than now().
  SteadyTime turn_began() const { return began_; }
  /// Any thread: wait() returns, or the next one does.
  void ring();

 private:
  bool mine() const {
    auto t = thread_.load(std::memory_order_relaxed);
    return t == std::thread::id() || t == std::this_thread::get_id();
  }
  struct Soon {
    SteadyTime at;
    TurnEnd* call;
  };
  void read_clocks();
  void run_turn(int timeout_ms);
  bool wait_finely(std::chrono::nanoseconds most);
  void run_soon();

  int epoll_ = -1;
  int wake_fd_ = -1;
  Turn* turn_;
  Timers timers_;
  Mailbox box_;
  std::atomic<bool> asleep_{false};
  std::atomic<bool> stopping_{false};
  bool more_ = false;
  bool in_turn_ = false;
  std::vector<TurnEnd*> turn_ends_;
  std::vector<Soon> soon_;  ///< few
  std::array<epoll_event, kEvents> events_;
  std::size_t waiting_ = 0;  ///< events that the turn has not handled
  SteadyTime began_{};
  MonoTime now_{};
  WallTime wall_{};
  std::uint64_t turns_ = 0;
  std::atomic<std::thread::id> thread_{};
};

}  // namespace sb::io
