// SPDX-License-Identifier: MIT
#pragma once
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sb::redis {

/// Where one server is.
struct Endpoint {
  std::string host;  ///< IPv4, IPv6 without brackets, or a name
  std::uint16_t port = 6379;
  std::string unix_path;  ///< not "": a unix socket instead of host and port

  /// As in messages: "host:port", "[v6]:port" or the path.
  std::string text() const;
  auto operator<=>(const Endpoint&) const = default;
};

/// What a URL of Redis says:
///   redis://[[user]:password@]host[:port][/db]                       rediss: with TLS
///   unix://[[user]:password@]/path[?db=n]                            or redis+unix
///   redis+sentinel://[[user]:password@]host[:port],.../name[/db]     rediss+sentinel
///   redis+cluster://[[user]:password@]host[:port],...                rediss+cluster
/// User and password may have percent-encoded characters; an IPv6 address stands in brackets. The ports are 6379, and
/// 26379 of Sentinels, when they are left out.
struct Url {
  enum class Kind : std::uint8_t { single, sentinel, cluster };
  Kind kind = Kind::single;
  bool tls = false;
  std::string username, password;  ///< "" = none; a password without a user name is that of the user `default`
  std::vector<Endpoint> hosts;     ///< one with `single`, else where to ask
  std::string primary;             ///< `sentinel`: name of the group
  std::uint32_t db = 0;

  /// For logs: without the password.
  std::string text() const;
};

/// On failure bad_url, and `problem` says what is wrong, without quoting what may be a password.
result<Url> parse_url(std::string_view text, std::string& problem);

}  // namespace sb::redis
