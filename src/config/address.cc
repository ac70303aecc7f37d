// SPDX-License-Identifier: MIT
#include "config/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/un.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace sb::config {
namespace {

constexpr std::size_t kMaxUnixPath = sizeof(sockaddr_un::sun_path) - 1;
constexpr std::size_t kMaxHost = 253;

bool is_ipv4(const std::string& s) {
  in_addr a;
  return s.find('\0') == s.npos && inet_pton(AF_INET, s.c_str(), &a) == 1;
}

bool is_ipv6(std::string s) {
  if (auto zone = s.find('%'); zone != std::string::npos && zone + 1 < s.size()) s.resize(zone);
  in6_addr a;
  return s.find('\0') == s.npos && inet_pton(AF_INET6, s.c_str(), &a) == 1;
}

bool is_host_name(std::string_view s) {
  auto ok = [](unsigned char c) { return c < 0x80 && (std::isalnum(c) || c == '-' || c == '_' || c == '.'); };
  bool number = std::all_of(s.begin(), s.end(), [](unsigned char c) { return std::isdigit(c) || c == '.'; });
  return !s.empty() && s.size() <= kMaxHost && !number && std::all_of(s.begin(), s.end(), ok);
}

bool parse_port(std::string_view s, std::uint16_t& port) {
  auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), port);
  return !s.empty() && ec == std::errc() && end == s.data() + s.size();
}

}  // namespace

bool Address::is_local() const {
  if (kind == Kind::unix_socket) return true;
  if (kind == Kind::off) return false;
  if (is_ipv4(host)) return host.starts_with("127.");
  in6_addr v6;
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return host == "localhost";
}

std::string Address::text() const {
  switch (kind) {
    case Kind::off:
      return "";
    case Kind::unix_socket:
      return "unix:" + path;
    case Kind::tcp:
      break;
  }
  bool v6 = host.find(':') != std::string::npos;
  return v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::optional<Address> parse_address(std::string_view text, std::string& problem) {
  auto fail = [&](std::string why) { return problem = std::move(why), std::nullopt; };
  if (text.empty()) return Address{};
  if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; })) {
    return fail("has a control character");
  }
  if (text.starts_with("unix:")) {
    auto path = text.substr(5);
    if (path.empty()) return fail("no path after \"unix:\"");
    if (path.size() > kMaxUnixPath) {
      return fail(fmt::format("the path has {} bytes, a unix socket allows {}", path.size(), kMaxUnixPath));
    }
    return Address::unix_socket(std::string(path));
  }
  if (text.find("://") != std::string_view::npos) return fail("has a scheme, as a URL has");
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    std::uint16_t port;
    return fail(parse_port(text, port) ? "a port without a host" : "no port");
  }
  std::string host(text.substr(0, colon));
  if (host.empty()) return fail("a port without a host (0.0.0.0 is every IPv4 address, [::] every address)");
  if (host.front() == '[') {
    if (host.back() != ']') return fail("no port after the bracket");
    host = host.substr(1, host.size() - 2);
    if (!is_ipv6(host)) return fail("not an IPv6 address between the brackets");
  } else if (host.find(':') != std::string::npos) {
    return fail("an IPv6 address must stand in brackets");
  } else if (!is_ipv4(host) && !is_host_name(host)) {
    return fail("neither an IPv4 address nor a host name before the port");
  }
  std::uint16_t port = 0;
  if (!parse_port(text.substr(colon + 1), port)) return fail("the port is not a number from 0 to 65535");
  return Address::tcp(std::move(host), port);
}

}  // namespace sb::config
