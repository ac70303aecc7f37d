// SPDX-License-Identifier: MIT
// From a publish to its receivers, on one shard and across two.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/tests/bench.h"

namespace sb::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr Version kVersions[] = {Version::v31, Version::v311, Version::v5};

/// Everything runs with the stores answering at once, with late answers, and with the subscriber on another shard.
struct Setting {
  const char* name;
  bool delayed;
  std::size_t there;  ///< the subscriber's shard
};
class Routing : public ::testing::TestWithParam<Setting> {
 protected:
  Bench b{{.shards = 2, .delayed = GetParam().delayed}};
  std::size_t there = GetParam().there;
};
INSTANTIATE_TEST_SUITE_P(All, Routing,
                         ::testing::Values(Setting{"here", false, 0}, Setting{"there", false, 1},
                                           Setting{"here_later", true, 0}, Setting{"there_later", true, 1}),
                         [](auto& i) { return i.param.name; });

TEST_P(Routing, QosIsTheLowerOfBoth) {
  for (Version from : kVersions)
    for (Version to : kVersions) {
      Client pub(b, "pub", from), sub(b, "sub", to, there);
      pub.up();
      sub.up();
      for (std::uint8_t q : {0, 1, 2}) sub.subscribed("q" + std::to_string(q), q);
      for (std::uint8_t granted : {0, 1, 2})
        for (std::uint8_t sent : {0, 1, 2}) {
          std::string topic = "q" + std::to_string(granted);
          pub.publish(topic, "x", {.qos = sent, .id = static_cast<PacketId>(sent ? 7 : 0)});
          auto got = sub.messages();
          ASSERT_EQ(got.size(), 1u);
          EXPECT_EQ(got[0].topic, topic);
          EXPECT_EQ(got[0].payload, "x");
          EXPECT_EQ(got[0].qos, std::min(granted, sent));
          EXPECT_EQ(got[0].id != 0, got[0].qos > 0);
          EXPECT_FALSE(got[0].retain || got[0].dup);
          Words expected;
          if (sent == 1) expected = {"PUBACK 7"};
          if (sent == 2) {
            expected = {"PUBREC 7", "PUBCOMP 7"};
            pub.ack(PacketType::pubrel, 7);
          }
          EXPECT_EQ(pub.take(), expected);
        }
    }
}

TEST_P(Routing, NobodyIsToldToVersion5) {
  for (Version v : kVersions) {
    Client pub(b, "pub", v);
    pub.up();
    pub.publish("a", "x", {.qos = 1, .id = 1});
    pub.publish("a", "x", {.qos = 2, .id = 2});
    bool told = v == Version::v5;
    EXPECT_THAT(pub.take(), ElementsAre(told ? "PUBACK 1 10" : "PUBACK 1", told ? "PUBREC 2 10" : "PUBREC 2"));
  }
}

TEST_P(Routing, ASecondPublishOfOneQos2IdIsNotRoutedAgain) {
  Client pub(b, "pub"), sub(b, "sub", Version::v5, there);
  pub.up();
  sub.up().subscribed("a", 2);
  pub.publish("a", "1", {.qos = 2, .id = 9});
  pub.publish("a", "1", {.qos = 2, .id = 9, .dup = true});
  EXPECT_THAT(Client::payloads(sub.messages()), ElementsAre("1"));
  pub.messages();  // PUBREL
  pub.publish("a", "2", {.qos = 2, .id = 9});
  EXPECT_THAT(Client::payloads(sub.messages()), ElementsAre("2"));
}

TEST_P(Routing, OverlappingSubscriptionsGiveOneDelivery) {
  Client pub(b, "pub"), sub(b, "sub", Version::v5, there);
  pub.up();
  sub.up();
  sub.subscribed("a/+", 1, 5).subscribed("a/#", 0, 6).subscribed("a/b", 2).subscribed("b", 2, 9);
  pub.publish("a/b", "x", {.qos = 2, .id = 1});
  auto got = sub.messages();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].qos, 2);
  EXPECT_THAT(got[0].ids, UnorderedElementsAre(5, 6));
}

TEST_P(Routing, RetainAsPublished) {
  Client pub(b, "pub"), sub(b, "sub", Version::v5, there);
  pub.up();
  sub.up();
  model::SubscribeOptions as_published;
  as_published.retain_as_published = true;
  as_published.retain_handling = 2;
  sub.subscribe("a", as_published);
  sub.subscribed("b", 0);
  for (const char* topic : {"a", "b"}) {
    pub.publish(topic, "1", {.retain = true});
    pub.publish(topic, "2");
  }
  EXPECT_THAT(Client::words(sub.messages()),
              ElementsAre("PUBLISH a 1 qos0 retain", "PUBLISH a 2 qos0", "PUBLISH b 1 qos0", "PUBLISH b 2 qos0"));
}

