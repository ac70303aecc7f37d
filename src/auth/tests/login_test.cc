// SPDX-License-Identifier: MIT
// Which method decides about a client. Each method has tests of its own.
#include "auth/login.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

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

}  // namespace
}  // namespace sb::auth
