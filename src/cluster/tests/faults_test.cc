// SPDX-License-Identifier: MIT
// Three nodes and a real Redis, and what breaks.
#include "cluster/tests/nodes.h"
#include "redis/tests/topologies.h"

namespace sb::cluster::testing {
namespace {

using redis::testing::RedisServer;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Sends numbers from one node at full speed, and says what the others have of them.
struct Stream {
  explicit Stream(Nodes& n) : nodes(n) {}
  void push(int n) {
    for (int i = 0; i < n; ++i) {
      const int number = sent++;
      nodes[0].publish("t", std::to_string(number), 1, [this, number](bool ok) {
        if (ok)
          acknowledged.push_back(number);
        else
          ++failed;
      });
    }
    nodes.turn();
  }
  bool all_answered() const { return acknowledged.size() + failed == static_cast<std::size_t>(sent); }
  /// Every acknowledged one is there, each once and in order.
  void check(const Node& n) const {
    std::vector<int> have;
    for (auto& g : n.got) have.push_back(std::stoi(g.payload));
    EXPECT_TRUE(std::is_sorted(have.begin(), have.end())) << n.name;
    EXPECT_EQ(std::adjacent_find(have.begin(), have.end()), have.end()) << n.name << " has one twice";
    std::size_t missing = 0;
    for (int i : acknowledged) missing += !std::binary_search(have.begin(), have.end(), i);
    EXPECT_EQ(missing, 0u) << n.name << " of " << acknowledged.size();
  }
  /// The last acknowledged one has come: what it lacks then will never come.
  bool came_to(const Node& n) const {
    return !n.got.empty() && !acknowledged.empty() && std::stoi(n.got.back().payload) >= acknowledged.back();
  }
  Nodes& nodes;
  int sent = 0;
  std::size_t failed = 0;
  std::vector<int> acknowledged;
};

struct Faults : ::testing::Test {
  void SetUp() override { NEEDS_REDIS(); }
};

TEST_F(Faults, ConnectionsThatAreCutLoseNothing) {
  RedisServer server;
  Nodes nodes(url_of(server));
  nodes.three();
  Stream s(nodes);
  for (int round = 0; round < 30; ++round) {
    const auto end = std::chrono::steady_clock::now() + Millis(60);
    while (std::chrono::steady_clock::now() < end) s.push(20);
    server.ask({"CLIENT", "KILL", "TYPE", "normal"});
  }
  ASSERT_TRUE(nodes.until([&] { return s.all_answered(); }));
  EXPECT_EQ(s.failed, 0u);
  ASSERT_TRUE(nodes.until([&] { return s.came_to(nodes[1]) && s.came_to(nodes[2]); }));
  nodes.run_for(Millis(200));
  s.check(nodes[1]);
  s.check(nodes[2]);
  EXPECT_GT(nodes[0].writer.stats().repairs, 10u);
  EXPECT_GT(nodes[1].compares, 3u) << "after a reconnect";
  for (auto& n : nodes.nodes) EXPECT_EQ(n->fences, 0u);
}

TEST_F(Faults, ARestartFromNothingLosesNothing) {
  RedisServer server({"--appendonly", "no"});
  Nodes nodes(url_of(server));
  nodes.three();
  Stream s(nodes);
  nodes[1].want("b", Interest::none, Interest::live);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 200; ++i) s.push(10);
    server.kill();
    nodes.run_for(Millis(300));
    s.push(10);
    server.start();
    ASSERT_TRUE(nodes.until([&] { return s.all_answered(); }));
  }
  EXPECT_EQ(s.failed, 0u);
  ASSERT_TRUE(nodes.until([&] { return s.came_to(nodes[1]) && s.came_to(nodes[2]); }));
  nodes.run_for(Millis(300));
  s.check(nodes[1]);
  s.check(nodes[2]);
  for (auto& n : nodes.nodes) {
    EXPECT_EQ(n->fences, 0u) << "nobody was buried for what Redis forgot";
    EXPECT_EQ(n->cluster.members().size(), 2u);
  }
  EXPECT_EQ(nodes[0].wanted_by("b").size(), 1u);
}

