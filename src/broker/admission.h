// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <deque>

#include "base/token_bucket.h"

namespace sb::broker {

/// In which order and how fast connections that have sent CONNECT are worked on, so that thousands that come back at
/// once do not hold up those that are in: a rate, a bound for each turn of the loop, and durable sessions in front. One
/// in eight is of the others, so that they are not forgotten. Owner: one shard.
class Admission {
 public:
  static constexpr std::uint32_t kPerTurn = 32;  ///< one costs some 20 to 50 us

  /// `rate`: CONNECTs a second, 0 = no bound.
  explicit Admission(double rate) : bucket_(rate, rate / 5 + 1) {}

  /// True when it is admitted at once; otherwise next() will name it.
  bool ask(std::uint64_t who, bool durable, MonoTime now) {
    if (waiting() == 0 && may(now)) return take(now), true;
    (durable ? durable_ : others_).push_back(who);
    return false;
  }
  /// Takes the next one, if it is time for one. False when not.
  bool next(MonoTime now, std::uint64_t& who) {
    if (waiting() == 0 || !may(now)) return false;
    const bool other = durable_.empty() || (!others_.empty() && ++turn_ % 8 == 0);
    auto& from = other ? others_ : durable_;
    who = from.front();
    from.pop_front();
    return true;
  }
  /// The one that next() named was still there.
  void take(MonoTime now) {
    bucket_.take(1, now);
    ++in_turn_;
  }

  void new_turn() { in_turn_ = 0; }
  std::size_t waiting() const { return durable_.size() + others_.size(); }
  /// Others wait for the next turn only, not for the rate.
  bool goes_on(MonoTime now) { return waiting() > 0 && bucket_.ready(now); }
  /// When the rate allows the next one.
  MonoTime ready_at() const { return bucket_.ready_at(); }

 private:
  bool may(MonoTime now) { return in_turn_ < kPerTurn && bucket_.ready(now); }
  TokenBucket bucket_;
  std::uint32_t in_turn_ = 0, turn_ = 0;
  std::deque<std::uint64_t> durable_, others_;
};

}  // namespace sb::broker
