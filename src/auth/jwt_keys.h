// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "auth/jwt_key.h"

namespace sb::auth {

/// What a file of keys holds.
enum class JwtKeyForm {
  secret,         ///< the bytes of one HS256 secret; the end of line after a printable text is not part of it
  secret_base64,  ///< the same as base64 or base64url
  rs256_pem,      ///< public RSA keys
  es256_pem,      ///< public keys on the curve P-256
  jwks,           ///< a JWK Set (RFC 7517 5)
};

struct JwtKeyFile {
  JwtKeyForm form;
  std::string file;
  std::string kid;  ///< "" = none; only for files with one key that is no JWK
};

inline constexpr std::size_t kJwtMaxKeys = 64;  ///< keys at once: a token without `kid` may try them all
inline constexpr std::size_t kJwtMaxKeyFileBytes = 1024 * 1024;

/// The keys that may have signed a token. Immutable once it is shared. Threads: any, at once.
class JwtKeys {
 public:
  /// Adds what `text` holds. On an error `why` says what is wrong, without anything of a key.
  /// `warnings`: keys of a set that are left out, as they are for something else.
  error_code add(JwtKeyForm form, std::string_view text, const std::string& kid, std::string& why,
                 std::vector<std::string>& warnings);
  /// The keys of all files. `why` and `warnings` name the file; there is a warning too when others can read a secret.
  static result<std::shared_ptr<const JwtKeys>> load(std::span<const JwtKeyFile> files, std::string& why,
                                                     std::vector<std::string>& warnings);

  /// Whether a token with this `kid` can have been signed by one of the keys. Keys without names match every name, as
  /// long as no key has one.
  bool knows(const std::optional<std::string>& kid) const;
  /// The keys for `algorithm` that a token with this `kid` can have been signed with: all when it has none.
  std::vector<const JwtKey*> candidates(JwtAlgorithm algorithm, const std::optional<std::string>& kid) const;
  std::size_t size() const { return keys_.size(); }

 private:
  error_code add_key(JwtKey key, std::string& why);
  error_code add_set(std::string_view text, std::string& why, std::vector<std::string>& warnings);
  error_code add_file(const JwtKeyFile& file, std::string& why, std::vector<std::string>& warnings);
  bool fits(const JwtKey& key, const std::optional<std::string>& kid) const;
  bool holds_secret() const;

  std::vector<JwtKey> keys_;
  bool named_ = false;  // a key has a kid
};

}  // namespace sb::auth
