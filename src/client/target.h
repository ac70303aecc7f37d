// SPDX-License-Identifier: MIT
#pragma once
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sb::client {

/// Where a broker is and how one talks to it.
struct Target {
  std::string host = "127.0.0.1";  ///< IPv4, IPv6 without brackets, or a name
  std::uint16_t port = 1883;
  std::string unix_path;  ///< not "": a unix socket instead of host and port
  bool tls = false;
  bool websocket = false;
  std::string path = "/mqtt";  ///< websocket: path and query of the request
  std::string source_address;  ///< local IP address to connect from, "" = the system's choice

  /// As in messages: "host:port", "[v6]:port" or the path of the unix socket.
  std::string name() const;
};

/// Port that a scheme stands for: 1883, TLS 8883, WebSocket 80, both 443.
std::uint16_t default_port(bool tls, bool websocket);

struct Url {
  Target target;
  std::optional<std::string> username, password;
  std::string topic;  ///< mqtt, mqtts: what follows the first slash of the path, "" = none
};

/// Reads `mqtt[s]://[user[:password]@]host[:port][/topic]` and
/// `ws[s]://[user[:password]@]host[:port][/path]`, with percent signs decoded in user, password and topic. On
/// failure bad_url, and `problem` says what is wrong with it.
result<Url> parse_url(std::string_view text, std::string& problem);

/// One address of a socket.
struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

/// The addresses of `t`, in the system's order of preference, at least one. Asks the resolver and may take
/// seconds.
result<std::vector<Address>> resolve(const Target& t);

/// An IP address without a port, to bind to.
std::optional<Address> parse_ip(const std::string& text);

}  // namespace sb::client
