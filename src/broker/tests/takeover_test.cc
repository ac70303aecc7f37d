// SPDX-License-Identifier: MIT
// One owner of a client id: takeover on one shard and between shards, and what breaks off in the middle of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/tests/bench.h"

namespace sb::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Setting {
  const char* name;
  bool delayed;
  std::size_t from, to;
};
class Takeover : public ::testing::TestWithParam<Setting> {
 protected:
  Bench b{{.shards = 3, .delayed = GetParam().delayed}};
  std::size_t from = GetParam().from, to = GetParam().to;
};
INSTANTIATE_TEST_SUITE_P(All, Takeover,
                         ::testing::Values(Setting{"one_shard", false, 0, 0}, Setting{"two_shards", false, 0, 1},
                                           Setting{"one_shard_later", true, 1, 1},
                                           Setting{"two_shards_later", true, 1, 0}),
                         [](auto& i) { return i.param.name; });

ConnectOptions stay() { return {.clean = false, .expiry = 1000}; }

TEST_P(Takeover, TheOlderConnectionEnds) {
  for (std::uint32_t expiry : {0u, 1000u}) {
    Client first(b, "c", Version::v5, from), second(b, "c", Version::v5, to), old(b, "c", Version::v311, from);
    first.up({.clean = false, .expiry = expiry});
    second.connect({.clean = false, .expiry = expiry});
    EXPECT_EQ(second.take(), Words{expiry ? "CONNACK 00 present" : "CONNACK 00"});
    EXPECT_EQ(first.take(), Words{"DISCONNECT 8e"});
    EXPECT_TRUE(first.closed());
    old.up();
    EXPECT_EQ(second.take(), Words{"DISCONNECT 8e"});
    EXPECT_FALSE(old.closed());
    EXPECT_EQ(b.node.directory.find(Directory::key("c")),
              (ClientKey{static_cast<std::uint16_t>(from), old.channel.slot,
                         b.node.directory.find(Directory::key("c"))->generation}));
  }
}

TEST_P(Takeover, TheSessionGoesOnWhereItWas) {
  Client pub(b, "pub");
  auto first = std::make_unique<Client>(b, "c", Version::v5, from);
  Client second(b, "c", Version::v5, to);
  pub.up();
  first->up(stay());
  first->subscribed("a", 2);
  for (int i = 1; i <= 4; ++i) pub.publish("a", std::to_string(i), {.qos = 2, .id = static_cast<PacketId>(i)});
  auto got = first->packets();
  ASSERT_EQ(got.size(), 4u);
  first->answer(got[0]);
  EXPECT_EQ(first->take(), Words{"PUBREL 1"});
  second.connect(stay());
  EXPECT_EQ(second.take(), (Words{"CONNACK 00 present", "PUBREL 1", "PUBLISH a 2 qos2 id2 dup",
                                  "PUBLISH a 3 qos2 id3 dup", "PUBLISH a 4 qos2 id4 dup"}));
  first.reset();
  pub.publish("a", "5", {.qos = 1, .id = 9});
  EXPECT_EQ(second.take(), Words{"PUBLISH a 5 qos1 id5"});
}

TEST_P(Takeover, ManyAtOnce) {
  std::vector<std::unique_ptr<Client>> all;
  for (std::size_t i = 0; i < 12; ++i) {
    all.push_back(std::make_unique<Client>(b, "c", Version::v5, i % 3));
    all.back()->connect(stay());
    if (i % 4 == 3) b.turn(i % 3);
  }
  b.settle();
  int up = 0;
  for (auto& c : all) up += c->channel.up();
  EXPECT_EQ(up, 1);
  EXPECT_FALSE(all.back()->closed()) << "the last one has it";
  all.clear();
  b.settle();
  EXPECT_EQ(b.node.directory.find(Directory::key("c")), std::nullopt);
}

TEST_P(Takeover, AClientThatComesAndGoesBetweenTwoOthers) {
  Client pub(b, "pub");
  pub.up();
  auto first = std::make_unique<Client>(b, "c", Version::v5, from);
  first->up(stay()).subscribed("a", 2);
  pub.publish("a", "x", {.qos = 2, .id = 1});
  EXPECT_EQ(first->take(), Words{"PUBLISH a x qos2 id1"});
  {
    Client between(b, "c", Version::v5, to);
    between.connect(stay());
  }  // gone before it had the session
  Client last(b, "c", Version::v5, 2);
  last.connect(stay());
  EXPECT_EQ(last.take(), (Words{"CONNACK 00 present", "PUBLISH a x qos2 id1 dup"})) << "and not as a second message";
  EXPECT_TRUE(first->closed());
}

