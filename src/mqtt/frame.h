// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string_view>

#include "mqtt/protocol.h"

namespace sb::mqtt {

/// One control packet: its fixed header taken apart, its body still encoded.
struct Frame {
  PacketType type = PacketType::reserved;
  std::uint8_t flags = 0;  ///< low four bits of the first byte
  bool overlong = false;   ///< the Remaining Length has more bytes than it needs [MQTT-1.5.5-1]
  std::string_view body;   ///< what the Remaining Length counts
  std::string_view whole;  ///< with the fixed header
};

enum class FrameStatus : std::uint8_t {
  complete,   ///< `out` is filled, `in` stands behind it
  partial,    ///< more bytes are needed
  malformed,  ///< Remaining Length longer than four bytes
  too_large,  ///< the whole packet is above `max_size`; said as soon as its header is there
};

/// Takes one packet from the front of `in`.
inline FrameStatus take_frame(std::string_view& in, std::uint32_t max_size, Frame& out) {
  const char* p = in.data();
  std::size_t n = in.size();
  if (n < 2) return FrameStatus::partial;
  std::uint32_t length = static_cast<unsigned char>(p[1]);
  std::size_t head = 2;
  out.overlong = false;
  if (length & 0x80) [[unlikely]] {
    length &= 0x7F;
    for (int shift = 7;; shift += 7) {
      if (shift > 21) return FrameStatus::malformed;
      if (head == n) return FrameStatus::partial;
      auto b = static_cast<unsigned char>(p[head++]);
      length |= static_cast<std::uint32_t>(b & 0x7F) << shift;
      if (b & 0x80) continue;
      out.overlong = b == 0;
      break;
    }
  }
  if (head + length > max_size) [[unlikely]]
    return FrameStatus::too_large;
  if (n - head < length) return FrameStatus::partial;
  out.type = static_cast<PacketType>(static_cast<unsigned char>(p[0]) >> 4);
  out.flags = static_cast<unsigned char>(p[0]) & 15;
  out.body = std::string_view(p + head, length);
  out.whole = std::string_view(p, head + length);
  in.remove_prefix(head + length);
  return FrameStatus::complete;
}

/// Bytes of the packet that `in` begins with, as its fixed header says; 0 when that is not there yet.
inline std::size_t announced_size(std::string_view in) {
  std::size_t length = 0;
  for (std::size_t i = 1; i < in.size() && i < 5; ++i) {
    const auto b = static_cast<unsigned char>(in[i]);
    length |= static_cast<std::size_t>(b & 0x7F) << 7 * (i - 1);
    if (!(b & 0x80)) return i + 1 + length;
  }
  return 0;
}

/// Bytes that a Variable Byte Integer takes.
constexpr std::size_t varint_size(std::uint32_t v) { return v < 128 ? 1 : v < 16384 ? 2 : v < 2097152 ? 3 : 4; }

/// Writes a Variable Byte Integer; returns the byte behind it.
inline char* put_varint(char* at, std::uint32_t v) {
  while (v >= 128) {
    *at++ = static_cast<char>(v | 128);
    v >>= 7;
  }
  *at++ = static_cast<char>(v);
  return at;
}
inline char* put_u16(char* at, std::uint16_t v) {
  at[0] = static_cast<char>(v >> 8);
  at[1] = static_cast<char>(v);
  return at + 2;
}
inline char* put_u32(char* at, std::uint32_t v) {
  return put_u16(put_u16(at, static_cast<std::uint16_t>(v >> 16)), static_cast<std::uint16_t>(v));
}

}  // namespace sb::mqtt
