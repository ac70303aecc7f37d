// SPDX-License-Identifier: MIT
// What a hash in Redis says of a user. How Redis is asked is tested with a real one: tests/access/test_redis.py.
#include "auth/redis_users.h"

#include <gmock/gmock.h>

#include <future>

#include "auth/redis_method.h"

namespace sb::auth {
namespace {

using mqtt::Reason;

/// Fields as HMGET gives them; null = the hash has none.
class Fields {
 public:
  Fields(const char* password, const char* acl, const char* disabled) {
    reply_.add_array(3);
    for (const char* value : {password, acl, disabled})
      value ? reply_.add_text(redis::Reply::Type::text, value) : reply_.add_nil();
    reply_.finish();
  }
  redis::Reply::View view() const { return reply_.root(); }

 private:
  redis::Reply reply_;
};

std::string hash() { return format_password_hash(make_password_hash("secret", {.ln = 10})); }

TEST(RedisUser, WhatIsNotThereIsNoUser) {
  std::string why;
  EXPECT_EQ(RedisUser::read("ada", Fields(nullptr, nullptr, nullptr).view(), why), nullptr);
  EXPECT_EQ(why, "");
}

TEST(RedisUser, APasswordIsALineOrAHash) {
  const std::string line = "ada:" + hash(), other = "bob:" + hash();
  const struct {
    std::string name, password, why;
  } cases[] = {
      {"ada", line, ""},
      {"ada", line + "\n", ""},
      {"ada", hash(), ""},
      {"a:b", "a:b:" + hash(), ""},
      {"ada", other, "password: the line is another user's"},
      {"ada", "plain text", "password: line 1: "},
      {"ada", "", "password: line 1: "},
      {"ada", "$scrypt$ln=40,r=8,p=1$c2FsdHNhbHQ$aGFzaA", "password: line 1: "},
  };
  for (const auto& c : cases) {
    std::string why;
    auto user = RedisUser::read(c.name, Fields(c.password.c_str(), nullptr, nullptr).view(), why);
    ASSERT_TRUE(user);
    EXPECT_THAT(why, ::testing::StartsWith(c.why)) << c.password;
    EXPECT_THAT(why, ::testing::Not(::testing::HasSubstr("plain text")));
    ASSERT_EQ(user->password != nullptr, c.why.empty()) << c.password;
    if (!user->password) continue;
    EXPECT_EQ(user->password->check(c.name, "secret"), Checked::right);
    EXPECT_EQ(user->password->check(c.name, "Secret"), Checked::wrong);
  }
}

TEST(RedisUser, RightsAreADocumentAndNothingWithoutOne) {
  const ports::Subject who{"c", "ada"};
  const struct {
    const char* acl;
    bool publish, subscribe, wrong;
  } cases[] = {
      {nullptr, false, false, false},
      {"{}", false, false, false},
      {R"({"pub":["x"]})", true, false, false},
      {R"({"sub":["#"]})", false, true, false},
      {R"({"all":["x"]})", true, true, false},
      {"", false, false, true},
      {"topic x", false, false, true},
      {R"({"pub":"x"})", false, false, true},
      {R"({"all":["x"],"more":[]})", false, false, true},
  };
  for (const auto& c : cases) {
    std::string why;
    auto user = RedisUser::read("ada", Fields("x", c.acl, nullptr).view(), why);
    ASSERT_TRUE(user && user->rights);
    EXPECT_EQ(user->rights->may_publish(who, "x", false), c.publish) << c.acl;
    EXPECT_EQ(user->rights->may_subscribe(who, "x"), c.subscribe) << c.acl;
    EXPECT_EQ(why.starts_with("acl: "), c.wrong) << c.acl;
  }
}

TEST(RedisUser, IsDisabledUnlessTheFieldSaysNo) {
  for (const char* no : {"", "0", "no", "false"}) {
    std::string why;
    EXPECT_FALSE(RedisUser::read("ada", Fields(nullptr, nullptr, no).view(), why)->disabled) << no;
  }
  for (const char* yes : {"1", "yes", "true", "?"}) {
    std::string why;
    EXPECT_TRUE(RedisUser::read("ada", Fields(nullptr, nullptr, yes).view(), why)->disabled) << yes;
  }
}

RedisUsers::Options nobody_there() {
  RedisUsers::Options o;
  o.url.hosts = {{"", 0, "/nowhere/socket"}};
  o.timeout = Millis(50);
  return o;
}

TEST(RedisUsers, BoundsWhatWaitsAndSharesQuestions) {
  RedisUsers::Options o = nobody_there();
  o.pending = 3;
  o.timeout = Millis(60'000);
  RedisUsers users(o);
  std::atomic<int> busy{0}, unavailable{0};
  auto done = [&](const RedisUsers::Outcome& found) {
    ASSERT_FALSE(found);
    ++(found.error() == Reason::server_busy ? busy : unavailable);
  };
  for (const char* name : {"ada", "ada", "bob", "ada", "eve"}) users.find(name, Millis(0), done);
  EXPECT_EQ(busy, 2);
  users.stop();
  EXPECT_EQ(unavailable, 3);
  users.find("ada", Millis(0), done);
  EXPECT_EQ(unavailable, 4);
}

TEST(RedisUsers, AsksNoMoreWhenThereWereNoAnswers) {
  RedisUsers::Options o = nobody_there();
  o.breaker = {2, Millis(60'000)};
  RedisUsers users(o);
  for (const char* name : {"ada", "bob"}) {
    std::promise<Reason> answer;
    users.find(name, Millis(0), [&](const RedisUsers::Outcome& found) { answer.set_value(found.error()); });
    EXPECT_EQ(answer.get_future().get(), Reason::server_unavailable);
  }
  bool at_once = false;
  users.find("eve", Millis(0), [&](const RedisUsers::Outcome&) { at_once = true; });
  EXPECT_TRUE(at_once);
}

TEST(RedisMethod, AnswersWhenEverythingEnds) {
  RedisUsers::Options o = nobody_there();
  o.timeout = Millis(60'000);
  SystemClock clock;
  RightsKeeper rights(clock, {});
  RedisUsers users(o);
  std::optional<Reason> reason;
  {
    RedisMethod method(users, rights, {});
    ports::Credentials who;
    who.username = "ada";
    who.password = "secret";
    method.ask(who, true, [&](Method::Answer a) { reason = a->reason; });
    bool next = false;
    who.username = "a\nb";  // is in no file, and not asked for
    method.ask(who, true, [&](Method::Answer a) { next = !a; });
    EXPECT_TRUE(next);
    users.stop();
  }
  EXPECT_EQ(reason, Reason::server_unavailable);
}

}  // namespace
}  // namespace sb::auth