TEST_F(Faults, AFailoverThatForgetsLosesNothing) {
  RedisServer primary, replica({"--replicaof", "127.0.0.1 " + std::to_string(primary.port())});
  Nodes nodes(url_of(primary));
  auto until_in_step = [&] {
    return nodes.until([&] { return replica.ask({"INFO"}).find("master_link_status:up") != std::string::npos; });
  };
  ASSERT_TRUE(until_in_step());
  nodes.three();
  Stream s(nodes);
  for (int i = 0; i < 100; ++i) s.push(10);
  nodes.run_for(Millis(100));
  replica.ask({"REPLICAOF", "NO", "ONE"});  // it hears nothing more
  for (int i = 0; i < 300; ++i) s.push(10);
  ASSERT_TRUE(nodes.until([&] { return s.all_answered(); }));
  // The same address, with what the replica has.
  primary.ask({"CONFIG", "SET", "masterauth", ""});
  primary.ask({"REPLICAOF", "127.0.0.1", std::to_string(replica.port())});
  ASSERT_TRUE(nodes.until([&] { return primary.ask({"INFO"}).find("master_link_status:up") != std::string::npos; }));
  primary.ask({"REPLICAOF", "NO", "ONE"});
  primary.ask({"CLIENT", "KILL", "TYPE", "normal"});
  for (int i = 0; i < 300; ++i) s.push(10);
  ASSERT_TRUE(nodes.until([&] { return s.all_answered(); }));
  ASSERT_TRUE(nodes.until([&] { return s.came_to(nodes[1]) && s.came_to(nodes[2]); }));
  nodes.run_for(Millis(300));
  EXPECT_EQ(s.failed, 0u);
  s.check(nodes[1]);
  s.check(nodes[2]);
  EXPECT_GT(nodes[0].writer.stats().repeated, 0u);
}

TEST_F(Faults, AnInboxThatWasDeletedIsMadeAgain) {
  RedisServer server;
  Nodes nodes(url_of(server));
  nodes.three();
  Stream s(nodes);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 100; ++i) s.push(10);
    server.ask({"DEL", "sb:{n:b}:in:a", "sb:{n:b}:in:", "sb:{n:c}:in:a"});
    ASSERT_TRUE(nodes.until([&] { return s.all_answered(); }));
  }
  ASSERT_TRUE(nodes.until([&] { return s.came_to(nodes[1]) && s.came_to(nodes[2]); }));
  EXPECT_TRUE(nodes.until([&] { return server.ask({"EXISTS", "sb:{n:b}:in:a", "sb:{n:b}:in:"}) == "2"; }));
  nodes.run_for(Millis(200));
  s.check(nodes[1]);
  s.check(nodes[2]);
}

TEST_F(Faults, WhatWasConfirmedAndNotReadIsSentAgainWhenItsStreamIsDeleted) {
  for (bool all : {false, true}) {
    RedisServer server;
    Nodes nodes(url_of(server));
    nodes.three();
    Stream s(nodes);
    for (int round = 0; round < 2; ++round) {
      nodes.pause("b");  // for less than its lease
      for (int i = 0; i < 100; ++i) s.push(10);
      ASSERT_TRUE(nodes.until([&] { return s.all_answered(); }));
      if (all)
        server.ask({"FLUSHALL"});
      else
        server.ask({"DEL", "sb:{n:b}:in:a"});
      nodes.go_on("b");
      if (round > 0) s.push(10);  // it may not go before the others
      ASSERT_TRUE(nodes.until([&] { return s.all_answered() && s.came_to(nodes[1]) && s.came_to(nodes[2]); }));
    }
    s.check(nodes[1]);
    s.check(nodes[2]);
  }
}

