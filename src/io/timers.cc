// SPDX-License-Identifier: MIT
#include "io/timers.h"

#include <algorithm>

namespace sb::io {

void Timers::set(Timer& t, MonoTime deadline) {
  if (t.index_ == Timer::kIdle) {
    t.deadline_ = deadline;
    heap_.push_back(&t);
    t.index_ = static_cast<std::uint32_t>(heap_.size() - 1);
    return up(t.index_);
  }
  bool sooner = deadline < t.deadline_;
  t.deadline_ = deadline;
  sooner ? up(t.index_) : down(t.index_);
}

void Timers::cancel(Timer& t) {
  if (t.index_ != Timer::kIdle) remove(t.index_);
}

void Timers::run(MonoTime now) {
  while (!heap_.empty() && heap_.front()->deadline_ <= now) {
    Timer* t = heap_.front();
    remove(0);
    t->on_timer();
  }
}

void Timers::remove(std::uint32_t i) {
  Timer* gone = heap_[i];
  Timer* last = heap_.back();
  heap_.pop_back();
  gone->index_ = Timer::kIdle;
  if (gone == last) return;
  place(i, last);
  up(i);
  down(last->index_);
}

void Timers::up(std::uint32_t i) {
  Timer* t = heap_[i];
  while (i > 0) {
    std::uint32_t parent = (i - 1) / 4;
    if (heap_[parent]->deadline_ <= t->deadline_) break;
    place(i, heap_[parent]);
    i = parent;
  }
  place(i, t);
}

void Timers::down(std::uint32_t i) {
  Timer* t = heap_[i];
  auto n = static_cast<std::uint32_t>(heap_.size());
  for (;;) {
    std::uint32_t first = i * 4 + 1;
    if (first >= n) break;
    std::uint32_t least = first;
    for (std::uint32_t k = first + 1; k < std::min(first + 4, n); ++k)
      if (heap_[k]->deadline_ < heap_[least]->deadline_) least = k;
    if (t->deadline_ <= heap_[least]->deadline_) break;
    place(i, heap_[least]);
    i = least;
  }
  place(i, t);
}

}  // namespace sb::io
