// SPDX-License-Identifier: MIT
// A node that hangs for longer than its lease, is buried, and goes on.
#include "store/redis_sessions.h"
#include "store/tests/redis_cluster.h"

namespace sb::store::test {
namespace {

using ports::errc;
using ports::SessionChange;
using redis::testing::RedisServer;
using Claimed = ports::SessionStore::Claimed;

WallTime now() { return std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now()); }

SessionChange order(std::uint64_t n) {
  SessionChange c;
  c.next_order = n;
  return c;
}

struct Life : ::testing::Test {
  void SetUp() override {
    NEEDS_REDIS();
    server.emplace();
    a.emplace(*server, "a");
    b.emplace(*server, "b");
  }
  std::string record(const char* id, const char* field) { return server->ask({"HGET", a->keys.session(id), field}); }
  bool exists(const char* id) { return server->ask({"EXISTS", a->keys.session(id)}) == "1"; }
  void run_a(Millis time) {
    a->loop.until([end = std::chrono::steady_clock::now() + time] { return std::chrono::steady_clock::now() > end; });
  }
  void bury_a() {
    a->life.begin(0);
    a->writer.allow_until(MonoTime::min());
    a->sessions.end_life();
  }
  void begin_a() {
    a->life.begin(9);
    a->writer.allow_until(kNever);
  }
  std::optional<RedisServer> server;
  std::optional<SessionNode> a, b;
};

TEST_F(Life, WhoeverTakesWhatIsDueOfADeadNodeTakesTheSessionFromIt) {
  const WallTime t = now();
  const Claimed due = a->claim("due", false, "gone"), idle = a->claim("idle", false, {}, 5000);
  const Claimed other = a->claim("other");
  b->life.deaths[{"a", 7}] = t;
  EXPECT_EQ(b->due(t + Seconds(400)).size(), 2u) << "those that have expired";
  // It has not heard of it.
  EXPECT_EQ(a->order("idle", idle.record.epoch, 9), make_error_code(errc::stale_epoch)) << "looked at by b";
  EXPECT_EQ(a->order("due", due.record.epoch, 9), make_error_code(errc::no_session));
  EXPECT_EQ(a->order("other", other.record.epoch, 9), make_error_code(errc::no_session));
  EXPECT_EQ(a->lost.size(), 3u);
}

TEST_F(Life, ADeathIsRememberedByTheRecord) {
  const WallTime t = now();
  a->claim("c", false, "gone", 5000);
  b->life.deaths[{"a", 7}] = t;
  b->due(t + Seconds(4000));
  b->life.deaths.clear();  // as of a node that has heard of it only now
  b->life.deaths[{"a", 7}] = t + Seconds(3000);
  EXPECT_FALSE(b->due(t + Seconds(5001)).empty()) << "it ends when the first of them says so";
}

TEST_F(Life, WhatWaitsToBeWrittenIsNot) {
  const Claimed s = a->claim("s"), ends = a->claim("ends");
  a->order("s", s.record.epoch, 3);
  const std::string before = record("s", "n");
  a->writer.allow_until(MonoTime::min());  // the lease is over
  std::vector<error_code> answers;
  auto note = [&](const auto& r) { answers.push_back(r ? error_code{} : r.error()); };
  a->sessions.change("s", s.record.epoch, order(4), note);
  a->sessions.end("ends", ends.record.epoch, note);
  a->sessions.claim(SessionNode::request("new"), note);
  a->sessions.claim(SessionNode::request("s", true), note);
  a->sessions.keep_will("v", "user", SessionNode::request("v", false, "x").will, 5);
  a->sessions.take_due(now() + Seconds(4000), note);
  run_a(Millis(50));
  EXPECT_TRUE(answers.empty());
  bury_a();
  ASSERT_EQ(answers.size(), 4u) << "nobody waits for what will not be done";
  std::size_t stale = 0, refused = 0;
  for (auto& e : answers) {
    stale += e == errc::stale_epoch;
    refused += e == errc::unavailable;
  }
  EXPECT_EQ(stale, 2u);
  EXPECT_EQ(refused, 2u);
  begin_a();
  a->claim("another");
  run_a(Millis(200));
  EXPECT_EQ(answers.size(), 5u) << "what only moves in the schedule is done";
  EXPECT_EQ(record("s", "n"), before);
  EXPECT_TRUE(exists("ends"));
  EXPECT_FALSE(exists("new"));
  EXPECT_EQ(server->ask({"HLEN", a->keys.node("a", "wills")}), "0");
  EXPECT_EQ(a->sessions.stats().owned, 1u);
  b->life.deaths[{"a", 7}] = now();
  EXPECT_FALSE(b->due(now() + Seconds(5000)).empty()) << "what was being looked at is looked at by others";
}

TEST_F(Life, WhatWasWrittenIsNotWrittenAgain) {
  const Claimed s = a->claim("s");
  a->order("s", s.record.epoch, 3);
  bury_a();
  server->ask({"DEL", a->keys.session("s")});  // it has ended, and that was forgotten, too
  begin_a();
  server->ask({"CLIENT", "KILL", "TYPE", "normal"});  // all that is kept is written again
  a->claim("another");
  a->sessions.check_records();
  run_a(Millis(500));
  EXPECT_FALSE(exists("s"));
  EXPECT_EQ(a->order("s", s.record.epoch, 4), make_error_code(errc::no_session));
  EXPECT_EQ(a->sessions.stats().rewritten, 0u);
}

TEST_F(Life, ItsSessionsAreClaimedAgainLikeThoseOfOthers) {
  const Claimed s = a->claim("s", false, "gone");
  bury_a();
  EXPECT_FALSE(a->ask<Claimed>([&](auto done) { a->sessions.claim(SessionNode::request("s"), done); }));
  begin_a();
  a->life.deaths[{"a", 7}] = now();
  const Claimed again = a->claim("s");
  EXPECT_TRUE(again.present);
  EXPECT_GT(again.record.epoch, s.record.epoch);
  EXPECT_EQ(a->order("s", s.record.epoch, 3), make_error_code(errc::stale_epoch));
  EXPECT_EQ(a->order("s", again.record.epoch, 3), error_code{});
}

}  // namespace
}  // namespace sb::store::test
