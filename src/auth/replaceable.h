// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <mutex>

namespace sb::auth {

/// Something immutable that many threads use and a reload replaces. Who has it already keeps it. Threads: any.
template <class T>
class Replaceable {
 public:
  using Ptr = std::shared_ptr<const T>;
  explicit Replaceable(Ptr value = nullptr) : value_(std::move(value)) {}

  Ptr get() const {
    std::lock_guard lock(mutex_);
    return value_;
  }
  void set(Ptr value) {
    std::lock_guard lock(mutex_);
    value_.swap(value);  // the old one goes without the lock
  }

 private:
  // Not std::atomic<std::shared_ptr>: in libstdc++ 12 its load() lets the reference count race with store().
  mutable std::mutex mutex_;
  Ptr value_;
};

}  // namespace sb::auth
