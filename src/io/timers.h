// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <vector>

#include "base/time.h"

namespace sb::io {

class Timers;

/// One deadline of an object that outlives it or cancels it. 24 bytes. Owner: the thread of its Timers.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  virtual void on_timer() = 0;
  bool armed() const { return index_ != kIdle; }
  MonoTime deadline() const { return deadline_; }

 protected:
  ~Timer() = default;  // whoever destroys one has cancelled it

 private:
  friend class Timers;
  static constexpr std::uint32_t kIdle = 0xFFFFFFFF;
  MonoTime deadline_{};
  std::uint32_t index_ = kIdle;
};

/// The deadlines of one thread: a 4-ary heap that knows where each timer stands. Setting and cancelling are
/// O(log n) and allocate nothing but the heap's growth.
class Timers {
 public:
  void set(Timer& t, MonoTime deadline);
  void cancel(Timer& t);
  /// The next deadline, kNever when there is none.
  MonoTime next() const { return heap_.empty() ? kNever : heap_.front()->deadline_; }
  /// Calls on_timer of all that are due; each is idle before its call and may set itself again.
  void run(MonoTime now);
  std::size_t size() const { return heap_.size(); }

 private:
  void place(std::uint32_t i, Timer* t) {
    heap_[i] = t;
    t->index_ = i;
  }
  void up(std::uint32_t i);
  void down(std::uint32_t i);
  void remove(std::uint32_t i);
  std::vector<Timer*> heap_;
};

}  // namespace sb::io
