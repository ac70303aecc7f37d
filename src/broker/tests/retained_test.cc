// SPDX-License-Identifier: MIT
// Retained messages: what a new subscription brings, and what happens when messages come live meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/tests/bench.h"

namespace sb::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Subscribes and returns the messages that came, without the SUBACK.
Words subscribe(Client& c, std::string_view filter, std::uint8_t qos, std::uint8_t handling = 0) {
  model::SubscribeOptions o;
  o.qos = qos & 3u;
  o.retain_handling = handling & 3u;
  c.subscribe(filter, o);
  return Client::words(c.messages());
}

TEST(Retained, ComesWithTheSubscription) {
  for (bool delayed : {false, true})
    for (Version v : {Version::v311, Version::v5}) {
      Bench b{{.shards = 2, .delayed = delayed}};
      Client pub(b, "pub"), sub(b, "sub", v, 1);
      pub.up();
      sub.up();
      pub.publish("a/1", "one", {.qos = 2, .id = 1, .retain = true});
      pub.publish("a/2", "two", {.retain = true});
      pub.publish("a/2", "newer", {.retain = true});
      pub.publish("a/3", "three", {.retain = true});
      pub.publish("a/3", "", {.retain = true});  // [MQTT-3.3.1-6]
      pub.publish("$x", "hidden", {.retain = true});
      pub.publish("a/4", "not retained");
      EXPECT_EQ(subscribe(sub, "a/+", 1), (Words{"PUBLISH a/1 one qos1 id1 retain", "PUBLISH a/2 newer qos0 retain"}));
      EXPECT_THAT(subscribe(sub, "b", 1), IsEmpty());
      EXPECT_EQ(subscribe(sub, "+/2", 0), (Words{"PUBLISH a/2 newer qos0 retain"})) << "without $x";
      // Of two overlapping subscriptions each brings it; what is published now comes once.
      EXPECT_EQ(subscribe(sub, "a/+", 0).size(), 2u) << "and so does a repeated one [MQTT-3.8.4-3]";
    }
}

TEST(Retained, HandlingSaysWhen) {
  Bench b;
  Client pub(b, "pub"), sub(b, "sub");
  pub.up();
  sub.up();
  pub.publish("a", "x", {.retain = true});
  EXPECT_THAT(subscribe(sub, "a", 0, 2), IsEmpty());
  EXPECT_THAT(subscribe(sub, "a", 0, 1), IsEmpty()) << "it was there";
  EXPECT_EQ(subscribe(sub, "a", 0, 0).size(), 1u);
  EXPECT_EQ(subscribe(sub, "+", 0, 1).size(), 1u) << "this one is new";
  EXPECT_THAT(subscribe(sub, "$share/g/a", 0, 0), IsEmpty()) << "never for a shared one";
}

TEST(Retained, MoreThanTheWindowTakes) {
  for (bool delayed : {false, true})
    for (std::uint32_t expiry : {0u, 100u}) {
      Bench b{{.delayed = delayed}};
      Client pub(b, "pub"), sub(b, "sub");
      pub.up();
      sub.up({.expiry = expiry, .receive_maximum = 3});
      for (int i = 0; i < 600; ++i)
        pub.publish("a/" + std::to_string(1000 + i), std::to_string(i), {.qos = 1, .id = 1, .retain = true});
      pub.take();
      sub.subscribe("a/#", 1);
      auto got = Client::payloads(sub.messages());
      ASSERT_EQ(got.size(), 600u) << "volatile or durable, with the acknowledgements the rest has to follow";
      for (int i = 0; i < 600; ++i) ASSERT_EQ(got[static_cast<std::size_t>(i)], std::to_string(i));
    }
}

TEST(Retained, ASlowReaderGetsAllOfThem) {
  channel::ChannelConfig c;
  c.limits.output_bytes = 1000;
  Bench b;
  Client pub(b, "pub"), sub(b, "sub", Version::v5, 0, c);
  pub.up();
  sub.up();
  for (int i = 0; i < 300; ++i) pub.publish("a/" + std::to_string(1000 + i), std::string(100, 'x'), {.retain = true});
  b.settle();
  sub.reads = false;
  sub.subscribe("a/#", 0);
  b.settle();
  EXPECT_LT(sub.channel.out().size(), 2000u) << "no more than the bound is queued";
  sub.reads = true;
  EXPECT_EQ(sub.messages().size(), 300u);
}

TEST(Retained, Expires) {
  Bench b;
  Client pub(b, "pub"), sub(b, "sub");
  pub.up();
  sub.up();
  pub.publish("a", "short", {.retain = true, .expiry = 5});
  pub.publish("b", "long", {.retain = true, .expiry = 50});
  b.settle();
  b.advance(Seconds(20));
  EXPECT_EQ(subscribe(sub, "#", 0), Words{"PUBLISH b long qos0 retain expiry=30"});
}

