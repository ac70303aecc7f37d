// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/message.h"
#include "mqtt/protocol.h"
#include "mqtt/publish_encoder.h"

namespace sb::channel {

/// The bytes of a PUBLISH for one class of receivers: equal but for the packet id.
struct EncodedFrame {
  const char* data = nullptr;
  std::uint32_t size = 0;
  std::uint32_t id_at = 0;  ///< offset of the packet id, QoS > 0
};

/// One message on its way to its receivers on one shard. Encodes it once per class (version 5 or not, QoS, retain
/// flag), and not at all for the class in which it came in. Lives for the loop over the receivers.
class Fanout {
 public:
  /// Storage of the encodings, kept by the shard from message to message.
  struct Scratch {
    std::array<std::string, 12> frames;
  };

  Fanout(const model::MessageView& m, WallTime now, Scratch& scratch) : message_(m), now_(now), scratch_(scratch) {}
  Fanout(const model::MessagePtr& m, WallTime now, Scratch& scratch)
      : message_(m->view()), now_(now), scratch_(scratch), held_(m) {}
  Fanout(const Fanout&) = delete;
  Fanout& operator=(const Fanout&) = delete;

  /// The frame as it came from the publisher, when it can be sent on as it is: no DUP, no retain, nothing to rewrite.
  void came_as(bool v5, const EncodedFrame& f) { put(index(v5, message_.qos, false), f); }

  const model::MessageView& message() const { return message_; }
  WallTime now() const { return now_; }

  const EncodedFrame& frame(bool v5, std::uint8_t qos, bool retain) {
    const std::size_t i = index(v5, qos, retain);
    if (!(made_ >> i & 1u)) put(i, encode(v5, qos, retain));
    return frames_.all[i];
  }

  /// The message in memory of its own, for whoever needs it after this turn. Copied at most once.
  const model::MessagePtr& held() {
    if (!held_) held_ = model::Message::copy(message_);
    return held_;
  }

 private:
  static std::size_t index(bool v5, std::uint8_t qos, bool retain) {
    return (v5 ? 6u : 0u) + qos * 2u + (retain ? 1u : 0u);
  }
  void put(std::size_t i, const EncodedFrame& f) {
    frames_.all[i] = f;
    made_ |= 1u << i;
  }
  EncodedFrame encode(bool v5, std::uint8_t qos, bool retain) {
    EncodedFrame f;
    mqtt::PublishForm form;
    form.version = v5 ? mqtt::Version::v5 : mqtt::Version::v311;
    form.qos = qos;
    form.retain = retain;
    form.expires = message_.expires_at != kNoExpiry;
    if (form.expires) form.expiry = message_.remaining_expiry(now_);
    mqtt::PublishSize size = mqtt::publish_size(message_, form);
    std::string& room = scratch_.frames[index(v5, qos, retain)];
    if (room.size() < size.total) room.resize(size.total);
    mqtt::put_publish(room.data(), message_, form, size, &f.id_at);
    f.data = room.data();
    f.size = static_cast<std::uint32_t>(size.total);
    return f;
  }

  const model::MessageView& message_;
  WallTime now_;
  Scratch& scratch_;
  model::MessagePtr held_;
  std::uint32_t made_ = 0;  ///< bit n: frames_.all[n] is there
  union Frames {
    Frames() {}  // most messages need one of them: the others are not even zeroed
    std::array<EncodedFrame, 12> all;
  } frames_;
};

}  // namespace sb::channel
