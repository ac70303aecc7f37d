// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "app/verify_ledger.h"

namespace sb::app {

/// The longest time of each subscriber without a message, while there was publishing.
class VerifyPauses {
 public:
  struct Summary {
    Moment median = 0, worst = 0;  ///< ms
    std::uint32_t subscriber = 0;  ///< whose is the worst
    Moment until = 0;              ///< when it ended
  };

  /// Publishing begins.
  void begin(std::size_t subscribers, Moment now) { all_.assign(subscribers, {now, 0, now}); }
  void message(std::uint32_t subscriber, Moment now) {
    if (subscriber >= all_.size()) return;
    One& one = all_[subscriber];
    if (now - one.last > one.longest) one.longest = now - one.last, one.until = now;
    one.last = now;
  }
  /// Publishing ends; what comes later is not looked at.
  void end(Moment now) {
    for (std::uint32_t i = 0; i < all_.size(); ++i) message(i, now);
    ended_ = std::move(all_);
    all_.clear();
  }

  /// After end().
  Summary summary() const {
    if (ended_.empty()) return {};
    std::vector<Moment> sorted;
    for (const One& one : ended_) sorted.push_back(one.longest);
    std::ranges::sort(sorted);
    auto worst = std::ranges::max_element(ended_, {}, &One::longest);
    return {sorted[(sorted.size() - 1) / 2], worst->longest, static_cast<std::uint32_t>(worst - ended_.begin()),
            worst->until};
  }

 private:
  struct One {
    Moment last = 0, longest = 0, until = 0;
  };
  std::vector<One> all_, ended_;
};

}  // namespace sb::app
