// SPDX-License-Identifier: MIT
#include "auth/jwt_key.h"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include <algorithm>

#include "base/base64.h"

namespace sb::auth {
namespace {

namespace json = boost::json;

constexpr std::size_t kP256Bytes = 32;

template <auto F>
struct Freed {
  template <class T>
  void operator()(T* p) const {
    F(p);
  }
};
template <class T, auto F>
using Owned = std::unique_ptr<T, Freed<F>>;

/// What OpenSSL failed at stays in a queue of the thread, where a TLS connection would take it for its own.
struct OwnErrors {
  OwnErrors() { ERR_set_mark(); }
  ~OwnErrors() { ERR_pop_to_mark(); }
};

const unsigned char* bytes(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }

/// The DER of an ECDSA signature, which is r and s, 32 bytes each, in a token (RFC 7518 3.4); "" when it has not that
/// length.
std::string der_of(std::string_view raw) {
  if (raw.size() != 2 * kP256Bytes) return {};
  Owned<ECDSA_SIG, ECDSA_SIG_free> signature(ECDSA_SIG_new());
  ECDSA_SIG_set0(signature.get(), BN_bin2bn(bytes(raw), kP256Bytes, nullptr),
                 BN_bin2bn(bytes(raw) + kP256Bytes, kP256Bytes, nullptr));
  std::string der(static_cast<std::size_t>(std::max(i2d_ECDSA_SIG(signature.get(), nullptr), 0)), '\0');
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  i2d_ECDSA_SIG(signature.get(), &out);
  return der;
}

bool is_p256(const EVP_PKEY* key) {
  char group[32];
  return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && EVP_PKEY_get_group_name(key, group, sizeof group, nullptr) == 1 &&
         std::string_view(group) == "prime256v1";
}

/// What is wrong with a public key for an algorithm; "" when nothing is.
std::string fault(JwtAlgorithm algorithm, EVP_PKEY* key) {
  if (algorithm == JwtAlgorithm::es256) {
    if (!is_p256(key)) return "ES256 needs a key on the curve P-256";
  } else {
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) return "RS256 needs an RSA key";
    if (const int bits = EVP_PKEY_get_bits(key); bits < kJwtMinRsaBits) {
      return fmt::format("the RSA key has {} bits, {} are needed", bits, kJwtMinRsaBits);
    }
  }
  Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(EVP_PKEY_CTX_new(key, nullptr));
  return EVP_PKEY_public_check(context.get()) == 1 ? "" : "the numbers of the key make no key";
}

/// A member that is a string; nothing when it is absent or something else.
std::optional<std::string_view> text_of(const json::object& o, std::string_view name) {
  const json::value* v = o.if_contains({name.data(), name.size()});
  if (v == nullptr || !v->is_string()) return std::nullopt;
  return std::string_view(v->get_string().data(), v->get_string().size());
}

std::optional<std::string> bytes_of(const json::object& o, std::string_view name) {
  const auto text = text_of(o, name);
  return text ? base64url_decode(*text) : std::nullopt;
}

/// Why a JWK is not for checking tokens with one of our algorithms; "" when it is.
std::string purpose_fault(const json::object& jwk) {
  const auto kty = text_of(jwk, "kty");
  if (kty != "RSA" && kty != "EC" && kty != "oct") return "its kty is not RSA, EC or oct";
  if (kty == "EC" && text_of(jwk, "crv") != "P-256") return "its crv is not P-256";
  if (jwk.contains("use") && text_of(jwk, "use") != "sig") return "its use is not \"sig\"";
  if (jwk.contains("kid") && !text_of(jwk, "kid")) return "its kid is not a text";
  const std::string_view fits = kty == "RSA" ? "RS256" : kty == "EC" ? "ES256" : "HS256";
  if (jwk.contains("alg") && text_of(jwk, "alg") != fits) return fmt::format("its alg is not {}", fits);
  if (const json::value* ops = jwk.if_contains("key_ops")) {
    const json::array* list = ops->if_array();
    if (list == nullptr || std::find(list->begin(), list->end(), json::value("verify")) == list->end()) {
      return "its key_ops have no \"verify\"";
    }
  }
  return {};
}

EVP_PKEY* key_from(const char* type, OSSL_PARAM_BLD* build) {
  Owned<OSSL_PARAM, OSSL_PARAM_free> params(OSSL_PARAM_BLD_to_param(build));
  Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || EVP_PKEY_fromdata_init(context.get()) != 1) return nullptr;
  EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get());
  return key;
}

}  // namespace

std::string_view to_string(JwtAlgorithm a) {
  switch (a) {
    case JwtAlgorithm::hs256:
      return "HS256";
    case JwtAlgorithm::rs256:
      return "RS256";
    case JwtAlgorithm::es256:
      return "ES256";
  }
  return "";
}

