// SPDX-License-Identifier: MIT
#include "auth/jwt_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "auth/tests/jwt_vectors.h"
#include "base/base64.h"

namespace sb::auth {
namespace {

using namespace vectors;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string k32(32, '\xAB');

std::string set(const std::string& keys) { return "{\"keys\":[" + keys + "]}"; }
std::string oct(const std::string& more = "", const std::string& secret = k32) {
  return R"({"kty":"oct","k":")" + base64url_encode(secret) + "\"" + more + "}";
}
/// The n-th key of kJwks: RSA, EC, oct.
std::string jwk(std::size_t n) {
  std::string_view rest = kJwks.substr(kJwks.find('[') + 1);
  while (n-- > 0) rest = rest.substr(rest.find("},") + 2);
  return std::string(rest.substr(0, rest.find('}') + 1));
}
std::string changed(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(JwtKeys, Table) {
  using enum JwtKeyForm;
  const std::string rsa_pem(kRsaPem), p256_pem(kP256Pem);
  const struct {
    JwtKeyForm form;
    std::string text;
    std::string why = {};  // "" = good
    std::string warning = {};
    std::size_t keys = 1;
  } rows[] = {
      {secret, k32},
      {secret, std::string(32, '\0')},
      {secret, std::string(32, 'x') + "\r\n"},
      {secret, std::string(31, 'x') + "\n", "the secret has 31 bytes, HS256 needs at least 32"},
      {secret, std::string(31, '\xAB') + "\n"},  // bytes, not a text with an end of line
      {secret, "", "the secret has 0 bytes"},
      {secret_base64, base64_encode(k32)},
      {secret_base64, base64url_encode(k32) + "\n"},
      {secret_base64, base64_encode(k32.substr(1)), "the secret has 31 bytes"},
      {secret_base64, "not base64!", "the secret is not base64"},
      {rs256_pem, rsa_pem},
      {rs256_pem, "RSA, of the year 2027\n" + rsa_pem + rsa_pem, {}, {}, 2},
      {rs256_pem, std::string(kRsaWeakPem), "the RSA key has 1024 bits, 2048 are needed"},
      {rs256_pem, p256_pem, "RS256 needs an RSA key"},
      {rs256_pem, rsa_pem + p256_pem, "RS256 needs an RSA key"},
      {rs256_pem, "", "there is no PEM text with a public key"},
      {rs256_pem, rsa_pem.substr(0, 200), "there is no PEM text with a public key"},
      {rs256_pem, "-----BEGIN PRIVATE KEY-----\nMC4=\n-----END PRIVATE KEY-----\n", "but a private one"},
      {es256_pem, p256_pem},
      {es256_pem, rsa_pem, "ES256 needs a key on the curve P-256"},
      {es256_pem, std::string(kP384Pem), "ES256 needs a key on the curve P-256"},
      {es256_pem, std::string(kEd25519Pem), "ES256 needs a key on the curve P-256"},
      {jwks, std::string(kJwks), {}, {}, 3},
      {jwks, std::string(kRfcJwks), {}, {}, 3},
      {jwks, "", "expected a JWK Set"},
      {jwks, "[]", "expected a JWK Set"},
      {jwks, oct(), "expected a JWK Set"},
      {jwks, R"({"keys":{}})", "expected a JWK Set"},
      {jwks, R"({"keys":[],"keys":[]})", "expected a JWK Set"},
      {jwks, set(""), "the JWK Set has no key"},
      {jwks, set("1"), "key 1: it is no object"},
      {jwks, set(oct())},
      {jwks, set(oct(R"(,"use":"sig","alg":"HS256","key_ops":["sign","verify"],"x":1)"))},
      {jwks, set(oct("", k32.substr(1))), "key 1: the secret has 31 bytes"},
      {jwks, set(oct() + R"(,{"kty":"oct","k":"?"})"), "key 2: its k is not base64url"},
      {jwks, set(R"({"kty":"oct"})"), "its k is not base64url"},
      {jwks, set(oct(R"(,"kid":"a")") + "," + oct(R"(,"kid":"b")")), {}, {}, 2},
      {jwks, set(oct(R"(,"kid":"a")") + "," + oct(R"(,"kid":"a")")), "key 2: two keys have the kid a"},
      {jwks, set(oct() + "," + oct(R"(,"use":"enc")")), {}, "key 2 is left out: its use is not \"sig\""},
      {jwks, set(oct() + "," + oct(R"(,"alg":"HS512")")), {}, "key 2 is left out: its alg is not HS256"},
      {jwks, set(oct() + "," + oct(R"(,"alg":"RS256")")), {}, "key 2 is left out: its alg is not HS256"},
      {jwks, set(oct() + "," + oct(R"(,"alg":7)")), {}, "key 2 is left out: its alg is not HS256"},
      {jwks, set(oct() + "," + oct(R"(,"kid":7)")), {}, "key 2 is left out: its kid is not a text"},
      {jwks, set(oct() + "," + oct(R"(,"key_ops":["sign"])")), {}, "key 2 is left out: its key_ops have no"},
      {jwks, set(oct() + R"(,{"kty":"OKP","crv":"Ed25519"})"), {}, "key 2 is left out: its kty is not"},
      {jwks, set(oct() + R"(,{"kty":"EC","crv":"P-384"})"), {}, "key 2 is left out: its crv is not P-256"},
      {jwks, set(oct() + ",{}"), {}, "key 2 is left out: its kty is not"},
      {jwks, set(oct(R"(,"use":"enc")")), "the JWK Set has no key", "key 1 is left out"},
      {jwks, set(R"({"kty":"RSA"})"), "key 1: the numbers of the key make no key"},
      {jwks, set(changed(jwk(0), "AQAB", "")), "the numbers of the key make no key"},
      {jwks, set(R"({"kty":"RSA","n":"wQ","e":"AQAB"})"), "the RSA key has 8 bits"},
      {jwks, set(changed(jwk(1), "\"y\":\"", "\"y\":\"AAAA")), "the numbers of the key make no key"},
      {jwks,
       set(R"({"kty":"EC","crv":"P-256","x":")" + base64url_encode(k32) + R"(","y":")" + base64url_encode(k32) + "\"}"),
       "the numbers of the key make no key"},
  };
  for (const auto& row : rows) {
    JwtKeys keys;
    std::string why;
    std::vector<std::string> warnings;
    const error_code ec = keys.add(row.form, row.text, {}, why, warnings);
    EXPECT_EQ(ec, row.why.empty() ? error_code() : error_code(errc::bad_key)) << row.text << why;
    EXPECT_THAT(why, HasSubstr(row.why)) << row.text;
    EXPECT_EQ(ec ? row.keys : keys.size(), row.keys) << row.text;
    EXPECT_EQ(warnings.empty(), row.warning.empty()) << row.text;
    EXPECT_THAT(warnings.empty() ? "" : warnings.front(), HasSubstr(row.warning));
    EXPECT_EQ(ERR_peek_error(), 0u) << "left for the next TLS connection: " << row.text;
  }
}

TEST(JwtKeys, TheNamePicksTheKey) {
  using enum JwtAlgorithm;
  JwtKeys named, unnamed, mixed;
  std::string why;
  std::vector<std::string> warnings;
  ASSERT_FALSE(named.add(JwtKeyForm::jwks, kJwks, {}, why, warnings)) << why;
  ASSERT_FALSE(unnamed.add(JwtKeyForm::secret, kSecret, {}, why, warnings)) << why;
  ASSERT_FALSE(mixed.add(JwtKeyForm::secret, kSecret, {}, why, warnings)) << why;
  ASSERT_FALSE(mixed.add(JwtKeyForm::rs256_pem, kRsaPem, "rsa", why, warnings)) << why;
  const struct {
    const JwtKeys& keys;
    std::optional<std::string> kid;
    bool known;
    std::size_t hs, rs, es;
  } rows[] = {
      {named, {}, true, 1, 1, 1},      {named, "rsa-1", true, 0, 1, 0}, {named, "oct-1", true, 1, 0, 0},
      {named, "x", false, 0, 0, 0},    {named, "", false, 0, 0, 0},     {named, "RSA-1", false, 0, 0, 0},
      {unnamed, {}, true, 1, 0, 0},    {unnamed, "x", true, 1, 0, 0},   {mixed, {}, true, 1, 1, 0},
      {mixed, "rsa", true, 0, 1, 0},   {mixed, "x", false, 0, 0, 0},    {mixed, "", false, 0, 0, 0},
      {JwtKeys(), {}, false, 0, 0, 0},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(row.keys.knows(row.kid), row.known) << row.kid.value_or("-");
    EXPECT_EQ(row.keys.candidates(hs256, row.kid).size(), row.hs) << row.kid.value_or("-");
    EXPECT_EQ(row.keys.candidates(rs256, row.kid).size(), row.rs) << row.kid.value_or("-");
    EXPECT_EQ(row.keys.candidates(es256, row.kid).size(), row.es) << row.kid.value_or("-");
  }
}

TEST(JwtKeys, AreBounded) {
  JwtKeys keys;
  std::string why;
  std::vector<std::string> warnings;
  for (std::size_t i = 0; i < kJwtMaxKeys; ++i) {
    ASSERT_FALSE(keys.add(JwtKeyForm::secret, k32, std::to_string(i), why, warnings)) << why;
  }
  EXPECT_EQ(keys.add(JwtKeyForm::secret, k32, "more", why, warnings), errc::bad_key);
  EXPECT_EQ(why, "there are more than 64 keys");
}

TEST(JwtKeys, AreLoadedFromFiles) {
  namespace fs = std::filesystem;
  const fs::path dir = fs::path(::testing::TempDir()) / ("jwt-keys-" + std::to_string(::getpid()));
  fs::create_directories(dir);
  auto file = [&](const char* name, std::string_view text, mode_t mode) {
    const std::string path = dir / name;
    std::ofstream(path, std::ios::binary) << text;
    ::chmod(path.c_str(), mode);
    return path;
  };
  using enum JwtKeyForm;
  const std::string secret_file = file("secret", kSecret, 0600), open_secret = file("open", kSecret, 0644),
                    pem = file("rsa.pem", kRsaPem, 0644), writable = file("ec.pem", kP256Pem, 0646),
                    large = file("large", std::string(kJwtMaxKeyFileBytes + 1, ' '), 0600);
  auto load = [](std::vector<JwtKeyFile> files, std::string& why, std::vector<std::string>& warnings) {
    return JwtKeys::load(files, why, warnings);
  };
  std::string why;
  std::vector<std::string> warnings;
  auto keys = load({{secret, secret_file, "a"}, {rs256_pem, pem, {}}}, why, warnings);
  ASSERT_TRUE(keys.has_value()) << why;
  EXPECT_EQ((*keys)->size(), 2u);
  EXPECT_THAT(warnings, IsEmpty());
  ASSERT_TRUE(load({{secret, open_secret, {}}, {rs256_pem, pem, {}}, {es256_pem, writable, {}}}, why, warnings));
  EXPECT_THAT(warnings, ElementsAre(open_secret + ": everybody on this machine can read the secret; mode 0600 is right",
                                    writable + ": everybody on this machine can write it, and so let anybody in"));
  const struct {
    std::vector<JwtKeyFile> files;
    errc error;
    std::string why;
  } rows[] = {
      {{{secret, dir / "none", {}}}, errc::file_unreadable, (dir / "none").string() + ": No such file or directory"},
      {{{secret, dir, {}}}, errc::file_unreadable, dir.string() + ": Is a directory"},
      {{{secret, large, {}}}, errc::bad_key, large + ": the file has more than 1048576 bytes"},
      {{{rs256_pem, secret_file, {}}}, errc::bad_key, secret_file + ": there is no PEM text with a public key"},
      {{{secret, secret_file, "a"}, {rs256_pem, pem, "a"}}, errc::bad_key, pem + ": two keys have the kid a"},
  };
  for (const auto& row : rows) {
    auto r = load(row.files, why, warnings);
    EXPECT_TRUE(r.has_error() && r.error() == row.error) << row.why;
    EXPECT_EQ(why, row.why);
  }
  fs::remove_all(dir);
}

}  // namespace
}  // namespace sb::auth