TEST_P(Routing, NoLocal) {
  Client one(b, "one", Version::v5, there), two(b, "two");
  one.up();
  two.up();
  model::SubscribeOptions no_local;
  no_local.no_local = true;
  one.subscribe("a/#", no_local, 1);
  one.subscribe("a/b", model::SubscribeOptions{}, 2);
  one.take();
  one.publish("a", "own");
  one.publish("a/b", "own, but wanted by the second");
  two.publish("a", "other");
  two.publish("a/b", "other");
  auto got = one.messages();
  EXPECT_THAT(Client::words(got),
              ::testing::UnorderedElementsAre(
                  "PUBLISH a/b own, but wanted by the second qos0 ids=2", "PUBLISH a other qos0 ids=1",
                  ::testing::AnyOf("PUBLISH a/b other qos0 ids=1,2", "PUBLISH a/b other qos0 ids=2,1")));
}

TEST_P(Routing, OrderOfAPublisherIsKept) {
  Client pub(b, "pub"), sub(b, "sub", Version::v311, there);
  pub.up();
  sub.up().subscribed("a/#", 2);
  Words expected;
  for (int i = 0; i < 300; ++i) {
    auto qos = static_cast<std::uint8_t>(i % 3);
    pub.publish(i % 2 ? "a/1" : "a/2", std::to_string(i), {.qos = qos, .id = static_cast<PacketId>(qos ? i + 1 : 0)});
    expected.push_back(std::to_string(i));
    if (i % 50 == 0) b.turn(0);
  }
  EXPECT_EQ(Client::payloads(sub.messages()), expected);
}

TEST_P(Routing, ExpiryIsCountedDown) {
  Client pub(b, "pub"), sub(b, "sub", Version::v5, there);
  pub.up();
  sub.up({.receive_maximum = 1}).subscribed("a", 1);
  pub.publish("a", "1", {.qos = 1, .id = 1, .expiry = 100});
  pub.publish("a", "2", {.qos = 1, .id = 2, .expiry = 100});  // waits for the window
  pub.publish("a", "3", {.qos = 1, .id = 3, .expiry = 5});
  pub.publish("a", "4", {.qos = 1, .id = 4});
  auto first = sub.packets();
  EXPECT_THAT(Client::words(first), ElementsAre("PUBLISH a 1 qos1 id1 expiry=100"));
  b.advance(Seconds(10));
  sub.answer(first[0]);
  auto rest = sub.messages();
  EXPECT_THAT(Client::words(rest), ElementsAre("PUBLISH a 2 qos1 id2 expiry=90", "PUBLISH a 4 qos1 id3"))
      << "the third one has expired";
  EXPECT_EQ(b.core(there).counters.dropped_expired.get(), 1u);
}

TEST_P(Routing, AnUnsubscribedClientGetsNothing) {
  Client pub(b, "pub"), sub(b, "sub", Version::v5, there);
  pub.up();
  sub.up().subscribed("a", 1).subscribed("b", 1);
  sub.unsubscribe("a");
  sub.unsubscribe("x");
  EXPECT_THAT(sub.take(), ElementsAre("UNSUBACK 3 00", "UNSUBACK 4 11"));
  pub.publish("a", "1");
  pub.publish("b", "2");
  EXPECT_THAT(Client::payloads(sub.messages()), ElementsAre("2"));
  sub.disconnect();
  b.settle();
  EXPECT_EQ(b.node.index.nodes(), 0u);
  EXPECT_EQ(b.core(there).counters.subscriptions.get(), 0u);
  pub.publish("b", "3", {.qos = 1, .id = 1});
  EXPECT_THAT(pub.take(), ElementsAre("PUBACK 1 10"));
}

TEST_P(Routing, ResubscribingChangesTheOptions) {
  Client pub(b, "pub"), sub(b, "sub", Version::v5, there);
  pub.up();
  sub.up().subscribed("a", 0, 1).subscribed("a", 2, 7);
  pub.publish("a", "1", {.qos = 1, .id = 1});
  EXPECT_THAT(Client::words(sub.messages()), ElementsAre("PUBLISH a 1 qos1 id1 ids=7"));
  EXPECT_EQ(b.core(there).counters.subscriptions.get(), 1u);
}