TEST_F(Faults, ANodeThatStandsStillIsBuriedAndComesBack) {
  RedisServer server;
  Nodes nodes(url_of(server));
  nodes.lease = Millis(3000);
  nodes.three();
  Stream s(nodes);
  nodes[1].want("b", Interest::none, Interest::live);
  ASSERT_TRUE(nodes.until([&] { return nodes[0].wanted_by("b").size() == 1; }));
  const auto number = nodes[0].number("b");
  const auto epoch = nodes[0].cluster.members()[0].epoch;
  nodes.pause("b");
  s.push(10);
  ASSERT_TRUE(nodes.until([&] { return s.all_answered(); })) << "what a stream takes is enough";
  bool known = false;
  nodes[0].want("x", Interest::none, Interest::live, [&] { known = true; });
  ASSERT_TRUE(nodes.until([&] { return known; }));
  ASSERT_TRUE(nodes.until([&] { return nodes[0].cluster.members().size() == 1; }));
  EXPECT_THAT(nodes[0].wants[number], IsEmpty());
  ASSERT_TRUE(nodes.until([&] { return nodes[0].cleaned.size() + nodes[2].cleaned.size() == 1; }));
  EXPECT_THAT(nodes[0].cleaned, ElementsAre(std::pair(std::string("b"), epoch))) << "the first of them by name";
  ASSERT_TRUE(nodes.until([&] { return server.ask({"HEXISTS", "sb:{default}:nodes", "b"}) == "0"; }));
  EXPECT_EQ(server.ask({"EXISTS", "sb:{n:b}:in:a", "sb:{n:b}:in:c", "sb:{n:b}:in:"}), "0");
  EXPECT_EQ(server.ask({"GET", "sb:{n:b}:fenced"}), std::to_string(epoch));
  s.push(10);
  ASSERT_TRUE(nodes.until([&] { return s.all_answered(); }));

  // It writes nothing of what it still had, and begins again.
  int failed = 0;
  nodes[1].publish("t", "late", 1, [&](bool ok) { failed += !ok; });
  nodes.go_on("b");
  ASSERT_TRUE(nodes.until([&] { return nodes[1].fences == 1 && nodes[1].joins == 2 && nodes.all_in(); }));
  EXPECT_EQ(failed, 1);
  EXPECT_THAT(nodes[0].payloads(), IsEmpty());
  EXPECT_EQ(nodes[0].wanted_by("b").size(), 1u) << "told anew";
  EXPECT_EQ(nodes[0].number("b"), number);
  EXPECT_EQ(nodes[1].wanted_by("a").size(), 1u);
  nodes[0].publish("t", "1000");
  nodes[1].publish("t", "1001");
  ASSERT_TRUE(nodes.until([&] {
    return !nodes[1].got.empty() && nodes[1].got.back().payload == "1000" && !nodes[0].got.empty() &&
           nodes[0].got.back().payload == "1001";
  }));
  s.check(nodes[2]);
}

TEST_F(Faults, AKilledNodeComesBackBeforeAnybodyHasNoticed) {
  RedisServer server;
  Nodes nodes(url_of(server));
  nodes.three();
  nodes[2].want("old", Interest::none, Interest::live);
  ASSERT_TRUE(nodes.until([&] { return nodes[0].wanted_by("c").size() == 1; }));
  const auto number = nodes[0].number("c");
  const auto epoch = nodes[0].cluster.members()[1].epoch;
  nodes.kill("c");
  Node& c = nodes.add("c");
  nodes.pause("a");
  ASSERT_TRUE(nodes.until([&] {
    const auto listed = server.ask({"HGET", "sb:{default}:nodes", "c"});
    return !listed.empty() && std::stoull(listed) > epoch;
  }));
  nodes[0].publish("t", "for the life before");  // a does not know yet
  nodes.go_on("a");
  ASSERT_TRUE(nodes.until([&] { return c.joins == 1 && nodes.all_in(); }, Seconds(10)));
  EXPECT_THAT(c.cleaned, Contains(std::pair(std::string("c"), epoch))) << "its own earlier life";
  nodes[0].publish("t", "new");
  ASSERT_TRUE(nodes.until([&] { return !c.got.empty(); }));
  EXPECT_THAT(c.payloads(), ElementsAre("new"));
  EXPECT_GT(c.cluster.stats().stale_entries.get(), 0u);
  EXPECT_THAT(nodes[0].wants[number], IsEmpty());
}

