// SPDX-License-Identifier: MIT
// Sessions in Redis when it forgets, is full, or loses connections.
#include <random>
#include <sstream>

#include "store/redis_sessions.h"
#include "store/tests/redis_cluster.h"

namespace sb::store::test {
namespace {

using ports::errc;
using ports::SessionChange;
using redis::testing::RedisServer;
using Claimed = ports::SessionStore::Claimed;
using model::Position;

WallTime now() { return std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now()); }

model::SubscriptionRecord logged(std::string filter, std::uint64_t order, model::Position next) {
  model::SubscriptionRecord s;
  s.filter = std::move(filter);
  s.order = order;
  s.logged = true;
  s.next = next;
  return s;
}

/// The fields that an owner writes, in order.
std::string fields(RedisServer& server, const std::string& client_id) {
  const std::string key = RedisKeys().session(client_id);
  std::istringstream names(server.ask({"HKEYS", key}));
  std::map<std::string, std::string> sorted;
  for (std::string name; names >> name;)
    if (name != "x" && name != "n") sorted[name] = server.ask({"HGET", key, name});
  std::string text;
  for (auto& [f, value] : sorted) text += f + "=" + value + "\n";
  return text;
}

/// Redis as it was when it saved last: a failover to a replica that lags has the same effect.
void forget(RedisServer& server) {
  server.kill();
  server.start();
}

TEST(RedisSessions, AForgottenClaimIsMadeAgain) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a"), b(server, "b");
  SessionChange subs;
  subs.subscriptions_set = {logged("x/#", 1, {1, 1})};
  ASSERT_EQ(a.change("s", a.claim("s").record.epoch, subs), error_code{});
  ASSERT_EQ(server.ask({"SAVE"}), "OK");
  Claimed at_b = b.claim("s");
  SessionChange moved;
  moved.cursors = {{"x/#", {1, 5}}};
  ASSERT_EQ(b.change("s", at_b.record.epoch, moved), error_code{});
  const std::string before = fields(server, "s");
  forget(server);
  EXPECT_NE(fields(server, "s"), before);
  ASSERT_TRUE(b.loop.until([&] { return fields(server, "s") == before; })) << fields(server, "s");
  EXPECT_EQ(b.order("s", at_b.record.epoch, 9), error_code{});
  Claimed next = a.claim("s");
  EXPECT_EQ(next.record.subscriptions.at(0).next, (model::Position{1, 5}));
  EXPECT_EQ(next.record.next_order, 9u);
  EXPECT_EQ(b.lost.size(), 0u);
}

TEST(RedisSessions, AForgottenClaimLosesAgainstALaterOne) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a"), b(server, "b"), c(server, "c");
  a.claim("s");
  ASSERT_EQ(server.ask({"SAVE"}), "OK");
  Claimed at_b = b.claim("s");
  forget(server);  // and b hangs
  Claimed at_c = c.claim("s");
  EXPECT_EQ(at_c.previous_node, "a");
  EXPECT_GT(at_c.record.epoch, at_b.record.epoch);
  ASSERT_TRUE(b.loop.until([&] { return !b.lost.empty(); }));
  EXPECT_EQ(b.lost, std::vector<std::string>{"s"});
  EXPECT_EQ(b.order("s", at_b.record.epoch, 3), errc::stale_epoch);
  EXPECT_EQ(c.order("s", at_c.record.epoch, 4), error_code{});
  EXPECT_TRUE(c.lost.empty() && c.displaced.empty() && b.displaced.empty());
}

TEST(RedisSessions, AForgottenClaimDisplacesAnEarlierOne) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a"), b(server, "b"), c(server, "c");
  a.claim("s");
  ASSERT_EQ(server.ask({"SAVE"}), "OK");
  // The clock of the server that forgot was ahead.
  const auto ahead = now() + Seconds(3600);
  server.ask({"HSET", RedisKeys().session("s"), "e", std::to_string(ahead.time_since_epoch().count())});
  Claimed at_b = b.claim("s");
  forget(server);
  Claimed at_c = c.claim("s");
  ASSERT_LT(at_c.record.epoch, at_b.record.epoch);
  ASSERT_TRUE(b.loop.until([&] { return !b.displaced.empty(); }));
  EXPECT_EQ(b.displaced, std::vector<std::string>{"c s " + std::to_string(at_c.record.epoch)});
  EXPECT_EQ(c.order("s", at_c.record.epoch, 3), errc::stale_epoch);
  EXPECT_EQ(b.order("s", at_b.record.epoch, 4), error_code{});
  EXPECT_TRUE(b.lost.empty());
}

