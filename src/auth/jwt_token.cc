// SPDX-License-Identifier: MIT
#include "auth/jwt_token.h"

#include <algorithm>

#include "base/base64.h"
#include "base/json.h"

namespace sb::auth {
namespace {

namespace json = boost::json;

/// False when the member is there and is not a string.
bool take_text(const json::object& o, std::string_view name, std::optional<std::string>& to) {
  const json::value* v = o.if_contains({name.data(), name.size()});
  if (v == nullptr) return true;
  if (!v->is_string()) return false;
  to.emplace(v->get_string().data(), v->get_string().size());
  return true;
}

/// "JWT" (RFC 7519 5.1), or "at+jwt" for access tokens (RFC 9068 2.1): media types, so that case does not count and
/// "application/" may be left out (RFC 7515 4.1.9).
bool is_token_type(std::string typ) {
  std::transform(typ.begin(), typ.end(), typ.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  constexpr std::string_view prefix = "application/";
  if (typ.starts_with(prefix)) typ.erase(0, prefix.size());
  return typ == "jwt" || typ == "at+jwt";
}

bool read_header(std::string_view text, JwtToken& to) {
  if (text.size() > kJwtMaxHeader) return false;
  const auto header = parse_json(text, kJwtMaxDepth);
  const json::object* members = header ? header->if_object() : nullptr;
  if (members == nullptr) return false;
  // "If any of the listed extension Header Parameters are not understood and supported by the recipient, then the JWS
  // is invalid" (RFC 7515 4.1.11): none are.
  if (members->contains("crit")) return false;
  std::optional<std::string> alg, typ;
  if (!take_text(*members, "alg", alg) || !take_text(*members, "typ", typ) || !take_text(*members, "kid", to.kid)) {
    return false;
  }
  if (!alg || (typ && !is_token_type(std::move(*typ)))) return false;
  to.alg = std::move(*alg);
  return true;
}

}  // namespace

std::optional<JwtToken> parse_jwt(std::string_view token) {
  if (token.size() > kJwtMaxToken) return std::nullopt;
  const std::size_t first = token.find('.'), last = token.rfind('.');
  // Two dots and no more; a JWE has four.
  if (first == token.npos || last == first || token.find('.', first + 1) != last) return std::nullopt;
  const auto header = base64url_decode(token.substr(0, first));
  auto claims = base64url_decode(token.substr(first + 1, last - first - 1));
  auto signature = base64url_decode(token.substr(last + 1));
  if (!header || !claims || !signature) return std::nullopt;
  JwtToken parsed;
  if (!read_header(*header, parsed)) return std::nullopt;
  parsed.signed_text = token.substr(0, last);
  parsed.claims = std::move(*claims);
  parsed.signature = std::move(*signature);
  return parsed;
}

}  // namespace sb::auth
