// SPDX-License-Identifier: MIT
#pragma once
#include <spdlog/spdlog.h>

#include <string>

#include "base/result.h"

/// Logging: one line per event, `key=value` pairs, client id and peer first. No payloads, no secrets.
/// Call sites use sb::log::info("connected client={} peer={}", ...).
namespace sb::log {

using spdlog::debug;
using spdlog::error;
using spdlog::info;
using spdlog::trace;
using spdlog::warn;

/// A name that came from outside, fit for a line of the log: at most 64 bytes, control characters and quotes replaced.
std::string name(std::string_view s);

/// Lets through at most one event per `period`, and counts the ones it held back. Owner: one thread.
class RateLimit {
 public:
  explicit RateLimit(std::chrono::milliseconds period = std::chrono::seconds(1)) : period_(period) {}
  /// True when the event may be logged now; then `suppressed()` is how many were not since the last time.
  bool pass() {
    auto now = std::chrono::steady_clock::now();
    if (now < next_) return ++held_, false;
    next_ = now + period_;
    suppressed_ = held_;
    held_ = 0;
    return true;
  }
  unsigned long suppressed() const { return suppressed_; }

 private:
  std::chrono::milliseconds period_;
  std::chrono::steady_clock::time_point next_{};
  unsigned long held_ = 0, suppressed_ = 0;
};

}  // namespace sb::log
