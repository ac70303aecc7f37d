// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "io/event_loop.h"
#include "io/loop_balance.h"

namespace sb::io {

/// Runs N loops on at most N threads. While there is little to do one thread runs them all, and what they post to each
/// other wakes nobody; when that thread gets busy, each loop goes to a thread of its own (docs/adr/0007). A loop is run
/// by one thread at a time and changes threads only between two turns, handed over through a mutex.
///
/// A thread waits in the epoll of its own loop, its *lead*, which also watches the epolls of the loops that are its
/// guests: an event of the lead costs what it costs a thread with one loop, an event of a guest one epoll_wait more.
class LoopThreads {
 public:
  enum class Policy {
    balanced,  ///< by LoopBalance
    apart,     ///< each loop on a thread of its own, always
    by_hand,   ///< all on thread 0 until move()
  };

  /// The loops outlive this object.
  explicit LoopThreads(std::vector<EventLoop*> loops, Policy policy = Policy::balanced, BalanceLimits limits = {});
  ~LoopThreads();
  LoopThreads(const LoopThreads&) = delete;
  LoopThreads& operator=(const LoopThreads&) = delete;

  void start();
  /// Any thread: each thread ends after the turns that it is in.
  void stop();
  /// Behind it the loops run no more; mail that came too late is dropped, before the first of them is destroyed: a task
  /// may belong to something on another loop. That of `but` stays: it is run on by somebody else.
  void join(const EventLoop* but = nullptr);

  /// With Policy::by_hand, any thread: asks for moves out of one thread, as LoopBalance makes them. False while earlier
  /// ones are under way.
  bool move(std::vector<LoopBalance::Move> moves);
  /// Loops that changed their thread so far; any thread.
  std::uint64_t moved() const { return moved_.load(std::memory_order_relaxed); }
  /// The thread that has the loop, or had it last; any thread.
  std::size_t thread_of(std::size_t loop) const { return places_[loop]->thread.load(std::memory_order_relaxed); }

 private:
  using Clock = std::chrono::steady_clock;
  class Worker;

  /// A loop and where it is. Owner: the worker that has it, but for the atomics.
  struct alignas(64) Place final : EventHandler {
    void on_events(std::uint32_t) override { has_events = true; }
    EventLoop* loop = nullptr;
    std::size_t home = 0;
    bool in_turn = false;                ///< begun, not ended
    bool has_events = false;             ///< a guest's epoll is readable
    std::atomic<std::size_t> thread{0};  ///< written by its owner
    std::atomic<std::int64_t> busy{0};   ///< nanoseconds that it has run; written by its owner
  };

  void look(Clock::time_point now);
  void order(std::vector<LoopBalance::Move> moves);

  const Policy policy_;
  std::vector<std::unique_ptr<Place>> places_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::mutex looking_;  ///< balance_ and the vector below
  LoopBalance balance_;
  std::vector<LoopBalance::Time> busy_;
  std::atomic<Clock::rep> next_look_{0};
  std::atomic<std::size_t> moving_{0};  ///< loops that were asked to move and have not arrived
  std::atomic<std::uint64_t> moved_{0};
  std::atomic<bool> stopping_{false};
};

}  // namespace sb::io
