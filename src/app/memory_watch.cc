// SPDX-License-Identifier: MIT
#include "app/memory_watch.h"

#include <algorithm>

#include "base/log.h"

namespace sb::app {

MemoryWatch::MemoryWatch(broker::Node& node, io::EventLoop& loop, std::size_t bound)
    : node_(node), loop_(loop), bound_(bound ? bound : io::ProcessMemory::available() / 5 * 4) {
  on_timer();
}

void MemoryWatch::on_timer() {
  const MonoTime now = loop_.now();
  resident_ = memory_.resident();
  bool full = node_.memory_full.load(std::memory_order_relaxed);
  const std::size_t limit = full ? bound_ / 10 * 9 : bound_;
  if (resident_ > limit && now >= trim_again_) {  // freed memory may still be counted
    io::ProcessMemory::trim();
    trim_again_ = now + kTrimAgain;
    resident_ = memory_.resident();
  }
  if ((resident_ > limit) != full) {
    full = !full;
    node_.memory_full = full;
    if (full)
      log::warn("memory full bytes={} bound={}: new work is refused", resident_, bound_);
    else
      log::info("memory free again bytes={} bound={}", resident_, bound_);
  }
  const std::size_t left = resident_ < bound_ ? bound_ - resident_ : 0;
  loop_.timers().set(*this, now + std::clamp(Millis(left >> 20), kNear, kFar));
}

}  // namespace sb::app
