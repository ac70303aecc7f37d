// SPDX-License-Identifier: MIT
// Several nodes: what they send each other, and who owns a client id.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "broker/tests/cluster.h"

namespace sb::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class Peers : public ::testing::Test {
 protected:
  Cluster cluster{3};

  std::unique_ptr<Client> come(std::size_t node, const std::string& id, ConnectOptions o = {}, std::size_t shard = 0,
                               Version v = Version::v5) {
    auto c = std::make_unique<Client>(cluster[node], id, v, shard);
    c->connect(o);
    cluster.settle();
    return c;
  }
  std::unique_ptr<Client> up(std::size_t node, const std::string& id, ConnectOptions o = {}, std::size_t shard = 0) {
    auto c = come(node, id, o, shard);
    EXPECT_EQ(Client::words(c->arrived()).size(), 1u);
    return c;
  }
  Words take(Client& c) {
    cluster.settle();
    return Client::words(c.arrived());
  }
  /// The payloads that came, acknowledged.
  Words messages(Client& c) {
    Words all;
    for (;;) {
      cluster.settle();
      auto some = c.arrived();
      if (some.empty()) return all;
      for (auto& p : some) {
        c.answer(p);
        if (p.type == PacketType::publish) all.push_back(p.payload);
      }
    }
  }
};

ConnectOptions stay() { return {.clean = false, .expiry = 1000}; }

TEST_F(Peers, AMessageReachesTheSubscribersOfAllNodesOnce) {
  auto pub = up(0, "pub"), near = up(0, "near"), far = up(1, "far"), other_shard = up(1, "other", {}, 1),
       none = up(2, "none");
  near->subscribed("a/#", 0);
  far->subscribed("a/+", 1).subscribed("a/b", 0);
  other_shard->subscribed("a/b", 2);
  none->subscribed("b", 1);
  cluster.settle();
  for (std::uint8_t qos : {0, 1, 2}) {
    cluster.sent = 0;
    pub->publish("a/b", "q" + std::to_string(qos), {.qos = qos, .id = static_cast<PacketId>(qos)});
    const std::string payload = "q" + std::to_string(qos);
    EXPECT_THAT(messages(*near), ElementsAre(payload));
    EXPECT_THAT(messages(*far), ElementsAre(payload));
    EXPECT_THAT(messages(*other_shard), ElementsAre(payload));
    EXPECT_THAT(messages(*none), IsEmpty());
    EXPECT_EQ(cluster.sent, 1u) << "one copy for the node, however many subscribe there";
  }
}

TEST_F(Peers, WhatBelongsToAMessageArrivesWithIt) {
  auto pub = up(0, "pub"), far = up(1, "far");
  model::SubscribeOptions o;
  o.qos = 1;
  o.retain_as_published = true;
  far->subscribe("a", o, 7);
  far->take();
  pub->publish("a", "x", {.qos = 1, .id = 1, .retain = true, .expiry = 100});
  cluster.settle();
  auto got = far->arrived();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].topic, "a");
  EXPECT_EQ(got[0].qos, 1);
  EXPECT_TRUE(got[0].retain);
  EXPECT_THAT(got[0].words(), ::testing::HasSubstr("ids=7"));
}

TEST_F(Peers, NoLocalHoldsOnEveryNode) {
  auto far = up(1, "same");
  model::SubscribeOptions o;
  o.no_local = true;
  far->subscribe("a", o);
  far->take();
  auto pub = up(0, "pub");
  pub->publish("a", "from another", {});
  EXPECT_THAT(messages(*far), ElementsAre("from another"));
}

TEST_F(Peers, AnAcknowledgementWaitsForTheBus) {
  auto pub = up(0, "pub"), far = up(1, "far");
  far->subscribed("a", 1);
  cluster.hold();
  pub->publish("a", "x", {.qos = 1, .id = 5});
  pub->publish("nobody", "x", {.qos = 1, .id = 6});
  pub->publish("a", "at most once", {});
  EXPECT_THAT(take(*pub), IsEmpty()) << "and what comes behind it waits for its turn";
  cluster.let_go();
  EXPECT_THAT(take(*pub), ElementsAre("PUBACK 5", "PUBACK 6 10"));
}

TEST_F(Peers, ANodeThatMayNotKnowASubscriptionAcknowledgesWhenItDoes) {
  auto pub = up(0, "pub"), near = up(0, "near"), far = up(1, "far"), known = up(2, "known");
  auto durable = up(2, "durable", stay());
  near->subscribed("a", 1);
  known->subscribed("a", 1);
  cluster.settle();
  cluster.deafen(0);
  far->subscribed("a", 1);
  pub->publish("a", "0", {});
  pub->publish("a", "1", {.qos = 1, .id = 1});
  pub->publish("nobody", "x", {.qos = 1, .id = 2});
  EXPECT_THAT(take(*pub), IsEmpty());
  EXPECT_THAT(messages(*near), ElementsAre("0", "1")) << "who is known has it at once";
  EXPECT_THAT(messages(*known), ElementsAre("0", "1"));
  EXPECT_THAT(messages(*far), IsEmpty());
  durable->subscribed("a", 1);
  cluster.hear();
  EXPECT_THAT(take(*pub), ElementsAre("PUBACK 1", "PUBACK 2 10"));
  EXPECT_THAT(messages(*far), ElementsAre("1"));
  EXPECT_THAT(messages(*known), IsEmpty()) << "not twice";
  EXPECT_THAT(messages(*near), IsEmpty());
  EXPECT_EQ(cluster[0].core(0).counters.held_acks.get(), 2u);
}

