// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sb::config {

/// Where a listener listens: nowhere, a TCP host and port, or a unix socket.
struct Address {
  enum class Kind : std::uint8_t { off, tcp, unix_socket };
  Kind kind = Kind::off;
  std::string host;        ///< tcp: IPv4, IPv6 without brackets, or a host name
  std::uint16_t port = 0;  ///< tcp: 0 = any free port
  std::string path;        ///< unix_socket

  static Address tcp(std::string host, std::uint16_t port) { return {Kind::tcp, std::move(host), port, {}}; }
  static Address unix_socket(std::string path) { return {Kind::unix_socket, {}, 0, std::move(path)}; }
  bool enabled() const { return kind != Kind::off; }
  /// True for unix sockets, 127.0.0.0/8, ::1 and "localhost": only this machine can connect.
  bool is_local() const;
  /// As written in the configuration: "", "host:port", "[v6]:port" or "unix:/path".
  std::string text() const;
  bool operator==(const Address&) const = default;
};

/// The inverse of Address::text(). On failure nothing, and `problem` says what is wrong with it.
std::optional<Address> parse_address(std::string_view text, std::string& problem);

}  // namespace sb::config
