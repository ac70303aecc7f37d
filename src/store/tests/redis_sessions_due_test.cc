// SPDX-License-Identifier: MIT
// Wills and the end of sessions when nodes die, and what sessions cost.
#include <fmt/format.h>

#include "store/redis_sessions.h"
#include "store/tests/redis_cluster.h"

namespace sb::store::test {
namespace {

using ports::SessionChange;
using redis::testing::RedisServer;
using Claimed = ports::SessionStore::Claimed;

WallTime now() { return std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now()); }

/// e.g. "s will=gone; t ended".
std::string text(const SessionNode::Dues& all) {
  std::string s;
  for (auto& d : all) {
    s += (s.empty() ? "" : "; ") + d.client_id;
    if (d.will.record.message) s += " will=" + std::string(d.will.record.message->view().payload);
    if (d.ended) s += " ended";
  }
  return s;
}

RedisSessions::LeftWills take_wills(SessionNode& n, const char* node, std::uint64_t epoch, WallTime t) {
  auto left = n.ask<RedisSessions::LeftWills>([&](auto done) { n.sessions.take_wills(node, epoch, t, done); }).value();
  std::sort(left.of_clients.begin(), left.of_clients.end(), [](auto& x, auto& y) { return x.client_id < y.client_id; });
  return left;
}

SessionChange leave(WallTime expires, WallTime will_due) {
  SessionChange c;
  c.left = {expires, will_due};
  return c;
}

TEST(RedisSessionsDue, AWillIsGivenOnceAlthoughTheNodeThatFiresItDies) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a"), b(server, "b"), c(server, "c");
  const WallTime t = now();
  Claimed s = a.claim("s", false, "gone");
  ASSERT_EQ(a.change("s", s.record.epoch, leave(t + Seconds(1000), t + Seconds(10))), error_code{});
  EXPECT_EQ(text(a.due(t + Seconds(9))), "");
  const auto given = a.due(t + Seconds(10));
  ASSERT_EQ(text(given), "s will=gone");
  EXPECT_EQ(text(a.due(t + Seconds(50))), "") << "not again to the same";
  EXPECT_EQ(text(b.due(t + Seconds(100))), "") << "a is firing it";
  for (auto* n : {&b, &c}) n->life.deaths[{"a", 7}] = t + Seconds(60);
  const auto again = b.due(t + Seconds(200));
  EXPECT_EQ(text(again), "s will=gone") << "a has died over it";
  EXPECT_EQ(text(c.due(t + Seconds(200))), "") << "one at a time";
  b.sessions.fired(again.at(0).will.id);
  ASSERT_TRUE(b.loop.until([&] {
    return server.ask({"HEXISTS", b.keys.session("s"), "f" + std::to_string(s.record.epoch)}) == "0";
  }));
  for (auto* n : {&b, &c}) n->life.deaths[{"b", 7}] = t + Seconds(300);
  EXPECT_EQ(text(c.due(t + Seconds(400))), "") << "it was published";
  EXPECT_EQ(text(c.due(t + Seconds(4000))), "s ended");
}

TEST(RedisSessionsDue, AWillThatAClaimFiredIsGivenAgainToo) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a"), b(server, "b");
  const WallTime t = now();
  a.claim("s", false, "old");
  Claimed s = a.claim("s", true);  // the session ends, and its will with it
  ASSERT_NE(s.will.record.message, nullptr);
  b.life.deaths[{"a", 7}] = t + Seconds(20);
  EXPECT_EQ(text(b.due(t + Seconds(60))), "s will=old");
}

TEST(RedisSessionsDue, WhatRedisRefusesToTakeStaysDue) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a");
  const WallTime t = now();
  Claimed s = a.claim("s");
  ASSERT_EQ(a.change("s", s.record.epoch, leave(t + Seconds(10), kNoExpiry)), error_code{});
  const std::string key = a.keys.session("s");
  server.ask({"RENAME", key, key + "x"});
  server.ask({"SET", key, "of another kind"});
  EXPECT_EQ(text(a.due(t + Seconds(100))), "");
  server.ask({"RENAME", key + "x", key});
  EXPECT_EQ(text(a.due(t + Seconds(200))), "s ended");
}

