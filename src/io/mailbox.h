// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <utility>

namespace sb::io {

/// Something that one thread hands to another to be run there. Intrusive: handing over allocates nothing.
class Task {
 public:
  virtual ~Task() = default;
  /// Called once on the receiving thread. The task belongs to itself from here: it deletes or recycles
  /// itself.
  virtual void run() = 0;
  /// Called instead of run() when the receiver is gone.
  virtual void drop() { delete this; }

 private:
  friend class Mailbox;
  Task* next_ = nullptr;
};

/// Many senders, one receiver, first in first out per sender; no lock. What bounds it is the sender: requests
/// and answers are bounded by the connections that wait for them, batches of messages by the pool of their
/// slabs.
class Mailbox {
 public:
  Mailbox() = default;
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
  ~Mailbox() { drop_all(); }

  /// Any thread. True when the box was empty before.
  bool push(Task* t) {
    Task* head = head_.load(std::memory_order_relaxed);
    do t->next_ = head;
    while (!head_.compare_exchange_weak(head, t, std::memory_order_seq_cst, std::memory_order_relaxed));
    return head == nullptr;
  }

  bool empty() const { return head_.load(std::memory_order_seq_cst) == nullptr; }

  /// Receiver only: nobody will run what is there.
  void drop_all() {
    for (Task* t = take(); t;) std::exchange(t, t->next_)->drop();
  }
  /// Receiver only: runs what is there, in the order of arrival. Returns how many ran.
  int drain() {
    Task* t = take();
    int n = 0;
    while (t) {
      Task* next = t->next_;
      t->run();
      t = next;
      ++n;
    }
    return n;
  }

 private:
  /// Takes everything, oldest first.
  Task* take() {
    Task* newest = head_.exchange(nullptr, std::memory_order_acquire);
    Task* oldest = nullptr;
    while (newest) {
      Task* next = newest->next_;
      newest->next_ = oldest;
      oldest = newest;
      newest = next;
    }
    return oldest;
  }
  std::atomic<Task*> head_{nullptr};
};

/// A task made of a callable; deletes itself after it ran.
template <class F>
class FunctionTask final : public Task {
 public:
  explicit FunctionTask(F f) : f_(std::move(f)) {}
  void run() override {
    f_();
    delete this;
  }

 private:
  F f_;
};

}  // namespace sb::io
