// SPDX-License-Identifier: MIT
#include "redis/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "redis/errc.h"

namespace sb::redis {
namespace {

constexpr std::uint16_t kPort = 6379, kSentinelPort = 26379;
constexpr std::string_view kBadPercent = "a % in the user name or password is not followed by two hex digits";

struct Scheme {
  std::string_view prefix;
  Url::Kind kind;
  bool tls, unix_socket;
};
constexpr Scheme kSchemes[] = {
    {"redis://", Url::Kind::single, false, false},
    {"rediss://", Url::Kind::single, true, false},
    {"unix://", Url::Kind::single, false, true},
    {"redis+unix://", Url::Kind::single, false, true},
    {"redis+sentinel://", Url::Kind::sentinel, false, false},
    {"rediss+sentinel://", Url::Kind::sentinel, true, false},
    {"redis+cluster://", Url::Kind::cluster, false, false},
    {"rediss+cluster://", Url::Kind::cluster, true, false},
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = static_cast<char>(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool percent_decoded(std::string_view in, std::string& out) {
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i] != '%') {
      out.push_back(in[i]);
      continue;
    }
    const int high = i + 2 < in.size() ? hex_digit(in[i + 1]) : -1, low = high >= 0 ? hex_digit(in[i + 2]) : -1;
    if (low < 0) return false;
    out.push_back(static_cast<char>(high << 4 | low));
    i += 2;
  }
  return true;
}

template <class N>
bool number(std::string_view text, N& n) {
  auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  return error == std::errc() && rest == text.data() + text.size();
}

// Each takes its part of the URL; "" when it is right, else what is wrong.

std::string take_login(std::string_view text, Url& url) {
  const std::size_t colon = text.find(':');
  if (colon == text.npos) return "a user name needs a password: user:password@";
  if (!percent_decoded(text.substr(0, colon), url.username) || !percent_decoded(text.substr(colon + 1), url.password))
    return std::string(kBadPercent);
  return url.password.empty() ? "the password is empty" : "";
}

std::string take_host(std::string_view text, Url& url) {
  Endpoint e{.port = url.kind == Url::Kind::sentinel ? kSentinelPort : kPort};
  std::size_t end = std::min(text.find(':'), text.size());
  if (text.starts_with('[')) {
    end = text.find(']');
    if (end == text.npos) return "the bracket of the IPv6 address is not closed";
    e.host = text.substr(1, end++ - 1);
  } else {
    e.host = text.substr(0, end);
  }
  if (e.host.empty()) return "it names no host";
  if (end < text.size()) {
    const std::string_view port = text.substr(end + 1);
    if (text[end] != ':') return "what follows the host is no port";
    if (!number(port, e.port) || e.port == 0) return fmt::format("\"{}\" is no port: 1 to 65535", port);
  }
  url.hosts.push_back(std::move(e));
  return "";
}

std::string take_hosts(std::string_view text, Url& url) {
  for (;;) {
    const std::size_t comma = text.find(',');
    if (std::string why = take_host(text.substr(0, comma), url); !why.empty()) return why;
    if (comma == text.npos) return "";
    if (url.kind == Url::Kind::single)
      return "it names several hosts; for Sentinels write redis+sentinel://, for a cluster redis+cluster://";
    text.remove_prefix(comma + 1);
  }
}

std::string take_db(std::string_view text, Url& url) {
  if (text.empty() || number(text, url.db)) return "";
  return fmt::format("\"{}\" is no number of a database", text);
}

/// What follows the first slash.
std::string take_path(std::string_view path, Url& url) {
  if (url.kind == Url::Kind::cluster) return path.empty() || path == "0" ? "" : "a cluster has the database 0 only";
  if (url.kind == Url::Kind::single) return take_db(path, url);
  const std::size_t slash = std::min(path.find('/'), path.size());
  url.primary = path.substr(0, slash);
  if (url.primary.empty()) return "it does not say the name of the Sentinels' group: redis+sentinel://host/NAME";
  return take_db(path.substr(std::min(slash + 1, path.size())), url);
}

std::string take_unix(std::string_view path, Url& url) {
  const std::size_t question = std::min(path.find('?'), path.size());
  Endpoint e{.unix_path = std::string(path.substr(0, question))};
  if (!e.unix_path.starts_with('/')) return "the path of the socket does not begin with \"/\": unix:///path";
  url.hosts.push_back(std::move(e));
  path.remove_prefix(question);
  if (path.empty()) return "";
  if (!path.starts_with("?db=")) return "what follows the path is not \"?db=\" and a number";
  return take_db(path.substr(4), url);
}

std::string take_all(std::string_view text, Url& url) {
  const Scheme* scheme = std::find_if(std::begin(kSchemes), std::end(kSchemes),
                                      [&](const Scheme& s) { return text.starts_with(s.prefix); });
  if (scheme == std::end(kSchemes))
    return "it does not begin with redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://";
  text.remove_prefix(scheme->prefix.size());
  url.kind = scheme->kind;
  url.tls = scheme->tls;
  const std::size_t slash = std::min(text.find('/'), text.size());
  std::string_view authority = text.substr(0, slash), path = text.substr(slash);
  if (const std::size_t at = authority.rfind('@'); at != authority.npos) {
    if (std::string why = take_login(authority.substr(0, at), url); !why.empty()) return why;
    authority.remove_prefix(at + 1);
  }
  if (scheme->unix_socket)
    return authority.empty() ? take_unix(path, url) : "a socket has a path and no host: unix:///path";
  if (std::string why = take_hosts(authority, url); !why.empty()) return why;
  return take_path(path.substr(std::min<std::size_t>(1, path.size())), url);
}

}  // namespace

std::string Endpoint::text() const {
  if (!unix_path.empty()) return unix_path;
  return host.find(':') == host.npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

std::string Url::text() const {
  const bool unix_socket = kind == Kind::single && !hosts.empty() && !hosts.front().unix_path.empty();
  std::string out = unix_socket ? "unix" : tls ? "rediss" : "redis";
  if (kind != Kind::single) out += kind == Kind::sentinel ? "+sentinel" : "+cluster";
  out += "://";
  if (!password.empty()) out += username + ":***@";
  for (std::size_t i = 0; i < hosts.size(); ++i) out += (i ? "," : "") + hosts[i].text();
  if (!primary.empty()) out += "/" + primary;
  if (db != 0) out += (unix_socket ? "?db=" : "/") + std::to_string(db);
  return out;
}

result<Url> parse_url(std::string_view text, std::string& problem) {
  Url url;
  problem = take_all(text, url);
  if (!problem.empty()) return make_error_code(errc::bad_url);
  return url;
}

}  // namespace sb::redis