/// It was taken by a primary that was cut off, and the owner before has gone on with the one that followed it.
TEST(RedisSessions, AForgottenClaimThatNobodyWasToldOfIsNotWrittenAgain) {
  NEEDS_REDIS();
  RedisServer server;
  redis::WriterOptions w;
  w.concern = redis::WriterOptions::Concern::replica;
  w.degrade = false;
  SessionNode a(server, "a"), b(server, "b", w);
  Claimed at_a = a.claim("s");
  ASSERT_EQ(a.order("s", at_a.record.epoch, 2), error_code{});
  ASSERT_EQ(server.ask({"SAVE"}), "OK");
  b.sessions.set_turn({});
  redis::Repeatable first(b.writer, "{first}");  // connects
  first.send({"SET", "{first}", "1"}, nullptr);
  ASSERT_TRUE(b.loop.until([&] { return b.writer.reconnections() > 0; }));
  bool told = false;
  b.sessions.claim(SessionNode::request("s"), [&](auto) { told = true; });
  const std::string key = RedisKeys().session("s");
  const auto at_b = [&] { return server.ask({"HGET", key, "o"}).ends_with(" b"); };
  ASSERT_TRUE(b.loop.until(at_b));
  forget(server);
  ASSERT_EQ(a.order("s", at_a.record.epoch, 7), error_code{});
  ASSERT_FALSE(told);
  ASSERT_TRUE(b.loop.until([&] { return at_b() || told; }));
  EXPECT_EQ(server.ask({"HGET", key, "d"}), "7") << "its owner was told that this is stored";
}

TEST(RedisSessions, AForgottenClaimThatNobodyWasToldOfLosesNothingOfTheSameNode) {
  NEEDS_REDIS();
  RedisServer server({"--repl-diskless-sync-delay", "0"});
  RedisServer replica({"--replicaof", "127.0.0.1 " + std::to_string(server.port())});
  redis::WriterOptions w;
  w.concern = redis::WriterOptions::Concern::replica;
  w.degrade = false;
  SessionNode b(server, "b", w);
  Claimed first = b.claim("s");
  ASSERT_EQ(server.ask({"SAVE"}), "OK");
  ASSERT_EQ(b.order("s", first.record.epoch, 5), error_code{});
  replica.pause();
  std::optional<result<Claimed>> claimed;
  const auto claim = [&] {
    claimed.reset();
    b.sessions.claim(SessionNode::request("s"), [&](auto r) { claimed = std::move(r); });
  };
  claim();
  const std::string key = RedisKeys().session("s"), epoch = std::to_string(first.record.epoch);
  ASSERT_TRUE(b.loop.until([&] { return server.ask({"HGET", key, "e"}) != epoch; }));
  forget(server);
  replica.resume();
  ASSERT_TRUE(b.loop.until([&] {
    if (claimed && !*claimed) claim();
    return claimed.has_value();
  }));
  EXPECT_EQ(claimed->value().record.next_order, 5u);
}

TEST(RedisSessions, AnEndThatWasForgottenIsMadeAgain) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a");
  Claimed s = a.claim("s");
  ASSERT_EQ(a.order("s", s.record.epoch, 2), error_code{});
  ASSERT_EQ(server.ask({"SAVE"}), "OK");
  EXPECT_TRUE(a.ask<void>([&](auto done) { a.sessions.end("s", s.record.epoch, done); }));
  forget(server);
  EXPECT_EQ(server.ask({"HEXISTS", a.keys.session("s"), "t"}), "1");
  ASSERT_TRUE(a.loop.until([&] { return server.ask({"HEXISTS", a.keys.session("s"), "t"}) == "0"; }));
  EXPECT_FALSE(a.claim("s").present);
}

TEST(RedisSessions, ACleanStartThatLeftNoSessionIsNotUndone) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a");
  a.claim("s");
  ASSERT_EQ(server.ask({"SAVE"}), "OK");
  auto c = SessionNode::request("s", true);
  c.durable = false;
  EXPECT_TRUE(a.ask<Claimed>([&](auto done) { a.sessions.claim(c, done); }));
  forget(server);
  EXPECT_EQ(server.ask({"HEXISTS", a.keys.session("s"), "t"}), "1");
  ASSERT_TRUE(a.loop.until([&] { return server.ask({"HEXISTS", a.keys.session("s"), "t"}) == "0"; }));
  EXPECT_FALSE(a.claim("s").present);
}