TEST_P(Routing, TheSameFilterTwiceInOneSubscribe) {
  for (std::uint32_t expiry : {0u, 100u}) {
    Client pub(b, "pub");
    auto connection = std::make_unique<Client>(b, "sub", Version::v5, there);
    Client& sub = *connection;
    pub.up();
    sub.up({.expiry = expiry});
    model::SubscribeOptions one, two;
    one.qos = 1;
    two.qos = 2;
    sub.send(subscribe_packet(Version::v5, 1, {{"a", one}, {"a", two}}));
    EXPECT_THAT(sub.take(), ElementsAre("SUBACK 1 01 02"));
    pub.publish("a", "1", {.qos = 2, .id = 1});
    EXPECT_THAT(Client::words(sub.messages()), ElementsAre("PUBLISH a 1 qos2 id1"));
    model::SubscribeOptions none;
    sub.send(subscribe_packet(Version::v5, 2, {{"b", one}, {"b", none}}));
    EXPECT_THAT(sub.take(), ElementsAre("SUBACK 2 01 00"));
    pub.publish("b", "2", {.qos = 2, .id = 2});
    EXPECT_THAT(Client::words(sub.messages()), ElementsAre("PUBLISH b 2 qos0"));
    sub.disconnect();
    connection.reset();
    pub.publish("a", "3", {.qos = 1, .id = 3});  // it is left in no list
    pub.take();
  }
}

// ---- slow receivers

TEST_P(Routing, AFullWindowQueuesUpToTheBound) {
  for (bool drop_oldest : {false, true}) {
    channel::ChannelConfig c;
    c.limits.queued_messages = 5;
    c.limits.drop_oldest = drop_oldest;
    std::uint64_t before = b.core(there).counters.dropped_queue_full.get();
    Client pub(b, "pub"), sub(b, "sub", Version::v5, there, c);
    pub.up();
    sub.up({.receive_maximum = 2}).subscribed("a", 1);
    for (int i = 1; i <= 10; ++i) pub.publish("a", std::to_string(i), {.qos = 1, .id = static_cast<PacketId>(i)});
    EXPECT_EQ(pub.take().size(), 10u) << "the publisher does not wait";
    auto got = Client::payloads(sub.messages());
    EXPECT_EQ(got,
              drop_oldest ? (Words{"1", "2", "6", "7", "8", "9", "10"}) : (Words{"1", "2", "3", "4", "5", "6", "7"}));
    EXPECT_EQ(b.core(there).counters.dropped_queue_full.get() - before, 3u);
  }
}

TEST_P(Routing, ABlockedOutputDropsQos0AndKeepsQos1) {
  channel::ChannelConfig c;
  c.limits.output_bytes = 2000;
  Client pub(b, "pub"), sub(b, "sub", Version::v5, there, c), other(b, "other", Version::v5, there);
  pub.up();
  sub.up().subscribed("a", 1);
  other.up().subscribed("a", 0);
  sub.reads = false;
  std::string large(1500, 'x');
  for (int i = 0; i < 10; ++i) pub.publish("a", large);
  for (int i = 1; i <= 3; ++i) pub.publish("a", std::to_string(i), {.qos = 1, .id = static_cast<PacketId>(i)});
  EXPECT_EQ(other.messages().size(), 13u) << "it does not suffer from the slow one";
  EXPECT_EQ(b.core(there).counters.dropped_output_full.get(), 8u);
  sub.reads = true;
  EXPECT_THAT(Client::payloads(sub.messages()), ElementsAre(large, large, "1", "2", "3"));
}

TEST_P(Routing, TooLargeForTheClient) {
  Client pub(b, "pub"), sub(b, "sub", Version::v5, there);
  pub.up();
  sub.up({.packet_maximum = 50}).subscribed("a", 2);
  for (std::uint8_t qos : {0, 1, 2}) {
    pub.publish("a", std::string(100, 'x'), {.qos = qos, .id = qos});
    pub.publish("a", "fits", {.qos = qos, .id = static_cast<PacketId>(qos ? qos + 10 : 0)});
    EXPECT_THAT(Client::payloads(sub.messages()), ElementsAre("fits"));
  }
  EXPECT_EQ(b.core(there).counters.dropped_too_large.get(), 3u);
}

TEST_P(Routing, AliasesTowardsTheClient) {
  Client pub(b, "pub"), sub(b, "sub", Version::v5, there);
  pub.up();
  sub.up({.alias_maximum = 2}).subscribed("#", 1);
  for (const char* topic : {"a", "b", "c", "a", "b", "c"}) pub.publish(topic, topic, {.qos = 1, .id = 1});
  for (auto& p : sub.messages()) EXPECT_EQ(p.topic, p.payload);
}

