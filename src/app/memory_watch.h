// SPDX-License-Identifier: MIT
#pragma once
#include "broker/node.h"
#include "io/event_loop.h"
#include "io/process_memory.h"

namespace sb::app {

/// Looks after limits.memory: above it `Node::memory_full` is set, until there is a tenth less. Owner: the thread of
/// its loop.
class MemoryWatch final : public io::Timer {
 public:
  /// `bound` in bytes; 0 = four fifths of what there is.
  MemoryWatch(broker::Node& node, io::EventLoop& loop, std::size_t bound);
  ~MemoryWatch() { loop_.timers().cancel(*this); }
  void on_timer() override;

  std::size_t bound() const { return bound_; }
  std::size_t resident() const { return resident_; }

 private:
  /// Time between two looks: no longer than it takes to fill what is left at a gigabyte a second.
  static constexpr Millis kFar{200}, kNear{10}, kTrimAgain{5000};

  broker::Node& node_;
  io::EventLoop& loop_;
  io::ProcessMemory memory_;
  const std::size_t bound_;
  std::size_t resident_ = 0;
  MonoTime trim_again_{};
};

}  // namespace sb::app