TEST_F(Peers, AnAcknowledgementThatWaitedForTooLongIsRefused) {
  cluster[0].node.hold = Millis(1000);
  auto pub = up(0, "pub"), old = come(0, "old", {}, 0, Version::v311);
  cluster.deafen(0);
  pub->publish("a", "1", {.qos = 1, .id = 1});
  cluster.settle();
  EXPECT_THAT(take(*pub), IsEmpty());
  cluster[0].advance(Millis(1100));
  EXPECT_THAT(take(*pub), ElementsAre("PUBACK 1 80"));
  cluster.hear();
  pub->publish("a", "2", {.qos = 1, .id = 1});
  EXPECT_THAT(take(*pub), ElementsAre("PUBACK 1 10"));
}

TEST_F(Peers, SubackWaitsUntilAllNodesKnow) {
  auto sub = up(1, "sub");
  cluster.hold();
  sub->subscribe("a", 1);
  EXPECT_THAT(take(*sub), IsEmpty());
  cluster.let_go();
  EXPECT_THAT(take(*sub), ElementsAre("SUBACK 1 01"));
}

TEST_F(Peers, NothingComesAnyMoreWhenTheLastSubscriberHasLeft) {
  auto pub = up(0, "pub"), one = up(1, "one"), two = up(1, "two");
  one->subscribed("a", 0);
  two->subscribed("a", 0);
  one->unsubscribe("a");
  one->take();
  pub->publish("a", "1", {});
  EXPECT_THAT(messages(*two), ElementsAre("1"));
  EXPECT_EQ(cluster.sent, 1u);
  two->lose();
  cluster.settle();
  pub->publish("a", "2", {});
  cluster.settle();
  EXPECT_EQ(cluster.sent, 1u);
  EXPECT_EQ(cluster[0].node.index.nodes(), 0u);
}

TEST_F(Peers, DurableSessionsReadTheLogAndOnlyQos0TakesTheBus) {
  auto pub = up(0, "pub"), far = up(1, "far", stay());
  far->subscribed("a", 1);
  pub->publish("a", "stored", {.qos = 1, .id = 1});
  EXPECT_THAT(messages(*far), ElementsAre("stored"));
  EXPECT_EQ(cluster.sent, 0u);
  pub->publish("a", "passing", {});
  EXPECT_THAT(messages(*far), ElementsAre("passing"));
  EXPECT_EQ(cluster.sent, 1u);
  auto live = up(1, "live");
  live->subscribed("a", 1);
  pub->publish("a", "both", {.qos = 1, .id = 1});
  EXPECT_THAT(messages(*far), ElementsAre("both"));
  EXPECT_THAT(messages(*live), ElementsAre("both"));
}

TEST_F(Peers, AWillReachesOtherNodesAndSysDoesNot) {
  auto sub = up(1, "sub");
  sub->subscribed("will", 1);
  sub->subscribed("$SYS/#", 0);
  ConnectOptions o;
  o.will = {"will", "gone", 1, false, 0};
  auto dying = up(0, "dying", o);
  dying->lose();
  EXPECT_THAT(messages(*sub), ElementsAre("gone"));
  model::MessageView m;
  m.topic = "$SYS/broker/x";
  m.payload = "of node 0";
  cluster[0].core().publish(m);
  EXPECT_THAT(messages(*sub), IsEmpty());
}

TEST_F(Peers, AGroupHasMembersOnAllNodesAndEachMessageGoesToOne) {
  auto pub = up(0, "pub");
  std::vector<std::unique_ptr<Client>> members;
  for (std::size_t n : {0, 1, 1, 2}) {
    members.push_back(up(n, "m" + std::to_string(members.size()), {}, members.size() % 2));
    members.back()->subscribed("$share/g/a", 1);
  }
  std::multiset<std::string> got;
  std::vector<std::size_t> parts(members.size());
  for (int i = 0; i < 60; ++i) {
    pub->publish("a", std::to_string(i), {.qos = 1, .id = 1});
    cluster.settle();
    for (std::size_t m = 0; m < members.size(); ++m)
      for (auto& payload : messages(*members[m])) got.insert(payload), ++parts[m];
  }
  EXPECT_EQ(got.size(), 60u);
  EXPECT_EQ(std::set<std::string>(got.begin(), got.end()).size(), 60u);
  for (std::size_t part : parts) EXPECT_GT(part, 0u);
}

