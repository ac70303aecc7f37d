// SPDX-License-Identifier: MIT
// Which method decides about a client. Each method has tests of its own.
#include "auth/login.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <utility>

#include "base/json.h"

namespace sb::auth {
namespace {

using mqtt::Reason;

std::shared_ptr<const PasswordUsers> users() {
  std::string text, why;
  for (auto* name : {"ada", "bob"})
    text += std::string(name) + ":" + format_password_hash(make_password_hash("secret", {.ln = 10})) + "\n";
  return *PasswordUsers::parse(text, why);
}

struct Row {
  const char* what;
  std::optional<std::string_view> name, password;
  std::string_view identity;
  bool anonymous;
  Reason without_users, with_users;
  std::string_view user;  ///< when it comes in
};
constexpr auto kIn = Reason::success, kBad = Reason::bad_user_name_or_password, kNot = Reason::not_authorized;
const Row kRows[] = {
    {"nothing, where that is allowed", {}, {}, "", true, kIn, kIn, ""},
    {"nothing, where it is not", {}, {}, "", false, kNot, kNot, ""},
    {"a name and its password", "ada", "secret", "", false, kNot, kIn, "ada"},
    {"the same where anonymous clients may come in", "ada", "secret", "", true, kIn, kIn, "ada"},
    {"a wrong password", "ada", "Secret", "", true, kIn, kBad, "ada"},
    {"no password", "ada", {}, "", true, kIn, kBad, "ada"},
    {"an empty password", "ada", "", "", true, kIn, kBad, "ada"},
    {"the password with a NUL behind it", "ada", std::string_view("secret\0", 7), "", true, kIn, kBad, "ada"},
    {"a name that nobody knows", "eve", "secret", "", true, kIn, kBad, "eve"},
    {"an empty name", "", "secret", "", true, kIn, kIn, ""},
    {"a certificate", {}, {}, "device", false, kIn, kIn, "device"},
    {"a certificate beside another name", "ada", "wrong", "device", false, kIn, kIn, "device"},
    {"what looks like a token, and nobody has keys", "eve", "eyJ.eyJ.x", "", true, kIn, kBad, "eve"},
};

ports::AuthDecision ask(Login& login, const Row& r) {
  ports::Credentials who;
  who.client_id = "c";
  who.username = r.name;
  who.password = r.password;
  who.tls_identity = r.identity;
  who.anonymous_allowed = r.anonymous;
  std::promise<ports::AuthDecision> answer;
  login.authenticate(who, [&](ports::AuthDecision d) { answer.set_value(std::move(d)); });
  return answer.get_future().get();
}

TEST(Login, TheFirstMethodThatKnowsWhatItIsDecides) {
  Login login;
  for (bool with : {false, true, false, true}) {
    login.set_users(with ? users() : nullptr);
    for (const Row& r : kRows) {
      auto d = ask(login, r);
      EXPECT_EQ(d.reason, with ? r.with_users : r.without_users) << r.what;
      if (ok(d.reason)) {
        EXPECT_EQ(d.username, r.user) << r.what;
      }
    }
  }
}

TEST(Login, MoreThanItCanCheckInTimeIsRefusedAtOnce) {
  std::atomic<int> busy{0}, wrong{0};
  Login login;
  std::string why;
  login.set_users(
      *PasswordUsers::parse("ada:" + format_password_hash(make_password_hash("secret", {.ln = 14})) + "\n", why));
  constexpr int kMany = 100;
  for (int i = 0; i < kMany; ++i) {
    const std::string password = std::to_string(i);
    ports::Credentials who;
    who.username = "ada";
    who.password = password;
    login.authenticate(who, [&](const ports::AuthDecision& d) { d.reason == Reason::server_busy ? ++busy : ++wrong; });
  }
  EXPECT_GT(busy, kMany / 2);
  login.set_users(nullptr);
}

/// A method behind the file: answers what the test gives it, or holds its answer.
struct BackEnd final : Method {
  void ask(const ports::Credentials& who, bool is_last, Done done) override {
    asked.push_back(std::string(who.username.value_or("")) + "/" + std::string(who.password.value_or("")));
    last = is_last;
    if (hold)
      held = std::move(done);
    else
      done(answer);
  }
  std::vector<std::string> asked;
  bool last = false, hold = false;
  Answer answer;
  Done held;
};

TEST(Login, ABackEndIsAskedForWhatTheFileDoesNotKnow) {
  Login login;
  login.set_users(users());
  auto http = std::make_shared<BackEnd>();
  login.set(Login::Place::http, http);
  const struct {
    const char* name;
    const char* password;
    Method::Answer answer;
    Reason reason;
    bool asked;
  } rows[] = {
      {"ada", "secret", ports::AuthDecision{kNot, {}, {}}, kIn, false},
      {"ada", "wrong", ports::AuthDecision{kIn, "ada", {}}, kBad, false},
      {"eve", "secret", ports::AuthDecision{kIn, "eve", {}}, kIn, true},
      {"eve", "secret", ports::AuthDecision{kNot, {}, {}}, kNot, true},
      {"eve", "secret", ports::AuthDecision{Reason::server_unavailable, {}, {}}, Reason::server_unavailable, true},
      {"eve", "secret", std::nullopt, kBad, true},
      {"eve", "", std::nullopt, kBad, true},
  };
  for (auto& r : rows) {
    http->asked.clear();
    http->answer = r.answer;
    auto d = ask(login, {"", r.name, r.password, "", true, kIn, kIn, ""});
    EXPECT_EQ(d.reason, r.reason) << r.name << " " << r.password;
    EXPECT_EQ(http->asked.size(), r.asked ? 1u : 0u) << r.name << " " << r.password;
  }
  EXPECT_TRUE(http->last);
  auto redis = std::make_shared<BackEnd>();
  login.set(Login::Place::redis, redis);
  http->answer = ports::AuthDecision{kIn, "eve", {}};
  EXPECT_EQ(ask(login, {"", "eve", "x", "", true, kIn, kIn, ""}).reason, kIn);
  EXPECT_EQ(redis->asked.size(), 1u);
  EXPECT_FALSE(redis->last);
}

TEST(Login, WhatWasShownIsKeptWhileAMethodTakesItsTime) {
  Login login;
  auto redis = std::make_shared<BackEnd>(), http = std::make_shared<BackEnd>();
  login.set(Login::Place::redis, redis);
  login.set(Login::Place::http, http);
  redis->hold = true;
  http->answer = ports::AuthDecision{kIn, "eve", {}};
  std::optional<ports::AuthDecision> got;
  {
    const std::string name = "eve, with a name that is long", password = "a password that is long as well";
    ports::Credentials who;
    who.username = name;
    who.password = password;
    login.authenticate(who, [&](ports::AuthDecision d) { got = std::move(d); });
  }
  login.set(Login::Place::http, nullptr);
  EXPECT_FALSE(got);
  std::exchange(redis->held, nullptr)(std::nullopt);  // it holds the chain, and that the method
  ASSERT_TRUE(got);
  EXPECT_EQ(got->reason, kIn) << "the chain is that of when it came";
  EXPECT_EQ(http->asked, std::vector<std::string>{"eve, with a name that is long/a password that is long as well"});
}

TEST(Login, ACertificateIsMapped) {
  Login login;
  std::string why;
  login.set_certificates(*CertificateMap::parse("CN=dev-* -> dev-*\n", why));
  EXPECT_EQ(ask(login, {"", {}, {}, "CN=dev-1", true, kIn, kIn, ""}).username, "dev-1");
  EXPECT_EQ(ask(login, {"", "ada", "secret", "CN=other", true, kIn, kIn, ""}).reason, kNot);
  EXPECT_EQ(ask(login, {"", {}, {}, "", true, kIn, kIn, ""}).reason, kIn) << "who shows none is not concerned";
}

TEST(Login, WhoGotNoRightsGetsThoseOfTheKeeper) {
  struct Source final : RightsSource {
    void ask(const ports::Subject& who, Done done) override {
      asked.push_back(std::string(who.client_id) + "/" + std::string(who.username));
      done(answer);
    }
    std::vector<std::string> asked;
    Answer answer;
  };
  FakeClock clock;
  RightsKeeper keeper(clock, {});
  Login login(&keeper);
  const Row nobody{"", {}, {}, "", true, kIn, kIn, ""}, device{"", {}, {}, "device", true, kIn, kIn, ""};
  EXPECT_EQ(ask(login, nobody).rights, nullptr) << "there is no source";

  auto source = std::make_shared<Source>();
  keeper.set(source, {});
  source->answer = {Reason::success, DocumentRights::parse(*parse_json(R"({"all":["a"]})", 4)), {}};
  auto d = ask(login, device);
  ASSERT_NE(d.rights, nullptr);
  EXPECT_EQ(d.username, "device");
  EXPECT_TRUE(d.rights->may_receive({}, "a") && !d.rights->may_receive({}, "b"));

  ports::Credentials proven;
  proven.client_id = "c";
  proven.username = "somebody";
  proven.proven = "ada";
  ports::AuthDecision by_exchange;
  login.authenticate(proven, [&](ports::AuthDecision x) { by_exchange = std::move(x); });
  EXPECT_EQ(by_exchange.username, "ada");
  EXPECT_NE(by_exchange.rights, nullptr);
  EXPECT_EQ(source->asked, (std::vector<std::string>{"c/device", "c/ada"}));

  auto http = std::make_shared<BackEnd>();
  http->answer = ports::AuthDecision{kIn, "eve", DocumentRights::everything()};
  login.set(Login::Place::http, http);
  EXPECT_EQ(ask(login, {"", "eve", "x", "", true, kIn, kIn, ""}).rights, DocumentRights::everything());
  EXPECT_EQ(source->asked.size(), 2u) << "it came with rights of its own";

  http->answer = std::nullopt;
  for (Reason r : {Reason::server_unavailable, Reason::server_busy, kNot}) {
    source->answer = {r, nullptr, {}};
    EXPECT_EQ(ask(login, nobody).reason, r);
  }
  http->answer = ports::AuthDecision{kBad, {}, {}};
  EXPECT_EQ(ask(login, {"", "eve", "x", "", true, kIn, kIn, ""}).reason, kBad);
  EXPECT_EQ(source->asked.size(), 2u + 3u) << "who is refused is not asked about";
}

}  // namespace
}  // namespace sb::auth
