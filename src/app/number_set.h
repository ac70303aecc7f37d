// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

namespace sb::app {

/// A set of numbers that come mostly in order from 0: one past the highest, and the ranges below that are missing. 16
/// bytes while nothing is missing, since there is one for each stream of messages and each receiver.
class NumberSet {
 public:
  enum class Sight : std::uint8_t {
    in_order,  ///< new, and higher than all before
    late,      ///< new, but a higher one came first
    again,     ///< was there already
  };

  Sight insert(std::uint64_t n) {
    if (n == end_) [[likely]] {
      ++end_;
      return Sight::in_order;
    }
    if (n > end_) {
      if (!missing_) missing_ = std::make_unique<Ranges>();
      missing_->push_back({end_, n});
      end_ = n + 1;
      return Sight::in_order;
    }
    auto r = range_of(n);
    if (!r) return Sight::again;
    Range before{r->begin, n}, after{n + 1, r->end};
    auto at = missing_->begin() + (r - missing_->data());
    if (before.begin < before.end && after.begin < after.end) {
      *at = before;
      missing_->insert(at + 1, after);
    } else if (before.begin < before.end || after.begin < after.end) {
      *at = before.begin < before.end ? before : after;
    } else {
      missing_->erase(at);
    }
    return Sight::late;
  }

  bool contains(std::uint64_t n) const { return n < end_ && !range_of(n); }
  /// One past the highest number.
  std::uint64_t end() const { return end_; }
  std::uint64_t size() const {
    std::uint64_t n = end_;
    if (missing_)
      for (const Range& r : *missing_) n -= r.end - r.begin;
    return n;
  }

  /// The first number above `n` that is there, or end() when there is none.
  std::uint64_t next_after(std::uint64_t n) const {
    if (n + 1 >= end_) return end_;
    const Range* r = range_of(n + 1);
    return r ? r->end : n + 1;
  }

  /// Calls f(n) for each number from `first` and below `limit` that is not there, in order.
  template <class F>
  void for_each_missing(std::uint64_t first, std::uint64_t limit, F f) const {
    if (missing_)
      for (const Range& r : *missing_)
        for (std::uint64_t n = std::max(r.begin, first); n < std::min(r.end, limit); ++n) f(n);
    for (std::uint64_t n = std::max(end_, first); n < limit; ++n) f(n);
  }

 private:
  struct Range {
    std::uint64_t begin, end;
  };
  using Ranges = std::vector<Range>;

  /// The missing range that holds `n`, or null.
  Range* range_of(std::uint64_t n) const {
    if (!missing_) return nullptr;
    auto next = std::upper_bound(missing_->begin(), missing_->end(), n,
                                 [](std::uint64_t v, const Range& r) { return v < r.begin; });
    if (next == missing_->begin() || (next - 1)->end <= n) return nullptr;
    return &*(next - 1);
  }

  std::uint64_t end_ = 0;
  std::unique_ptr<Ranges> missing_;  ///< in order, disjoint, none empty
};

}  // namespace sb::app
