// SPDX-License-Identifier: MIT
#include "auth/password_hash.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sb::auth {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

PasswordHash parsed(const std::string& text) {
  std::string why;
  auto hash = parse_password_hash(text, why);
  EXPECT_TRUE(hash.has_value()) << text << ": " << why;
  return hash ? *hash : PasswordHash();
}

// From mosquitto_passwd 2.0.11, the last but one with -I 1000 and the last with -H sha512.
constexpr const char* kMosquittoSecret =
    "$7$101$hz6J9kZ6PXzEA5fV$xic8S0iWzoWvco8ZCp98yeUTEL5yQ173PjnYVN+D5+9YsQ0A6P+QTd6SdZP2A9lzYQkMjSRZ7ygtzs4B9CTY2w==";
constexpr const char* kMosquittoMarks =
    "$7$101$L7116ySJEqpSEjOJ$D+X4/GWp9ucrhYukwwdkIDHGN2pAPSxGlidTuJmbG2jrTonXtjsUnGib3RCmkSqY9Rggvg0sqCgWeFr/aiKpSQ==";
constexpr const char* kMosquitto1000 =
    "$7$1000$D+Fb3iAvjCMDPVyC$RwMdpL6SCTEnYGVdhqbTp1SvrWZCgSU57gKEKhPwfVx1496usqXJZEEIbbgLuBV7Fbxap/"
    "PkCnNgSomPsg5bmA==";
constexpr const char* kMosquitto1 =
    "$6$9HrWNJQOgbMLG9kt$k8mwlrF5XZECGMgJVYPQTjy+XFpkMLtuVk69Xd1BIp6BZMoDmRjGVQ0+w67j2MEz1Kkptz345UtkkJmfjxuEnA==";
// From Python's hashlib.scrypt, of which the default of other programs (64 MiB) is one.
constexpr const char* kScrypt14 =
    "$scrypt$ln=14,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$djcw77+TPr8LJ8aqD5RrBJWPEtjTDxOmYY4emyfnX7c";
constexpr const char* kScrypt16 =
    "$scrypt$ln=16,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$HEYwQFqtJe5j6m/cF1JgKstyeW5MR448un+2e/H24sw";

TEST(PasswordHash, ScryptVectorsOfRfc7914) {
  const struct {
    std::string_view password, salt;
    ScryptCost cost;
    const char* hex;
  } rows[] = {
      {"",
       "",
       {4, 1, 1},
       "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
       "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"},
      {"password",
       "NaCl",
       {10, 8, 16},
       "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
       "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"},
      {"pleaseletmein",
       "SodiumChloride",
       {14, 8, 1},
       "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
       "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"},
  };
  for (const auto& row : rows) {
    unsigned char out[64];
    ASSERT_TRUE(scrypt(row.password, row.salt, row.cost, out));
    std::string hex;
    for (unsigned char byte : out) {
      hex += "0123456789abcdef"[byte >> 4];
      hex += "0123456789abcdef"[byte & 15];
    }
    EXPECT_EQ(hex, row.hex);
  }
  unsigned char out[32];
  EXPECT_FALSE(scrypt("pleaseletmein", "SodiumChloride", {20, 8, 1}, out)) << "1 GiB";
}

TEST(PasswordHash, HashesOfOthersAreChecked) {
  const std::string scram = format_scram_keys(make_scram_keys("secret", 4096));
  const struct {
    std::string text;
    std::string_view password;
  } rows[] = {
      {kMosquittoSecret, "secret"}, {kMosquittoMarks, "pa:$$ word"}, {kMosquitto1000, "s"}, {kMosquitto1, "secret"},
      {kScrypt14, "p\xC3\xA4ss"},   {kScrypt16, "p\xC3\xA4ss"},      {scram, "secret"}};
  for (const auto& row : rows) {
    const PasswordHash hash = parsed(row.text);
    EXPECT_EQ(format_password_hash(hash), row.text);
    EXPECT_TRUE(password_matches(hash, row.password)) << row.text;
    EXPECT_FALSE(password_matches(hash, std::string(row.password) + " ")) << row.text;
    EXPECT_FALSE(password_matches(hash, "")) << row.text;
    const PasswordHash fake = fake_password_hash(hash);
    EXPECT_EQ(password_cost(fake), password_cost(hash));
    EXPECT_FALSE(password_matches(fake, row.password)) << row.text;
  }
  EXPECT_NE(password_cost(parsed(kScrypt14)), password_cost(parsed(kScrypt16)));
  EXPECT_NE(password_cost(parsed(kMosquittoSecret)), password_cost(parsed(kMosquitto1000)));
}

