// SPDX-License-Identifier: MIT
#include "auth/jwt.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "auth/jwt_token.h"
#include "auth/tests/jwt_vectors.h"
#include "base/base64.h"

namespace sb::auth {
namespace {

using namespace vectors;
using enum JwtRefusal;

constexpr std::int64_t kNow = 1'800'000'000;  // seconds, in 2027
constexpr WallTime at(std::int64_t seconds) { return WallTime(Seconds(seconds)); }

struct KeyText {
  JwtKeyForm form;
  std::string_view text;
};
std::shared_ptr<const JwtKeys> keys(std::initializer_list<KeyText> texts) {
  auto all = std::make_shared<JwtKeys>();
  std::string why;
  std::vector<std::string> warnings;
  for (const auto& [form, text] : texts) EXPECT_FALSE(all->add(form, text, {}, why, warnings)) << why;
  EXPECT_TRUE(warnings.empty()) << warnings.front();
  return all;
}
std::shared_ptr<const JwtKeys> three_keys() {
  return keys({{JwtKeyForm::secret, kSecret}, {JwtKeyForm::rs256_pem, kRsaPem}, {JwtKeyForm::es256_pem, kP256Pem}});
}
std::shared_ptr<const JwtKeys> secret_only() { return keys({{JwtKeyForm::secret, kSecret}}); }

/// What a token was refused for, or "good".
std::string_view outcome(const JwtResult& r) { return r ? "good" : to_string(r.error()); }

std::string signed_token(std::string_view header, std::string_view claims) {
  const std::string text = base64url_encode(header) + "." + base64url_encode(claims);
  return text + "." + base64url_encode(hmac_sha256(kSecret, text).view());
}
std::string token(std::string_view claims) { return signed_token(R"({"alg":"HS256"})", claims); }
/// With a name and an expiry that are good.
std::string token_with(std::string_view more) {
  return token(fmt::format(R"({{"sub":"alice","exp":{}{}{}}})", kNow + 60, more.empty() ? "" : ",", more));
}

TEST(Jwt, VectorsOfRfc7515) {
  JwtVerifier verifier(keys({{JwtKeyForm::jwks, kRfcJwks}}), {.username_claim = "iss"});
  for (std::string_view t : {kRfcA1, kRfcA2, kRfcA3}) {
    auto r = verifier.verify(t, "c", {}, at(1'300'819'379));
    ASSERT_TRUE(r.has_value()) << outcome(r);
    EXPECT_EQ(r->username, "joe");
    EXPECT_EQ(r->expires, at(1'300'819'380 + 30));
    EXPECT_EQ(r->rights, nullptr);
    EXPECT_EQ(outcome(verifier.verify(t, "c", {}, at(kNow))), "expired");
  }
}

TEST(Jwt, TokensOfAnotherLibrary) {
  const JwtOptions options = {.issuer = "https://issuer.example", .audience = "mqtt"};
  const struct {
    std::string_view token;
    std::string_view plain_keys, key_set;  // the outcome with three_keys() and with kJwks
  } rows[] = {
      {kHs256, "good", "good"},
      {kRs256, "good", "good"},
      {kEs256, "good", "good"},
      {kHs256Kid, "good", "good"},
      {kRs256Kid, "good", "good"},
      {kEs256Kid, "good", "good"},
      {kRs256Other, "bad_signature", "bad_signature"},
      {kEs256Other, "bad_signature", "bad_signature"},
      {kRs256UnknownKid, "good", "unknown_key"},
      {kEs256RsaKid, "good", "wrong_algorithm"},
      {kHs512, "wrong_algorithm", "wrong_algorithm"},
      {kPs256, "wrong_algorithm", "wrong_algorithm"},
      {kRs512, "wrong_algorithm", "wrong_algorithm"},
      {kEs384, "wrong_algorithm", "wrong_algorithm"},
      {kAlgNone, "wrong_algorithm", "wrong_algorithm"},
      {kAlgNoneCase, "wrong_algorithm", "wrong_algorithm"},
      {kHmacByRsaPem, "bad_signature", "bad_signature"},
      {kHmacByRsaPemKid, "bad_signature", "wrong_algorithm"},
  };
  JwtVerifier plain(three_keys(), options), set(keys({{JwtKeyForm::jwks, kJwks}}), options);
  for (const auto& row : rows) {
    EXPECT_EQ(outcome(plain.verify(row.token, "c", {}, at(kNow))), row.plain_keys) << row.token;
    EXPECT_EQ(outcome(set.verify(row.token, "c", {}, at(kNow))), row.key_set) << row.token;
  }
  auto r = plain.verify(kEs256, "c", {}, at(kNow));
  ASSERT_TRUE(r.has_value());
  EXPECT_EQ(r->username, "alice");
  EXPECT_EQ(r->expires, at(4'102'444'830));
  ASSERT_NE(r->rights, nullptr);
  EXPECT_TRUE(r->rights->may_publish({"c", "alice"}, "up/c/x", false));
  EXPECT_FALSE(r->rights->may_publish({"d", "alice"}, "up/c/x", false));
}

TEST(Jwt, TheKeyDecidesTheAlgorithm) {
  const struct {
    std::string_view name;
    std::shared_ptr<const JwtKeys> keys;
    std::string_view token, outcome;
  } rows[] = {
      {"the public key as a secret", keys({{JwtKeyForm::rs256_pem, kRsaPem}}), kHmacByRsaPem, "wrong_algorithm"},
      {"the same with a kid", keys({{JwtKeyForm::rs256_pem, kRsaPem}}), kHmacByRsaPemKid, "wrong_algorithm"},
      {"RSA only", keys({{JwtKeyForm::rs256_pem, kRsaPem}}), kHs256, "wrong_algorithm"},
      {"EC only", keys({{JwtKeyForm::es256_pem, kP256Pem}}), kRs256, "wrong_algorithm"},
      {"a secret only", secret_only(), kEs256, "wrong_algorithm"},
      {"no key", keys({}), kEs256, "unknown_key"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(outcome(JwtVerifier(row.keys, {}).verify(row.token, "c", {}, at(kNow))), row.outcome) << row.name;
  }
}

TEST(Jwt, ForgedSignatures) {
  JwtVerifier verifier(three_keys(), {.audience = "mqtt"});
  for (std::string_view t : {kHs256, kRs256, kEs256}) {
    const std::size_t dot = t.rfind('.');
    const std::string text(t.substr(0, dot + 1)), good = *base64url_decode(t.substr(dot + 1));
    auto with = [&](std::string_view signature) {
      return outcome(verifier.verify(text + base64url_encode(signature), "c", {}, at(kNow)));
    };
    EXPECT_EQ(with(good), "good");
    for (std::size_t i : {std::size_t{0}, good.size() / 2, good.size() - 1}) {
      std::string changed = good;
      changed[i] = static_cast<char>(changed[i] ^ 1);
      EXPECT_EQ(with(changed), "bad_signature") << t << " byte " << i;
    }
    EXPECT_EQ(with(""), "bad_signature");
    EXPECT_EQ(with(good.substr(0, good.size() - 1)), "bad_signature");
    EXPECT_EQ(with(good.substr(0, good.size() / 2)), "bad_signature");
    EXPECT_EQ(with(good + '\0'), "bad_signature");
    EXPECT_EQ(with('\0' + good), "bad_signature");
    EXPECT_EQ(with(good + good), "bad_signature");
    EXPECT_EQ(with(std::string(good.size(), '\0')), "bad_signature");
    EXPECT_EQ(with(std::string(good.size(), '\xFF')), "bad_signature");
    std::string forged(t);  // another user
    forged.replace(t.find('.') + 1, 1, forged[t.find('.') + 1] == 'e' ? "f" : "e");
    EXPECT_EQ(outcome(verifier.verify(forged, "c", {}, at(kNow))), "bad_signature");
  }
  // A signature in DER, as other formats have it
  const std::string raw = *base64url_decode(kEs256.substr(kEs256.rfind('.') + 1));
  auto integer = [](std::string n) {
    if (n[0] & 0x80) n.insert(0, 1, '\0');
    return std::string("\x02") + static_cast<char>(n.size()) + n;
  };
  const std::string body = integer(raw.substr(0, 32)) + integer(raw.substr(32));
  const std::string der = std::string("\x30") + static_cast<char>(body.size()) + body;
  const std::string t = std::string(kEs256.substr(0, kEs256.rfind('.') + 1)) + base64url_encode(der);
  EXPECT_EQ(outcome(verifier.verify(t, "c", {}, at(kNow))), "bad_signature");
}

TEST(Jwt, Form) {
  const std::string good = token_with("");
  const std::size_t first = good.find('.'), last = good.rfind('.');
  std::string stray = good;  // the last of 43 characters carries four bits: one of the two others is set
  stray.back() = static_cast<char>(stray.back() + 1);
  auto header = [](std::string_view h) { return signed_token(h, R"({"sub":"a","exp":4102444800})"); };
  const std::string deep = std::string(20, '[') + std::string(20, ']');
  const struct {
    std::string token;
    std::string_view outcome = "malformed";
  } rows[] = {
      {good, "good"},
      {""},
      {"."},
      {".."},
      {"..."},
      {good.substr(0, first)},
      {good.substr(0, last)},
      {good.substr(0, last + 1), "bad_signature"},
      {good + "."},
      {"." + good},
      {good + ".a.b"},
      {good + "="},
      {good + "\n"},
      {" " + good},
      {stray},
      {good.substr(0, first + 1) + "+" + good.substr(first + 2)},
      {good.substr(0, first + 1) + "/" + good.substr(first + 2)},
      {good.substr(0, first + 1) + std::string(1, '\0') + good.substr(first + 2)},
      {token_with(fmt::format(R"("x":"{}")", std::string(11'000, 'x'))), "good"},
      {token_with(fmt::format(R"("x":"{}")", std::string(13'000, 'x')))},
      {std::string(1'000'000, '.')},
      {std::string(1'000'000, 'e')},
      // Headers
      {header(R"({"alg":"HS256","typ":"JWT","cty":"anything","x":[1]})"), "good"},
      {header(R"({"alg":"HS256","typ":"jwt"})"), "good"},
      {header(R"({"alg":"HS256","typ":"application/AT+JWT"})"), "good"},
      {header(R"({"alg":"HS256","typ":"JOSE"})")},
      {header(R"({"alg":"HS256","typ":1})")},
      {header(R"({"alg":"HS256","kid":1})")},
      {header(R"({"alg":"HS256","kid":null})")},
      {header(R"({"alg":"HS256","crit":["exp"]})")},
      {header(R"({"alg":"HS256","crit":[]})")},
      {header(R"({"alg":"HS256","alg":"HS256"})")},
      {header(R"({"alg":"none","alg":"HS256"})")},
      {header(R"({"alg":"HS256","x":)" + deep + "}")},
      {header(R"({"alg":"HS256","x":")" + std::string(5'000, 'x') + "\"}")},
      {header(R"({"alg":["HS256"]})")},
      {header(R"({"alg":"hs256"})"), "wrong_algorithm"},
      {header(R"({"alg":"HS256\u0000"})"), "wrong_algorithm"},
      {header(R"({"alg":""})"), "wrong_algorithm"},
      {header("{}")},
      {header("[]")},
      {header("null")},
      {header("")},
      {header("\xEF\xBB\xBF{\"alg\":\"HS256\"}")},
      // Claims
      {token("")},
      {token("null")},
      {token("[]")},
      {token("\"sub\"")},
      {token("1")},
      {token(R"({"sub":"a","exp":4102444800)")},
      {token(R"({"sub":"a","exp":4102444800}{})")},
      {token(R"({"sub":"a","exp":4102444800,"sub":"b"})")},
      {token(R"({"sub":"a","exp":1,"\u0065xp":4102444800})")},
      {token(R"({"sub":"a","exp":4102444800,"x":{"y":1,"y":2}})")},
      {token_with(R"("x":)" + deep)},
      {token(std::string(5'000, '[') + std::string(5'000, ']'))},
      {token("{\"sub\":\"\xFF\",\"exp\":4102444800}")},
  };
  JwtVerifier verifier(secret_only(), {});
  for (const auto& row : rows) {
    EXPECT_EQ(outcome(verifier.verify(row.token, "c", {}, at(kNow))), row.outcome) << row.token.substr(0, 200);
  }
}

TEST(Jwt, Times) {
  JwtVerifier verifier(secret_only(), {}), relaxed(secret_only(), {.leeway = Seconds(0), .require_expiry = false});
  const struct {
    std::string claims;  // N+5 = kNow + 5
    std::string_view with_leeway, without;
  } rows[] = {
      {R"("exp":N+1)", "good", "good"},
      {R"("exp":N+0)", "good", "expired"},
      {R"("exp":N-29)", "good", "expired"},
      {R"("exp":N-30)", "expired", "expired"},
      {R"("exp":0)", "expired", "expired"},
      {R"("exp":N+0.5)", "good", "good"},
      {R"("exp":1.9e9)", "good", "good"},
      {R"("exp":N+1,"nbf":N+0,"iat":N+0)", "good", "good"},
      {R"("exp":N+99,"nbf":N+1)", "good", "not_yet_valid"},
      {R"("exp":N+99,"iat":N+30)", "good", "not_yet_valid"},
      {R"("exp":N+99,"nbf":N+31)", "not_yet_valid", "not_yet_valid"},
      {R"("exp":N+99,"iat":N+31)", "not_yet_valid", "not_yet_valid"},
      {R"("iat":N+0)", "missing_claim", "good"},
      {R"("exp":"N+9")", "malformed", "malformed"},
      {R"("exp":null)", "malformed", "malformed"},
      {R"("exp":true)", "malformed", "malformed"},
      {R"("exp":-1)", "malformed", "malformed"},
      {R"("exp":1e400)", "malformed", "malformed"},
      {R"("exp":18446744073709551615)", "malformed", "malformed"},
      {R"("exp":1800000000000)", "malformed", "malformed"},
      {R"("exp":253402300799)", "good", "good"},
      {R"("exp":N+9,"nbf":"now")", "malformed", "malformed"},
      {R"("exp":N+9,"iat":[])", "malformed", "malformed"},
  };
  for (const auto& row : rows) {
    std::string claims = row.claims;
    for (std::size_t n; (n = claims.find('N')) != claims.npos;) {
      std::size_t used = 0;
      const std::int64_t seconds = kNow + std::stoll(claims.substr(n + 1), &used);
      claims.replace(n, used + 1, std::to_string(seconds));
    }
    const std::string t = token(R"({"sub":"alice",)" + claims + "}");
    EXPECT_EQ(outcome(verifier.verify(t, "c", {}, at(kNow))), row.with_leeway) << claims;
    EXPECT_EQ(outcome(relaxed.verify(t, "c", {}, at(kNow))), row.without) << claims;
  }
  EXPECT_EQ(relaxed.verify(token(R"({"sub":"a"})"), "c", {}, at(kNow))->expires, kNoExpiry);
  EXPECT_EQ(relaxed.verify(token(R"({"sub":"a","exp":1900000000.25})"), "c", {}, at(kNow))->expires,
            at(1'900'000'000) + Millis(250));
  const WallTime end = verifier.verify(token_with(""), "c", {}, at(kNow))->expires;
  EXPECT_TRUE(verifier.verify(token_with(""), "c", {}, end - Millis(1)).has_value());
  EXPECT_EQ(outcome(verifier.verify(token_with(""), "c", {}, end)), "expired");
}

TEST(Jwt, WhatATokenMustSay) {
  using Require = std::vector<JwtOptions::Requirement>;
  const JwtOptions issuer = {.issuer = "me"}, audience = {.audience = "mqtt"}, name = {.username_claim = "name"},
                   matched = {.match_username = true}, no_id = {.client_id_claim = ""},
                   device = {.client_id = "device-%u"}, required = {.require = Require{{"device", "%c"}, {"of", "%u"}}};
  const struct {
    JwtOptions options;
    std::string claims;
    std::string_view outcome;
    std::string_view client_id = "c";
    std::optional<std::string_view> username = {};
  } rows[] = {
      {issuer, R"("iss":"me")", "good"},
      {issuer, R"("iss":"Me")", "wrong_issuer"},
      {issuer, R"("iss":["me"])", "wrong_issuer"},
      {issuer, "", "missing_claim"},
      {{}, R"("iss":"anybody")", "good"},
      {audience, R"("aud":"mqtt")", "good"},
      {audience, R"("aud":["web","mqtt"])", "good"},
      {audience, R"("aud":["web"])", "wrong_audience"},
      {audience, R"("aud":[])", "wrong_audience"},
      {audience, R"("aud":{"mqtt":1})", "wrong_audience"},
      {audience, R"("aud":[["mqtt"]])", "wrong_audience"},
      {audience, "", "missing_claim"},
      {{}, R"("aud":"mqtt")", "wrong_audience"},
      {name, R"("name":"bob")", "good"},
      {name, "", "missing_claim"},
      {name, R"("name":"")", "malformed"},
      {name, R"("name":7)", "malformed"},
      {name, R"("name":"a\u0000b")", "malformed"},
      {{}, "", "good", "c", "bob"},
      {matched, "", "good", "c", "alice"},
      {matched, "", "wrong_client", "c", "bob"},
      {matched, "", "wrong_client", "c", ""},
      {matched, "", "good"},
      {{}, R"("client_id":"c")", "good"},
      {{}, R"("client_id":"d")", "wrong_client"},
      {{}, R"("client_id":"")", "wrong_client"},
      {{}, R"("client_id":["c"])", "wrong_client"},
      {{}, R"("client_id":null)", "wrong_client"},
      {no_id, R"("client_id":"d")", "good"},
      {device, "", "good", "device-alice"},
      {device, "", "wrong_client", "device-bob"},
      {device, "", "wrong_client", ""},
      {required, R"("device":"c","of":"alice")", "good"},
      {required, R"("device":"d","of":"alice")", "wrong_client"},
      {required, R"("device":"c","of":"%u")", "wrong_client"},
      {required, R"("device":"c","of":["alice"])", "wrong_client"},
      {required, R"("device":"c")", "missing_claim"},
      {{}, R"("acl":{})", "good"},
      {{}, R"("acl":null)", "bad_acl"},
      {{}, R"("acl":{"pub":["a/#/b"]})", "bad_acl"},
  };
  for (const auto& row : rows) {
    const auto r =
        JwtVerifier(secret_only(), row.options).verify(token_with(row.claims), row.client_id, row.username, at(kNow));
    EXPECT_EQ(outcome(r), row.outcome) << row.claims << " " << row.client_id;
    if (r) {
      EXPECT_EQ(r->username, row.options.username_claim == "name" ? "bob" : "alice");
    }
  }
}

TEST(Jwt, EveryRefusalHasAName) {
  std::vector<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(bad_acl); ++i) {
    names.push_back(to_string(static_cast<JwtRefusal>(i)));
    EXPECT_NE(names.back(), "refused");
    EXPECT_EQ(std::count(names.begin(), names.end(), names.back()), 1);
  }
}

}  // namespace
}  // namespace sb::auth
