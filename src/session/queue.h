// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <deque>
#include <vector>

#include "model/message.h"

namespace sb::session {

/// A delivery that waits for room in the window of a volatile session.
struct Waiting {
  model::MessagePtr message;
  std::uint8_t qos = 0;
  bool retain = false;
  std::uint32_t group = 0;  ///< key of the shared group it came from, 0 = none
  std::vector<std::uint32_t> subscription_ids;
};

/// What waits for one volatile session, bounded in messages and bytes (promise 4). Durable sessions do not queue: their
/// cursors lag.
class Queue {
 public:
  /// What happened to a message that was offered.
  enum class Offered : std::uint8_t { queued, dropped_new, dropped_oldest };

  Offered offer(Waiting w, std::uint32_t max_messages, std::size_t max_bytes, bool drop_oldest) {
    std::size_t n = w.message->footprint();
    Offered outcome = Offered::queued;
    while (!items_.empty() && (items_.size() >= max_messages || bytes_ + n > max_bytes)) {
      if (!drop_oldest) return Offered::dropped_new;
      pop();
      outcome = Offered::dropped_oldest;
    }
    bytes_ += n;
    items_.push_back(std::move(w));
    return outcome;
  }
  bool empty() const { return items_.empty(); }
  std::size_t size() const { return items_.size(); }
  std::size_t bytes() const { return bytes_; }
  const Waiting& front() const { return items_.front(); }
  void pop() {
    bytes_ -= items_.front().message->footprint();
    items_.pop_front();
  }
  std::deque<Waiting>& items() { return items_; }

 private:
  std::deque<Waiting> items_;
  std::size_t bytes_ = 0;
};

}  // namespace sb::session
