// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sb::http {

/// An absolute http or https URL (RFC 3986, RFC 9110 4.2), without user, password and fragment.
struct Url {
  bool tls = false;
  std::string host;  ///< a name or an address; IPv6 without brackets
  std::uint16_t port = 80;
  std::string target = "/";  ///< path and query

  /// "https://host:port", for logs: a query may hold a secret.
  std::string origin() const;
  /// What a Host header says.
  std::string host_header() const;
};

/// Nothing when the text is no such URL; then `why` says what is wrong, to be put behind the text: "has a space".
std::optional<Url> parse_url(std::string_view text, std::string& why);

}  // namespace sb::http
