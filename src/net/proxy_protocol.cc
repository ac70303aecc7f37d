// SPDX-License-Identifier: MIT
#include "net/proxy_protocol.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

namespace sb::net {
namespace {

constexpr std::string_view kV1("PROXY ", 6);
constexpr std::string_view kV2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kV2Head = 16, kUnixPath = 108;

enum Tlv : std::uint8_t { kAuthority = 0x02, kCrc32c = 0x03, kSsl = 0x20, kSslVersion = 0x21, kSslCommonName = 0x22 };

std::uint32_t big_endian(std::string_view s) {
  std::uint32_t v = 0;
  for (char c : s) v = v << 8 | static_cast<std::uint8_t>(c);
  return v;
}

void put(std::string& out, std::uint32_t v, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) out += static_cast<char>(v >> shift);
}

void put_tlv(std::string& out, Tlv type, std::string_view value) {
  put(out, type, 1);
  put(out, static_cast<std::uint32_t>(value.size()), 2);
  out += value;
}

/// CRC32C (Castagnoli) of `s`, with the four bytes at `hole` taken as zero (2.2.3).
std::uint32_t crc32c(std::string_view s, std::size_t hole) {
  std::uint32_t crc = ~0u;
  for (std::size_t i = 0; i < s.size(); ++i) {
    crc ^= i >= hole && i < hole + 4 ? 0u : static_cast<std::uint8_t>(s[i]);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0u);
  }
  return ~crc;
}

// ---- version 1

std::optional<std::uint16_t> port_of(std::string_view s) {
  // "a decimal integer in the range [0..65535]", without leading zeroes
  std::uint16_t port = 0;
  auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), port);
  if (ec != std::errc() || end != s.data() + s.size() || (s.size() > 1 && s[0] == '0')) return std::nullopt;
  return port;
}

bool ip_of(std::string_view s, ProxyAddress::Family family, ProxyAddress& out) {
  char text[INET6_ADDRSTRLEN];
  if (s.empty() || s.size() >= sizeof text || s.find('\0') != s.npos) return false;
  text[s.copy(text, s.size())] = 0;
  out.family = family;
  return inet_pton(family == ProxyAddress::Family::ipv4 ? AF_INET : AF_INET6, text, out.ip.data()) == 1;
}

ProxyParse parse_v1(std::string_view input, ProxyHeader& out) {
  const std::string_view window = input.substr(0, kProxyV1Max);
  const std::size_t end = window.find('\n');
  if (end == std::string_view::npos) return window.size() < kProxyV1Max ? ProxyParse::need_more : ProxyParse::malformed;
  if (window[end - 1] != '\r') return ProxyParse::malformed;
  std::string_view line = window.substr(kV1.size(), end - 1 - kV1.size());
  out = {};
  out.version = 1;
  out.size = end + 1;
  auto word = [&line] {
    const std::size_t space = line.find(' ');
    std::string_view w = line.substr(0, space);
    line = space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
    return w;
  };
  const std::string_view protocol = word();
  // "the receiver must ignore anything presented before the CRLF"
  if (protocol == "UNKNOWN") return ProxyParse::complete;
  if (protocol != "TCP4" && protocol != "TCP6") return ProxyParse::malformed;
  // Exactly one space between the words and none at the end.
  if (std::count(line.begin(), line.end(), ' ') != 3) return ProxyParse::malformed;
  const auto family = protocol == "TCP4" ? ProxyAddress::Family::ipv4 : ProxyAddress::Family::ipv6;
  const std::string_view from = word(), to = word(), from_port = word(), to_port = word();
  const auto source_port = port_of(from_port), destination_port = port_of(to_port);
  if (!source_port || !destination_port || !ip_of(from, family, out.source) || !ip_of(to, family, out.destination)) {
    return ProxyParse::malformed;
  }
  out.source.port = *source_port;
  out.destination.port = *destination_port;
  return ProxyParse::complete;
}

// ---- version 2

/// Calls `take(type, value)` for each TLV. False when their lengths do not add up, or `take` says so.
template <class F>
bool each_tlv(std::string_view s, F take) {
  while (!s.empty()) {
    if (s.size() < 3) return false;
    const std::size_t size = big_endian(s.substr(1, 2));
    if (s.size() - 3 < size) return false;
    if (!take(static_cast<std::uint8_t>(s[0]), s.substr(3, size))) return false;
    s.remove_prefix(3 + size);
  }
  return true;
}

bool parse_ssl(std::string_view value, ProxySsl& out) {
  if (value.size() < 5) return false;
  out = {};
  out.present = true;
  out.client = static_cast<std::uint8_t>(value[0]);
  out.verify = big_endian(value.substr(1, 4));
  return each_tlv(value.substr(5), [&out](std::uint8_t type, std::string_view v) {
    if (type == kSslVersion) out.version = v;
    if (type == kSslCommonName) out.common_name = v;
    return true;
  });
}

void take_ip(std::string_view addresses, ProxyAddress::Family family, std::size_t n, ProxyHeader& out) {
  out.source.family = out.destination.family = family;
  std::memcpy(out.source.ip.data(), addresses.data(), n);
  std::memcpy(out.destination.ip.data(), addresses.data() + n, n);
  out.source.port = static_cast<std::uint16_t>(big_endian(addresses.substr(2 * n, 2)));
  out.destination.port = static_cast<std::uint16_t>(big_endian(addresses.substr(2 * n + 2, 2)));
}

/// An unnamed socket is all zeroes; an abstract one begins with a zero and keeps it.
std::string unix_path(std::string_view field) {
  const std::size_t last = field.find_last_not_of('\0');
  if (last == std::string_view::npos) return {};
  return std::string(field[0] == '\0' ? field.substr(0, last + 1) : field.substr(0, field.find('\0')));
}

