// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "mqtt/protocol.h"

namespace sb::client {

/// The publishes of QoS > 0 that wait for an acknowledgement. The packet id is the place in the table, so
/// finding one costs nothing, and places (with the memory of their packets) are used again: no allocation in
/// the steady state.
class OutWindow {
 public:
  enum class State : std::uint8_t {
    free,
    puback,   ///< QoS 1 sent, PUBACK awaited
    pubrec,   ///< QoS 2 sent, PUBREC awaited
    pubcomp,  ///< PUBREL sent, PUBCOMP awaited; the message itself is done
  };
  struct Slot {
    std::uint64_t token = 0;  ///< the publisher's own name for the message
    std::uint64_t order = 0;  ///< of sending
    std::string packet;       ///< encoded, for sending it again
    State state = State::free;
    mqtt::PacketId next_free = 0;
  };

  /// Ids above belong to SUBSCRIBE and UNSUBSCRIBE.
  static constexpr mqtt::PacketId kMaxId = 65000;

  std::size_t used() const { return used_; }

  mqtt::PacketId take(State state, std::uint64_t token) {
    mqtt::PacketId id = free_;
    if (id != 0) {
      free_ = slots_[id - 1].next_free;
    } else {
      slots_.emplace_back();
      id = static_cast<mqtt::PacketId>(slots_.size());
    }
    Slot& s = slots_[id - 1];
    s.state = state;
    s.token = token;
    s.order = next_order_++;
    ++used_;
    return id;
  }
  void release(mqtt::PacketId id) {
    Slot& s = slots_[id - 1];
    if (s.packet.capacity() > kKeptBytes) std::string().swap(s.packet);
    s.packet.clear();
    s.state = State::free;
    s.next_free = free_;
    free_ = id;
    --used_;
  }
  /// The slot of `id` if it is in `state`, else null.
  Slot* find(mqtt::PacketId id, State state) {
    if (id == 0 || id > slots_.size() || slots_[id - 1].state != state) return nullptr;
    return &slots_[id - 1];
  }
  Slot& at(mqtt::PacketId id) { return slots_[id - 1]; }

  /// The ids in use, last sent first.
  std::vector<mqtt::PacketId> newest_first() const {
    std::vector<mqtt::PacketId> ids;
    for (std::size_t i = 0; i < slots_.size(); ++i)
      if (slots_[i].state != State::free) ids.push_back(static_cast<mqtt::PacketId>(i + 1));
    std::sort(ids.begin(), ids.end(),
              [this](mqtt::PacketId a, mqtt::PacketId b) { return slots_[a - 1].order > slots_[b - 1].order; });
    return ids;
  }
  void clear() {
    for (std::size_t i = 0; i < slots_.size(); ++i)
      if (slots_[i].state != State::free) release(static_cast<mqtt::PacketId>(i + 1));
  }

 private:
  static constexpr std::size_t kKeptBytes = 64 * 1024;  ///< memory that a free place keeps for its next packet
  std::vector<Slot> slots_;
  std::size_t used_ = 0;
  std::uint64_t next_order_ = 1;
  mqtt::PacketId free_ = 0;
};

}  // namespace sb::client
