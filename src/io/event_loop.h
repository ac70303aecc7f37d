// SPDX-License-Identifier: MIT
#pragma once
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

/// One thread's event loop over epoll, edge-triggered. A turn is: wait, events, mail from other threads,
/// timers, turn end. One clock read per turn. Everything but post() and stop() belongs to the thread that
/// runs it.
class EventLoop {
 public:
  explicit EventLoop(Turn* turn = nullptr);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// Watches `fd`, edge-triggered. The handler stays valid until remove(), and until the end of the turn of
  /// its removal.
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
  bool in_loop_thread() const { return thread_ == std::this_thread::get_id(); }
  void set_turn(Turn* t) { turn_ = t; }
  /// Turns so far and mail that woke the loop, for statistics.
  std::uint64_t turns() const { return turns_; }

 private:
  void ring();
  void read_clocks();
  void run_turn(int timeout_ms);
  int wait_ms(Millis max_wait) const;

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
  MonoTime now_{};
  WallTime wall_{};
  std::uint64_t turns_ = 0;
  std::thread::id thread_;
};

}  // namespace sb::io