TEST_F(Faults, WhoComesBackAfterLongIsHeard) {
  RedisServer server;
  Nodes nodes(url_of(server));
  nodes.lease = Millis(2000);
  Options o;
  o.rest = Millis(50);
  nodes.three(o);
  for (int round = 0; round < 2; ++round) {
    nodes.kill("c");
    ASSERT_TRUE(nodes.until([&] { return nodes[0].cluster.members().size() == 1; }));
    nodes.run_for(Millis(1300));  // beyond the next look at all streams
    Node& c = nodes.add("c", o);
    c.want("new", Interest::none, Interest::live);
    nodes.pause("a");
    ASSERT_TRUE(nodes.until([&] { return c.number("a") != 99; }));
    nodes.run_for(Millis(100));  // it has told a, which does not know it yet
    nodes.go_on("a");
    ASSERT_TRUE(nodes.until([&] { return c.joins == 1 && nodes[0].wanted_by("c").size() == 1; }, Seconds(10)));
    EXPECT_EQ(nodes[1].wanted_by("c").size(), 1u);
    nodes[0].publish("t", "to all");
    ASSERT_TRUE(nodes.until([&] { return !c.got.empty(); }));
    EXPECT_THAT(c.payloads(), ElementsAre("to all"));
  }
}

TEST_F(Faults, ANewcomerWaitsForWhoIsCutOff) {
  RedisServer server;
  Nodes nodes(url_of(server));
  nodes.lease = Millis(3000);
  nodes.three();
  nodes[1].want("b", Interest::none, Interest::live);
  ASSERT_TRUE(nodes.until([&] { return nodes[0].wanted_by("b").size() == 1; }));
  nodes.pause("b");
  server.ask({"DEL", "sb:{n:b}:lease"});  // as if a failover had forgotten it
  Node& d = nodes.add("d");
  nodes.run_for(Millis(1500));
  EXPECT_EQ(d.joins, 0u) << "it would acknowledge what b's subscribers never get";
  nodes.go_on("b");
  ASSERT_TRUE(nodes.until([&] { return d.joins == 1; }));
  EXPECT_EQ(d.wanted_by("b").size(), 1u);
  for (auto& n : nodes.nodes) EXPECT_EQ(n->fences, 0u);
}

TEST_F(Faults, WhoCannotReadAMembersKeysIsNotSureOfIt) {
  RedisServer server;
  Nodes nodes(url_of(server));
  nodes.add("a");
  nodes.add("b");
  ASSERT_TRUE(nodes.until([&] { return nodes.all_in() && nodes[0].cluster.fresh(); }));
  const auto number = nodes[0].number("b");
  server.ask({"ACL", "SETUSER", "default", "-mget"});
  nodes.kill("b");
  Node& b = nodes.add("b");
  nodes.run_for(Millis(500));
  EXPECT_EQ(b.joins, 0u) << "there may be others whose wishes it does not know";
  b.want("b", Interest::none, Interest::live);
  nodes.pause("a");
  server.ask({"ACL", "SETUSER", "default", "+mget"});
  ASSERT_TRUE(nodes.until([&] { return b.number("a") != 99; }));
  nodes.run_for(Millis(50));
  server.ask({"ACL", "SETUSER", "default", "-mget"});
  nodes.go_on("a");
  ASSERT_TRUE(nodes.until([&] { return nodes[0].wants[number].size() == 1; })) << "b has told";
  nodes.run_for(Millis(300));
  EXPECT_FALSE(nodes[0].cluster.fresh()) << "it writes nothing to b";
  server.ask({"ACL", "SETUSER", "default", "+mget"});
  EXPECT_TRUE(nodes.until([&] { return nodes[0].cluster.fresh() && b.joins == 1; }));
}

