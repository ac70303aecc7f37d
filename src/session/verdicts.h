// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstdint>

namespace sb::session {

/// What the rights of a session say of the topics that it lately got, by their hashes: rules are walked once for a
/// topic and not for each message. To be cleared when rights change. 4 KiB.
class Verdicts {
 public:
  /// Of the topic with this hash (hash_bytes: nobody outside knows how to make two of them equal); asks `may()` when
  /// it does not know.
  template <class F>
  bool get(std::uint64_t topic_hash, F may) {
    std::uint64_t& e = entries_[topic_hash >> kShift];
    const std::uint64_t key = (topic_hash & ~std::uint64_t{3}) | kKnown;
    if ((e & ~kAllowed) != key) e = key | (may() ? kAllowed : 0);
    return e & kAllowed;
  }
  void clear() { entries_.fill(0); }

 private:
  static constexpr std::uint64_t kAllowed = 1, kKnown = 2;
  static constexpr unsigned kShift = 64 - 9;
  std::array<std::uint64_t, 512> entries_{};
};

}  // namespace sb::session
