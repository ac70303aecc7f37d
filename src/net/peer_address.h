// SPDX-License-Identifier: MIT
#pragma once
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <string>

namespace sb::net {

/// The address of the other end in 20 bytes.
struct PeerAddress {
  std::array<std::uint8_t, 16> ip{};  ///< network order; IPv4: the first four
  std::uint16_t port = 0;
  std::uint8_t family = 0;  ///< 4, 6, 0 = Unix socket or unknown

  static PeerAddress from(const sockaddr_storage& a);
  /// "192.0.2.1:1883", "[2001:db8::1]:1883", "unix".
  std::string text() const;
};

}  // namespace sb::net
