// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sb {

/// An IP address. An IPv4 address that is written as IPv6 (::ffff:192.0.2.1) is the IPv4 address.
struct Ip {
  std::array<std::uint8_t, 16> bytes{};  ///< network order; IPv4: the first four
  std::uint8_t family = 0;               ///< 4, 6, 0 = none

  /// "192.0.2.1", "2001:db8::1", without brackets, port or zone.
  static std::optional<Ip> parse(std::string_view text);
  static Ip v4(const void* four_bytes);
  static Ip v6(const void* sixteen_bytes);
  std::string text() const;

  explicit operator bool() const { return family != 0; }
  bool operator==(const Ip&) const = default;
  template <class H>
  friend H AbslHashValue(H h, const Ip& a) {
    return H::combine(std::move(h), a.bytes, a.family);
  }
};

/// An address, or all that begin with the same bits.
struct Subnet {
  Ip ip;
  std::uint8_t bits = 0;

  /// "192.0.2.0/24", "2001:db8::/32", or an address alone.
  static std::optional<Subnet> parse(std::string_view text);
  bool contains(const Ip& a) const;
};

}  // namespace sb