/// With much in the record: more than one chunk of subscriptions, packet ids, a will.
SessionChange much() {
  SessionChange c;
  for (std::uint64_t i = 1; i <= 400; ++i)
    c.subscriptions_set.push_back(logged("some/filter/" + std::to_string(i) + "/#", i, {i, i}));
  c.next_order = 401;
  c.outbound_set = {{5, 7, model::OutboundState::sent_qos2, "some/filter/1/#", {1, 2}, nullptr}};
  c.inbound_added = {{9, 3, 1}};
  return c;
}

TEST(RedisSessions, ARecordThatRedisLostIsWrittenAgain) {
  NEEDS_REDIS();
  struct Case {
    const char* what;
    bool idle, killed;
  };
  for (const Case& row : {Case{"in use", false, true}, Case{"in use, and Redis was only emptied", false, false},
                          Case{"nobody has written to it lately", true, true}}) {
    SCOPED_TRACE(row.what);
    RedisServer server;
    redis::WriterOptions w;
    if (row.idle) w.keep = Seconds(0);
    SessionNode a(server, "a", w);
    Claimed s = a.claim("s", false, "the will");
    ASSERT_EQ(a.change("s", s.record.epoch, much()), error_code{});
    const std::string before = fields(server, "s");
    ASSERT_NE(before.find("s1="), std::string::npos) << "several chunks";
    ASSERT_TRUE(a.loop.until([&] { return !row.idle || a.sessions.stats().rows == 0; }));
    server.ask({"FLUSHALL"});
    if (row.killed) forget(server);
    if (row.idle) a.sessions.on_connected();
    if (!row.killed) {
      SessionChange nothing;
      nothing.cursors = {{"some/filter/3/#", {3, 3}}};
      EXPECT_EQ(a.change("s", s.record.epoch, std::move(nothing)), error_code{});
    }
    ASSERT_TRUE(a.loop.until([&] { return fields(server, "s") == before; }));
    EXPECT_TRUE(a.loop.until([&] { return a.sessions.stats().rewritten == 1; }));
    EXPECT_TRUE(a.loop.until([&] { return server.ask({"ZCARD", a.keys.schedule(RedisKeys::shard_of("s"))}) == "1"; }));
    SessionChange moved;
    moved.cursors = {{"some/filter/399/#", {9, 9}}};
    EXPECT_EQ(a.change("s", s.record.epoch, std::move(moved)), error_code{});
    SessionNode b(server, "b");
    Claimed next = b.claim("s");
    ASSERT_EQ(next.record.subscriptions.size(), 400u);
    EXPECT_EQ(next.record.subscriptions[398].next, (model::Position{9, 9}));
    EXPECT_EQ(next.record.outbound.size(), 1u);
    EXPECT_EQ(next.record.inbound.size(), 1u);
    EXPECT_EQ(next.record.next_publish, 4u);
    EXPECT_TRUE(a.lost.empty());
  }
}

TEST(RedisSessions, ARecordWhoseWillWasFiredIsWrittenAgainToo) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a");
  Claimed s = a.claim("s", false, "the will");
  ASSERT_EQ(a.change("s", s.record.epoch, much()), error_code{});
  const WallTime now = std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now());
  SessionChange left;
  left.left = {now + Seconds(1000), now + Seconds(1)};
  ASSERT_EQ(a.change("s", s.record.epoch, std::move(left)), error_code{});
  auto fired = a.due(now + Seconds(2));
  ASSERT_EQ(fired.size(), 1u);
  a.sessions.fired(fired[0].will.id);
  ASSERT_TRUE(a.loop.until([&] { return !a.writer.busy(); }));
  forget(server);
  ASSERT_TRUE(a.loop.until([&] { return fields(server, "s") != ""; }));
  ASSERT_TRUE(a.loop.until([&] { return !a.writer.repairing() && !a.writer.busy(); }));
  EXPECT_TRUE(a.due(now + Seconds(3)).empty()) << "the will is not fired again";
  SessionNode b(server, "b");
  Claimed next = b.claim("s");
  EXPECT_EQ(next.record.subscriptions.size(), 400u);
  EXPECT_EQ(next.record.outbound.size(), 1u);
}

