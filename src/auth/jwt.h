// SPDX-License-Identifier: MIT
#pragma once
#include <boost/json/object.hpp>
#include <boost/system/result.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/jwt_keys.h"
#include "base/time.h"
#include "ports/authorizer.h"

namespace sb::auth {

/// Why a token is not good, for logs. The client is told nothing of it.
enum class JwtRefusal {
  malformed,        ///< no token (RFC 7515, RFC 7519) of bounded size, or a claim that is not of its type
  unknown_key,      ///< no key has its `kid`
  wrong_algorithm,  ///< its `alg` is not that of the key
  bad_signature,
  expired,
  not_yet_valid,  ///< `nbf` or `iat` is to come
  wrong_issuer,
  wrong_audience,
  wrong_client,  ///< it is for another client id or user name, or lacks the value that a claim must have
  missing_claim,
  bad_acl,  ///< the claim `acl` has not its form, an invalid filter, or too many
};
std::string_view to_string(JwtRefusal r);

/// What a token must say. In values `%c` stands for the client id and `%u` for the user name that the token gives.
struct JwtOptions {
  Seconds leeway{30};          ///< how far the clock of who issues tokens may be off
  bool require_expiry = true;  ///< a token without `exp` is refused
  std::optional<std::string> issuer;
  /// A token with `aud` is for nobody else: without an audience here it is refused (RFC 7519 4.1.3).
  std::optional<std::string> audience;
  std::string username_claim = "sub";
  bool match_username = false;  ///< a user name in CONNECT must be that of the token
  /// When the token has this claim, the client id must be equal. "" = none: in access tokens `client_id` names the
  /// application instead (RFC 9068 2.2).
  std::string client_id_claim = "client_id";
  std::optional<std::string> client_id;  ///< what the client id must be, such as "device-%u"
  struct Requirement {
    std::string claim, value;
  };
  std::vector<Requirement> require;  ///< claims that must be there, and be these texts
};

struct JwtVerified {
  std::string username;
  WallTime expires = kNoExpiry;  ///< from then on the token would be refused, the leeway included
  ports::RightsPtr rights;       ///< null: the token has no claim `acl`
};
using JwtResult = boost::system::result<JwtVerified, JwtRefusal>;

/// Checks JSON Web Tokens (RFC 7519) that clients send as passwords. Immutable. Threads: any, at once.
class JwtVerifier {
 public:
  JwtVerifier(std::shared_ptr<const JwtKeys> keys, JwtOptions options)
      : keys_(std::move(keys)), options_(std::move(options)) {}

  /// `client_id`, `username`: of CONNECT. `now`: the time that the token must be good at.
  JwtResult verify(std::string_view token, std::string_view client_id, std::optional<std::string_view> username,
                   WallTime now) const;

 private:
  using Claims = boost::json::object;
  using Refused = std::optional<JwtRefusal>;

  Refused check_times(const Claims& claims, WallTime now, WallTime& expires) const;
  Refused check_issuer(const Claims& claims) const;
  Refused check_audience(const Claims& claims) const;
  Refused check_client(const Claims& claims, const ports::Subject& who) const;
  JwtResult read(const Claims& claims, std::string_view client_id, std::optional<std::string_view> username,
                 WallTime now) const;

  std::shared_ptr<const JwtKeys> keys_;
  JwtOptions options_;
};

}  // namespace sb::auth
