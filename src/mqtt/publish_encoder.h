// SPDX-License-Identifier: MIT
#pragma once
#include <cstring>

#include "model/message.h"
#include "mqtt/frame.h"

/// The packets that go out once per message, written straight into an output buffer. Header-only: the hot path.
namespace sb::mqtt {

/// How one PUBLISH is to be written.
struct PublishForm {
  Version version = Version::v311;
  std::uint8_t qos = 0;
  bool retain = false;
  bool dup = false;
  PacketId packet_id = 0;
  // Version 5 only:
  bool with_topic = true;   ///< false: only the alias stands for it
  std::uint16_t alias = 0;  ///< 0 = none
  const std::uint32_t* subscription_ids = nullptr;
  std::uint32_t subscription_id_count = 0;
  std::uint32_t expiry = 0;  ///< seconds, only when expires
  bool expires = false;
  std::string_view extra_properties;  ///< encoded, in front of the message's own (the broker's `gap`)
};

/// Sizes of an encoded PUBLISH, so that room can be reserved before it is written.
struct PublishSize {
  std::uint32_t properties = 0;  ///< bytes of the properties without their length
  std::uint32_t remaining = 0;   ///< Remaining Length
  std::size_t total = 0;         ///< whole packet
};

inline PublishSize publish_size(const model::MessageView& m, const PublishForm& f) {
  PublishSize s;
  std::size_t n = 2 + (f.with_topic ? m.topic.size() : 0) + (f.qos ? 2 : 0) + m.payload.size();
  if (f.version == Version::v5) {
    std::size_t p = m.properties.size() + f.extra_properties.size() + (f.expires ? 5 : 0) + (f.alias ? 3 : 0);
    for (std::uint32_t i = 0; i < f.subscription_id_count; ++i) p += 1 + varint_size(f.subscription_ids[i]);
    s.properties = static_cast<std::uint32_t>(p);
    n += varint_size(s.properties) + p;
  }
  s.remaining = static_cast<std::uint32_t>(n);
  s.total = 1 + varint_size(s.remaining) + n;
  return s;
}

inline char* put_bytes(char* at, std::string_view b) {
  if (!b.empty()) std::memcpy(at, b.data(), b.size());
  return at + b.size();
}

/// Writes all of the packet but its payload; returns the byte where the payload goes. `id_at`: offset of the packet id.
inline char* put_publish_head(char* at, const model::MessageView& m, const PublishForm& f, const PublishSize& s,
                              std::uint32_t* id_at = nullptr) {
  char* start = at;
  *at++ = static_cast<char>(0x30 | (f.dup ? 8 : 0) | f.qos << 1 | (f.retain ? 1 : 0));
  at = put_varint(at, s.remaining);
  std::string_view topic = f.with_topic ? m.topic : std::string_view();
  at = put_bytes(put_u16(at, static_cast<std::uint16_t>(topic.size())), topic);
  if (f.qos) {
    if (id_at) *id_at = static_cast<std::uint32_t>(at - start);
    at = put_u16(at, f.packet_id);
  }
  if (f.version == Version::v5) {
    at = put_varint(at, s.properties);
    if (f.expires) {
      *at++ = 0x02;
      at = put_u32(at, f.expiry);
    }
    if (f.alias) {
      *at++ = 0x23;
      at = put_u16(at, f.alias);
    }
    for (std::uint32_t i = 0; i < f.subscription_id_count; ++i) {
      *at++ = 0x0B;
      at = put_varint(at, f.subscription_ids[i]);
    }
    at = put_bytes(at, f.extra_properties);
    at = put_bytes(at, m.properties);
  }
  return at;
}

/// Writes a whole PUBLISH of `s.total` bytes; returns the byte behind it.
inline char* put_publish(char* at, const model::MessageView& m, const PublishForm& f, const PublishSize& s,
                         std::uint32_t* id_at = nullptr) {
  return put_bytes(put_publish_head(at, m, f, s, id_at), m.payload);
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP with success: the same four bytes in every version.
inline char* put_short_ack(char* at, PacketType type, PacketId id) {
  at[0] = static_cast<char>(static_cast<unsigned>(type) << 4 | (type == PacketType::pubrel ? 2 : 0));
  at[1] = 2;
  return put_u16(at + 2, id);
}

}  // namespace sb::mqtt