TEST_F(Peers, AGroupWithoutMembersHereSendsToThoseOfAnotherNode) {
  auto pub = up(0, "pub"), far = up(1, "far"), last = up(2, "last");
  far->subscribed("$share/g/a", 1);
  pub->publish("a", "1", {.qos = 1, .id = 1});
  EXPECT_THAT(messages(*far), ElementsAre("1"));
  last->subscribed("$share/g/a", 1);
  cluster.settle();
  // Its last member leaves while a message is on its way to the node.
  pub->publish("a", "2", {.qos = 1, .id = 1});
  cluster[0].settle();
  far->unsubscribe("$share/g/a");
  auto got = messages(*far);
  for (auto& payload : messages(*last)) got.push_back(payload);
  EXPECT_THAT(got, ElementsAre("2"));
}

TEST_F(Peers, ASessionGoesOnAtAnotherNode) {
  auto pub = up(0, "pub");
  auto first = up(1, "c", stay());
  first->subscribed("a", 1);
  pub->publish("a", "1", {.qos = 1, .id = 1});
  EXPECT_THAT(messages(*first), ElementsAre("1"));
  auto second = come(2, "c", stay());
  EXPECT_EQ(take(*second).front(), "CONNACK 00 present");  // QoS 1 that was not checkpointed may come again
  EXPECT_THAT(take(*first), ElementsAre("DISCONNECT 8e"));
  EXPECT_TRUE(first->closed());
  pub->publish("a", "2", {.qos = 1, .id = 1});
  auto got = messages(*second);
  EXPECT_EQ(got.back(), "2");
  EXPECT_EQ(cluster[1].node.directory.find(Directory::key("c")), std::nullopt);
  EXPECT_EQ(cluster[1].core().counters.connections.get() + cluster[1].core(1).counters.connections.get(), 0u);
}

TEST_F(Peers, WhoHasLostASessionLeavesNoLogOfIt) {
  auto stale = up(0, "c", stay());
  stale->subscribed("a", 1);
  cluster.loses_kicks = true;  // nobody tells it that the client has gone on
  auto c = come(1, "c", stay());
  EXPECT_THAT(take(*c), ElementsAre("CONNACK 00 present"));
  stale->unsubscribe("a");
  cluster.settle();
  auto pub = up(2, "pub");
  pub->publish("a", "1", {.qos = 1, .id = 1});
  EXPECT_THAT(messages(*c), ElementsAre("1"));
}

TEST_F(Peers, AKickThatComesLateHarmsNobody) {
  auto c = up(1, "c", stay());
  bool told = false;
  cluster[1].node.kick("c", 1, [&] { told = true; });  // of an owner before this one
  cluster.settle();
  EXPECT_TRUE(told);
  EXPECT_FALSE(c->closed());
  cluster[1].node.kick("stranger", 1, [&] { told = false; });
  EXPECT_FALSE(told);
}

TEST_F(Peers, AVolatileClientIsConnectedToOneNode) {
  auto sub = up(0, "sub");
  sub->subscribed("will", 1);
  ConnectOptions o;
  o.will = {"will", "gone", 1, false, 0};
  auto first = up(1, "c", o);
  for (std::size_t n : {0, 2}) cluster[n].advance(Millis(1));
  auto second = up(2, "c");
  EXPECT_THAT(take(*first), ElementsAre("DISCONNECT 8e"));
  EXPECT_THAT(messages(*sub), ElementsAre("gone")) << "[MQTT-3.1.2-8]: its connection was closed without DISCONNECT";
  cluster[0].advance(Millis(1));
  auto durable = up(0, "c", stay());
  EXPECT_THAT(take(*second), ElementsAre("DISCONNECT 8e"));
  EXPECT_FALSE(durable->closed());
  for (std::size_t n : {1, 2}) cluster[n].advance(Millis(10));
  auto third = up(1, "c");
  EXPECT_THAT(take(*durable), ElementsAre("DISCONNECT 8e")) << "its record ended with the claim of a clean start";
}

TEST_F(Peers, AtTheSameMomentOneOfTwoIsConnected) {
  auto first = up(1, "c"), second = up(2, "c");
  cluster[1].node.connected_elsewhere("c", cluster[1].clock.wall_now, false);
  cluster[2].node.connected_elsewhere("c", cluster[2].clock.wall_now, true);
  EXPECT_THAT(take(*first), IsEmpty());
  EXPECT_THAT(take(*second), ElementsAre("DISCONNECT 8e"));
}

TEST_F(Peers, WhoIsTakenOverByAnotherNodePublishesNoWill) {
  auto sub = up(0, "sub");
  sub->subscribed("will", 1);
  ConnectOptions o = stay();
  o.will = {"will", "gone", 1, false, 0};
  auto first = up(1, "c", o);
  cluster[1].node.kick("c", UINT64_MAX, [] {});
  EXPECT_THAT(take(*first), ElementsAre("DISCONNECT 8e"));
  EXPECT_THAT(messages(*sub), IsEmpty()) << "the claim of the other node had the will";
}

}  // namespace
}  // namespace sb::broker::testing