/// The addresses at the start of `body`, cut off from it. False when they do not fit in it.
bool parse_addresses(std::uint8_t family, std::string_view& body, ProxyHeader& out) {
  using Family = ProxyAddress::Family;
  const std::size_t size = family == 1 ? 12 : family == 2 ? 36 : family == 3 ? 2 * kUnixPath : 0;
  if (body.size() < size) return false;
  if (family == 1) take_ip(body, Family::ipv4, 4, out);
  if (family == 2) take_ip(body, Family::ipv6, 16, out);
  if (family == 3) {
    out.source = {Family::unix_socket, {}, 0, unix_path(body.substr(0, kUnixPath))};
    out.destination = {Family::unix_socket, {}, 0, unix_path(body.substr(kUnixPath, kUnixPath))};
  }
  body.remove_prefix(size);
  return true;
}

ProxyParse parse_v2(std::string_view input, ProxyHeader& out) {
  if (input.size() < kV2Head) return ProxyParse::need_more;
  const auto command = static_cast<std::uint8_t>(input[12]), family = static_cast<std::uint8_t>(input[13]);
  const std::size_t length = big_endian(input.substr(14, 2));
  if (command != 0x20 && command != 0x21) return ProxyParse::malformed;  // version 2; LOCAL, PROXY
  if (length > kProxyV2Max) return ProxyParse::malformed;
  if (input.size() < kV2Head + length) return ProxyParse::need_more;
  out = {};
  out.version = 2;
  out.size = kV2Head + length;
  std::string_view header = input.substr(0, out.size), body = header.substr(kV2Head);
  if (command == 0x20) {
    // "the receiver must [...] use the real connection endpoints and discard the protocol block including the
    // family"
    out.local = true;
    return ProxyParse::complete;
  }
  // The low half is the transport: unspecified or stream. MQTT has no use for datagrams.
  if (family >> 4 > 3 || (family & 15) > 1) return ProxyParse::malformed;
  // AF_UNSPEC: the length of the addresses is unknown, so there is nothing behind them that could be read
  // either.
  if (family >> 4 == 0) return ProxyParse::complete;
  if (!parse_addresses(family >> 4, body, out)) return ProxyParse::malformed;
  const bool good = each_tlv(body, [&](std::uint8_t type, std::string_view v) {
    if (type == kAuthority) out.authority = v;
    if (type == kSsl) return parse_ssl(v, out.ssl);
    if (type == kCrc32c) {
      return v.size() == 4 && big_endian(v) == crc32c(header, static_cast<std::size_t>(v.data() - header.data()));
    }
    return true;
  });
  return good ? ProxyParse::complete : ProxyParse::malformed;
}

}  // namespace

std::string ProxyAddress::text() const {
  char buffer[INET6_ADDRSTRLEN] = {};
  switch (family) {
    case Family::none:
      return {};
    case Family::ipv4:
      return fmt::format("{}:{}", inet_ntop(AF_INET, ip.data(), buffer, sizeof buffer), port);
    case Family::ipv6:
      return fmt::format("[{}]:{}", inet_ntop(AF_INET6, ip.data(), buffer, sizeof buffer), port);
    case Family::unix_socket: {
      std::string out = "unix:" + path;
      std::replace_if(
          out.begin(), out.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, '@');
      return out;
    }
  }
  return {};
}

ProxyParse parse_proxy_header(std::string_view input, ProxyHeader& out) {
  for (std::string_view start : {kV1, kV2}) {
    const std::size_t n = std::min(input.size(), start.size());
    if (input.substr(0, n) != start.substr(0, n)) continue;
    if (n < start.size()) return ProxyParse::need_more;
    return start == kV1 ? parse_v1(input, out) : parse_v2(input, out);
  }
  return ProxyParse::absent;
}

std::string encode_proxy_v2(const ProxyHeader& header) {
  using Family = ProxyAddress::Family;
  const Family family = header.source.family;
  std::string out(kV2);
  put(out, header.local ? 0x20 : 0x21, 1);
  const bool none = header.local || family == Family::none;
  put(out, none ? 0x00 : static_cast<std::uint32_t>(family) << 4 | 1, 1);
  put(out, 0, 2);  // the length, when it is known
  if (!none && family != Family::unix_socket) {
    const std::size_t n = family == Family::ipv4 ? 4 : 16;
    for (const auto* a : {&header.source, &header.destination})
      out.append(reinterpret_cast<const char*>(a->ip.data()), n);
    for (const auto* a : {&header.source, &header.destination}) put(out, a->port, 2);
  } else if (!none) {
    for (const auto* a : {&header.source, &header.destination}) {
      out += a->path.substr(0, kUnixPath);
      out.append(kUnixPath - std::min(kUnixPath, a->path.size()), '\0');
    }
  }
  if (!none) {
    if (!header.authority.empty()) put_tlv(out, kAuthority, header.authority);
    if (header.ssl.present) {
      std::string value;
      put(value, header.ssl.client, 1);
      put(value, header.ssl.verify, 4);
      if (!header.ssl.version.empty()) put_tlv(value, kSslVersion, header.ssl.version);
      if (!header.ssl.common_name.empty()) put_tlv(value, kSslCommonName, header.ssl.common_name);
      put_tlv(out, kSsl, value);
    }
    put_tlv(out, kCrc32c, std::string_view("\0\0\0\0", 4));
  }
  const auto length = static_cast<std::uint32_t>(out.size() - kV2Head);
  out[14] = static_cast<char>(length >> 8);
  out[15] = static_cast<char>(length);
  if (!none) {
    const std::uint32_t crc = crc32c(out, out.size() - 4);
    out.resize(out.size() - 4);
    put(out, crc, 4);
  }
  return out;
}

}  // namespace sb::net
