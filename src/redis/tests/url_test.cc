// SPDX-License-Identifier: MIT
#include "redis/url.h"

#include <gmock/gmock.h>

#include "redis/errc.h"

namespace sb::redis {
namespace {

Url parsed(std::string_view text) {
  std::string problem;
  auto url = parse_url(text, problem);
  EXPECT_TRUE(url) << text << ": " << problem;
  return url ? *url : Url{};
}

TEST(RedisUrl, ASingleServer) {
  const Url plain = parsed("redis://redis.example.org");
  EXPECT_EQ(plain.kind, Url::Kind::single);
  EXPECT_FALSE(plain.tls);
  EXPECT_EQ(plain.hosts, (std::vector<Endpoint>{{"redis.example.org", 6379, ""}}));
  EXPECT_EQ(plain.db, 0u);

  const Url full = parsed("rediss://ann:p%40ss%3aword@[::1]:7000/3");
  EXPECT_TRUE(full.tls);
  EXPECT_EQ(full.username, "ann");
  EXPECT_EQ(full.password, "p@ss:word");
  EXPECT_EQ(full.hosts, (std::vector<Endpoint>{{"::1", 7000, ""}}));
  EXPECT_EQ(full.db, 3u);

  EXPECT_EQ(parsed("redis://:secret@h").username, "");
  EXPECT_EQ(parsed("redis://:secret@h").password, "secret");
  EXPECT_EQ(parsed("redis://:a@b:c@h").password, "a@b:c");
}

TEST(RedisUrl, AUnixSocket) {
  const Url u = parsed("unix://ann:word@/run/redis/redis.sock?db=2");
  EXPECT_EQ(u.hosts.at(0).unix_path, "/run/redis/redis.sock");
  EXPECT_EQ(u.db, 2u);
  EXPECT_EQ(u.password, "word");
  EXPECT_EQ(parsed("redis+unix:///a").hosts.at(0).unix_path, "/a");
}

TEST(RedisUrl, SentinelsAndClusters) {
  const Url s = parsed("redis+sentinel://:w@a,b:5,[::2]/main/1");
  EXPECT_EQ(s.kind, Url::Kind::sentinel);
  EXPECT_EQ(s.hosts, (std::vector<Endpoint>{{"a", 26379, ""}, {"b", 5, ""}, {"::2", 26379, ""}}));
  EXPECT_EQ(s.primary, "main");
  EXPECT_EQ(s.db, 1u);
  const Url c = parsed("rediss+cluster://a:1,b");
  EXPECT_EQ(c.kind, Url::Kind::cluster);
  EXPECT_TRUE(c.tls);
  EXPECT_EQ(c.hosts, (std::vector<Endpoint>{{"a", 1, ""}, {"b", 6379, ""}}));
}

TEST(RedisUrl, TextHasNoPassword) {
  EXPECT_EQ(parsed("redis://ann:secret@h:1/2").text(), "redis://ann:***@h:1/2");
  EXPECT_EQ(parsed("rediss+sentinel://:secret@a,b/main/2").text(), "rediss+sentinel://:***@a:26379,b:26379/main/2");
  EXPECT_EQ(parsed("redis+cluster://[::1]:7").text(), "redis+cluster://[::1]:7");
  EXPECT_EQ(parsed("unix://:secret@/s?db=4").text(), "unix://:***@/s?db=4");
}

TEST(RedisUrl, SaysWhatIsWrongAndQuotesNoPassword) {
  const struct {
    std::string_view text, problem;
  } cases[] = {
      {"http://h", "it does not begin with redis://"},
      {"redis://", "it names no host"},
      {"redis://:secret@", "it names no host"},
      {"redis://h:0", "\"0\" is no port"},
      {"redis://h:65536", "\"65536\" is no port"},
      {"redis://h:1x", "\"1x\" is no port"},
      {"redis://[::1", "bracket"},
      {"redis://[::1]x", "what follows the host"},
      {"redis://h/x", "\"x\" is no number of a database"},
      {"redis://h/-1", "is no number of a database"},
      {"redis://a,b", "it names several hosts"},
      {"redis://ann@h", "a user name needs a password"},
      {"redis://ann:@h", "the password is empty"},
      {"redis://:secret%4@h", "a % in the user name or password"},
      {"redis://:secret%zz@h", "a % in the user name or password"},
      {"unix://h/path", "a socket has a path and no host"},
      {"unix://", "does not begin with \"/\""},
      {"unix:///p?x=1", "what follows the path"},
      {"redis+sentinel://h", "the name of the Sentinels' group"},
      {"redis+sentinel://h,/main", "it names no host"},
      {"redis+cluster://h/1", "a cluster has the database 0 only"},
  };
  for (const auto& c : cases) {
    std::string problem;
    const auto url = parse_url(c.text, problem);
    ASSERT_FALSE(url) << c.text;
    EXPECT_EQ(url.error(), errc::bad_url);
    EXPECT_THAT(problem, ::testing::HasSubstr(c.problem)) << c.text;
    EXPECT_THAT(problem, ::testing::Not(::testing::HasSubstr("secret")));
  }
}

}  // namespace
}  // namespace sb::redis
