// SPDX-License-Identifier: MIT
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "base/result.h"
#include "base/time.h"
#include "ports/errc.h"

namespace sb::store {

/// Answers that are found in any order and given in the order of the requests. Owner: one thread.
class Answers {
 public:
  /// One request, until its answer was given.
  class Waiting {
   public:
    virtual ~Waiting() = default;
    MonoTime asked{};
    unsigned parts = 0;  ///< for whoever has to hear of several things before there is an answer
    virtual bool answered() const = 0;
    virtual void refuse() = 0;

   private:
    friend class Answers;
    virtual void give() = 0;
  };
  template <class T>
  class Slot final : public Waiting {
   public:
    explicit Slot(std::function<void(result<T>)> done) : done_(std::move(done)) {}
    bool answered() const override { return value_.has_value(); }
    void refuse() override {
      if (!value_) value_.emplace(make_error_code(ports::errc::unavailable));
    }

   private:
    friend class Answers;
    void give() override { done_(std::move(*value_)); }
    std::function<void(result<T>)> done_;
    std::optional<result<T>> value_;
  };
  template <class T>
  using Ptr = std::shared_ptr<Slot<T>>;

  template <class T>
  Ptr<T> add(std::function<void(result<T>)> done, MonoTime now) {
    auto slot = std::make_shared<Slot<T>>(std::move(done));
    slot->asked = now;
    waiting_.push_back(slot);
    return slot;
  }
  /// The first answer counts: what was refused meanwhile stays so.
  template <class T>
  void answer(const Ptr<T>& slot, result<T> value) {
    if (!slot->value_) slot->value_.emplace(std::move(value));
    give();
  }
  /// Gives what can be given.
  void give() {
    while (!waiting_.empty() && waiting_.front()->answered()) {
      const auto first = std::move(waiting_.front());
      waiting_.pop_front();
      first->give();
    }
  }
  /// Refuses what was asked at `old` or before, and is not answered. True when there was something.
  bool refuse_until(MonoTime old) {
    bool any = false;
    for (auto& w : waiting_) {
      if (w->asked > old) break;
      any |= !w->answered();
      w->refuse();
    }
    give();
    return any;
  }
  bool empty() const { return waiting_.empty(); }
  /// For how long the oldest request waits.
  Millis oldest(MonoTime now) const { return waiting_.empty() ? Millis(0) : now - waiting_.front()->asked; }

 private:
  std::deque<std::shared_ptr<Waiting>> waiting_;
};

}  // namespace sb::store
