// SPDX-License-Identifier: MIT
// Three nodes and a real Redis, without faults.
#include "cluster/tests/nodes.h"

namespace sb::cluster::testing {
namespace {

using redis::testing::RedisServer;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

struct Bus : ::testing::Test {
  void SetUp() override { NEEDS_REDIS(); }
  std::size_t backlog(const std::string& of) {
    for (auto& m : nodes[0].cluster.members())
      if (m.node == of) return m.backlog;
    return 0;
  }
  RedisServer server;
  Nodes nodes{url_of(server)};
};

TEST_F(Bus, ThreeNodesFindEachOtherAtOnce) {
  const auto begin = std::chrono::steady_clock::now();
  nodes.three();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, Seconds(2));
  for (auto& n : nodes.nodes) {
    EXPECT_EQ(n->joins, 1u);
    EXPECT_EQ(n->loads, 1u);
    EXPECT_TRUE(n->cluster.fresh());
  }
}

TEST_F(Bus, AMessageReachesAllOthersOnceAndNotItsOwnNode) {
  nodes.three();
  int done = 0;
  for (int i = 0; i < 1000; ++i) {
    nodes[0].publish("t/" + std::to_string(i % 7), std::to_string(i), 1, [&](bool ok) { done += ok; });
    if (i % 50 == 0) nodes.turn();
  }
  ASSERT_TRUE(nodes.until([&] { return done == 1000 && nodes[1].got.size() >= 1000 && nodes[2].got.size() >= 1000; }));
  nodes.run_for(Millis(50));
  EXPECT_THAT(nodes[0].got, IsEmpty());
  for (std::size_t n : {1, 2}) {
    std::map<std::string, int> last;
    ASSERT_EQ(nodes[n].got.size(), 1000u);
    for (auto& g : nodes[n].got) {
      auto [it, is_new] = last.try_emplace(g.topic, -1);
      EXPECT_LT(it->second, std::stoi(g.payload)) << "in order, by topic";
      it->second = std::stoi(g.payload);
    }
  }
  EXPECT_LT(nodes[0].cluster.stats().entries_sent.get(), 200u) << "what gathers while one is under way goes together";
}

TEST_F(Bus, WhatAMessageHasComesWithIt) {
  nodes.three();
  model::MessageView m;
  m.topic = "t";
  m.payload = std::string_view("\0x", 2);
  m.properties = "props";
  m.qos = 0;
  const ports::PeerNumber to = nodes[0].number("b");
  ports::PeerBatch b;
  b.add(m, &to, 1, "$share/g/t", 1);
  nodes[0].cluster.send(b, nullptr);
  ASSERT_TRUE(nodes.until([&] { return nodes[1].got.size() == 1; }));
  EXPECT_EQ(nodes[1].got[0].payload, std::string("\0x", 2));
  EXPECT_EQ(nodes[1].got[0].group, "$share/g/t");
  EXPECT_EQ(nodes[1].got[0].hops, 1u);
  EXPECT_THAT(nodes[2].got, IsEmpty()) << "it was for b";
}

TEST_F(Bus, ChangesOfRoutesAreKnownEverywhereBeforeTheyAreDone) {
  nodes.three();
  int known = 0;
  nodes[0].want("a/#", Interest::none, Interest::live, [&] { ++known; });
  nodes[0].want("b", Interest::none, Interest::logged, [&] { ++known; });
  EXPECT_EQ(known, 0);
  ASSERT_TRUE(nodes.until([&] { return known == 2; }));
  for (std::size_t n : {1, 2})
    EXPECT_THAT(nodes[n].wanted_by("a"), ElementsAre(Pair("a/#", Interest::live), Pair("b", Interest::logged)));
  EXPECT_EQ(nodes[0].cluster.stats().late_barriers.get(), 0u);

  nodes[0].want("b", Interest::none, Interest::live);
  nodes[0].want("a/#", Interest::live, Interest::none);
  ASSERT_TRUE(nodes.until([&] { return nodes[1].wanted_by("a").size() == 1; }));
  EXPECT_THAT(nodes[1].wanted_by("a"), ElementsAre(Pair("b", Interest::live))) << "one of two wants all";
  nodes[0].want("b", Interest::live, Interest::none);
  ASSERT_TRUE(nodes.until([&] { return nodes[1].wanted_by("a")["b"] == Interest::logged; }));
}

/// A session that comes back reads before the others know: what they append until then they tell nobody.
TEST_F(Bus, ALogThatBeginsToBeReadIsComparedWhenAllKnow) {
  Options o;
  o.lease = Seconds(60);  // c shall not be buried
  nodes.three(o);
  auto compared = [&] { return std::ranges::count(nodes[0].heads, "logged"); };
  nodes[0].want("live", Interest::none, Interest::live);
  nodes[0].want("logged", Interest::none, Interest::logged);
  EXPECT_EQ(compared(), 0);
  ASSERT_TRUE(nodes.until([&] { return compared() == 1; }));
  for (std::size_t n : {1, 2}) EXPECT_EQ(nodes[n].wanted_by("a").count("logged"), 1u);

  nodes[0].want("logged", Interest::none, Interest::logged);
  nodes[0].want("logged", Interest::logged, Interest::none);
  nodes.run_for(Millis(100));
  nodes[0].want("logged", Interest::none, Interest::live);
  nodes.run_for(Millis(100));
  EXPECT_EQ(compared(), 1) << "it is read as before";
  nodes[0].want("logged", Interest::live, Interest::none);
  nodes[0].want("logged", Interest::logged, Interest::none);
  nodes.pause("c");
  nodes[0].want("logged", Interest::none, Interest::logged);
  ASSERT_TRUE(nodes.until([&] { return compared() == 2; }));
  nodes.go_on("c");
  ASSERT_TRUE(nodes.until([&] { return compared() == 3; })) << "c appended before it knew";
  EXPECT_EQ(std::ranges::count(nodes[0].heads, "live"), 0);
}

TEST_F(Bus, WhatChangedNothingIsKnownAtOnce) {
  nodes.three();
  int known = 0;
  nodes[0].want("a", Interest::none, Interest::live, [&] { ++known; });
  ASSERT_TRUE(nodes.until([&] { return known == 1; }));
  nodes[0].want("a", Interest::none, Interest::live, [&] { ++known; });
  EXPECT_EQ(known, 2);
}

TEST_F(Bus, WhatNobodyWaitedForIsWaitedForByWhoComesNext) {
  nodes.three();
  bool known = false;
  nodes[0].want("x", Interest::none, Interest::live);
  nodes.turn(nodes[0], Millis(1));
  nodes[0].want("x", Interest::none, Interest::live, [&] { known = true; });
  EXPECT_FALSE(known) << "b and c have not heard of it";
  ASSERT_TRUE(nodes.until([&] { return known; }));
  for (std::size_t n : {1, 2}) EXPECT_EQ(nodes[n].wanted_by("a").size(), 1u);
}

TEST_F(Bus, ANodeAloneWaitsForNobody) {
  Node& a = nodes.add("a");
  bool known = false, sent = false;
  a.want("x", Interest::none, Interest::live, [&] { known = true; });
  a.publish("x", "1", 1, [&](bool ok) { sent = ok; });
  nodes.turn();
  EXPECT_TRUE(known && sent) << "also before it is a member";
  EXPECT_TRUE(nodes.until([&] { return a.joins == 1; }));
}

TEST_F(Bus, ANewcomerHearsWhatAllWantBeforeItIsIn) {
  nodes.add("a");
  nodes.add("b");
  ASSERT_TRUE(nodes.until([&] { return nodes.all_in(); }));
  for (int i = 0; i < 20000; ++i) nodes[0].want("dev/" + std::to_string(i), Interest::none, Interest::live);
  nodes[1].want("b", Interest::none, Interest::live);
  Node& c = nodes.add("c");
  ASSERT_TRUE(nodes.until([&] { return c.cluster.is_member(); }));
  EXPECT_EQ(c.wanted_by("a").size(), 20000u);
  EXPECT_EQ(c.wanted_by("b").size(), 1u);
}

TEST_F(Bus, ANewcomerWhileRoutesChangeEndsWithTheRightTable) {
  nodes.add("a");
  nodes.add("b");
  ASSERT_TRUE(nodes.until([&] { return nodes.all_in(); }));
  std::set<std::string> truth;
  int n = 0;
  auto churn = [&] {
    for (int i = 0; i < 20; ++i, ++n) {
      const std::string f = "f/" + std::to_string(n * 7919 % 500);
      const bool add = truth.insert(f).second;
      if (!add) truth.erase(f);
      nodes[0].want(f, add ? Interest::none : Interest::live, add ? Interest::live : Interest::none);
    }
  };
  for (int i = 0; i < 50; ++i) churn(), nodes.turn();
  Node& c = nodes.add("c");
  while (!c.cluster.is_member()) churn(), nodes.turn();
  for (int i = 0; i < 50; ++i) churn(), nodes.turn();
  bool known = false;
  nodes[0].want("end", Interest::none, Interest::live, [&] { known = true; });
  truth.insert("end");
  ASSERT_TRUE(nodes.until([&] { return known; }));
  for (std::size_t i : {1, 2}) {
    std::set<std::string> have;
    for (auto& [f, what] : nodes[i].wanted_by("a")) have.insert(f);
    EXPECT_EQ(have, truth);
  }
}

TEST_F(Bus, NoticesGoToThoseWhoReadTheLog) {
  nodes.three();
  bool known = false;
  nodes[1].want("log/#", Interest::none, Interest::logged);
  nodes[2].want("log/#", Interest::none, Interest::live, [&] { known = true; });
  ASSERT_TRUE(nodes.until([&] { return known; }));
  bool began = false;
  nodes[0].cluster.log_began("log/#", 5, [&] { began = true; });
  ASSERT_TRUE(nodes.until([&] { return began; }));
  EXPECT_THAT(nodes[1].log, ElementsAre("log began log/# 5")) << "known before it is said";
  model::MessageView m;
  m.topic = "log/1";
  m.payload = "x";
  m.qos = 1;
  store::AppendedRun run{{1, 4}, {1, 5}, {model::Message::copy(m), model::Message::copy(m)}};
  nodes[0].cluster.appended("log/#", run);
  nodes[0].cluster.log_ended("log/#", 5);
  ASSERT_TRUE(nodes.until([&] { return nodes[1].log.size() == 4 && nodes[2].log.size() == 2; }));
  EXPECT_THAT(nodes[1].log,
              UnorderedElementsAre("log began log/# 5", "appended log/# x", "appended log/# x", "log ended log/# 5"));
  EXPECT_THAT(nodes[2].log, ElementsAre("log began log/# 5", "log ended log/# 5"));
}

TEST_F(Bus, KicksAreAnsweredOrLate) {
  nodes.three();
  bool released = false;
  nodes[0].cluster.kick("b", "client", 7, [&] { released = true; });
  ASSERT_TRUE(nodes.until([&] { return released; }));
  EXPECT_THAT(nodes[1].log, ElementsAre("kick client 7"));
  EXPECT_EQ(nodes[0].cluster.stats().late_kicks.get(), 0u);
  nodes[1].answers_kicks = false;
  released = false;
  const auto begin = nodes[0].loop.now();
  nodes[0].cluster.kick("b", "client", 8, [&] { released = true; });
  ASSERT_TRUE(nodes.until([&] { return released; }));
  EXPECT_GE(nodes[0].loop.now() - begin, Cluster::kKick - Millis(5));
  EXPECT_EQ(nodes[0].cluster.stats().late_kicks.get(), 1u);
  const auto twice = ElementsAre("kick client 7", "kick client 8", "kick client 8");
  EXPECT_TRUE(nodes.until([&] { return nodes[1].log.size() == 3 && nodes[2].log.size() == 1; }));
  EXPECT_THAT(nodes[1].log, twice);
  EXPECT_THAT(nodes[2].log, ElementsAre("kick client 8")) << "b may not have told who had the client before it";
  for (std::string nobody : {"nobody", "*"}) {
    nodes[1].log.clear();
    nodes[2].log.clear();
    released = false;
    nodes[0].cluster.kick(nobody, "client", 9, [&] { released = true; });
    EXPECT_TRUE(released);
    EXPECT_TRUE(nodes.until([&] { return nodes[1].log.size() == 1 && nodes[2].log.size() == 1; }));
    EXPECT_THAT(nodes[2].log, ElementsAre("kick client 9"));
  }
}

TEST_F(Bus, WhoLeavesTellsAllOfItsOpenKicks) {
  nodes.three();
  nodes[1].answers_kicks = false;
  bool left = false;
  nodes[0].cluster.kick("b", "client", 7, [] {});
  nodes[0].cluster.leave([&] { left = true; });
  EXPECT_TRUE(nodes.until([&] { return left && nodes[2].log.size() == 1; }));
  EXPECT_THAT(nodes[2].log, ElementsAre("kick client 7"));
}

TEST_F(Bus, ConnectedAndRetainedAreTold) {
  nodes.three();
  bool known = false;
  nodes[1].cluster.connected("client", ports::ConnectTime(std::chrono::microseconds(123)));
  nodes[1].cluster.retained_changed("r", "entry", [&] { known = true; });
  ASSERT_TRUE(nodes.until([&] { return known && nodes[0].log.size() == 2 && nodes[2].log.size() == 2; }));
  EXPECT_THAT(nodes[0].log, ElementsAre("connected client 123 wins", "retained r entry"));
  EXPECT_THAT(nodes[2].log, ElementsAre("connected client 123", "retained r entry"));
}

TEST_F(Bus, QuestionsAreAnsweredByAllOrOne) {
  nodes.three();
  std::optional<Requests::Answers> all, one, none, nobody;
  nodes[0].cluster.ask("", "echo", "hi", [&](auto a) { all = a; });
  nodes[0].cluster.ask("c", "echo", "ho", [&](auto a) { one = a; });
  nodes[0].cluster.ask("b", "unknown", "", [&](auto a) { none = a; });
  nodes[0].cluster.ask("z", "echo", "", [&](auto a) { nobody = a; });
  ASSERT_TRUE(nodes.until([&] { return all && one && none && nobody; }));
  ASSERT_EQ(all->answers.size(), 2u);
  EXPECT_EQ(one->answers[0].body, "c:ho");
  EXPECT_THAT(none->missing, ElementsAre("b"));
  EXPECT_THAT(nobody->missing, ElementsAre("z"));
}

TEST_F(Bus, NodesTellEachOtherOfGroupsInOrder) {
  nodes.three();
  EXPECT_EQ(nodes[0].cluster.id_of(nodes[0].number("c")), nodes[1].cluster.id_of(nodes[1].number("c")));
  EXPECT_EQ(nodes[0].cluster.id_of(nodes[0].number("b")), nodes[1].cluster.own_id());
  model::MessageView m;
  m.topic = "t";
  m.payload = "x";
  m.qos = 1;
  ports::GroupNote n{"$share/g/f", 9, ports::GroupNote::What::hand, 0, 0, 1, {4, 2}, model::Message::copy(m)};
  const auto b = nodes[0].number("b");
  nodes[0].cluster.tell(b, n);
  n.number = 2;
  nodes[0].cluster.tell(b, n);
  std::optional<ports::Peers::GroupReplies> replies;
  nodes[0].cluster.ask_group("$share/g/f", 9, [&](auto r) { replies = r; });
  ASSERT_TRUE(nodes.until([&] { return replies.has_value(); }));
  EXPECT_THAT(nodes[1].log, ElementsAre("note $share/g/f 9 1 x", "note $share/g/f 9 2 x")) << "before the question";
  EXPECT_THAT(*replies, UnorderedElementsAre(std::pair(b, std::string("b has of $share/g/f 9")),
                                             std::pair(nodes[0].number("c"), std::string("c has of $share/g/f 9"))));
}

TEST_F(Bus, WhoIsSilentIsNamedAndNobodyIsAskedWithoutALease) {
  nodes.lease = Millis(1000);
  nodes.three();
  std::optional<Requests::Answers> all, one;
  nodes.pause("c");
  nodes[0].cluster.ask("", "echo", "hi", [&](auto a) { all = a; });
  nodes[0].cluster.ask("c", "echo", "hi", [&](auto a) { one = a; });
  ASSERT_TRUE(nodes.until([&] { return all && one; }));
  ASSERT_EQ(all->answers.size(), 1u);
  EXPECT_EQ(all->answers[0].node, "b");
  EXPECT_THAT(all->missing, ElementsAre("c"));
  EXPECT_THAT(one->missing, ElementsAre("c"));
  ASSERT_TRUE(nodes.until([&] { return !nodes[0].cluster.expects("c"); })) << "it is buried";
  EXPECT_THAT(nodes[0].cluster.lost(), ElementsAre("c"));
  nodes.go_on("c");
  ASSERT_TRUE(nodes.until([&] { return nodes.all_in(); }));
  EXPECT_THAT(nodes[0].cluster.expected(), UnorderedElementsAre("b", "c"));
  EXPECT_THAT(nodes[0].cluster.lost(), IsEmpty());

  server.pause();
  ASSERT_TRUE(nodes.until([&] { return nodes[0].cluster.lease_until() < nodes[0].loop.now(); }));
  all.reset(), one.reset();
  nodes[0].cluster.ask("", "echo", "stale", [&](auto a) { all = a; });
  nodes[0].cluster.ask("b", "echo", "stale", [&](auto a) { one = a; });
  ASSERT_TRUE(all && one) << "at once";
  EXPECT_THAT(all->missing, UnorderedElementsAre("b", "c"));
  EXPECT_THAT(one->missing, ElementsAre("b"));
  server.resume();
  ASSERT_TRUE(nodes.until([&] { return nodes.all_in() && nodes[0].cluster.lease_until() > nodes[0].loop.now(); }));
  for (std::size_t i : {1, 2})
    for (auto& line : nodes[i].log) EXPECT_EQ(line.find("stale"), std::string::npos) << "nobody hears of it later";
}

TEST_F(Bus, WhatWasReadIsTakenAway) {
  nodes.three();
  for (int i = 0; i < 20000; ++i) {
    nodes[0].publish("t", std::string(1000, 'x'), 1);
    if (i % 100 == 0) nodes.turn();
  }
  ASSERT_TRUE(nodes.until([&] { return nodes[1].got.size() == 20000; }));
  nodes.run_for(Millis(300));
  const std::size_t left = std::stoul(server.ask({"XLEN", "sb:{n:b}:in:a"}));
  EXPECT_LT(left, 120u);
  EXPECT_LT(nodes[0].cluster.members()[0].backlog, 2u << 20) << "and the sender has heard";
  EXPECT_LT(nodes[0].writer.stats().kept_bytes, 2u << 20) << "and does not keep it for a repair";
}

TEST_F(Bus, WhoDoesNotReadMissesWhatIsTooMuchAndHearsSo) {
  Options o;
  o.inbox_bytes = 200'000;
  o.lease = Seconds(60);  // b shall not be buried
  nodes.three(o);
  nodes.pause("b");
  int done = 0, failed = 0, sent = 0;
  for (int i = 0; i < 3000; ++i, ++sent) {
    nodes[0].publish("t", std::string(1000, 'x'), 1, [&](bool ok) { ok ? ++done : ++failed; });
    if (i % 20 == 0) nodes.until([&] { return backlog("c") < 100'000; });
  }
  bool known = false;
  nodes[0].want("x", Interest::none, Interest::live, [&] { known = true; });
  ASSERT_TRUE(nodes.until([&] { return done + failed == sent && known && nodes[2].got.size() == 3000; }));
  EXPECT_EQ(failed, 0) << "c has all, and b is behind by its own fault";
  const auto dropped = nodes[0].cluster.stats().dropped_overflow.get();
  EXPECT_GT(dropped, 2000u);
  EXPECT_EQ(nodes[0].cluster.stats().late_barriers.get(), 1u);
  nodes.go_on("b");
  const auto compares = nodes[1].compares;
  ASSERT_TRUE(nodes.until([&] { return nodes[1].cluster.stats().gaps.get() > 0; }));
  EXPECT_EQ(nodes[1].got.size(), 3000 - dropped);
  EXPECT_GT(nodes[1].compares, compares);
  EXPECT_EQ(nodes[1].wanted_by("a").size(), 1u) << "what keeps the nodes together is not dropped";
  nodes[0].publish("t", "again");
  ASSERT_TRUE(nodes.until([&] { return nodes[1].payloads().back() == "again"; }));
}

TEST_F(Bus, AReaderWhoseShardsAreBehindStops) {
  nodes.three();
  nodes[1].hold = true;
  for (int i = 0; i < 500; ++i) {
    nodes[0].publish("t", std::string(100'000, 'x'), 1);
    nodes.turn();
  }
  nodes.run_for(Millis(400));
  const auto got = nodes[1].got.size();
  EXPECT_LT(got, 400u);
  EXPECT_FALSE(nodes[1].cluster.fresh());
  nodes[1].hold = false;
  nodes[1].held.clear();
  EXPECT_TRUE(nodes.until([&] { return nodes[1].got.size() == 500; }));
  EXPECT_TRUE(nodes.until([&] { return nodes[1].cluster.fresh(); }));
}

}  // namespace
}  // namespace sb::cluster::testing