TEST(RedisSessionsDue, OwnersThatLiveAndOwnersThatAreDead) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a"), b(server, "b");
  const WallTime t = now();
  const std::uint64_t epoch = a.claim("s", false, "gone", 5000).record.epoch;
  for (int hours = 1; hours < 5; ++hours) EXPECT_EQ(text(b.due(t + Seconds(3600 * hours))), "") << "a lives";
  const WallTime death = t + Seconds(3600 * 4);
  b.life.deaths[{"a", 7}] = death;
  EXPECT_TRUE(b.displaced.empty());
  EXPECT_EQ(text(b.due(t + Seconds(3600 * 5))), "s will=gone") << "its connection ended with the node";
  ASSERT_EQ(b.displaced.size(), 1u) << "a may have died before it told who had the client before";
  EXPECT_EQ(b.displaced[0].substr(0, 4), "* s ");
  EXPECT_GE(std::stoull(b.displaced[0].substr(4)), epoch);
  SessionNode c(server, "c");
  c.life.deaths[{"a", 7}] = death;
  EXPECT_EQ(c.claim("s").previous_node, "*") << "b may have died over it as well";
  EXPECT_EQ(b.claim("s").previous_node, "c") << "told once";
  ASSERT_EQ(b.change("s", b.claim("s").record.epoch, leave(death + Seconds(5000), kNoExpiry)), error_code{});
  EXPECT_EQ(text(b.due(death + Seconds(4999))), "");
  EXPECT_EQ(text(b.due(death + Seconds(3600 * 2))), "s ended");
  EXPECT_FALSE(b.claim("s").present);
  EXPECT_EQ(b.displaced.size(), 1u);
}

TEST(RedisSessionsDue, TheNextRunOfANodeEndsWhatTheLastOneLeft) {
  NEEDS_REDIS();
  RedisServer server;
  redis::testing::TestLoop loop;
  MemoryLogs logs(model::Limits{}, [](std::string_view, ports::LogId) {});
  std::uint64_t epoch = 0;
  for (int run = 0; run < 2; ++run) {
    RedisNode node(loop, url_of(server), "sb:");
    RedisSessions sessions(node.writer, node.keys, node.life, logs, 10);
    ASSERT_TRUE(loop.until([&] { return node.life.epoch() > 0 && sessions.counted(); }));
    EXPECT_GT(node.life.epoch(), epoch);
    epoch = node.life.epoch();
    if (run == 0) {
      bool claimed = false;
      sessions.claim(SessionNode::request("s", false, "gone"), [&](auto r) { claimed = r.has_value(); });
      ASSERT_TRUE(loop.until([&] { return claimed; }));
      continue;
    }
    EXPECT_TRUE(sessions.any());
    std::optional<std::string> due;
    sessions.take_due(now() + Seconds(1000), [&](auto r) { due = text(*r); });
    ASSERT_TRUE(loop.until([&] { return due.has_value(); }));
    EXPECT_EQ(*due, "s will=gone ended");
    EXPECT_FALSE(sessions.any());
  }
}

