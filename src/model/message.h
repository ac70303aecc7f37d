// SPDX-License-Identifier: MIT
#pragma once
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <cstdint>
#include <string_view>

#include "base/out_buffer.h"
#include "base/time.h"

namespace sb::model {

/// Stands for a client id where comparing it has to be cheap [MQTT-3.8.3-3]; never 0, the same in every process.
std::uint64_t publisher_of(std::string_view client_id);
/// Stands for a publish that `who` has given this number; never 0, the same in every process.
std::uint64_t identity_of(std::string_view who, std::uint64_t number);

/// One published message as views; whoever makes one says how long the bytes live (a turn, or as long as a Message).
struct MessageView {
  std::string_view topic;
  std::string_view payload;
  /// MQTT 5 properties that travel with the message, as encoded on the wire without the length in front: payload
  /// format, content type, response topic, correlation data, user properties, in the publisher's order. [MQTT-3.3.2-18]
  /// Message expiry, topic alias and subscription identifiers are not among them.
  std::string_view properties;
  WallTime expires_at = kNoExpiry;
  std::uint8_t qos = 0;
  bool retain = false;
  std::uint64_t id = 0;         ///< unique on this node while it runs
  std::uint64_t publisher = 0;  ///< publisher_of its client id (No Local), 0 = the broker itself
  std::uint64_t identity = 0;   ///< identity_of a QoS 2 publish of which several nodes may have copies; 0 = none

  bool expired(WallTime now) const { return expires_at <= now; }
  /// Whole seconds until expiry, at least 0; only for messages that expire. [MQTT-3.3.2-6]
  std::uint32_t remaining_expiry(WallTime now) const {
    auto ms = (expires_at - now).count();
    return ms <= 0 ? 0 : static_cast<std::uint32_t>((ms + 999) / 1000);
  }
  std::size_t bytes() const { return topic.size() + payload.size() + properties.size(); }
};

/// A message that outlives the turn in which it arrived: one allocation for all of it, immutable, shared between
/// threads.
class Message final : public SharedBytes {
 public:
  static boost::intrusive_ptr<const Message> copy(const MessageView& m);
  const MessageView& view() const { return view_; }
  /// Bytes of memory that it takes.
  std::size_t footprint() const { return sizeof(Message) + view_.bytes(); }

  static void operator delete(void* p);

 private:
  explicit Message(const MessageView& m, char* storage);
  static void* operator new(std::size_t, void* p) { return p; }
  MessageView view_;
};
using MessagePtr = boost::intrusive_ptr<const Message>;

}  // namespace sb::model
