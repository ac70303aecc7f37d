// SPDX-License-Identifier: MIT
// Logs in Redis when it breaks, forgets, is full, or has another primary.
#include <gtest/gtest.h>

#include "store/redis_log_entry.h"
#include "store/redis_log_scripts.h"
#include "store/tests/redis_nodes.h"

namespace sb::store::test {
namespace {

using redis::testing::ClusterNodes;
using redis::testing::RedisServer;
using redis::testing::SentinelGroup;

std::string state_of(RedisServer& s, const std::string& filter, const std::string& field) {
  return s.ask({"HGET", "sb:{l:" + filter + "}:p", field});
}

TEST(RedisLogs, ConnectionsAreKilledAtFullSpeed) {
  NEEDS_REDIS();
  RedisServer server;
  Cluster c;
  Node &a = c.add("a", options_of(server)), &b = c.add("b", options_of(server));
  Reader one(c, a, "x", "m1#1"), two(c, b, "x", "m2#1");
  Publisher p(a, "a", one.log), q(b, "b", two.log);
  for (int kills = 0; kills < 20; ++kills) {
    for (int i = 0; i < 20; ++i) {
      p.publish(10);
      q.publish(10);
      c.turn();
    }
    server.ask({"CLIENT", "KILL", "TYPE", "normal"});
  }
  ASSERT_TRUE(c.until([&] { return p.done() && q.done(); }));
  EXPECT_EQ(p.refused + q.refused, 0);
  one.catch_up();
  two.catch_up();
  expect_all_once(one, {&p, &q});
  expect_all_once(two, {&p, &q});
  EXPECT_EQ(one.in_order.size(), 8000u);
  EXPECT_EQ(a.engine().writer().stats().lost, 0u);
}

TEST(RedisLogs, RedisForgetsEverythingAndGetsItAgain) {
  NEEDS_REDIS();
  for (const bool restart : {true, false}) {
    RedisServer server({"--save", ""});
    Cluster c;
    Node &a = c.add("a", options_of(server)), &b = c.add("b", options_of(server));
    Reader one(c, a, "x", "m1#1"), two(c, b, "x", "m2#1");
    Publisher p(a, "a", one.log), q(b, "b", two.log);
    for (int i = 0; i < 50; ++i, c.turn()) p.publish(), q.publish();
    ASSERT_TRUE(c.until([&] { return p.done() && q.done(); }));
    const Position before = one.cursor.next;
    if (restart) {
      server.kill();
      server.start();
    } else {
      server.ask({"FLUSHALL"});
    }
    for (int i = 0; i < 50; ++i, c.turn()) p.publish(), q.publish();
    ASSERT_TRUE(c.until([&] { return p.done() && q.done(); }));
    EXPECT_EQ(p.refused + q.refused, 0);
    c.run_for(Millis(200));
    one.catch_up();
    two.catch_up();
    expect_all_once(one, {&p, &q});
    expect_all_once(two, {&p, &q});
    EXPECT_GT(one.cursor.next.generation, before.generation);
    ASSERT_TRUE(c.until([&] { return server.ask({"ZCARD", "sb:{l:x}:c"}) == "2"; })) << "its members are again";
    EXPECT_NE(server.ask({"HGET", "sb:{lg:" + RedisKeys().logs(RedisKeys::shard_of("x")).substr(7, 2) + "}", "x"}), "");
    // One that reads everything there is finds what was there before as well.
    Reader late(c, b, "x", "m3#1");
    late.cursor.next = {};
    late.catch_up();
    EXPECT_EQ(late.in_order.size(), 200u);
  }
}

/// A node with a log of five messages, of which its reader has all.
struct FiveMessages {
  RedisServer server{{"--save", ""}};
  Cluster c;
  Node& a = c.add("a", options_of(server));
  Reader one{c, a, "x", "m1#1"};
  const Position begin = one.cursor.next;
  Publisher p{a, "a", one.log};

