// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace sb::app {

/// Counts of durations in nanoseconds, in buckets of 1/32 of their size: an error of 3 % at most.
class Histogram {
 public:
  void add(std::uint64_t ns) {
    ++counts_[bucket(ns)];
    ++total_;
    max_ = std::max(max_, ns);
  }
  void add(const Histogram& o) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += o.counts_[i];
    total_ += o.total_;
    max_ = std::max(max_, o.max_);
  }
  std::uint64_t total() const { return total_; }
  std::uint64_t max() const { return max_; }
  /// The duration that the fraction `q` (0..1) of all is not above.
  std::uint64_t quantile(double q) const {
    if (total_ == 0) return 0;
    auto rank = static_cast<std::uint64_t>(q * static_cast<double>(total_ - 1));
    if (rank + 1 == total_) return max_;
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > rank) return std::min(middle(i), max_);
    }
    return max_;
  }

 private:
  static constexpr unsigned kBits = 5;
  static constexpr std::uint64_t kSub = 1u << kBits;
  static std::size_t bucket(std::uint64_t v) {
    if (v < kSub) return v;
    unsigned shift = static_cast<unsigned>(std::bit_width(v)) - 1 - kBits;
    return (shift + 1) * kSub + (v >> shift & (kSub - 1));
  }
  static std::uint64_t middle(std::size_t i) {
    if (i < kSub) return i;
    unsigned shift = static_cast<unsigned>(i / kSub) - 1;
    return ((kSub + i % kSub) << shift) + ((1ull << shift) >> 1);
  }
  std::array<std::uint64_t, (64 - kBits + 1) * kSub> counts_{};
  std::uint64_t total_ = 0, max_ = 0;
};

}  // namespace sb::app