TEST(Retained, ANewerOneThatCameLiveIsNotFollowedByTheOlder) {
  Bench b{{.shards = 2, .delayed = true}};
  Client pub(b, "pub", Version::v5, 1), sub(b, "sub");
  pub.up();
  sub.up();
  pub.publish("a", "old", {.retain = true});
  pub.publish("b", "other", {.retain = true});
  b.settle();
  sub.subscribe("#", 0);
  b.work();  // the page with the old one was read; it is on its way
  pub.publish("a", "new", {.retain = true});
  b.run_shards();  // and the new one overtakes it
  EXPECT_EQ(Client::words(sub.messages()), (Words{"PUBLISH a new qos0", "PUBLISH b other qos0 retain"}));
}

TEST(Retained, ANewerOneIsNotForgottenWhenItComesBetweenPages) {
  Bench b{{.delayed = true}};
  Client pub(b, "pub"), sub(b, "sub");
  pub.up();
  sub.up({.receive_maximum = 2});
  for (int i = 0; i < 6; ++i) pub.publish("a/" + std::to_string(i), "old", {.qos = 1, .id = 1, .retain = true});
  pub.take();
  sub.subscribe("a/#", 1);
  auto first = sub.packets();  // SUBACK and two of them
  ASSERT_EQ(first.size(), 3u);
  pub.publish("a/4", "new", {.qos = 1, .id = 1, .retain = true});  // waits in the queue: the window is full
  b.settle();
  for (auto& p : first) sub.answer(p);
  auto rest = sub.messages();
  std::vector<std::string> of_4;
  for (auto& p : rest)
    if (p.topic == "a/4") of_4.push_back(p.payload);
  EXPECT_EQ(of_4, Words{"new"}) << "once, and not the old one behind it";
  EXPECT_EQ(rest.size(), 4u);
}

TEST(Retained, UnsubscribingEndsTheScan) {
  Bench b{{.delayed = true}};
  Client pub(b, "pub"), sub(b, "sub");
  pub.up();
  sub.up({.receive_maximum = 2});
  for (int i = 0; i < 6; ++i) pub.publish("a/" + std::to_string(i), "x", {.qos = 1, .id = 1, .retain = true});
  pub.take();
  sub.subscribe("a/#", 1);
  auto first = sub.packets();
  EXPECT_EQ(first.size(), 3u);
  sub.unsubscribe("a/#");
  EXPECT_THAT(sub.messages(), IsEmpty());
  for (auto& p : first) sub.answer(p);
  EXPECT_THAT(sub.messages(), IsEmpty());
  sub.subscribe("a/5", 0);
  EXPECT_EQ(sub.messages().size(), 1u) << "another scan is not in its way";
}

TEST(Retained, SubscriberThatLeavesDuringTheScan) {
  Bench b{{.delayed = true}};
  Client pub(b, "pub");
  pub.up();
  pub.publish("a", "x", {.retain = true});
  b.settle();
  {
    Client sub(b, "sub");
    sub.up();
    sub.subscribe("a", 0);
    b.work();
  }
  Client next(b, "next");  // in the same slot
  EXPECT_EQ((next.connect(), next.take()), Words{"CONNACK 00"});
}

TEST(Retained, StoreIsFull) {
  model::Limits limits;
  limits.retained_messages = 2;
  for (bool delayed : {false, true}) {
    Bench b{{.delayed = delayed, .limits = limits}};
    Client pub(b, "pub"), old(b, "old", Version::v311);
    pub.up();
    old.up();
    for (PacketId i = 1; i <= 3; ++i) pub.publish(std::to_string(i), "x", {.qos = 1, .id = i, .retain = true});
    EXPECT_EQ(pub.take(), (Words{"PUBACK 1 10", "PUBACK 2 10", "PUBACK 3 97"}));
    pub.publish("1", "newer", {.qos = 2, .id = 4, .retain = true});
    EXPECT_EQ(pub.take(), (Words{"PUBREC 4 10"})) << "a known topic still has its place";
    old.publish("1", "newest", {.qos = 1, .id = 8, .retain = true});
    old.publish("3", "x", {.qos = 1, .id = 9, .retain = true});
    old.publish("1", "newest", {.qos = 1, .id = 10, .retain = true});
    EXPECT_EQ(old.take(), (Words{"PUBACK 8", "PUBACK 9", "PUBACK 10"}))
        << "3.1.1 cannot say it, and a closed connection would send it again for ever";
    EXPECT_FALSE(old.closed());
    EXPECT_EQ(b.core().counters.retained_refused.get(), 2u);
    pub.publish("1", "", {.retain = true});
    pub.publish("3", "x", {.qos = 1, .id = 5, .retain = true});
    pub.ack(PacketType::pubrel, 4);
    EXPECT_THAT(pub.take(), ::testing::UnorderedElementsAre("PUBACK 5 10", "PUBCOMP 4"));
  }
}

}  // namespace
}  // namespace sb::broker::testing
