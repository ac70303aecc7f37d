// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

namespace sb::app {

/// The numbers of one publisher's messages as they arrive at one receiver: finds duplicates and changes of order.
/// Remembers which of the last kWindow numbers came; takes that memory only once a number was skipped.
class SequenceTracker {
 public:
  enum class Verdict : std::uint8_t { next, ahead, late, duplicate };

  /// next: as expected; ahead: numbers before it have not come yet; late: one of those; duplicate: it came before.
  Verdict see(std::uint64_t n) {
    if (n == next_) [[likely]] {
      if (seen_) set(n);
      ++next_;
      return Verdict::next;
    }
    if (n > next_) return skip_to(n);
    if (!seen_ || next_ - n > kWindow || get(n)) return Verdict::duplicate;
    set(n);
    return Verdict::late;
  }

 private:
  static constexpr std::uint64_t kWindow = 8192;
  Verdict skip_to(std::uint64_t n) {
    if (!seen_) seen_ = std::make_unique<std::vector<bool>>(kWindow, true);  // all before this gap have come
    std::uint64_t from = n - next_ > kWindow ? n - kWindow : next_;
    for (std::uint64_t i = from; i < n; ++i) (*seen_)[i % kWindow] = false;
    set(n);
    next_ = n + 1;
    return Verdict::ahead;
  }
  bool get(std::uint64_t n) const { return (*seen_)[n % kWindow]; }
  void set(std::uint64_t n) { (*seen_)[n % kWindow] = true; }

  std::uint64_t next_ = 0;
  std::unique_ptr<std::vector<bool>> seen_;
};

}  // namespace sb::app
