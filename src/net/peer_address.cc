// SPDX-License-Identifier: MIT
#include "net/peer_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <cstring>

namespace sb::net {

PeerAddress PeerAddress::from(const sockaddr_storage& a) {
  PeerAddress p;
  if (a.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(a);
    std::memcpy(p.ip.data(), &in.sin_addr, 4);
    p.port = ntohs(in.sin_port);
    p.family = 4;
  } else if (a.ss_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(a);
    std::memcpy(p.ip.data(), &in.sin6_addr, 16);
    p.port = ntohs(in.sin6_port);
    p.family = 6;
  }
  return p;
}

std::string PeerAddress::text() const {
  if (family == 4) return fmt::format("{}.{}.{}.{}:{}", ip[0], ip[1], ip[2], ip[3], port);  // once per connection
  char b[INET6_ADDRSTRLEN];
  if (family == 6) return '[' + std::string(inet_ntop(AF_INET6, ip.data(), b, sizeof b)) + "]:" + std::to_string(port);
  return "unix";
}

}  // namespace sb::net
