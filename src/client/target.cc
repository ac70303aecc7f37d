// SPDX-License-Identifier: MIT
#include "client/target.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <charconv>
#include <cstring>

#include "client/errc.h"

namespace sb::client {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = static_cast<char>(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool percent_decoded(std::string_view in, std::string& out) {
  out.clear();
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i] != '%') {
      out.push_back(in[i]);
      continue;
    }
    if (i + 2 >= in.size()) return false;
    int high = hex_digit(in[i + 1]), low = hex_digit(in[i + 2]);
    if (high < 0 || low < 0) return false;
    out.push_back(static_cast<char>(high << 4 | low));
    i += 2;
  }
  return true;
}

struct Scheme {
  std::string_view prefix;
  bool tls, websocket;
};
constexpr Scheme kSchemes[] = {
    {"mqtt://", false, false}, {"mqtts://", true, false}, {"ws://", false, true}, {"wss://", true, true}};

/// `host[:port]`, an IPv6 address in brackets. "" when it is right, else what is wrong.
std::string take_authority(std::string_view text, Target& t) {
  std::size_t end;
  if (text.starts_with('[')) {
    end = text.find(']');
    if (end == std::string_view::npos) return "the bracket of the IPv6 address is not closed";
    t.host = text.substr(1, end - 1);
    ++end;
  } else {
    end = std::min(text.find(':'), text.size());
    t.host = text.substr(0, end);
  }
  if (t.host.empty()) return "it names no host";
  if (end == text.size()) return "";
  std::string_view port = text.substr(end);
  if (port.front() != ':') return "what follows the host is no port";
  port.remove_prefix(1);
  auto [rest, error] = std::from_chars(port.data(), port.data() + port.size(), t.port);
  if (error != std::errc() || rest != port.data() + port.size() || t.port == 0)
    return fmt::format("\"{}\" is no port: 1 to 65535", port);
  return "";
}

std::string take_user(std::string_view text, Url& url) {
  std::size_t colon = text.find(':');
  if (!percent_decoded(text.substr(0, colon), url.username.emplace())) return "a % is not followed by two hex digits";
  if (colon == std::string_view::npos) return "";
  if (!percent_decoded(text.substr(colon + 1), url.password.emplace())) return "a % is not followed by two hex digits";
  return "";
}

std::string take_path(std::string_view path, Url& url) {
  if (path.empty()) return "";
  if (url.target.websocket) {
    url.target.path = path;
    return "";
  }
  return percent_decoded(path.substr(1), url.topic) ? "" : "a % is not followed by two hex digits";
}

}  // namespace

std::uint16_t default_port(bool tls, bool websocket) {
  if (websocket) return tls ? 443 : 80;
  return tls ? 8883 : 1883;
}

std::string Target::name() const {
  if (!unix_path.empty()) return unix_path;
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

result<Url> parse_url(std::string_view text, std::string& problem) {
  Url url;
  const Scheme* scheme = nullptr;
  for (auto& s : kSchemes)
    if (text.starts_with(s.prefix)) scheme = &s;
  if (!scheme) {
    problem = "it does not begin with mqtt://, mqtts://, ws:// or wss://";
    return make_error_code(errc::bad_url);
  }
  text.remove_prefix(scheme->prefix.size());
  url.target.tls = scheme->tls;
  url.target.websocket = scheme->websocket;
  url.target.port = default_port(scheme->tls, scheme->websocket);
  std::size_t slash = std::min(text.find('/'), text.size());
  std::string_view authority = text.substr(0, slash), path = text.substr(slash);
  std::size_t at = authority.rfind('@');
  problem.clear();
  if (at != std::string_view::npos) {
    problem = take_user(authority.substr(0, at), url);
    authority.remove_prefix(at + 1);
  }
  if (problem.empty()) problem = take_authority(authority, url.target);
  if (problem.empty()) problem = take_path(path, url);
  if (!problem.empty()) return make_error_code(errc::bad_url);
  return url;
}

result<std::vector<Address>> resolve(const Target& t) {
  std::vector<Address> addresses;
  if (!t.unix_path.empty()) {
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    if (t.unix_path.size() >= sizeof un.sun_path) return error_code(ENAMETOOLONG, boost::system::system_category());
    t.unix_path.copy(un.sun_path, t.unix_path.size());
    Address& a = addresses.emplace_back();
    std::memcpy(&a.storage, &un, sizeof un);
    a.size = sizeof un;
    return addresses;
  }
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  if (getaddrinfo(t.host.c_str(), std::to_string(t.port).c_str(), &hints, &found) != 0)
    return make_error_code(errc::no_address);
  for (addrinfo* i = found; i; i = i->ai_next) {
    Address& a = addresses.emplace_back();
    std::memcpy(&a.storage, i->ai_addr, i->ai_addrlen);
    a.size = i->ai_addrlen;
  }
  freeaddrinfo(found);
  if (addresses.empty()) return make_error_code(errc::no_address);
  return addresses;
}

std::optional<Address> parse_ip(const std::string& text) {
  Address a;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&a.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&a.storage);
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    a.size = sizeof *v4;
    return a;
  }
  if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    a.size = sizeof *v6;
    return a;
  }
  return std::nullopt;
}

}  // namespace sb::client