TEST_P(Takeover, OtherClientIdsAreLeftAlone) {
  Client a(b, "a", Version::v5, from), c(b, "c", Version::v5, to);
  a.up();
  c.up();
  Client again(b, "a", Version::v5, to);
  again.up();
  EXPECT_TRUE(a.closed());
  EXPECT_FALSE(c.closed());
}

TEST_P(Takeover, SubscriptionsStayWhenTheSessionMoves) {
  Client pub(b, "pub");
  auto first = std::make_unique<Client>(b, "c", Version::v5, from);
  pub.up();
  first->up(stay()).subscribed("a", 0).subscribed("b/#", 1);
  first->subscribed("$share/g/s", 1);
  Client second(b, "c", Version::v5, to);
  second.up(stay());
  pub.publish("a", "1");
  pub.publish("b/x", "2", {.qos = 1, .id = 1});
  pub.publish("s", "3", {.qos = 1, .id = 2});
  EXPECT_THAT(Client::payloads(second.messages()), ::testing::UnorderedElementsAre("1", "2", "3"));
  second.send(disconnect_packet(Version::v5, Reason::success, 0));
  b.settle();
  EXPECT_EQ(b.node.index.nodes(), 0u);
  EXPECT_EQ(b.core(from).counters.subscriptions.get() + b.core(to).counters.subscriptions.get(), 0u);
  EXPECT_EQ(b.core(from).counters.shared_subscriptions.get() + b.core(to).counters.shared_subscriptions.get(), 0u);
}

// ---- step by step, with answers of the store held back

struct Late : ::testing::Test {
  Bench b{{.shards = 3, .delayed = true}};
};

TEST_F(Late, WhoLeavesWhileItsSessionIsBeingOpenedLeavesNothingBehind) {
  Client pub(b, "pub");
  pub.up();
  {
    Client c(b, "c");
    c.up(stay()).subscribed("a/#", 1).subscribed("b", 0);
    c.subscribed("$share/g/a", 1);
  }
  b.settle();
  std::size_t nodes = b.node.index.nodes();
  for (int steps = 0; steps < 12; ++steps) {
    {
      Client c(b, "c", Version::v5, 1);
      c.connect(stay());
      for (int i = 0; i < steps; ++i) {  // each time it gets a bit further
        b.run_shards();
        if (!b.delay.arrive(1)) b.delay.work();
      }
    }
    b.settle();
    ASSERT_EQ(b.node.index.nodes(), nodes) << steps << " steps";
    pub.publish("a", std::to_string(steps), {.qos = 1, .id = 1});
    pub.take();
  }
  b.advance(Seconds(2000));
  b.core(0).run_due();
  b.settle();
  EXPECT_EQ(b.sessions.count(), 0u) << "it still has an end";
  EXPECT_EQ(b.logs.count(), 0u);
  EXPECT_EQ(b.node.index.nodes(), 0u);
}

TEST_F(Late, AnotherOneComesWhileTheSessionIsBeingOpened) {
  {
    Client c(b, "c");
    c.up(stay()).subscribed("a", 1);
  }
  b.settle();
  for (int steps = 0; steps < 12; ++steps) {
    Client first(b, "c", Version::v5, 0), second(b, "c", Version::v5, 1);
    first.connect(stay());
    for (int i = 0; i < steps; ++i) {
      b.run_shards();
      if (!b.delay.arrive(0)) b.delay.work();
    }
    second.connect(stay());
    EXPECT_EQ(second.take(), Words{"CONNACK 00 present"}) << steps;
    b.settle();
    ASSERT_TRUE(first.closed()) << steps << " steps: two connections have one client id";
    ASSERT_TRUE(second.channel.up());
  }
}

/// Otherwise nobody would come in, when connections come faster than the store answers.
TEST_F(Late, WhoClaimsTheSessionAlreadyComesInFirst) {
  Client first(b, "c", Version::v5, 0), second(b, "c", Version::v5, 1), third(b, "c", Version::v5, 0);
  first.connect(stay());
  b.run_shards();
  second.connect(stay());
  b.run_shards();
  third.connect(stay());
  EXPECT_EQ(first.take(), (Words{"CONNACK 00", "DISCONNECT 8e"}));
  EXPECT_EQ(second.take(), Words{"CONNACK 89"}) << "it only waited";
  EXPECT_EQ(third.take(), Words{"CONNACK 00 present"});
  EXPECT_TRUE(first.closed() && second.closed());
}