TEST(PasswordHash, NewOnesReadBack) {
  const PasswordHash one = make_password_hash("secret"), two = make_password_hash("secret");
  EXPECT_THAT(format_password_hash(one), StartsWith("$scrypt$ln=15,r=8,p=1$"));
  EXPECT_NE(format_password_hash(one), format_password_hash(two)) << "the salts differ";
  EXPECT_TRUE(password_matches(parsed(format_password_hash(one)), "secret"));
  EXPECT_FALSE(password_matches(one, "Secret"));
}

TEST(PasswordHash, PaddingMayBeThere) {
  const std::string text = std::string(kScrypt14) + "=";
  EXPECT_EQ(format_password_hash(parsed(text)), kScrypt14);
}

TEST(PasswordHash, WrongTextsAndTooMuchWorkAreRefused) {
  const std::string salt = "c2FsdA", hash(43, 'A'), long_hash = std::string(86, 'A') + "==";
  const std::string end = "$" + salt + "$" + hash;
  const struct {
    std::string text;
    const char* why;
  } rows[] = {
      {"", "expected SCRAM-SHA-256$"},
      {"secret", "expected SCRAM-SHA-256$"},
      {"$", "not known"},
      {"$5$" + salt + "$" + hash, "not known; set the password again with `signalbox passwd`"},
      {"$argon2id$v=19$m=65536,t=3,p=4" + end, "not known"},
      {"$scrypt", "expected $scrypt$ln=N,r=N,p=N$salt$hash"},
      {"$scrypt$ln=15,r=8" + end, "expected $scrypt$"},
      {"$scrypt$ln=15,r=8,p=1,x=1" + end, "expected $scrypt$"},
      {"$scrypt$ln=-15,r=8,p=1" + end, "expected $scrypt$"},
      {"$scrypt$ln=99999999999,r=8,p=1" + end, "expected $scrypt$"},
      {"$scrypt$r=8,ln=15,p=1" + end, "expected $scrypt$"},
      {"$scrypt$ln=9,r=8,p=1" + end, "ln must be 10 to 20"},
      {"$scrypt$ln=18,r=8,p=1" + end, "at most 128 MiB"},
      {"$scrypt$ln=64,r=8,p=1" + end, "is not taken"},
      {"$scrypt$ln=15,r=4294967295,p=1" + end, "is not taken"},
      {"$scrypt$ln=15,r=0,p=1" + end, "is not taken"},
      {"$scrypt$ln=15,r=8,p=0" + end, "is not taken"},
      {"$scrypt$ln=15,r=8,p=9" + end, "is not taken"},
      {"$scrypt$ln=15,r=8,p=4294967295" + end, "is not taken"},
      {"$scrypt$ln=15,r=8,p=1", "the salt is not base64"},
      {"$scrypt$ln=15,r=8,p=1$$" + hash, "the salt is not base64"},
      {"$scrypt$ln=15,r=8,p=1$c2!s$" + hash, "the salt is not base64"},
      {"$scrypt$ln=15,r=8,p=1$" + std::string(1368, 'A') + "$" + hash, "the salt is not base64"},
      {"$scrypt$ln=15,r=8,p=1$" + salt + "$" + hash + "A", "the hash is not base64 of 32 bytes"},
      {"$scrypt$ln=15,r=8,p=1" + end + "$x", "the hash is not base64 of 32 bytes"},
      {"$7$0$" + salt + "$" + long_hash, "the iterations must be 1 to"},
      {"$7$10000001$" + salt + "$" + long_hash, "the iterations must be 1 to"},
      {"$7$101x$" + salt + "$" + long_hash, "the iterations must be 1 to"},
      {"$7$" + salt + "$" + long_hash, "the iterations must be 1 to"},
      {"$7$101$" + salt + "$" + hash, "the hash is not base64 of 64 bytes"},
      {"$6$" + salt + "$" + hash, "the hash is not base64 of 64 bytes"},
      {"$6$" + salt, "the hash is not base64 of 64 bytes"},
      {"$6$$" + long_hash, "the salt is not base64"},
  };
  for (const auto& row : rows) {
    std::string why;
    auto got = parse_password_hash(row.text, why);
    EXPECT_TRUE(got.has_error() && got.error() == errc::file_format) << row.text;
    EXPECT_THAT(why, HasSubstr(row.why)) << row.text;
  }
}

}  // namespace
}  // namespace sb::auth
