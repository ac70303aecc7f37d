// SPDX-License-Identifier: MIT
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace sb::auth {

inline constexpr std::size_t kJwtMaxToken = 16 * 1024;  ///< bytes of a token
inline constexpr std::size_t kJwtMaxHeader = 4 * 1024;  ///< bytes of its header: what is read before the signature
inline constexpr std::size_t kJwtMaxDepth = 16;         ///< arrays and objects that stand in each other

/// A token by its form: a JWS in compact serialization (RFC 7515 7.1). Nothing of it is verified.
struct JwtToken {
  std::string_view signed_text;    ///< of the token itself: what the signature is for
  std::string claims;              ///< bytes, to be read only when the signature is right
  std::string signature;           ///< bytes
  std::string alg;                 ///< as the header says
  std::optional<std::string> kid;  ///< as the header says
};

/// Takes a token apart; nothing when its form is wrong or its header has what is not understood (`crit`, another
/// `typ`). The result has a view of `token`.
std::optional<JwtToken> parse_jwt(std::string_view token);

}  // namespace sb::auth
