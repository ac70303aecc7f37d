// SPDX-License-Identifier: MIT
#include "redis/sentinel.h"

#include <gmock/gmock.h>

#include "redis/client.h"
#include "redis/tests/bench.h"
#include "redis/tests/topologies.h"

namespace sb::redis {
namespace {

using testing::RedisServer;
using testing::SentinelGroup;
using testing::TestLoop;

TEST(SentinelVotes, MoreThanHalfOfAllDecide) {
  const Endpoint a{"a", 1, ""}, b{"b", 1, ""};
  const struct {
    std::size_t sentinel;
    std::optional<Endpoint> says;
    std::optional<Endpoint> primary;
  } steps[] = {
      {0, a, std::nullopt},  // one of three
      {1, b, std::nullopt},  // one each
      {2, a, a},             // two
      {1, a, a},             //
      {0, b, a},             // a failover begins
      {2, std::nullopt, a},  // silence decides nothing
      {1, b, b},             //
      {0, std::nullopt, b},  // nor does it when all are gone
      {1, std::nullopt, b},  //
      {2, a, b},             // one that was cut off, and knows the old one
      {0, a, a},             //
  };
  SentinelVotes votes(3);
  for (std::size_t i = 0; i < std::size(steps); ++i) {
    const auto before = votes.primary();
    EXPECT_EQ(votes.say(steps[i].sentinel, steps[i].says), steps[i].primary != before) << i;
    EXPECT_EQ(votes.primary(), steps[i].primary) << i;
  }
  SentinelVotes four(4);
  four.say(0, a);
  EXPECT_FALSE(four.say(1, a));  // half is not more than half
  EXPECT_TRUE(four.say(2, a));
}

Options options() {
  Options o;
  o.pause_max = Millis(200);
  o.command_timeout = Millis(2000);
  return o;
}

/// Asks until it is done, and returns the outcome.
std::string done_at_last(TestLoop& loop, Client& client, std::vector<std::string> words) {
  std::string out;
  const std::string key = words.at(1);
  client.call(std::move(words), key, Seconds(60), [&](Outcome& o) { out = testing::show(o); });
  EXPECT_TRUE(loop.until([&] { return !out.empty(); }, Seconds(90)));
  return out;
}

TEST(Sentinel, TheClientFollowsAFailoverAfterAKill) {
  NEEDS_REDIS();
  SentinelGroup group(2);
  TestLoop loop;
  Client client(loop, group.url(), options());
  client.start();
  EXPECT_EQ(done_at_last(loop, client, {"SET", "k", "v"}), "done +OK");
  ASSERT_EQ(client.connection(0)->endpoint(), group.servers[0]->endpoint());
  for (int i : {1, 2}) ASSERT_TRUE(loop.until([&] { return group.servers[i]->ask({"GET", "k"}) == "v"; }));
  EXPECT_EQ(done_at_last(loop, client, {"GET", "k"}), "done \"v\"");
  group.sentinels[2]->kill();  // two of three are enough
  group.servers[0]->kill();
  EXPECT_EQ(done_at_last(loop, client, {"SET", "k", "again"}), "done +OK");
  ASSERT_TRUE(client.connection(0));
  const Endpoint now = client.connection(0)->endpoint();
  EXPECT_NE(now, group.servers[0]->endpoint());
  const std::size_t chosen = now == group.servers[1]->endpoint() ? 1 : 2;
  EXPECT_EQ(group.servers[chosen]->ask({"GET", "k"}), "again");
}

TEST(Sentinel, ADemotedServerIsLeft) {
  NEEDS_REDIS();
  SentinelGroup group(1);
  TestLoop loop;
  struct Lanes : Client::Listener {
    std::vector<std::string> lines;
    void on_up(Connection& c, unsigned lane) override {
      lines.push_back(fmt::format("{} {}", c.endpoint().text(), lane));
    }
    void on_down(Connection&, unsigned lane) override { lines.push_back(fmt::format("down {}", lane)); }
  } lanes;
  Client client(loop, group.url(), options(), &lanes);
  client.start();
  ASSERT_TRUE(loop.until([&] { return client.connection(0) && client.connection(0, 1); }));
  ASSERT_EQ(group.sentinels[0]->ask({"SENTINEL", "FAILOVER", "main"}), "OK");
  // Nobody kills the old connections, and lane 1 asks nothing: it would never hear of it.
  const Endpoint next = group.servers[1]->endpoint();
  ASSERT_TRUE(loop.until([&] {
    Connection *a = client.connection(0), *b = client.connection(0, 1);
    return a && b && a->endpoint() == next && b->endpoint() == next;
  }));
  EXPECT_EQ(done_at_last(loop, client, {"SET", "k", "v"}), "done +OK");
  EXPECT_EQ(group.servers[1]->ask({"GET", "k"}), "v");
  const std::string old = group.servers[0]->endpoint().text();
  EXPECT_THAT(lanes.lines, ::testing::IsSupersetOf({old + " 0", old + " 1", std::string("down 0"),
                                                    std::string("down 1"), next.text() + " 0", next.text() + " 1"}));
}

TEST(Sentinel, WhoRefusesToWriteIsAskedForItsRole) {
  NEEDS_REDIS();
  RedisServer primary, other;
  TestLoop loop;
  Options o = options();
  o.primary_only = true;
  Url url;
  url.hosts = {primary.endpoint()};
  Client client(loop, url, o);
  client.start();
  EXPECT_EQ(done_at_last(loop, client, {"SET", "k", "v"}), "done +OK");
  ASSERT_EQ(primary.ask({"REPLICAOF", "127.0.0.1", std::to_string(other.port())}), "OK");
  testing::Recorder outcomes;
  Connection* c = client.connection(0);
  ASSERT_TRUE(c);
  for (std::uint64_t i = 0; i < 3; ++i) ASSERT_FALSE(c->command({"SET", "k", "v"}, outcomes, i));
  ASSERT_TRUE(loop.until([&] { return !c->up(); }));
  // All replies were read before the connection ended.
  ASSERT_EQ(outcomes.lines.size(), 3u);
  for (auto& line : outcomes.lines) EXPECT_THAT(line, ::testing::HasSubstr("refused -READONLY"));
  ASSERT_EQ(primary.ask({"REPLICAOF", "NO", "ONE"}), "OK");
  EXPECT_EQ(done_at_last(loop, client, {"SET", "k", "v"}), "done +OK");
}

TEST(Sentinel, AGroupThatNobodyKnowsIsNotFound) {
  NEEDS_REDIS();
  RedisServer sentinel({}, true);
  TestLoop loop;
  Url url;
  url.kind = Url::Kind::sentinel;
  url.hosts = {sentinel.endpoint()};
  url.primary = "other";
  Client client(loop, url, options());
  client.start();
  std::string out;
  client.call({"GET", "k"}, "k", Millis(300), [&](Outcome& o) { out = testing::show(o); });
  ASSERT_TRUE(loop.until([&] { return !out.empty(); }));
  EXPECT_EQ(out, "not sent: it is not known who is primary");
}

}  // namespace
}  // namespace sb::redis
