// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>
#include <cstdint>

namespace sb::cluster {

/// Whether something happens so often that gathering it pays: what it saves is more than the wake-up at its end.
class Pace {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::milliseconds kWindow{10};

  explicit Pace(std::uint64_t fast_per_second) : fast_per_second_(fast_per_second) {}

  /// It happens. The first one behind a quiet time ends its window: that was not fast.
  void count(Time now) {
    ++seen_;
    const auto passed = now - since_;
    if (passed < kWindow) return;
    const double seconds = std::chrono::duration<double>(passed).count();
    fast_ = static_cast<double>(seen_) >= static_cast<double>(fast_per_second_) * seconds;
    seen_ = 0;
    since_ = now;
  }
  /// By the last window.
  bool is_fast() const { return fast_; }

 private:
  const std::uint64_t fast_per_second_;
  std::uint64_t seen_ = 0;
  Time since_{};
  bool fast_ = false;
};

}  // namespace sb::cluster