TEST_F(Late, TheThirdWaitsForTheFirstToo) {
  // The second is kicked while it waits for the first, whose state is not in the store yet.
  Client pub(b, "pub");
  pub.up();
  Client first(b, "c", Version::v5, 0), second(b, "c", Version::v5, 1), third(b, "c", Version::v5, 1);
  first.up(stay()).subscribed("a", 2);
  pub.publish("a", "x", {.qos = 2, .id = 1});
  EXPECT_EQ(first.take(), Words{"PUBLISH a x qos2 id1"});
  second.connect(stay());  // its request to shard 0 is on the way
  third.connect(stay());
  EXPECT_EQ(third.take(), (Words{"CONNACK 00 present", "PUBLISH a x qos2 id1 dup"}));
  EXPECT_TRUE(first.closed() && second.closed());
}

TEST_F(Late, AStaleOwnerIsStopped) {
  // Two connections with one client id cannot come about here; but a store that says so is obeyed.
  Client pub(b, "pub"), c(b, "c");
  pub.up();
  c.up(stay()).subscribed("a", 2);
  ports::SessionStore::Claim claim;
  claim.client_id = "c";
  claim.durable = true;
  claim.expiry = 1000;
  claim.now = b.clock.wall_now;
  b.sessions.claim(claim, [](auto) {});
  pub.publish("a", "x", {.qos = 2, .id = 1});
  EXPECT_EQ(c.take(), Words{"DISCONNECT 8e"}) << "and the message is the new owner's";
}

TEST_F(Late, SubscribeOfAStaleOwner) {
  Client c(b, "c");
  c.up(stay());
  ports::SessionStore::Claim claim;
  claim.client_id = "c";
  claim.durable = true;
  claim.expiry = 1000;
  claim.now = b.clock.wall_now;
  b.sessions.claim(claim, [](auto) {});
  c.subscribe("a", 1);
  EXPECT_EQ(c.take(), Words{"DISCONNECT 8e"}) << "no SUBACK for what is not stored";
}

TEST_F(Late, SubscriptionsAreInTheRecordBeforeTheSuback) {
  Client c(b, "c");
  c.up(stay());
  c.subscribe("a", 1);
  while (c.arrived().empty()) {
    b.run_shards();
    ASSERT_TRUE(b.delay.arrive(0) || b.delay.work());
  }
  ports::SessionStore::Claim claim;
  claim.client_id = "c";
  claim.durable = true;
  claim.now = b.clock.wall_now;
  model::SessionRecord record;
  b.sessions.claim(claim, [&](auto r) { record = r->record; });
  ASSERT_EQ(record.subscriptions.size(), 1u);
  EXPECT_EQ(record.subscriptions[0].filter, "a");
  EXPECT_TRUE(record.subscriptions[0].logged) << "a crash after SUBACK must not forget that it reads the log";
}

TEST_F(Late, AClientThatLeavesDuringItsSubscribe) {
  Client pub(b, "pub");
  pub.up();
  for (int steps = 0; steps < 8; ++steps) {
    {
      Client c(b, "c");
      c.up(stay());
      c.subscribe("a", 1);
      for (int i = 0; i < steps; ++i) {
        b.run_shards();
        if (!b.delay.arrive(0)) b.delay.work();
      }
    }
    b.settle();
    pub.publish("a", std::to_string(steps), {.qos = 1, .id = 1});
    pub.take();
    Client again(b, "c");
    again.connect(stay());
    auto got = again.packets();
    // Whether the subscription came to be or not: what it says it has, it has.
    again.subscribe("a", 1);
    again.messages();
    pub.publish("a", "now", {.qos = 1, .id = 2});
    EXPECT_THAT(Client::payloads(again.messages()), ElementsAre("now")) << steps;
    again.send(disconnect_packet(Version::v5, Reason::success, 0));
    b.settle();
    ASSERT_EQ(b.sessions.count(), 0u);
    ASSERT_EQ(b.logs.count(), 0u) << steps;
    ASSERT_EQ(b.node.index.nodes(), 0u);
  }
}

}  // namespace
}  // namespace sb::broker::testing
