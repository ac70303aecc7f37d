// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "store/tests/redis_nodes.h"

namespace sb::store::test {
namespace {

using redis::testing::RedisServer;

TEST(RedisLogs, TwoNodesShareALog) {
  NEEDS_REDIS();
  RedisServer server;
  Cluster c;
  Node &a = c.add("a", options_of(server)), &b = c.add("b", options_of(server));
  Reader one(c, a, "x/#", "m1#1"), two(c, b, "x/#", "m2#1");
  EXPECT_TRUE(a.announced.contains("x/#"));
  EXPECT_TRUE(b.announced.contains("x/#"));
  Publisher p(a, "a", one.log), q(b, "b", two.log);
  for (int i = 0; i < 100; ++i) {
    p.publish(3);
    q.publish(2);
    c.turn();
  }
  ASSERT_TRUE(c.until([&] { return one.in_order.size() == 500 && two.in_order.size() == 500; }));
  EXPECT_EQ(one.in_order, two.in_order);
  expect_all_once(one, {&p, &q});
}

TEST(RedisLogs, NoticesThatAreLateOrLostAreReadFromTheLog) {
  NEEDS_REDIS();
  RedisServer server;
  Cluster c;
  c.loses = 0.3;
  c.delays = 0.5;
  Node &a = c.add("a", options_of(server)), &b = c.add("b", options_of(server)), &d = c.add("d", options_of(server));
  Reader one(c, a, "x", "m1#1"), two(c, b, "x", "m2#1"), three(c, d, "x", "m3#1");
  Publisher p(a, "a", one.log), q(b, "b", two.log);
  for (int i = 0; i < 300; ++i) {
    p.publish();
    q.publish(2);
    c.turn();
  }
  ASSERT_TRUE(c.until([&] { return p.done() && q.done(); }));
  // Nothing tells of a last notice that was lost but the comparison of heads.
  a.of_peers->compare_heads();
  for (Node* n : {&b, &d}) n->of_peers->compare_head("x");
  ASSERT_TRUE(c.until([&] { return one.heard == 900 && two.heard == 900 && three.heard == 900; }))
      << one.heard << " " << two.heard << " " << three.heard;
  expect_all_once(three, {&p, &q});
  EXPECT_EQ(one.in_order, three.in_order);
}

TEST(RedisLogs, TheLastMemberOfAllNodesEndsTheLog) {
  NEEDS_REDIS();
  RedisServer server;
  Cluster c;
  Node &a = c.add("a", options_of(server)), &b = c.add("b", options_of(server));
  LogId of_a = 0;
  {
    Reader one(c, a, "x", "m1#1"), two(c, b, "x", "m2#1");
    of_a = one.log;
    Publisher p(b, "b", two.log);
    p.publish();
    ASSERT_TRUE(c.until([&] { return one.in_order.size() == 1; }));
  }
  a.logs().leave("x", "m1#1");
  c.run_for(Millis(100));
  EXPECT_TRUE(a.announced.contains("x")) << "b has a member";
  b.logs().leave("x", "m2#1");
  ASSERT_TRUE(c.until([&] { return a.announced.empty() && b.announced.empty(); }));
  EXPECT_EQ(server.ask({"EXISTS", "sb:{l:x}", "sb:{l:x}:c"}), "0");
  Publisher late(a, "late", of_a);
  late.publish();
  ASSERT_TRUE(c.until([&] { return late.done(); }));
  EXPECT_EQ(late.refused, 0) << "taken, and stored nowhere";
  Reader again(c, a, "x", "m1#2");
  EXPECT_NE(again.log, of_a);
  Publisher p(b, "new", b.announced["x"]);
  p.publish();
  ASSERT_TRUE(c.until([&] { return again.in_order.size() == 1; }));
}

TEST(RedisLogs, ANodeThatStartsFindsTheLogsAndReadsOn) {
  NEEDS_REDIS();
  RedisServer server;
  Cluster c;
  Position stood;
  {
    Node& a = c.add("a", options_of(server), true);
    Reader r(c, a, "x/{y}", "m#1");
    Publisher p(a, "a", r.log);
    p.publish(5);
    ASSERT_TRUE(c.until([&] { return r.in_order.size() == 5; }));
    stood = r.cursor.next;
    p.publish(5);
    ASSERT_TRUE(c.until([&] { return p.done(); }));
  }
  c.nodes.clear();
  Node& a = c.add("a", options_of(server), true);
  ASSERT_TRUE(a.announced.contains("x/{y}"));
  Reader r(c, a, "x/{y}", "m#1");
  r.cursor.next = stood;
  r.catch_up();
  EXPECT_EQ(r.in_order, (std::vector<std::string>{"a6", "a7", "a8", "a9", "a10"}));
}

TEST(RedisLogs, NumbersOfPublishersAreTakenOnce) {
  NEEDS_REDIS();
  RedisServer server;
  Cluster c;
  Node &a = c.add("a", options_of(server)), &b = c.add("b", options_of(server));
  Reader r(c, a, "x", "m#1");
  const auto who = std::make_shared<const std::string>("client#1#7");
  auto append = [&](Node& n, std::vector<std::pair<std::string, std::uint64_t>> messages) {
    std::vector<ports::LogStore::Append> batch;
    for (auto& [payload, number] : messages)
      batch.push_back({n.announced["x"], message(payload, 2), {number ? who : nullptr, number}});
    bool done = false;
    n.logs().append(std::move(batch), [&](result<void> stored) { done = stored.has_value(); });
    ASSERT_TRUE(c.until([&] { return done; }));
  };
  append(a, {{"1", 1}, {"plain", 0}, {"2", 2}});
  append(b, {{"1 again", 1}, {"2 again", 2}, {"3", 3}});
  append(a, {{"3 again", 3}});
  append(b, {{"also plain", 0}, {"4", 4}, {"4 again", 4}});
  ASSERT_TRUE(c.until([&] { return r.in_order.size() == 6; }));
  EXPECT_EQ(r.in_order, (std::vector<std::string>{"1", "plain", "2", "3", "also plain", "4"}));
  Reader other(c, b, "x", "n#1");
  other.cursor.next = {};
  other.catch_up();
  EXPECT_EQ(other.in_order, r.in_order);
}

// ---------------------------------------------------------------- trimming

TEST(RedisLogs, WhatAllMembersHaveHadIsTrimmed) {
  NEEDS_REDIS();
  RedisServer server;
  Cluster c;
  Node &a = c.add("a", options_of(server)), &b = c.add("b", options_of(server));
  Reader one(c, a, "x", "m1#1"), two(c, b, "x", "m2#1");
  Publisher p(a, "a", one.log);
  auto some = [&] {
    for (int i = 0; i < 1500; ++i) {
      p.publish();
      if (i % 10 == 0) c.turn();
    }
    ASSERT_TRUE(c.until([&] { return p.done() && two.in_order.size() == p.acknowledged.size(); }));
  };
  auto entries = [&] { return std::stoul(server.ask({"XLEN", "sb:{l:x}"})); };
  for (int round = 0; round < 3; ++round) {
    some();
    a.logs().release("x", "m1#1", one.cursor.next);
  }
  const auto all = entries();
  Reader late(c, b, "x", "m3#1");
  late.cursor.next = {};
  late.catch_up();
  EXPECT_EQ(late.in_order.size(), 4500u) << "m2 has had nothing of it, as far as is known";
  b.logs().leave("x", "m3#1");
  b.logs().release("x", "m2#1", two.cursor.next);
  for (int round = 0; round < 3; ++round) {
    some();
    a.logs().release("x", "m1#1", one.cursor.next);
    b.logs().release("x", "m2#1", two.cursor.next);
  }
  ASSERT_TRUE(c.until([&] {
    some();
    return entries() < all;
  })) << entries();
  Reader last(c, b, "x", "m4#1");
  last.cursor.next = {};
  last.catch_up();
  EXPECT_GE(last.lost, 4000u);
  EXPECT_EQ(last.lost + last.in_order.size(), p.acknowledged.size());
}

/// A durable session on a node, which reads `filter`, or is of its group: its member's name.
std::string session_on(Cluster& c, Node& n, const std::string& client, const std::string& filter = "x") {
  std::string member;
  ports::SessionStore::Claim claim;
  claim.client_id = client;
  claim.durable = true;
  claim.expiry = 1000;
  claim.now = n.loop.wall();
  n.backend.sessions->claim(std::move(claim), [&](result<ports::SessionStore::Claimed> r) {
    ASSERT_TRUE(r);
    member = client + "#" + std::to_string(r->record.incarnation);
    ports::SessionChange change;
    model::SubscriptionRecord s;
    s.filter = filter;
    s.options.qos = 1;
    s.logged = !model::is_shared(filter);
    change.subscriptions_set.push_back(s);
    n.backend.sessions->change(client, r->record.epoch, std::move(change), [](auto) {});
  });
  EXPECT_TRUE(c.until([&] { return !member.empty(); }));
  return member;
}

void save_cursor(Cluster& c, Node& n, const std::string& client, std::uint64_t epoch, Position p) {
  ports::SessionChange change;
  change.cursors.push_back({"x", p});
  bool saved = false;
  n.backend.sessions->change(client, epoch, std::move(change), [&](result<void> r) { saved = r.has_value(); });
  ASSERT_TRUE(c.until([&] { return saved; }));
}

TEST(RedisLogs, MembersOfANodeThatIsGoneAreRaisedOrDroppedByTheirRecords) {
  NEEDS_REDIS();
  RedisServer server;
  Cluster c;
  RedisOptions o = options_of(server);
  o.hold = Millis(500);
  o.suspected = Seconds(2);
  Node &a = c.add("a", o), &b = c.add("b", o);
  Reader one(c, a, "x", "m1#1");
  Publisher p(a, "a", one.log);
  {
    Reader two(c, b, "x", session_on(c, b, "m2")), orphan(c, b, "x", "nobody#5");
    p.publish(1500);
    ASSERT_TRUE(c.until([&] { return two.in_order.size() == 1500; }));
    const auto epoch = std::stoull(server.ask({"HGET", "sb:{s:m2}", "e"}));
    save_cursor(c, b, "m2", epoch, two.cursor.next);
  }
  c.nodes.pop_back();
  auto left = [&] { return std::stoul(server.ask({"ZCARD", "sb:{l:x}:c"})); };
  EXPECT_EQ(left(), 3u);
  ASSERT_TRUE(c.until([&] {
    p.publish(100);
    c.run_for(Millis(50));
    a.logs().release("x", "m1#1", one.cursor.next);
    return left() == 2;
  }));
  // What m2 has not had is there for ever, what lies before is gone.
  const auto score = [&] { return server.ask({"ZRANGE", "sb:{l:x}:c", "0", "0", "WITHSCORES"}); };
  ASSERT_TRUE(c.until([&] {
    p.publish(500);
    c.run_for(Millis(50));
    Reader late(c, a, "x", "m1#1");
    late.cursor.next = {late.cursor.next.generation, 0};
    late.catch_up();
    return late.lost == 1500;
  })) << score();
  EXPECT_NE(score().find("\n1500"), std::string::npos) << score();
}

/// They have no cursors: the group does.
TEST(RedisLogs, MembersOfAGroupWhoAreAwayKeepItsLog) {
  NEEDS_REDIS();
  RedisServer server;
  Cluster c;
  RedisOptions o = options_of(server);
  o.hold = Millis(500);
  o.suspected = Seconds(1);
  const std::string group = "$share/g/x";
  Node &a = c.add("a", o), &b = c.add("b", o);
  bool joined = false;
  b.logs().join(group, session_on(c, b, "m", group), [&](auto j) { joined = j.has_value(); });
  ASSERT_TRUE(c.until([&] { return joined && a.announced.contains(group); }));
  Publisher p(a, "a", a.announced[group]);
  c.nodes.pop_back();
  for (int i = 0; i < 60; ++i) {
    p.publish(100);
    c.run_for(Millis(50));
  }
  EXPECT_EQ(server.ask({"ZCARD", RedisKeys().log_members(group)}), "1");
  EXPECT_TRUE(a.announced.contains(group));
}

TEST(RedisLogs, WhoAbandonsAJoinLeavesTheLogToTheOneWhoHasTheSession) {
  NEEDS_REDIS();
  RedisServer server;
  Cluster c;
  Node &a = c.add("a", options_of(server)), &b = c.add("b", options_of(server));
  Reader there(c, b, "x", "m#1");
  bool joined = false;
  a.logs().join("x", "m#1", [&](auto j) { joined = j.has_value(); });
  ASSERT_TRUE(c.until([&] { return joined; }));
  a.logs().abandon("x", "m#1");
  c.run_for(Millis(200));
  EXPECT_EQ(server.ask({"ZCARD", "sb:{l:x}:c"}), "1");
  Publisher p(a, "a", a.announced["x"]);
  p.publish();
  EXPECT_TRUE(c.until([&] { return there.in_order.size() == 1; }));
}

TEST(RedisLogs, OldMessagesOfAQuietLogGo) {
  NEEDS_REDIS();
  RedisServer server;
  Cluster c;
  RedisOptions o = options_of(server);
  o.limits.log_age = 1;
  Node& a = c.add("a", o, true);
  Reader r(c, a, "x", "m#1");
  r.cursor.next.offset = 0;
  Publisher p(a, "a", r.log);
  for (int i = 0; i < 5; ++i) {
    p.publish(5);
    ASSERT_TRUE(c.until([&] { return p.done(); }));
    c.run_for(Millis(1100));
  }
  // The last piece stays, as with the other bounds.
  ASSERT_TRUE(c.until([&] { return server.ask({"XLEN", "sb:{l:x}"}) != "5"; }));
  Reader late(c, a, "x", "n#1");
  late.cursor.next = {late.cursor.next.generation, 0};
  late.catch_up();
  EXPECT_GE(late.lost, 5u);
  EXPECT_EQ(late.lost + late.in_order.size(), 25u);
}

}  // namespace
}  // namespace sb::store::test
