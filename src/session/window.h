// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "model/message.h"
#include "model/session_record.h"
#include "mqtt/protocol.h"

namespace sb::session {

using model::OutboundState;
using mqtt::PacketId;

/// One delivery under way: what has to be known until it is acknowledged.
struct InFlight {
  OutboundState state{};       ///< 0 = this packet id is free
  bool saved : 1 = false;      ///< durable: the store has it, as it was sent
  bool in_record : 1 = false;  ///< durable: the store may have it, so its end has to be told
  bool moved : 1 = false;      ///< a group's: its id is later than those of messages that came behind it
  bool unsent : 1 = false;     ///< durable QoS 2: it goes out once the store has it
  /// Came through the log of a shared group: the group's number for it, to be told how it ends. 0 = it did not.
  std::uint16_t handle = 0;
  /// Key of the shared group it came from; with a handle: the shard that owns the group. 0 = none.
  std::uint32_t group = 0;
  std::uint64_t log = 0;      ///< ports::LogId of the log that holds it (with a handle: the group's), 0 = none
  model::Position position;   ///< in that log
  model::MessagePtr message;  ///< kept for a shared group, so that it can go to another member

  void set_saved() { saved = in_record = true; }
};

/// Packet ids under way to one client, QoS 1 and 2 together, in the order in which they were sent [MQTT5 4.4, 4.6].
///
/// Ids are given out one after the other, so the window is a ring indexed by id: every operation is O(1). A client that
/// acknowledges out of order leaves holes; a span of 65535 ids counts as full. Empty it holds no memory.
class Window {
 public:
  bool full(std::uint32_t maximum) const { return count_ >= maximum || span_ >= 65535; }
  /// Bytes of the messages that entries keep.
  std::size_t kept() const { return kept_; }
  std::uint32_t count() const { return count_; }
  bool empty() const { return count_ == 0; }

  /// Takes the next packet id. The window must not be full.
  PacketId push(InFlight entry);
  /// Takes up an id of an earlier connection, in the order of the calls: sequences must ascend.
  bool restore(std::uint64_t sequence, InFlight entry);

  /// The id that was given out first of those under way, 0 when there is none.
  PacketId oldest() const { return span_ == 0 ? PacketId{0} : id_of(first_); }
  /// The entry of an id under way, null when there is none.
  InFlight* find(PacketId id);
  /// The id is free again.
  void erase(PacketId id);

  /// An entry gets its message, or needs it no more: never by hand, since they are counted.
  void keep(InFlight& e, model::MessagePtr m) {
    forget(e);
    kept_ += footprint(m);
    e.message = std::move(m);
  }
  void forget(InFlight& e) {
    kept_ -= footprint(e.message);
    e.message.reset();
  }

  /// Calls f(id, entry) for all, oldest first.
  template <class F>
  void for_each(F f) {
    for (std::uint32_t i = 0; i < span_; ++i) {
      InFlight& e = at(i);
      if (e.state != OutboundState{}) f(id_of(first_ + i), e);
    }
  }
  /// Counts the ids given out in the life of the session; the id follows from it.
  std::uint64_t sequence_of(PacketId id) const { return first_ + offset_of(id); }
  void clear();

 private:
  static PacketId id_of(std::uint64_t sequence) { return static_cast<PacketId>(sequence % 65535u + 1u); }
  std::uint32_t offset_of(PacketId id) const { return (id + 65535u - id_of(first_)) % 65535u; }
  static std::size_t footprint(const model::MessagePtr& m) { return m ? m->footprint() : 0; }
  InFlight& at(std::uint32_t i) { return ring_[(begin_ + i) & (capacity_ - 1)]; }
  void grow();
  void drop_free_front();

  std::unique_ptr<InFlight[]> ring_;
  std::uint32_t capacity_ = 0;  ///< power of two, or 0
  std::uint32_t begin_ = 0;     ///< ring index of first_
  std::uint32_t span_ = 0;      ///< ids from the oldest under way to the newest
  std::uint32_t count_ = 0;     ///< of them under way
  std::uint64_t first_ = 0;     ///< sequence of the oldest
  std::size_t kept_ = 0;
};

}  // namespace sb::session