TEST(RedisSessions, WhatOthersMakeAndEndIsCounted) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a"), b(server, "b");
  ASSERT_TRUE(a.loop.until([&] { return a.sessions.counted(); }));
  for (auto id : {"1", "2", "3"}) b.claim(id);
  EXPECT_EQ(a.sessions.known(), 0);
  a.sessions.recount();
  EXPECT_TRUE(a.loop.until([&] { return a.sessions.known() == 3; }));
}

/// What a node has taken from a client before a failover must not come behind what the next one takes.
TEST(RedisSessions, SettledIsWhoHasRepairedEverything) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a");
  redis::Repeatable other(a.writer, "sb:x");
  bool sent = false;
  other.send({"SET", "sb:x", "1"}, [&] { sent = true; });
  ASSERT_TRUE(a.loop.until([&] { return sent; }));
  a.claim("s");
  EXPECT_FALSE(a.writer.repairing());
  server.kill();
  ASSERT_TRUE(a.loop.until([&] { return a.writer.repairing(); }));
  bool settled = false;
  int others = 0;
  a.sessions.settle("s", 1, [&] { settled = true; });
  a.sessions.settle("unknown", 1, [&] { ++others; });
  EXPECT_FALSE(a.loop.until([&] { return settled || others; }, Seconds(1)));
  server.start();
  for (auto* id : {"s", "unknown"}) server.ask({"SET", a.keys.session_mark(id, 1), "1"});
  ASSERT_TRUE(a.loop.until([&] { return settled && others; }));
  EXPECT_FALSE(a.writer.repairing());
  EXPECT_EQ(server.ask({"GET", "sb:x"}), "1");
}

/// Before it hears of a failover a node believes that Redis has what it wrote. Whoever asks it knows another Redis.
TEST(RedisSessions, WhoHasNotHeardOfAFailoverIsNotSettled) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a");
  a.claim("s");
  bool settled = false;
  a.sessions.settle("s", 7, [&] { settled = true; });
  a.sessions.settle("s", 8, [&] { ADD_FAILURE() << "a mark of another question"; });
  EXPECT_FALSE(a.loop.until([&] { return settled; }, Seconds(1)));
  server.ask({"SET", a.keys.session_mark("s", 7), "1"});
  ASSERT_TRUE(a.loop.until([&] { return settled; }));
}

/// Nothing has happened to Redis for long.
void calm(SessionNode& n) {
  n.sessions.set_doubt({});
  ASSERT_TRUE(n.loop.until([&] { return n.writer.doubted_at() < n.writer.loop().now(); }));
}

/// A record that is not repaired yet would be no session for the next owner.
TEST(RedisSessions, AfterAFailoverTheOthersAreAskedBeforeAClaim) {
  NEEDS_REDIS();
  RedisServer server({"--save", ""});
  SessionNode a(server, "a"), b(server, "b");
  a.claim("s");
  EXPECT_EQ(a.life.asked.size(), 1u) << "what was there before it came may not be there again";
  calm(b);
  b.sessions.set_turn({});
  b.claim("other");
  EXPECT_TRUE(b.life.asked.empty()) << "nothing has happened";
  server.ask({"FLUSHALL"});
  const auto before = b.writer.reconnections();
  server.ask({"CLIENT", "KILL", "TYPE", "normal"});
  ASSERT_TRUE(b.loop.until([&] { return b.writer.reconnections() >= before + 2; }));
  b.sessions.set_doubt(Seconds(30));
  a.sessions.on_connected();
  b.life.says_at_once = false;
  std::optional<result<Claimed>> claimed, refused;
  b.sessions.claim(SessionNode::request("s"), [&](auto r) { claimed = std::move(r); });
  ASSERT_TRUE(b.loop.until([&] { return b.life.asked.size() == 1; }));
  b.sessions.claim(SessionNode::request("s"), [&](auto r) { refused = std::move(r); });
  ASSERT_TRUE(b.loop.until([&] { return b.life.asked.size() == 2; }));
  bool settled = false;
  a.sessions.settle("s", b.life.asked[0].mark, [&] { settled = true; });
  ASSERT_TRUE(a.loop.until([&] { return settled; }));
  EXPECT_FALSE(claimed);
  b.life.asked[0].done(true);
  b.life.asked[1].done(false);
  ASSERT_TRUE(b.loop.until([&] { return claimed && refused; }));
  EXPECT_TRUE(claimed->value().present);
  EXPECT_EQ(refused->error(), ports::errc::unavailable) << "somebody may have it";
  b.claim("new", true);
  EXPECT_EQ(b.life.asked.size(), 2u) << "who begins anew misses nothing";
}

