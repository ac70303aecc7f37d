// SPDX-License-Identifier: MIT
#include "auth/bans.h"

#include <gtest/gtest.h>

namespace sb::auth {
namespace {

const WallTime kNow{Seconds(1'800'000'000)};  // 2027-01-15T08:00:00Z
const Ip kHere = *Ip::parse("192.0.2.1"), kThere = *Ip::parse("192.0.2.2");

std::shared_ptr<const BanFile> file(std::string_view text) {
  std::string why;
  auto f = BanFile::parse(text, why);
  EXPECT_TRUE(f) << why;
  return f ? *f : nullptr;
}

TEST(BanFile, NamesClientsUsersAndAddresses) {
  auto f = file(
      "# who may not come in\n\nclient bad one\nclient until\nuser mallory until 2027-01-15T09:00:00Z\r\n"
      "address 10.0.0.0/8\naddress 2001:db8::1 until 2027-01-15T07:00:00Z\nclient x until 2027-02-01T00:00:00Z\n");
  ASSERT_TRUE(f);
  EXPECT_EQ(f->size(), 6u);
  EXPECT_TRUE(f->has_client("bad one", kNow));
  EXPECT_TRUE(f->has_client("until", kNow));
  EXPECT_TRUE(f->has_client("x", kNow));
  EXPECT_FALSE(f->has_client("bad", kNow));
  EXPECT_FALSE(f->has_client("mallory", kNow));
  EXPECT_TRUE(f->has_user("mallory", kNow));
  EXPECT_FALSE(f->has_user("mallory", kNow + Seconds(3600)));
  EXPECT_TRUE(f->has_address(*Ip::parse("10.255.0.1"), kNow));
  EXPECT_FALSE(f->has_address(*Ip::parse("11.0.0.1"), kNow));
  EXPECT_FALSE(f->has_address(*Ip::parse("2001:db8::1"), kNow));
  EXPECT_FALSE(f->has_address(Ip(), kNow));
}

TEST(BanFile, SaysWhatIsWrongWithALine) {
  struct Row {
    const char *text, *why;
  };
  for (const Row& r : {
           Row{"client a\nclients b", "line 2: \"clients\" is none of `client`, `user` and `address`"},
           Row{"client", "line 1: `client` needs a name behind it"},
           Row{"user ", "line 1: `user` needs a name behind it"},
           Row{"address ::/129", "line 1: \"::/129\" is no address like 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32"},
           Row{"user a until tomorrow", "line 1: what follows `until` is no time like 2027-01-31T00:00:00Z"},
           Row{"user a until 2027-02-31T00:00:00Z",
               "line 1: what follows `until` is no time like 2027-01-31T00:00:00Z"},
           Row{"user a # why",
               "line 1: a comment has a line of its own; a name with \" #\" in it cannot be banned here"},
           Row{"user a\nuser a", "line 2: user a is there twice; delete one"},
       }) {
    std::string why;
    EXPECT_FALSE(BanFile::parse(r.text, why)) << r.text;
    EXPECT_EQ(why, r.why);
  }
}

TEST(Bans, TheFileCanBeReplaced) {
  Bans bans;
  EXPECT_FALSE(bans.client("a", kHere, kNow));
  bans.replace(file("client a\nuser u\naddress 192.0.2.1"));
  EXPECT_TRUE(bans.client("a", kThere, kNow));
  EXPECT_TRUE(bans.user("u", kNow));
  EXPECT_FALSE(bans.user("", kNow));
  EXPECT_TRUE(bans.address(kHere, kNow));
  EXPECT_FALSE(bans.address(kThere, kNow));
  bans.replace(nullptr);
  EXPECT_FALSE(bans.client("a", kThere, kNow));
  EXPECT_FALSE(bans.address(kHere, kNow));
}

TEST(Bans, AClientThatFlapsIsBannedWithItsAddress) {
  Bans bans;
  bans.set_rules({.flapping = 3, .flapping_window = 10, .time = 60});
  EXPECT_FALSE(bans.connected("a", kHere, kNow));
  EXPECT_FALSE(bans.connected("a", kHere, kNow + Seconds(5)));
  EXPECT_FALSE(bans.connected("a", kHere, kNow + Seconds(11))) << "another window";
  EXPECT_FALSE(bans.connected("a", kThere, kNow + Seconds(11)));
  EXPECT_FALSE(bans.connected("a", kHere, kNow + Seconds(12)));
  EXPECT_TRUE(bans.connected("a", kHere, kNow + Seconds(13)));
  EXPECT_TRUE(bans.client("a", kHere, kNow + Seconds(72)));
  EXPECT_FALSE(bans.client("a", kThere, kNow + Seconds(72)));
  EXPECT_FALSE(bans.client("b", kHere, kNow + Seconds(72)));
  EXPECT_FALSE(bans.client("a", kHere, kNow + Seconds(73)));
}

TEST(Bans, AnAddressThatGuessesIsBanned) {
  Bans bans;
  bans.set_rules({.failures = 2, .failures_window = 10, .time = 60});
  EXPECT_FALSE(bans.failed(kHere, kNow));
  EXPECT_TRUE(bans.failed(kHere, kNow));
  EXPECT_TRUE(bans.address(kHere, kNow));
  EXPECT_FALSE(bans.address(kThere, kNow));
  EXPECT_FALSE(bans.failed(Ip(), kNow)) << "a Unix socket has no address";
  EXPECT_FALSE(bans.failed(Ip(), kNow));
  bans.set_rules({});
  EXPECT_FALSE(bans.address(kHere, kNow));
}

TEST(Bans, RemembersOnlySoMany) {
  Bans bans;
  bans.set_rules({.failures = 2, .failures_window = 10, .time = 60});
  auto ip = [](std::uint32_t n) { return Ip::v4(&n); };
  for (std::uint32_t n = 1; n <= 100'000; ++n) bans.failed(ip(n), kNow);
  bans.failed(ip(200'000), kNow);
  bans.failed(ip(200'000), kNow);
  EXPECT_FALSE(bans.address(ip(200'000), kNow)) << "no room to count it";
  EXPECT_TRUE(bans.failed(ip(7), kNow));
  bans.failed(ip(200'000), kNow + Seconds(11));
  EXPECT_TRUE(bans.failed(ip(200'000), kNow + Seconds(11))) << "windows have ended";
  EXPECT_TRUE(bans.address(ip(7), kNow + Seconds(11))) << "bans last";
}

}  // namespace
}  // namespace sb::auth
