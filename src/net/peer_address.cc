// SPDX-License-Identifier: MIT
#include "net/peer_address.h"

#include <fmt/format.h>
#include <netinet/in.h>

namespace sb::net {

PeerAddress PeerAddress::from(const sockaddr_storage& a) {
  PeerAddress p;
  if (a.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(a);
    p.ip = Ip::v4(&in.sin_addr);
    p.port = ntohs(in.sin_port);
  } else if (a.ss_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(a);
    p.ip = Ip::v6(&in.sin6_addr);
    p.port = ntohs(in.sin6_port);
  }
  return p;
}

std::string PeerAddress::text() const {
  const auto& b = ip.bytes;
  if (ip.family == 4) return fmt::format("{}.{}.{}.{}:{}", b[0], b[1], b[2], b[3], port);  // once per connection
  return ip ? fmt::format("[{}]:{}", ip.text(), port) : "unix";
}

}  // namespace sb::net