TEST(RedisSessions, AClaimThatWasUnderWayWhenRedisForgotAsksTheOthers) {
  NEEDS_REDIS();
  struct Case {
    const char* what;
    bool older, durable;
  };
  for (const Case& row : {Case{"all of the record", false, true}, Case{"its last change", true, true},
                          Case{"all, and the claim would only end it", false, false}}) {
    SCOPED_TRACE(row.what);
    RedisServer server({"--save", ""});
    SessionNode a(server, "a"), b(server, "b");
    const Claimed s = a.claim("s");
    if (row.older) server.ask({"SAVE"});
    ASSERT_EQ(a.order("s", s.record.epoch, 5), error_code{});
    calm(b);
    b.sessions.set_turn({});
    b.claim("other");
    b.writer.allow_until(MonoTime::min());
    std::optional<result<Claimed>> claimed;
    auto request = SessionNode::request("s");
    request.durable = row.durable;
    b.sessions.claim(std::move(request), [&](auto r) { claimed = std::move(r); });
    const auto before = b.writer.reconnections();
    forget(server);
    ASSERT_TRUE(b.loop.until([&] { return b.writer.reconnections() >= before + 2; }));
    EXPECT_TRUE(b.life.asked.empty()) << "it was calm when the client came";
    b.sessions.set_doubt(Seconds(30));
    b.life.says_at_once = false;
    b.writer.allow_until(kNever);
    ASSERT_TRUE(b.loop.until([&] { return b.life.asked.size() == 1 || claimed; }));
    ASSERT_FALSE(claimed) << "something was lost";
    a.sessions.on_connected();
    bool settled = false;
    a.sessions.settle("s", b.life.asked[0].mark, [&] { settled = true; });
    ASSERT_TRUE(a.loop.until([&] { return settled; }));
    b.life.asked[0].done(true);
    ASSERT_TRUE(b.loop.until([&] { return claimed.has_value(); }));
    ASSERT_TRUE(claimed->has_value());
    EXPECT_TRUE(claimed->value().present);
    EXPECT_EQ(claimed->value().record.next_order, 5u);
  }
}

/// A message that Redis forgot after the session had it comes again in the next generation, on whatever node it is
/// then.
TEST(RedisSessions, WhatACursorHasPassedStaysInTheRecord) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a"), b(server, "b");
  for (auto* node : {&a, &b}) node->sessions.set_turn({});
  const std::vector<Position> passed = {{1, 7}, {2, 9}};
  const std::uint64_t at_a = a.claim("s").record.epoch;
  SessionChange first, then, nothing, gone;
  first.subscriptions_set = {logged("a/#", 1, {1, 5}), logged("b", 2, {1, 5}), logged("c", 3, {1, 5})};
  EXPECT_EQ(a.change("s", at_a, first), error_code{});
  then.cursors = {{"a/#", {3, 8}, passed}, {"b", {3, 8}, {{1, 6}}}, {"c", {1, 6}}};
  EXPECT_EQ(a.change("s", at_a, then), error_code{});
  const std::string before = fields(server, "s");
  nothing.cursors = {{"a/#", {3, 9}, passed}};
  EXPECT_EQ(a.change("s", at_a, nothing), error_code{});
  Claimed at_b = b.claim("s");
  ASSERT_EQ(at_b.record.subscriptions.size(), 3u);
  EXPECT_EQ(at_b.record.subscriptions[0].passed, passed);
  EXPECT_EQ(at_b.record.subscriptions[0].next, (Position{3, 9}));
  EXPECT_EQ(at_b.record.subscriptions[1].passed, (std::vector<Position>{{1, 6}}));
  EXPECT_TRUE(at_b.record.subscriptions[2].passed.empty());
  gone.subscriptions_removed = {"a/#", "b"};
  EXPECT_EQ(b.change("s", at_b.record.epoch, gone), error_code{});
  EXPECT_EQ(server.ask({"HEXISTS", RedisKeys().session("s"), "h0"}), "0") << before;
}