TEST_F(Faults, ASocketThatIsLostBetweenTwoReadsIsAnInterruption) {
  RedisServer server;
  Nodes nodes(url_of(server));
  nodes.three();
  nodes[1].hold = true;
  for (int i = 0; i < 500; ++i) {
    nodes[0].publish("t", std::string(100'000, 'x'));
    nodes.turn();
  }
  nodes.run_for(Millis(400));
  ASSERT_FALSE(nodes[1].cluster.fresh()) << "b reads nothing now";
  const auto before = nodes[1].cluster.stats().interruptions.get();
  server.ask({"CLIENT", "KILL", "TYPE", "normal"});
  nodes.run_for(Millis(300));
  EXPECT_EQ(nodes[1].cluster.stats().interruptions.get(), before);
  nodes[1].hold = false;
  nodes[1].held.clear();
  ASSERT_TRUE(nodes.until([&] { return nodes[1].cluster.fresh(); }));
  EXPECT_GT(nodes[1].cluster.stats().interruptions.get(), before) << "Redis may have forgotten something meanwhile";
}

TEST_F(Faults, WhatWasReadOfTheLifeBeforeIsNotTakenForReadOfTheNewOne) {
  RedisServer server;
  Nodes nodes(url_of(server));
  nodes.add("b");
  nodes.add("a");
  ASSERT_TRUE(nodes.until([&] { return nodes.all_in(); }));
  Node& b = nodes[0];
  b.hold = true;  // stops to read in the middle of what the first life of a writes
  for (int i = 0; i < 500; ++i) {
    nodes[1].publish("t", std::string(100'000, 'x'));
    nodes.turn();
  }
  nodes.run_for(Millis(300));
  ASSERT_LT(b.got.size(), 500u);
  const auto epoch = b.cluster.members()[0].epoch;
  nodes.kill("a");
  Node& a = nodes.add("a");
  ASSERT_TRUE(nodes.until([&] { return a.joins == 1 && b.cluster.members()[0].epoch > epoch; }));
  int done = 0;
  for (int i = 0; i < 600; ++i) {  // so that its entries have the numbers of the life before
    a.publish("t", "new", 1, [&](bool ok) { done += ok; });
    ASSERT_TRUE(nodes.until([&] { return done == i + 1; }));
  }
  auto backlog = [&] { return a.cluster.members()[0].backlog; };
  const auto unread = backlog();
  EXPECT_GE(unread, 600u);
  b.hold = false;
  b.held.clear();
  ASSERT_TRUE(nodes.until([&] { return b.got.back().payload == "new" || backlog() < unread; }));
  EXPECT_EQ(b.got.back().payload, "new") << "what it has not read may be needed for a repair";
}

TEST_F(Faults, WhoLeavesIsNotWaitedFor) {
  RedisServer server;
  Nodes nodes(url_of(server));
  nodes.three();
  nodes[2].want("c", Interest::none, Interest::live);
  bool left = false, sent = false;
  nodes[2].publish("t", "last", 1, [&](bool ok) { sent = ok; });
  nodes[2].cluster.leave([&] { left = true; });
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(nodes.until([&] { return left && nodes[0].cluster.members().size() == 1; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, Seconds(1));
  EXPECT_TRUE(sent);
  EXPECT_THAT(nodes[0].payloads(), ElementsAre("last"));
  nodes.kill("c");
  EXPECT_EQ(server.ask({"EXISTS", "sb:{n:c}:in:a", "sb:{n:c}:in:", "sb:{n:c}:lease"}), "0");
  EXPECT_EQ(server.ask({"HEXISTS", "sb:{default}:nodes", "c"}), "0");
  EXPECT_THAT(nodes[0].cleaned, IsEmpty()) << "it has done that itself";
  bool known = false;
  nodes[0].want("x", Interest::none, Interest::live, [&] { known = true; });
  ASSERT_TRUE(nodes.until([&] { return known; }));
  EXPECT_EQ(nodes[0].cluster.stats().late_barriers.get(), 0u);
}

TEST_F(Faults, WhoLeavesGoesAlsoWhenRedisDoesNotAnswer) {
  RedisServer server;
  Nodes nodes(url_of(server));
  nodes.lease = Seconds(30);
  nodes.three();
  server.pause();
  bool left = false, released = false;
  nodes[0].cluster.kick("b", "client", 1, [&] { released = true; });  // it has another date before
  nodes[0].cluster.leave([&] { left = true; });
  EXPECT_TRUE(nodes.until([&] { return left; }, Seconds(10)));
  EXPECT_TRUE(released);
  server.resume();
}

TEST_F(Faults, WithoutRedisItIsSaidAndComesBack) {
  RedisServer server;
  Nodes nodes(url_of(server));
  nodes.lease = Millis(1500);
  nodes.three();
  server.pause();
  int done = 0, known = 0;
  nodes[0].publish("t", "1", 1, [&](bool) { ++done; });
  nodes[0].want("x", Interest::none, Interest::live, [&] { ++known; });
  ASSERT_TRUE(nodes.until([&] { return !nodes[0].cluster.fresh(); }));
  ASSERT_TRUE(nodes.until([&] { return known == 1; })) << "local clients go on";
  nodes.run_for(Millis(2500));
  EXPECT_EQ(done, 0) << "nobody has it";
  server.resume();
  ASSERT_TRUE(nodes.until([&] { return done == 1 && nodes[0].cluster.fresh(); }));
  ASSERT_TRUE(nodes.until([&] { return nodes.all_in(); }));
  for (auto& n : nodes.nodes) EXPECT_EQ(n->fences, 0u) << "the first one back buries nobody";
  EXPECT_THAT(nodes[1].payloads(), ElementsAre("1"));
}

TEST_F(Faults, AfterAFailoverANodeIsFreshWhenAllHaveRepaired) {
  RedisServer server;
  Nodes nodes(url_of(server));
  nodes.three();
  nodes.pause("b");
  server.ask({"CLIENT", "KILL", "TYPE", "normal"});  // it might be a failover
  ASSERT_TRUE(nodes.until([&] { return nodes[0].cluster.stats().interruptions.get() > 0; }));
  nodes.run_for(Millis(400));
  EXPECT_FALSE(nodes[0].cluster.fresh()) << "b may have to write again what Redis forgot";
  nodes.go_on("b");
  EXPECT_TRUE(nodes.until([&] { return nodes[0].cluster.fresh(); }));
}

TEST_F(Faults, OneOfTheNodesSurvivesAllOthers) {
  RedisServer server;
  Nodes nodes(url_of(server));
  nodes.lease = Millis(1000);
  nodes.three();
  nodes.kill("a");
  nodes.kill("c");
  ASSERT_TRUE(nodes.until([&] { return nodes[0].cluster.members().empty() && nodes[0].cleaned.size() == 2; }));
  ASSERT_TRUE(nodes.until([&] { return server.ask({"HKEYS", "sb:{default}:nodes"}) == "b"; }));
}

TEST_F(Faults, ACleanUpIsGoneOnWithWhenWhoeverBeganItIsBuriedItself) {
  RedisServer server;
  Nodes nodes(url_of(server));
  nodes.lease = Millis(1000);
  nodes.three();
  nodes[0].cleans = nodes[1].cleans = false;  // both may begin
  const auto listed = [&] { return server.ask({"HEXISTS", "sb:{default}:nodes", "c"}) == "1"; };
  nodes.kill("c");
  ASSERT_TRUE(nodes.until([&] { return nodes[0].cleaning.size() == 1; }));
  nodes.run_for(Millis(500));
  EXPECT_TRUE(listed()) << "it is found while there is something to do";
  nodes.pause("a");
  ASSERT_TRUE(nodes.until([&] { return nodes[1].cleaned.size() == 2; }));
  EXPECT_TRUE(listed());
  nodes.go_on("a");
  ASSERT_TRUE(nodes.until([&] { return nodes[0].fences == 1; }));
  for (auto& done : nodes[0].cleaning) done();  // of its earlier life
  nodes.run_for(Millis(300));
  EXPECT_TRUE(listed());
  for (auto& done : std::exchange(nodes[1].cleaning, {})) done();
  ASSERT_TRUE(nodes.until([&] { return !listed(); }));
}

TEST_F(Faults, ANodeFindsTheDeadOfBeforeAndIsIn) {
  RedisServer server;
  Nodes nodes(url_of(server));
  nodes.lease = Millis(1000);
  nodes.three();
  nodes.nodes.clear();
  std::this_thread::sleep_for(Millis(1100));  // their leases are over: nobody was there to see it
  Node& d = nodes.add("d");
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(nodes.until([&] { return d.joins == 1; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, Millis(2500)) << "as long as one of them might come back";
  ASSERT_TRUE(nodes.until([&] { return server.ask({"HKEYS", "sb:{default}:nodes"}) == "d"; }));
}

}  // namespace
}  // namespace sb::cluster::testing
