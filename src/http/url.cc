// SPDX-License-Identifier: MIT
#include "http/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace sb::http {
namespace {

constexpr std::uint16_t default_port(bool tls) { return tls ? 443 : 80; }

std::string in_brackets(const std::string& host) {
  return host.find(':') == std::string::npos ? host : '[' + host + ']';
}

bool is_name(std::string_view host) {
  return !host.empty() && host.size() <= 253 && std::all_of(host.begin(), host.end(), [](unsigned char c) {
    return (c < 0x80 && std::isalnum(c)) || c == '-' || c == '.' || c == '_';
  });
}

bool is_ipv6(std::string_view host) {
  return host.find(':') != host.npos && host.find_first_not_of("0123456789abcdefABCDEF:.") == host.npos;
}

}  // namespace

std::string Url::host_header() const {
  return port == default_port(tls) ? in_brackets(host) : fmt::format("{}:{}", in_brackets(host), port);
}

std::string Url::origin() const { return fmt::format("{}://{}:{}", tls ? "https" : "http", in_brackets(host), port); }

std::optional<Url> parse_url(std::string_view text, std::string& why) {
  auto fail = [&](std::string_view problem) {
    why = problem;
    return std::nullopt;
  };
  Url url;
  if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return c <= 0x20 || c >= 0x7F; }))
    return fail("has a space or other characters that a URL cannot have");
  if (text.starts_with("https://")) {
    url.tls = true;
    text.remove_prefix(8);
  } else if (text.starts_with("http://")) {
    text.remove_prefix(7);
  } else {
    return fail("does not begin with http:// or https://");
  }
  if (text.find('#') != text.npos) return fail("has a \"#\", which is never sent");
  const std::size_t path = std::min(text.find_first_of("/?"), text.size());
  std::string_view authority = text.substr(0, path);
  if (path < text.size()) url.target = text.substr(path);
  if (url.target.starts_with('?')) url.target.insert(0, "/");
  if (authority.find('@') != authority.npos) return fail("has a user or a password in it");
  std::string_view host, port;
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    if (end == authority.npos) return fail("has a \"[\" without \"]\"");
    host = authority.substr(1, end - 1);
    port = authority.substr(end + 1);
    if (!is_ipv6(host)) return fail("has something else than an IPv6 address in brackets");
    if (!port.empty() && !port.starts_with(':')) return fail("has something between \"]\" and the path");
  } else {
    const std::size_t colon = std::min(authority.find(':'), authority.size());
    host = authority.substr(0, colon);
    port = authority.substr(colon);
    if (!is_name(host)) return fail("has no host name or address");
  }
  url.host = host;
  url.port = default_port(url.tls);
  if (!port.empty()) {
    port.remove_prefix(1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
    if (error != std::errc() || end != port.data() + port.size() || url.port == 0)
      return fail("has a port that is not a number from 1 to 65535");
  }
  return url;
}

}  // namespace sb::http