TEST_P(Routing, AcknowledgementsKeepTheOrderOfThePublishes) {
  Client durable(b, "durable", Version::v5, there), pub(b, "pub");
  durable.up({.expiry = 100}).subscribed("stored", 1);
  pub.up();
  // The first waits for the log, the others do not.
  pub.publish("stored", "1", {.qos = 1, .id = 1});
  pub.publish("other", "2", {.qos = 1, .id = 2});
  pub.publish("other", "3", {.qos = 2, .id = 3});
  pub.publish("stored", "4", {.qos = 2, .id = 4});
  pub.publish("other", "5", {.qos = 1, .id = 5});
  EXPECT_THAT(pub.take(), ElementsAre("PUBACK 1", "PUBACK 2 10", "PUBREC 3 10", "PUBREC 4", "PUBACK 5 10"));
}

TEST(RoutingLate, NoAcknowledgementBeforeTheStoreHasIt) {
  Bench b{{.delayed = true}};
  Client durable(b, "durable"), pub(b, "pub");
  durable.up({.expiry = 100}).subscribed("a", 1);
  pub.up();
  pub.publish("a", "1", {.qos = 1, .id = 1});
  b.run_shards();
  EXPECT_THAT(pub.arrived(), IsEmpty());
  b.work();
  b.run_shards();
  EXPECT_THAT(pub.arrived(), IsEmpty()) << "the answer is on its way";
  EXPECT_THAT(pub.take(), ElementsAre("PUBACK 1"));
}

TEST(RoutingLate, TheReceiveMaximumCountsEachPublishOnce) {
  model::Limits limits;
  limits.receive_maximum = 10;
  Bench b{{.delayed = true, .limits = limits}};
  Client durable(b, "durable"), pub(b, "pub");
  durable.up({.expiry = 100}).subscribed("a", 2);
  pub.up();
  for (PacketId id = 1; id <= 10; ++id) pub.publish("a", "x", {.qos = static_cast<std::uint8_t>(1 + id % 2), .id = id});
  EXPECT_FALSE(pub.closed());
  EXPECT_EQ(pub.take().size(), 10u);
  Client greedy(b, "greedy");
  greedy.up();
  for (PacketId id = 1; id <= 11; ++id) greedy.publish("a", "x", {.qos = 2, .id = id});
  EXPECT_TRUE(greedy.closed());
  EXPECT_THAT(greedy.take(), ElementsAre("DISCONNECT 93"));
}

TEST(RoutingShards, ManyShardsGetOneCopyEach) {
  Bench b{{.shards = 4}};
  std::vector<std::unique_ptr<Client>> subs;
  for (std::size_t i = 0; i < 12; ++i) {
    subs.push_back(std::make_unique<Client>(b, "s" + std::to_string(i), i % 2 ? Version::v5 : Version::v311, i % 4));
    subs.back()->up().subscribed(i % 3 ? "a/b" : "a/#", static_cast<std::uint8_t>(i % 3));
  }
  Client pub(b, "pub", Version::v5, 2);
  pub.up();
  std::string large(40000, 'L');
  for (int round = 0; round < 20; ++round) {
    pub.publish("a/b", round % 5 ? "small" : large, {.qos = 2, .id = static_cast<PacketId>(round + 1)});
    for (auto& s : subs) {
      auto got = s->messages();
      ASSERT_EQ(got.size(), 1u);
      ASSERT_EQ(got[0].payload, round % 5 ? "small" : large);
    }
    pub.messages();
  }
}

TEST(RoutingShards, WhoIsBehindStopsThePublisher) {
  Bench b{{.shards = 2}};
  Client sub(b, "sub", Version::v5, 1), pub(b, "pub");
  sub.up().subscribed("a", 0);
  pub.up();
  int sent = 0;
  while (!b.core(0).congested() && sent < 1000) {
    pub.publish("a", std::to_string(sent++));
    b.turn(0);  // and shard 1 does nothing
  }
  EXPECT_TRUE(b.core(0).congested());
  EXPECT_EQ(sent, 64);
  EXPECT_EQ(sub.messages().size(), 64u);
  EXPECT_FALSE(b.core(0).congested());
}

TEST(RoutingShards, AReceiverThatLeavesWhileMessagesAreOnTheirWay) {
  Bench b{{.shards = 2}};
  auto sub = std::make_unique<Client>(b, "sub", Version::v5, 1);
  Client pub(b, "pub");
  sub->up().subscribed("a", 1);
  pub.up();
  pub.publish("a", "1", {.qos = 1, .id = 1});
  b.turn(0);  // the slab is on its way
  sub.reset();
  Client next(b, "next", Version::v5, 1);  // gets the slot
  next.connect();
  EXPECT_THAT(next.take(), ElementsAre("CONNACK 00"));
}

}  // namespace
}  // namespace sb::broker::testing
