// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <deque>

#include "mqtt/protocol.h"
#include "mqtt/reason.h"

namespace sb::channel {

/// Acknowledgements of a client's publishes that wait for a store, in the order in which the publishes came: they leave
/// in that order [MQTT-4.6.0-2] [MQTT-4.6.0-3]. Bounded by the Receive Maximum given to the client.
class AckQueue {
 public:
  struct Entry {
    mqtt::PacketId id;
    mqtt::PacketType type;  ///< puback or pubrec
    mqtt::Reason reason;
    bool done;
  };
  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  /// Of them for QoS 1.
  std::size_t pubacks() const { return pubacks_; }
  /// Sequence number that the next push() gets.
  std::uint64_t next_seq() const { return first_ + entries_.size(); }
  void push(mqtt::PacketId id, mqtt::PacketType type, bool done, mqtt::Reason reason) {
    entries_.push_back({id, type, reason, done});
    pubacks_ += type == mqtt::PacketType::puback;
  }
  void finish(std::uint64_t seq, mqtt::Reason reason) {
    if (seq < first_ || seq >= next_seq()) return;
    Entry& e = entries_[static_cast<std::size_t>(seq - first_)];
    e.done = true;
    e.reason = reason;
  }
  /// Calls send(entry) for the leading entries that are done.
  template <class F>
  void release(F send) {
    while (!entries_.empty() && entries_.front().done) {
      Entry e = entries_.front();
      entries_.pop_front();
      ++first_;
      pubacks_ -= e.type == mqtt::PacketType::puback;
      send(e);
    }
  }
  bool pending(mqtt::PacketId id) const {
    for (auto& e : entries_)
      if (e.id == id) return true;
    return false;
  }

 private:
  std::deque<Entry> entries_;
  std::uint64_t first_ = 1;
  std::size_t pubacks_ = 0;
};

}  // namespace sb::channel