std::optional<JwtAlgorithm> jwt_algorithm(std::string_view name) {
  for (JwtAlgorithm a : {JwtAlgorithm::hs256, JwtAlgorithm::rs256, JwtAlgorithm::es256})
    if (name == to_string(a)) return a;
  return std::nullopt;
}

bool JwtKey::verifies(std::string_view text, std::string_view signature) const {
  if (algorithm_ == JwtAlgorithm::hs256) {
    const Secret expected = hmac_sha256(secret_.bytes, text);
    return signature.size() == expected.bytes.size() &&
           CRYPTO_memcmp(signature.data(), expected.bytes.data(), expected.bytes.size()) == 0;
  }
  OwnErrors errors;
  std::string der;
  if (algorithm_ == JwtAlgorithm::es256) {
    der = der_of(signature);
    if (der.empty()) return false;
    signature = der;
  }
  Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(EVP_MD_CTX_new());
  // PKCS #1 v1.5 padding is what an RSA key does by default, and what RS256 is.
  return EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, public_.get()) == 1 &&
         EVP_DigestVerify(context.get(), bytes(signature), signature.size(), bytes(text), text.size()) == 1;
}

result<JwtKey> JwtKey::from_secret(std::string_view secret, std::string kid, std::string& why) {
  if (secret.size() < kJwtMinSecret) {
    why = fmt::format("the secret has {} bytes, HS256 needs at least {}", secret.size(), kJwtMinSecret);
    return errc::bad_key;
  }
  JwtKey key(JwtAlgorithm::hs256);
  key.kid_ = std::move(kid);
  key.secret_.bytes = secret;
  return key;
}

result<JwtKey> JwtKey::from_public(JwtAlgorithm algorithm, PublicKey public_key, std::string& why) {
  why = public_key ? fault(algorithm, public_key.get()) : "the numbers of the key make no key";
  if (!why.empty()) return errc::bad_key;
  JwtKey key(algorithm);
  key.public_ = std::move(public_key);
  return key;
}

result<std::vector<JwtKey>> JwtKey::from_pem(JwtAlgorithm algorithm, std::string_view pem, std::string& why) {
  OwnErrors errors;
  std::vector<JwtKey> keys;
  Owned<BIO, BIO_free> in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  while (PublicKey public_key{PEM_read_bio_PUBKEY(in.get(), nullptr, nullptr, nullptr)}) {
    auto key = from_public(algorithm, std::move(public_key), why);
    if (!key) return key.error();
    keys.push_back(std::move(*key));
  }
  if (!keys.empty()) return keys;
  why = "there is no PEM text with a public key";
  if (pem.find("PRIVATE KEY-----") != pem.npos) why += " (but a private one: it belongs to who issues tokens)";
  return errc::bad_key;
}

JwtKey::PublicKey JwtKey::rsa_of(const json::object& jwk) {
  const auto n = bytes_of(jwk, "n"), e = bytes_of(jwk, "e");
  if (!n || !e) return nullptr;
  Owned<BIGNUM, BN_free> modulus(BN_bin2bn(bytes(*n), static_cast<int>(n->size()), nullptr)),
      exponent(BN_bin2bn(bytes(*e), static_cast<int>(e->size()), nullptr));
  Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free> build(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get());
  OSSL_PARAM_BLD_push_BN(build.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get());
  return PublicKey(key_from("RSA", build.get()));
}

JwtKey::PublicKey JwtKey::p256_of(const json::object& jwk) {
  const auto x = bytes_of(jwk, "x"), y = bytes_of(jwk, "y");
  // "The length of this octet string MUST be the full size of a coordinate" (RFC 7518 6.2.1.2).
  if (!x || !y || x->size() != kP256Bytes || y->size() != kP256Bytes) return nullptr;
  const std::string point = "\x04" + *x + *y;
  Owned<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free> build(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(build.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
  OSSL_PARAM_BLD_push_octet_string(build.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  return PublicKey(key_from("EC", build.get()));
}

result<std::optional<JwtKey>> JwtKey::from_jwk(const json::object& jwk, std::string& why) {
  OwnErrors errors;
  why = purpose_fault(jwk);
  if (!why.empty()) return std::optional<JwtKey>();
  const auto kty = text_of(jwk, "kty");
  result<JwtKey> key = errc::bad_key;
  if (kty == "RSA") {
    key = from_public(JwtAlgorithm::rs256, rsa_of(jwk), why);
  } else if (kty == "EC") {
    key = from_public(JwtAlgorithm::es256, p256_of(jwk), why);
  } else if (auto secret = bytes_of(jwk, "k")) {
    key = from_secret(*secret, {}, why);
    wipe(*secret);
  } else {
    why = "its k is not base64url";
  }
  if (!key) return key.error();
  key->kid_ = text_of(jwk, "kid").value_or("");
  return std::optional<JwtKey>(std::move(*key));
}

}  // namespace sb::auth
