// SPDX-License-Identifier: MIT
#pragma once
#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "base/ip.h"

namespace sb::net {

/// The address of the other end in 20 bytes.
struct PeerAddress {
  Ip ip;  ///< none: a Unix socket, or unknown
  std::uint16_t port = 0;

  static PeerAddress from(const sockaddr_storage& a);
  /// "192.0.2.1:1883", "[2001:db8::1]:1883", "unix".
  std::string text() const;
};

}  // namespace sb::net