  FiveMessages() {
    p.publish(5);
    EXPECT_TRUE(c.until([this] { return p.done() && one.in_order.size() == 5; }));
  }
  /// All that there is.
  ports::LogPage page() {
    std::optional<ports::LogPage> read;
    a.logs().read(one.log, begin, 100, [&](result<ports::LogPage> given) { read = std::move(*given); });
    EXPECT_TRUE(c.until([&] { return read.has_value(); }));
    return read.value_or(ports::LogPage());
  }
};

TEST(RedisLogs, APageSaysThatSomethingMayComeAgain) {
  NEEDS_REDIS();
  FiveMessages f;
  EXPECT_EQ(f.page().messages.size(), 5u);
  f.server.ask({"FLUSHALL"});
  const auto empty = f.page();
  EXPECT_TRUE(empty.messages.empty() && empty.forgetful);
  EXPECT_EQ(empty.head, f.begin);
  f.p.publish();
  ASSERT_TRUE(f.c.until([&] { return f.p.done(); }));
  EXPECT_EQ(f.page().messages.size(), 6u);
  f.a.logs().leave("x", "m1#1");
  ASSERT_TRUE(f.c.until([&] { return f.a.announced.empty(); }));
  EXPECT_FALSE(f.page().forgetful) << "it has ended";
}

TEST(RedisLogs, WhatIsForgottenBetweenTheHeadAndTheEntriesIsNotPassedOver) {
  NEEDS_REDIS();
  FiveMessages f;
  f.server.ask({"XTRIM", "sb:{l:x}", "MAXLEN", "0"});
  const auto page = f.page();
  EXPECT_EQ(page.head, f.begin);
  EXPECT_EQ(page.lost, 0u);
  EXPECT_TRUE(page.forgetful);
}

TEST(RedisLogs, WhoMakesALogAgainTellsThoseWhoReadIt) {
  NEEDS_REDIS();
  RedisServer server({"--save", ""});
  Cluster c;
  Node &a = c.add("a", options_of(server)), &b = c.add("b", options_of(server));
  Reader one(c, a, "x", "m1#1"), two(c, b, "x", "m2#1");
  server.ask({"FLUSHALL"});
  a.of_peers->compare_heads();  // only this node looks
  EXPECT_TRUE(c.until([&] { return server.ask({"ZCARD", "sb:{l:x}:c"}) == "2"; })) << "b has heard of it";
  a.logs().leave("x", "m1#1");
  ASSERT_TRUE(c.until([&] { return server.ask({"ZCARD", "sb:{l:x}:c"}) == "1"; }));
  c.run_for(Millis(50));
  EXPECT_TRUE(b.announced.contains("x"));
  Publisher p(a, "a", a.announced["x"]);
  p.publish(3);
  ASSERT_TRUE(c.until([&] { return p.done() && two.in_order.size() == 3; }));
}

TEST(RedisLogs, WhoDoesNotReadALostLogDoesNotEndItForThoseWhoDo) {
  NEEDS_REDIS();
  RedisServer server({"--save", ""});
  Cluster c;
  Node &a = c.add("a", options_of(server)), &b = c.add("b", options_of(server));
  bool joined = false;
  a.logs().join("x", "m1#1", [&](result<ports::LogStore::Joined> j) { joined = j.has_value(); });
  ASSERT_TRUE(c.until([&] { return joined; }));
  Reader two(c, b, "x", "m2#1");
  server.ask({"FLUSHALL"});
  a.logs().leave("x", "m1#1");
  Publisher p(b, "b", two.log);
  p.publish(3);
  ASSERT_TRUE(c.until([&] { return p.done() && two.in_order.size() == 3; }));
  EXPECT_TRUE(b.announced.contains("x"));
}

TEST(RedisLogs, WhoReadsALogMakesItAgainWhenOthersHaveEndedIt) {
  NEEDS_REDIS();
  RedisServer server({"--save", ""});
  Cluster c;
  Node &a = c.add("a", options_of(server)), &b = c.add("b", options_of(server));
  Reader one(c, a, "x", "m1#1"), two(c, b, "x", "m2#1");
  Publisher p(a, "a", one.log), q(b, "b", two.log);
  q.publish(2);
  ASSERT_TRUE(c.until([&] { return q.done() && two.in_order.size() == 2; }));
  server.ask({"ZREM", "sb:{l:x}:c", "m2#1"});  // forgotten, and nobody knows
  a.logs().leave("x", "m1#1");
  ASSERT_TRUE(c.until([&] { return server.ask({"ZCARD", "sb:{l:x}:c"}) == "1"; })) << "b has joined again";
  EXPECT_TRUE(b.announced.contains("x"));
  q.publish(3);
  ASSERT_TRUE(c.until([&] { return q.done() && two.in_order.size() == 5; }));
  expect_all_once(two, {&q});
}

TEST(RedisLogs, WhatAWriterHadIsThereAgainBehindItsMembers) {
  NEEDS_REDIS();
  RedisServer server({"--save", ""});
  Cluster c;
  Node &a = c.add("a", options_of(server)), &b = c.add("b", options_of(server));
  Reader one(c, a, "x", "m1#1"), two(c, b, "x", "m2#1");
  Publisher p(a, "a", one.log), q(b, "b", two.log);
  q.publish(5);
  ASSERT_TRUE(c.until([&] { return q.done() && one.in_order.size() == 5; }));
  server.ask({"FLUSHALL"});
  p.publish();  // a makes it again, and b joins, before it has anything to write
  ASSERT_TRUE(c.until([&] { return p.done() && server.ask({"ZCARD", "sb:{l:x}:c"}) == "2"; }));
  q.publish();
  ASSERT_TRUE(c.until([&] { return q.done(); }));
  EXPECT_EQ(server.ask({"ZSCORE", "sb:{l:x}:c", "m2#1"}), "0") << "it may have to read all of it";
  Reader late(c, a, "x", "m3#1");
  late.cursor.next = {};
  late.catch_up();
  EXPECT_EQ(late.in_order.size(), 7u);
  one.catch_up();
  two.catch_up();
  expect_all_once(one, {&p, &q});
  expect_all_once(two, {&p, &q});
}

TEST(RedisLogs, TheListOfLogsIsMendedBehindALostConnection) {
  NEEDS_REDIS();
  RedisServer server({"--save", ""});
  Cluster c;
  Node& a = c.add("a", options_of(server));
  const Node& b = c.add("b", options_of(server));
  LogId log = 0;
  a.logs().join("x", "m1#1", [&](result<ports::LogStore::Joined> j) { log = j->log; });
  ASSERT_TRUE(c.until([&] { return log != 0 && b.announced.contains("x"); }));
  const std::string list = RedisKeys().logs(RedisKeys::shard_of("x"));
  ASSERT_NE(server.ask({"HGET", list, "x"}), "");
  c.nodes.erase(c.nodes.begin());  // who has listed it is gone
  server.ask({"DEL", list});
  server.ask({"CLIENT", "KILL", "TYPE", "normal"});
  EXPECT_TRUE(c.until([&] { return server.ask({"HGET", list, "x"}) != ""; }));
}

/// A group's log is read by one node, and its members are on others.
TEST(RedisLogs, WhoIsConnectedIsAMemberAgainAlsoWhereNobodyReads) {
  NEEDS_REDIS();
  RedisServer server({"--save", ""});
  Cluster c;
  RedisOptions o = options_of(server);
  o.keep = Seconds(1);
  Node &a = c.add("a", o), &b = c.add("b", o);
  const std::string group = "$share/g/x", members = RedisKeys().log_members(group);
  bool joined = false;
  a.logs().join(group, "here#1", [](auto) {});
  a.logs().join(group, "gone#1", [&](auto j) { joined = j.has_value(); });
  ASSERT_TRUE(c.until([&] { return joined && b.announced.contains(group); }));
  a.logs().away(group, "gone#1");
  c.run_for(Millis(8000));  // beyond a look at all logs
  server.ask({"FLUSHALL"});
  Publisher q(b, "b", b.announced[group]);
  q.publish();
  ASSERT_TRUE(c.until([&] { return q.done() && server.ask({"ZCARD", members}) != "0"; }));
  c.run_for(Millis(200));
  EXPECT_EQ(server.ask({"ZRANGE", members, "0", "-1"}), "here#1");
  a.logs().away(group, "here#1");
}

/// Who only publishes is often the first to see that Redis has lost a log.
TEST(RedisLogs, ANodeWithoutMembersMakesALogAgainThatRedisHasLost) {
  NEEDS_REDIS();
  RedisServer server({"--save", ""});
  Cluster c;
  Node &a = c.add("a", options_of(server)), &b = c.add("b", options_of(server));
  Reader one(c, a, "x", "m1#1");
  ASSERT_TRUE(c.until([&] { return b.announced.contains("x"); }));
  Publisher q(b, "b", b.announced["x"]);
  for (int i = 0; i < 50; ++i, c.turn()) q.publish();
  ASSERT_TRUE(c.until([&] { return q.done(); }));
  server.ask({"FLUSHALL"});
  for (int i = 0; i < 50; ++i, c.turn()) q.publish();
  ASSERT_TRUE(c.until([&] { return q.done() && one.in_order.size() == 100; })) << one.in_order.size();
  EXPECT_EQ(q.refused, 0);
  expect_all_once(one, {&q});
  ASSERT_TRUE(c.until([&] { return server.ask({"ZCARD", "sb:{l:x}:c"}) == "1"; })) << "its member is again";
  a.logs().leave("x", "m1#1");
  ASSERT_TRUE(c.until([&] { return b.announced.empty(); }));
}

/// A writer sends a batch and a failover forgets it; that writer, which never had an answer, or the one to which the
/// publisher has gone, sends it again, and cannot say where it was. Who has read it there knows.
TEST(RedisLogs, WhatWasReadBeforeItsWriterKnewOfItIsNotReadTwice) {
  NEEDS_REDIS();
  RedisServer server({"--save", ""});
  Cluster c;
  Node& a = c.add("a", options_of(server));
  Reader one(c, a, "x", "m1#1"), slow(c, a, "x", "m2#1");
  Publisher p(a, "a", one.log);
  const auto ghost = [&](const std::string& writer, const std::string& number, const std::string& payload) {
    std::string data;
    const auto m = message(payload, 2);
    model::MessageView v = m->view();
    v.identity = model::identity_of("publisher", payload.size());
    add_to_entry(data, v);
    const auto answer = server.ask({"EVALSHA",    log_scripts::append->sha,
                                    "3",          "sb:{l:x}",
                                    "sb:{l:x}:p", "sb:{l:x}:c",
                                    writer,       number,
                                    "any",        "0",
                                    "",           "1000000000",
                                    "1000000",    "1000000",
                                    "10000",      "0",
                                    "0",          "1",
                                    "100",        "",
                                    "0",          data});
    ASSERT_NE(answer.find("done"), std::string::npos) << answer;
  };
  p.publish();
  ASSERT_TRUE(c.until([&] { return p.done() && one.in_order.size() == 1; }));
  slow.catch_up();
  const std::string before = server.ask({"DUMP", "sb:{l:x}:p"});
  ghost("ghost", "1", "read");
  one.catch_up();
  ASSERT_EQ(one.in_order.size(), 2u);
  // The failover.
  const std::string position = std::to_string(one.cursor.next.generation) + "-2";
  ASSERT_EQ(server.ask({"XDEL", "sb:{l:x}", position}), "1");
  server.ask({"RESTORE", "sb:{l:x}:p", "0", before, "REPLACE"});
  server.ask({"HSET", "sb:{l:x}:p", "h", "another"});
  ghost("other", "9", "read");
  ghost("ghost", "1", "new");
  one.catch_up();
  EXPECT_EQ(one.in_order, (std::vector<std::string>{"a1", "read", "new"}));
  slow.catch_up();
  EXPECT_EQ(slow.in_order, (std::vector<std::string>{"a1", "read", "new"})) << "it had not read that one";
}

TEST(RedisLogs, ScriptsThatRedisForgets) {
  NEEDS_REDIS();
  RedisServer server;
  Cluster c;
  Node& a = c.add("a", options_of(server), true);
  Reader r(c, a, "x", "m#1");
  Publisher p(a, "a", r.log);
  for (int i = 0; i < 10; ++i) {
    p.publish();
    server.ask({"SCRIPT", "FLUSH"});
    p.publish();
    ASSERT_TRUE(c.until([&] { return p.done(); }));
  }
  r.catch_up();
  expect_all_once(r, {&p});
}

TEST(RedisLogs, AFullRedisHoldsAcknowledgementsBack) {
  NEEDS_REDIS();
  RedisServer server;
  Cluster c;
  RedisOptions patient = options_of(server), hasty = patient;
  patient.hold = Seconds(60);
  hasty.hold = Millis(300);
  Node &a = c.add("a", patient), &b = c.add("b", hasty);
  Reader r(c, a, "x", "m#1");
  ASSERT_TRUE(c.until([&] { return b.announced.contains("x"); }));
  Publisher p(a, "a", r.log), q(b, "b", b.announced["x"]);
  server.ask({"CONFIG", "SET", "maxmemory", "1"});
  const auto outages = b.backend.engine->outages();
  p.publish(3);
  q.publish(3);
  for (Node* n : {&a, &b})
    ASSERT_TRUE(c.until([&] { return n->backend.engine->unavailable().find("OOM") != std::string::npos; }))
        << n->backend.engine->unavailable();
  ASSERT_TRUE(c.until([&] { return q.done(); }));
  EXPECT_FALSE(p.done()) << "held back";
  EXPECT_EQ(q.refused, 3) << "for too long";
  EXPECT_GT(b.backend.engine->outages(), outages);
  q.publish();
  EXPECT_TRUE(q.done()) << "and now at once";
  EXPECT_EQ(q.refused, 4);

  server.ask({"CONFIG", "SET", "maxmemory", "0"});
  ASSERT_TRUE(c.until([&] { return p.done(); }));
  EXPECT_EQ(p.refused, 0);
  for (Node* n : {&a, &b}) ASSERT_TRUE(c.until([&] { return n->backend.engine->unavailable().empty(); }));
  ASSERT_TRUE(c.until([&] {
    q.publish();
    c.run_for(Millis(20));
    return !q.acknowledged.empty();
  }));
  r.catch_up();
  for (auto* publisher : {&p, &q})
    for (auto& payload : publisher->acknowledged) EXPECT_EQ(r.payloads[payload], 1) << payload;
}

/// A replica is cut off, the primary goes on and is lost, the replica becomes primary.
TEST(RedisLogs, AFailoverForgetsATail) {
  NEEDS_REDIS();
  RedisServer primary, replica({"--replicaof", "127.0.0.1 " + std::to_string(primary.port())});
  Cluster c;
  RedisOptions o;
  redis::Endpoint socket;
  socket.unix_path = primary.unix_path();
  o.url.hosts = {socket};
  Node &a = c.add("a", o), &b = c.add("b", o);
  Reader one(c, a, "x", "m1#1"), two(c, b, "x", "m2#1");
  Publisher p(a, "a", one.log), q(b, "b", two.log);
  auto some = [&](int n) {
    for (int i = 0; i < n; ++i, c.turn()) p.publish(2), q.publish(3);
    ASSERT_TRUE(c.until([&] { return p.done() && q.done(); }));
  };
  some(20);
  ASSERT_TRUE(c.until([&] { return state_of(replica, "x", "s") == state_of(primary, "x", "s"); }));
  replica.ask({"REPLICAOF", "NO", "ONE"});
  some(20);  // which the replica never hears of
  two.catch_up();
  const Position forgotten = one.cursor.next;
  EXPECT_NE(state_of(replica, "x", "s"), state_of(primary, "x", "s"));
  primary.kill();
  std::remove(primary.unix_path().c_str());
  ASSERT_EQ(std::rename(replica.unix_path().c_str(), primary.unix_path().c_str()), 0);
  some(20);
  EXPECT_EQ(p.refused + q.refused, 0);
  c.run_for(Millis(200));
  for (auto& n : c.nodes) n->of_peers->compare_heads();
  c.run_for(Millis(500));
  one.catch_up();
  two.catch_up();
  expect_all_once(one, {&p, &q});
  expect_all_once(two, {&p, &q});
  EXPECT_GT(one.cursor.next.generation, forgotten.generation);
  Reader late(c, a, "x", "m3#1");
  late.cursor.next = {};
  late.catch_up();
  EXPECT_EQ(late.in_order.size(), 300u);
}

// ---------------------------------------------------------------- topologies

void survives(Cluster& c, const std::function<void(int)>& at_step, Node& a, Node& b) {
  Reader one(c, a, "x", "m1#1"), two(c, b, "x", "m2#1"), other(c, a, "y", "m1#1");
  Publisher p(a, "a", one.log), q(b, "b", two.log), s(b, "s", b.announced["y"]);
  for (int i = 0; i < 300; ++i) {
    at_step(i);
    p.publish(2), q.publish(2), s.publish();
    c.turn();
  }
  ASSERT_TRUE(c.until([&] { return p.done() && q.done() && s.done(); }));
  EXPECT_EQ(p.refused + q.refused + s.refused, 0);
  c.run_for(Millis(300));
  one.catch_up();
  two.catch_up();
  other.catch_up();
  expect_all_once(one, {&p, &q});
  expect_all_once(two, {&p, &q});
  expect_all_once(other, {&s});
}

TEST(RedisLogs, ASentinelGroupFailsOver) {
  NEEDS_REDIS();
  SentinelGroup group(2);
  RedisOptions o;
  o.url = group.url();
  o.concern = RedisOptions::Concern::replica;
  o.hold = Millis(60'000);
  Cluster c;
  Node &a = c.add("a", o), &b = c.add("b", o);
  survives(
      c,
      [&](int step) {
        if (step == 150) group.servers[0]->kill();
      },
      a, b);
}

TEST(RedisLogs, AClusterFailsOver) {
  NEEDS_REDIS();
  ClusterNodes nodes(3, 1);
  RedisOptions o;
  o.url = nodes.url();
  o.hold = Millis(60'000);
  Cluster c;
  Node &a = c.add("a", o), &b = c.add("b", o);
  survives(
      c,
      [&](int step) {
        if (step == 150) nodes.nodes[3]->ask({"CLUSTER", "FAILOVER", "TAKEOVER"});
        if (step == 200) nodes.nodes[0]->kill();
      },
      a, b);
}

}  // namespace
}  // namespace sb::store::test
