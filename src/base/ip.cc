// SPDX-License-Identifier: MIT
#include "base/ip.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

namespace sb {

Ip Ip::v4(const void* b) {
  Ip a;
  std::memcpy(a.bytes.data(), b, 4);
  a.family = 4;
  return a;
}

Ip Ip::v6(const void* b) {
  static constexpr std::array<std::uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (std::memcmp(b, kMapped.data(), kMapped.size()) == 0) return v4(static_cast<const char*>(b) + kMapped.size());
  Ip a;
  std::memcpy(a.bytes.data(), b, 16);
  a.family = 6;
  return a;
}

std::optional<Ip> Ip::parse(std::string_view text) {
  char z[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof z || text.find('\0') != text.npos) return std::nullopt;
  std::memcpy(z, text.data(), text.size());
  z[text.size()] = 0;
  char bytes[16];
  if (::inet_pton(AF_INET, z, bytes) == 1) return v4(bytes);
  if (::inet_pton(AF_INET6, z, bytes) == 1) return v6(bytes);
  return std::nullopt;
}

std::string Ip::text() const {
  if (!family) return {};
  char z[INET6_ADDRSTRLEN];
  return ::inet_ntop(family == 4 ? AF_INET : AF_INET6, bytes.data(), z, sizeof z);
}

std::optional<Subnet> Subnet::parse(std::string_view text) {
  const auto slash = text.find('/');
  auto ip = Ip::parse(text.substr(0, slash));
  if (!ip) return std::nullopt;
  const unsigned all = ip->family == 4 ? 32 : 128;
  unsigned bits = all;
  if (slash != std::string_view::npos) {
    std::string_view n = text.substr(slash + 1);
    auto [end, error] = std::from_chars(n.data(), n.data() + n.size(), bits);
    if (error != std::errc() || end != n.data() + n.size() || bits > all) return std::nullopt;
  }
  return Subnet{*ip, static_cast<std::uint8_t>(bits)};
}

bool Subnet::contains(const Ip& a) const {
  if (a.family != ip.family) return false;
  const std::size_t whole = bits / 8;
  if (std::memcmp(a.bytes.data(), ip.bytes.data(), whole) != 0) return false;
  const unsigned rest = bits % 8;
  return rest == 0 || ((a.bytes[whole] ^ ip.bytes[whole]) >> (8 - rest)) == 0;
}

}  // namespace sb
