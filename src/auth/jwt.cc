// SPDX-License-Identifier: MIT
#include "auth/jwt.h"

#include <algorithm>

#include "auth/jwt_token.h"
#include "auth/rights_document.h"
#include "base/json.h"
#include "base/utf8.h"

namespace sb::auth {
namespace {

namespace json = boost::json;
using enum JwtRefusal;

constexpr double kLastSecond = 253'402'300'799;  // of the year 9999: later ones are milliseconds by mistake
constexpr std::size_t kMaxUsername = 65535;      // bytes, as in CONNECT [MQTT5 1.5.4]

std::string_view view(const json::string& s) { return {s.data(), s.size()}; }

const json::value* find(const json::object& claims, std::string_view name) {
  return claims.if_contains({name.data(), name.size()});
}

/// Whether a claim is there and is this text.
bool is_text(const json::value* claim, std::string_view text) {
  return claim != nullptr && claim->is_string() && view(claim->get_string()) == text;
}

/// A NumericDate: seconds, perhaps with a fraction (RFC 7519 2). Nothing when it is no time.
std::optional<WallTime> time_of(const json::value& claim) {
  error_code ec;
  const double seconds = claim.is_number() ? claim.to_number<double>(ec) : -1;
  if (ec || !(seconds >= 0 && seconds <= kLastSecond)) return std::nullopt;
  return WallTime(Millis(static_cast<std::int64_t>(seconds * 1000)));
}

/// Reads a time; `to` stays when there is none. False when it is something else.
bool take_time(const json::object& claims, std::string_view name, std::optional<WallTime>& to) {
  const json::value* claim = find(claims, name);
  if (claim == nullptr) return true;
  to = time_of(*claim);
  return to.has_value();
}

/// `pattern` with the names in it.
std::string filled(std::string_view pattern, const ports::Subject& who) {
  std::string out;
  while (!pattern.empty()) {
    const bool c = pattern.starts_with("%c"), u = pattern.starts_with("%u");
    if (c || u) {
      out += c ? who.client_id : who.username;
    } else {
      out += pattern.front();
    }
    pattern.remove_prefix(c || u ? 2 : 1);
  }
  return out;
}

}  // namespace

std::string_view to_string(JwtRefusal r) {
  switch (r) {
    case malformed:
      return "malformed";
    case unknown_key:
      return "unknown_key";
    case wrong_algorithm:
      return "wrong_algorithm";
    case bad_signature:
      return "bad_signature";
    case expired:
      return "expired";
    case not_yet_valid:
      return "not_yet_valid";
    case wrong_issuer:
      return "wrong_issuer";
    case wrong_audience:
      return "wrong_audience";
    case wrong_client:
      return "wrong_client";
    case missing_claim:
      return "missing_claim";
    case bad_acl:
      return "bad_acl";
  }
  return "refused";
}

JwtResult JwtVerifier::verify(std::string_view token, std::string_view client_id,
                              std::optional<std::string_view> username, WallTime now) const {
  const auto parsed = parse_jwt(token);
  if (!parsed) return malformed;
  const auto algorithm = jwt_algorithm(parsed->alg);
  if (!algorithm) return wrong_algorithm;
  if (!keys_->knows(parsed->kid)) return unknown_key;
  // The keys decide how they are used; what the token says only leaves out those that it cannot be signed with.
  const auto keys = keys_->candidates(*algorithm, parsed->kid);
  if (keys.empty()) return wrong_algorithm;
  const bool is_signed = std::any_of(keys.begin(), keys.end(), [&](const JwtKey* key) {
    return key->verifies(parsed->signed_text, parsed->signature);
  });
  if (!is_signed) return bad_signature;
  const auto claims = parse_json(parsed->claims, kJwtMaxDepth);
  if (!claims || !claims->is_object()) return malformed;
  return read(claims->get_object(), client_id, username, now);
}

JwtResult JwtVerifier::read(const Claims& claims, std::string_view client_id, std::optional<std::string_view> username,
                            WallTime now) const {
  JwtVerified verified;
  if (auto refused = check_times(claims, now, verified.expires)) return *refused;
  if (auto refused = check_issuer(claims)) return *refused;
  if (auto refused = check_audience(claims)) return *refused;
  const json::value* name = find(claims, options_.username_claim);
  if (name == nullptr) return missing_claim;
  if (!name->is_string()) return malformed;
  verified.username = view(name->get_string());
  if (verified.username.empty() || verified.username.size() > kMaxUsername || !is_mqtt_utf8(verified.username)) {
    return malformed;
  }
  if (options_.match_username && username && *username != verified.username) return wrong_client;
  if (auto refused = check_client(claims, {client_id, verified.username})) return *refused;
  if (const json::value* acl = find(claims, "acl")) {
    verified.rights = DocumentRights::parse(*acl);
    if (!verified.rights) return bad_acl;
  }
  return verified;
}

JwtVerifier::Refused JwtVerifier::check_times(const Claims& claims, WallTime now, WallTime& expires) const {
  std::optional<WallTime> exp, nbf, iat;
  if (!take_time(claims, "exp", exp) || !take_time(claims, "nbf", nbf) || !take_time(claims, "iat", iat)) {
    return malformed;
  }
  if (!exp && options_.require_expiry) return missing_claim;
  // "The current date/time MUST be before the expiration date/time", "after or equal to the not-before date/time", each
  // with "some small leeway" (RFC 7519 4.1.4, 4.1.5).
  if (exp) expires = *exp + options_.leeway;
  if (now >= expires) return expired;
  // Of `iat` the standard only says what it means: what was issued in the future was issued with a wrong clock.
  const WallTime latest = now + options_.leeway;
  if ((nbf && *nbf > latest) || (iat && *iat > latest)) return not_yet_valid;
  return std::nullopt;
}

JwtVerifier::Refused JwtVerifier::check_issuer(const Claims& claims) const {
  if (!options_.issuer) return std::nullopt;
  const json::value* issuer = find(claims, "iss");
  if (issuer == nullptr) return missing_claim;
  if (!is_text(issuer, *options_.issuer)) return wrong_issuer;
  return std::nullopt;
}

JwtVerifier::Refused JwtVerifier::check_audience(const Claims& claims) const {
  const json::value* audience = find(claims, "aud");
  if (audience == nullptr) return options_.audience ? Refused(missing_claim) : std::nullopt;
  // "If the principal processing the claim does not identify itself with a value in the "aud" claim when this claim is
  // present, then the JWT MUST be rejected" (RFC 7519 4.1.3).
  if (!options_.audience) return wrong_audience;
  if (is_text(audience, *options_.audience)) return std::nullopt;
  const json::array* list = audience->if_array();
  const bool among = list != nullptr && std::any_of(list->begin(), list->end(), [&](const json::value& one) {
                       return is_text(&one, *options_.audience);
                     });
  return among ? std::nullopt : Refused(wrong_audience);
}

JwtVerifier::Refused JwtVerifier::check_client(const Claims& claims, const ports::Subject& who) const {
  if (options_.client_id && filled(*options_.client_id, who) != who.client_id) {
    return wrong_client;
  }
  const json::value* id = options_.client_id_claim.empty() ? nullptr : find(claims, options_.client_id_claim);
  if (id != nullptr && !is_text(id, who.client_id)) return wrong_client;
  for (const auto& [claim, value] : options_.require) {
    const json::value* there = find(claims, claim);
    if (there == nullptr) return missing_claim;
    if (!is_text(there, filled(value, who))) return wrong_client;
  }
  return std::nullopt;
}

}  // namespace sb::auth