/// Changes at random, with connections that end at any time: the record is what was asked for, in order.
TEST(RedisSessions, ConnectionsThatAreKilledInTheMiddle) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a"), b(server, "b");
  std::mt19937 random(5);
  std::uint64_t epoch = a.claim("s").record.epoch;
  std::map<std::string, std::uint64_t> subscriptions;
  std::map<std::uint16_t, std::uint64_t> outbound;
  int asked = 0, answered = 0;
  for (int i = 0; i < 3000; ++i) {
    SessionChange c;
    const std::string filter = "f/" + std::to_string(random() % 200);
    const auto id = static_cast<std::uint16_t>(random() % 20);
    switch (random() % 5) {
      case 0:
        c.subscriptions_removed = {filter};
        subscriptions.erase(filter);
        break;
      case 1:
        c.subscriptions_set = {logged(filter, random() % 1000, {1, static_cast<std::uint64_t>(i)})};
        subscriptions[filter] = static_cast<std::uint64_t>(i);
        break;
      case 2:
        c.cursors = {{filter, {1, static_cast<std::uint64_t>(i)}}};
        if (subscriptions.contains(filter)) subscriptions[filter] = static_cast<std::uint64_t>(i);
        break;
      case 3:
        c.outbound_set = {{static_cast<std::uint64_t>(i), id, model::OutboundState::sent_qos1, filter, {}, nullptr}};
        outbound[id] = static_cast<std::uint64_t>(i);
        break;
      default:
        c.outbound_removed = {id};
        outbound.erase(id);
    }
    ++asked;
    a.sessions.change("s", epoch, std::move(c), [&](result<void> r) {
      EXPECT_TRUE(r);
      ++answered;
    });
    if (random() % 3 == 0) a.loop.run_once(Millis(0));
    if (random() % 100 == 0) server.ask({"CLIENT", "KILL", "TYPE", "normal"});
    if (i == 1500) {  // a claim in the middle of it
      std::optional<std::uint64_t> next;
      a.sessions.claim(SessionNode::request("s"), [&](result<Claimed> r) { next = r.value().record.epoch; });
      server.ask({"CLIENT", "KILL", "TYPE", "normal"});
      ASSERT_TRUE(a.loop.until([&] { return next.has_value(); }));
      ASSERT_GT(*next, epoch);
      epoch = *next;
    }
  }
  ASSERT_TRUE(a.loop.until([&] { return answered == asked; }));
  model::SessionRecord r = b.claim("s").record;
  std::map<std::string, std::uint64_t> found;
  for (auto& s : r.subscriptions) found[s.filter] = s.next.offset;
  EXPECT_EQ(found, subscriptions);
  std::map<std::uint16_t, std::uint64_t> ids;
  for (auto& o : r.outbound) ids[o.packet_id] = o.sequence;
  EXPECT_EQ(ids, outbound);
}

TEST(RedisSessions, AFullRedisLosesNothing) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a");
  calm(a);
  Claimed s = a.claim("s");
  ASSERT_EQ(a.change("s", s.record.epoch, much()), error_code{});
  Claimed gone = a.claim("gone");
  const std::string before = fields(server, "s");
  server.ask({"CONFIG", "SET", "maxmemory", "1"});
  std::optional<error_code> changed, claimed, ended;
  SessionChange c;
  c.next_order = 1000;
  a.sessions.change("s", s.record.epoch, c, [&](auto r) { changed = r ? error_code{} : r.error(); });
  a.sessions.claim(SessionNode::request("other"), [&](auto r) { claimed = r ? error_code{} : r.error(); });
  a.sessions.end("gone", gone.record.epoch, [&](auto r) { ended = r ? error_code{} : r.error(); });
  ASSERT_TRUE(a.loop.until([&] { return claimed && ended; }));
  EXPECT_EQ(*claimed, errc::unavailable) << "after a while";
  EXPECT_EQ(*ended, error_code{}) << "what makes room is taken";
  EXPECT_FALSE(changed) << "it waits";
  EXPECT_EQ(fields(server, "s"), before);
  EXPECT_FALSE(a.writer.trouble().empty());
  // At once, from here on.
  claimed.reset();
  a.sessions.claim(SessionNode::request("third"), [&](auto r) { claimed = r ? error_code{} : r.error(); });
  EXPECT_TRUE(claimed);
  server.ask({"CONFIG", "SET", "maxmemory", "0"});
  ASSERT_TRUE(a.loop.until([&] { return changed.has_value(); }));
  EXPECT_EQ(*changed, error_code{});
  SessionNode b(server, "b");
  EXPECT_EQ(b.claim("s").record.next_order, 1000u);
  // Nobody was told of the other one's claim: nobody is connected to it.
  ASSERT_TRUE(a.loop.until([&] { return fields(server, "other").find("t=0 ") != std::string::npos; }))
      << fields(server, "other");
}

}  // namespace
}  // namespace sb::store::test