TEST(RedisSessionsDue, SurvivorsTakeTheWillsOfADeadNodeOnce) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a"), b(server, "b"), c(server, "c");
  const WallTime t = now();
  a.claim("durable", false, "of a record", 5000);
  Claimed left = a.claim("left", false, "not this");
  SessionChange in_order = leave(t + Seconds(5000), kNoExpiry);
  in_order.will = model::WillRecord{};
  ASSERT_EQ(a.change("left", left.record.epoch, in_order), error_code{});
  for (const char* id : {"volatile", "gone"})
    a.sessions.keep_will(id, "user", SessionNode::request(id, false, "of nobody").will, 5);
  ASSERT_TRUE(a.loop.until([&] { return server.ask({"HLEN", a.keys.node("a", "wills")}) == "3"; }));
  a.sessions.forget_will("gone", 5);
  ASSERT_TRUE(a.loop.until([&] { return server.ask({"HLEN", a.keys.node("a", "wills")}) == "2"; }));
  bool more = false;
  auto take = [&](SessionNode& n) {
    const auto found = take_wills(n, "a", 7, t + Seconds(2));
    more = found.more;
    SessionNode::Dues all = found.of_clients;
    all.insert(all.begin(), found.of_records.begin(), found.of_records.end());
    return all;
  };
  for (auto* n : {&b, &c}) n->life.deaths[{"a", 7}] = t + Seconds(1);
  const auto first = take(b);
  ASSERT_EQ(text(first), "durable will=of a record; volatile will=of nobody");
  EXPECT_EQ(first[1].will.username, "user");
  EXPECT_EQ(text(take(b)), "");
  EXPECT_TRUE(more) << "until they are published";
  EXPECT_EQ(text(take(c)), "") << "b is at it";
  EXPECT_TRUE(more) << "and may die over it";
  for (auto* n : {&a, &c}) n->life.deaths[{"b", 7}] = t + Seconds(2);
  const auto again = take(c);
  EXPECT_EQ(text(again), "volatile will=of nobody") << "b has died over it";
  EXPECT_EQ(text(c.due(t + Seconds(60))), "durable will=of a record") << "and over this one";
  c.sessions.fired(again.at(0).will.id);
  EXPECT_TRUE(c.loop.until([&] { return server.ask({"HLEN", a.keys.node("a", "wills")}) == "0"; }));
  EXPECT_EQ(text(take(c)), "");
  EXPECT_FALSE(more);
}

TEST(RedisSessionsDue, AWillOfALaterConnectionIsNotForgottenWithTheEarlierOne) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a"), b(server, "b");
  const WallTime t = now();
  auto keep = [&](const char* will, std::uint64_t connection) {
    a.sessions.keep_will("c", "user", SessionNode::request("c", false, will).will, connection);
  };
  keep("first", 5);
  keep("second", 6);
  a.sessions.forget_will("c", 5);
  a.sessions.keep_will("last", "user", SessionNode::request("last", false, "x").will, 7);
  const std::string key = a.keys.node("a", "wills");
  ASSERT_TRUE(a.loop.until([&] { return server.ask({"HEXISTS", key, "last"}) == "1"; }));
  b.life.deaths[{"a", 7}] = t;
  const auto taken = take_wills(b, "a", 7, t);
  EXPECT_EQ(text(taken.of_clients), "c will=second; last will=x");
  // A client that is back on the node's next life has its entry; the one that was taken goes, and no other.
  server.ask({"HSET", key, "c", "8 -\nx"});
  for (auto& w : taken.of_clients) b.sessions.fired(w.will.id);
  ASSERT_TRUE(b.loop.until([&] { return server.ask({"HEXISTS", key, "last"}) == "0"; }));
  EXPECT_EQ(server.ask({"HEXISTS", key, "c"}), "1");
}

TEST(RedisSessionsDue, WhatANodeWritesOfItsWillsAfterItsBurialIsRefused) {
  NEEDS_REDIS();
  for (const char* grave : {"fenced", "epoch"}) {
    RedisServer server;
    SessionNode a(server, "a");
    const std::string key = a.keys.node("a", "wills");
    a.sessions.keep_will("before", "user", SessionNode::request("c", false, "x").will, 5);
    ASSERT_TRUE(a.loop.until([&] { return server.ask({"HLEN", key}) == "1"; }));
    server.ask({"SET", a.keys.node("a", grave), grave == std::string("fenced") ? "7" : "8"});
    a.sessions.forget_will("before", 5);
    a.sessions.keep_will("after", "user", SessionNode::request("c", false, "x").will, 6);
    a.claim("flushed");
    EXPECT_EQ(server.ask({"HKEYS", key}), "before") << grave;
  }
}

