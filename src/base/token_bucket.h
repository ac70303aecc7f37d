// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace sb {

/// Allows `rate` of something a second, and `burst` at once. What is taken may go below nothing: then the bucket is
/// empty until that has come in. Rate 0: no bound.
class TokenBucket {
 public:
  explicit TokenBucket(double rate = 0, double burst = 1) : rate_(rate / 1000), burst_(burst), level_(burst) {}

  bool bounded() const { return rate_ > 0; }
  void take(double n, MonoTime now) {
    refill(now);
    level_ -= n;
  }
  /// True when the next may come.
  bool ready(MonoTime now) {
    refill(now);
    return !bounded() || level_ > 0;
  }
  /// When ready() will be true, if nothing is taken until then.
  MonoTime ready_at() const {
    if (!bounded() || level_ > 0) return last_;
    return last_ + Millis(static_cast<std::int64_t>(-level_ / rate_) + 1);
  }

 private:
  void refill(MonoTime now) {
    if (now > last_) level_ = std::min(burst_, level_ + rate_ * static_cast<double>((now - last_).count()));
    last_ = std::max(last_, now);
  }
  double rate_;  ///< a millisecond
  double burst_, level_;
  MonoTime last_{};
};

}  // namespace sb
