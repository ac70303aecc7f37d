// SPDX-License-Identifier: MIT
#pragma once
#include <openssl/evp.h>

#include <boost/json/object.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/errc.h"
#include "auth/scram_keys.h"

namespace sb::auth {

/// How tokens may be signed (RFC 7518 3.1). Nothing else is understood, "none" least of all.
enum class JwtAlgorithm { hs256, rs256, es256 };
/// The name in `alg`: "HS256".
std::string_view to_string(JwtAlgorithm a);
/// By the exact name.
std::optional<JwtAlgorithm> jwt_algorithm(std::string_view name);

inline constexpr std::size_t kJwtMinSecret = 32;  ///< bytes: as long as the hash or longer (RFC 7518 3.2)
inline constexpr int kJwtMinRsaBits = 2048;       ///< RFC 7518 3.3

/// One key that checks tokens. It knows the one algorithm that it is for, and a token has no say in that: a public RSA
/// key never becomes an HMAC secret. Immutable. Threads: any, at once.
class JwtKey {
 public:
  JwtAlgorithm algorithm() const { return algorithm_; }
  /// "" = none.
  const std::string& kid() const { return kid_; }
  /// Whether `signature` (bytes) is this key's for `text`.
  bool verifies(std::string_view text, std::string_view signature) const;

  /// On an error of these, `why` says what is wrong, without anything of the key.
  static result<JwtKey> from_secret(std::string_view bytes, std::string kid, std::string& why);
  /// All public keys of a PEM text (SubjectPublicKeyInfo); each must be one for `algorithm`.
  static result<std::vector<JwtKey>> from_pem(JwtAlgorithm algorithm, std::string_view pem, std::string& why);
  /// A key of a JWK Set. Nothing and `why`: the key is for something else, which is no fault of it (RFC 7517 5).
  static result<std::optional<JwtKey>> from_jwk(const boost::json::object& jwk, std::string& why);

  void set_kid(std::string kid) { kid_ = std::move(kid); }

 private:
  struct Free {
    void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  };
  using PublicKey = std::unique_ptr<EVP_PKEY, Free>;
  struct WipedText {
    std::string bytes;
    WipedText() = default;
    WipedText(WipedText&&) = default;
    WipedText& operator=(WipedText&&) = default;
    ~WipedText() { wipe(bytes); }
  };

  explicit JwtKey(JwtAlgorithm a) : algorithm_(a) {}
  static result<JwtKey> from_public(JwtAlgorithm algorithm, PublicKey key, std::string& why);
  static PublicKey rsa_of(const boost::json::object& jwk);
  static PublicKey p256_of(const boost::json::object& jwk);

  JwtAlgorithm algorithm_;
  std::string kid_;
  WipedText secret_;  // of hs256
  PublicKey public_;  // of the others
};

}  // namespace sb::auth
