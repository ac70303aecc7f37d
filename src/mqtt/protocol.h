// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>

namespace sb::mqtt {

/// Protocol level byte of CONNECT.
enum class Version : std::uint8_t { v31 = 3, v311 = 4, v5 = 5 };

/// Control packet types [MQTT5 2.1.2].
enum class PacketType : std::uint8_t {
  reserved = 0,
  connect = 1,
  connack = 2,
  publish = 3,
  puback = 4,
  pubrec = 5,
  pubrel = 6,
  pubcomp = 7,
  subscribe = 8,
  suback = 9,
  unsubscribe = 10,
  unsuback = 11,
  pingreq = 12,
  pingresp = 13,
  disconnect = 14,
  auth = 15,
};

using PacketId = std::uint16_t;  ///< 1..65535; 0 = none

inline constexpr std::uint32_t kMaxRemainingLength = 268'435'455;  ///< bytes [MQTT5 1.5.5]
inline constexpr std::uint32_t kMaxPacketSize = kMaxRemainingLength + 5;

/// Name of a packet type for logs, e.g. "PUBLISH".
constexpr const char* name(PacketType t) {
  constexpr const char* names[] = {"RESERVED", "CONNECT",  "CONNACK",    "PUBLISH", "PUBACK",      "PUBREC",
                                   "PUBREL",   "PUBCOMP",  "SUBSCRIBE",  "SUBACK",  "UNSUBSCRIBE", "UNSUBACK",
                                   "PINGREQ",  "PINGRESP", "DISCONNECT", "AUTH"};
  return names[static_cast<unsigned>(t) & 15];
}

}  // namespace sb::mqtt
