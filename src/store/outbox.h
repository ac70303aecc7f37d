// SPDX-License-Identifier: MIT
#pragma once
#include <absl/functional/any_invocable.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "io/event_loop.h"

namespace sb::store {

/// Gathers what one thread has for another within a turn of its loop, and hands it over in one piece. Outside of a turn
/// everything goes at once. Owner: the thread of `from`.
class Outbox final : public io::TurnEnd {
 public:
  using Call = absl::AnyInvocable<void()>;
  Outbox(io::EventLoop& from, io::EventLoop& to) : from_(from), to_(to) {}

  /// `f` will be called on the thread of `to`.
  void add(Call f) {
    ++mark_;
    calls_.push_back(std::move(f));
    if (!from_.in_turn())
      on_end_of_turn();
    else if (calls_.size() == 1)
      from_.at_turn_end(this);
  }
  /// Called on the thread of `to` behind the calls of a turn.
  void set_behind(void (*f)(void*), void* of) {
    behind_ = f;
    behind_of_ = of;
  }
  /// Changes with everything that is added or handed over: the same mark, the same last call.
  std::uint64_t mark() const { return mark_; }
  void on_end_of_turn() override {
    ++mark_;
    to_.post_fn([calls = std::exchange(calls_, {}), behind = behind_, of = behind_of_]() mutable {
      for (auto& call : calls) call();
      if (behind) behind(of);
    });
  }

 private:
  io::EventLoop& from_;
  io::EventLoop& to_;
  std::vector<Call> calls_;
  std::uint64_t mark_ = 0;
  void (*behind_)(void*) = nullptr;
  void* behind_of_ = nullptr;
};

}  // namespace sb::store