TEST(RedisSessionsDue, WillsThatRedisForgotAreAskedForAgain) {
  NEEDS_REDIS();
  RedisServer server;
  redis::WriterOptions w;
  w.keep = Seconds(0);  // what was written long ago
  SessionNode a(server, "a", w);
  const std::string key = a.keys.node("a", "wills");
  a.claim("durable", false, "of a record");
  a.sessions.keep_will("volatile", "user", SessionNode::request("c", false, "x").will, 5);
  ASSERT_TRUE(a.loop.until([&] { return server.ask({"HLEN", key}) == "2"; }));
  a.sessions.on_connected();
  a.claim("another");
  EXPECT_EQ(a.forgotten, 0);
  server.ask({"DEL", key});
  a.sessions.on_connected();
  ASSERT_TRUE(a.loop.until([&] { return a.forgotten == 1; }));
  ASSERT_TRUE(a.loop.until([&] { return server.ask({"HKEYS", key}) == "durable"; }));
}

TEST(RedisSessionsDue, NoSessionIsWithoutAnEntry) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a");
  a.claim("s");
  const std::string key = a.keys.schedule(RedisKeys::shard_of("s"));
  EXPECT_NE(server.ask({"ZSCORE", key, "s"}), "");
  // Its entry goes when the record does, and not before.
  Claimed s = a.claim("s");
  EXPECT_TRUE(a.ask<void>([&](auto done) { a.sessions.end("s", s.record.epoch, done); }));
  EXPECT_NE(server.ask({"ZSCORE", key, "s"}), "") << "somebody may be about to rely on it";
  a.due(now() + Seconds(100));
  EXPECT_NE(server.ask({"ZSCORE", key, "s"}) + server.ask({"EXISTS", a.keys.session("s")}), "0");
  server.ask({"DEL", a.keys.session("s")});  // as after a minute
  a.due(now() + Seconds(4000));
  EXPECT_EQ(server.ask({"ZSCORE", key, "s"}), "");
}

TEST(RedisSessionsDue, AnEntryThatIsWrittenOnceMoreStaysWhereAnotherNodeHasPutIt) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a");
  a.claim("s");
  const std::string key = a.keys.schedule(RedisKeys::shard_of("s"));
  ASSERT_TRUE(a.loop.until([&] { return server.ask({"ZSCORE", key, "s"}) != ""; }));
  server.ask({"ZADD", key, "1000", "s"});
  const auto before = a.writer.stats().repeated;
  server.ask({"CLIENT", "KILL", "TYPE", "normal"});
  ASSERT_TRUE(a.loop.until([&] { return a.writer.stats().repeated > before && !a.writer.repairing(); }));
  EXPECT_EQ(server.ask({"ZSCORE", key, "s"}), "1000");
}

/// Without Redis each CONNECT that leaves no session is answered, and what there was ends when it is back: once.
TEST(RedisSessionsDue, AClientThatComesOftenWhileRedisIsAwayIsEndedOnce) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a");
  a.claim("s");
  server.kill();
  ASSERT_TRUE(a.loop.until([&] { return !a.writer.trouble().empty(); }));
  int answered = 0;
  auto claim = SessionNode::request("s");
  claim.clean = true;
  claim.durable = false;
  for (int i = 0; i < 1000; ++i) a.sessions.claim(claim, [&](result<Claimed> r) { answered += r.has_value(); });
  ASSERT_TRUE(a.loop.until([&] { return answered == 1000; }));
  server.start();
  ASSERT_TRUE(a.loop.until([&] { return !a.writer.busy() && !a.writer.repairing() && a.writer.trouble().empty(); }));
  const std::string stats = server.ask({"INFO", "commandstats"});
  const auto at = stats.find("cmdstat_evalsha:calls=");
  ASSERT_NE(at, stats.npos);
  EXPECT_LT(std::stoi(stats.substr(at + 22)), 50);
}

/// Not a test of a bound: says what sessions cost. Microseconds are those of Redis.
TEST(RedisSessionsDue, WhatSessionsCost) {
  NEEDS_REDIS();
  constexpr int kSessions = 10'000;
  RedisServer server;
  redis::WriterOptions w;
  w.keep = Seconds(0);
  SessionNode a(server, "a", w);
  ASSERT_TRUE(a.loop.until([&] { return a.sessions.counted(); }));
  std::vector<std::uint64_t> epochs(kSessions);
  auto id = [](int i) { return "client-" + std::to_string(100000 + i); };
  auto spent = [&](const std::string& what, auto ask) {
    server.ask({"CONFIG", "RESETSTAT"});
    const auto begin = std::chrono::steady_clock::now();
    int answered = 0;
    for (int i = 0; i < kSessions; ++i) {
      ask(i, answered);
      EXPECT_TRUE(a.loop.until([&] { return i - answered < 500; })) << "an answer takes no longer than it may";
    }
    EXPECT_TRUE(a.loop.until([&] { return answered == kSessions; }));
    const auto ms = std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now() - begin).count();
    const std::string stats = server.ask({"INFO", "commandstats"});
    double usec = 0;
    for (const char* command : {"cmdstat_evalsha:", "cmdstat_zadd:", "cmdstat_hget:"}) {
      const auto at = stats.find(command);
      const auto from = at == stats.npos ? at : stats.find("usec=", at);
      if (from != stats.npos) usec += std::stod(stats.substr(from + 5));
    }
    std::printf("%-28s %6.1f us of Redis each, %lld ms for all\n", what.c_str(), usec / kSessions,
                static_cast<long long>(ms));
  };
  auto claim = [&](int i, int& answered) {
    a.sessions.claim(SessionNode::request(id(i)), [&, i](result<Claimed> r) {
      ++answered;
      epochs[static_cast<std::size_t>(i)] = r ? r->record.epoch : 0;
    });
  };
  auto change = [&](int i, int& answered, SessionChange c) {
    a.sessions.change(id(i), epochs[static_cast<std::size_t>(i)], std::move(c), [&](result<void> r) {
      EXPECT_TRUE(r);
      ++answered;
    });
  };
  spent("first claim", claim);
  spent("two subscriptions", [&](int i, int& answered) {
    SessionChange c;
    for (const char* f : {"devices/+/status", "commands/all/#"}) {
      model::SubscriptionRecord s;
      s.filter = f + std::to_string(i);
      s.logged = true;
      s.next = {1'700'000'000'000, 12345};
      c.subscriptions_set.push_back(s);
    }
    c.next_order = 3;
    change(i, answered, std::move(c));
  });
  spent("a cursor", [&](int i, int& answered) {
    SessionChange c;
    c.cursors = {{"commands/all/#" + std::to_string(i), {1'700'000'000'000, 12346}}};
    change(i, answered, std::move(c));
  });
  spent("a packet id, QoS 2", [&](int i, int& answered) {
    SessionChange c;
    c.inbound_added = {{1, 1, epochs[static_cast<std::size_t>(i)]}};
    change(i, answered, std::move(c));
  });
  const std::string usage = server.ask({"MEMORY", "USAGE", a.keys.session(id(7))});
  const std::size_t here = a.sessions.owned_bytes() / kSessions;
  std::printf("%-28s %6s bytes in Redis, %zu bytes in the node while connected\n", "record", usage.c_str(), here);
  spent("claim again, two filters", claim);
  spent("leaving", [&](int i, int& answered) {
    SessionChange c = leave(now() + Seconds(100), kNoExpiry);
    change(i, answered, std::move(c));
  });
  spent("the next claim", claim);
  EXPECT_LT(std::stoul(usage), 2000u);
  EXPECT_LT(here, 2000u);
}

}  // namespace
}  // namespace sb::store::test
