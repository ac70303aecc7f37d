// SPDX-License-Identifier: MIT
// Durable sessions: filters that overlap, subscriptions that change or end, and what the options ask for.
#include "broker/tests/durable.h"

namespace sb::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class DurableFilters : public DurableTest {};
SB_AT_ONCE_AND_LATER(DurableFilters);

TEST_P(DurableFilters, OverlappingFiltersGiveOneDelivery) {
  auto c = come();
  c->take();
  c->subscribed("a/+", 1, 5).subscribed("a/#", 2, 6).subscribed("a/b", 0, 7).subscribed("#", 1);
  publish("a/b", "1", 2);
  publish("a/b/c", "2", 2);
  publish("x", "3", 2);
  publish("a/b", "4", 0);
  auto got = c->messages();
  ASSERT_EQ(got.size(), 4u);
  std::sort(got.begin(), got.end(), [](auto& x, auto& y) { return x.payload < y.payload; });
  EXPECT_EQ(got[0].qos, 2);
  EXPECT_THAT(got[0].ids, UnorderedElementsAre(5, 6, 7));
  EXPECT_EQ(got[1].qos, 2);
  EXPECT_THAT(got[1].ids, UnorderedElementsAre(6));
  EXPECT_EQ(got[2].qos, 1);
  EXPECT_THAT(got[2].ids, IsEmpty());
  EXPECT_EQ(got[3].qos, 0);
  EXPECT_THAT(got[3].ids, UnorderedElementsAre(5, 6, 7));
  c.reset();
  publish("a/b", "5", 2);
  c = come();
  EXPECT_THAT(Client::payloads(c->messages()), ElementsAre("5"));
}

TEST_P(DurableFilters, UnsubscribingTheResponsibleOneLosesAndRepeatsNothing) {
  for (bool away : {false, true}) {
    std::string id = away ? "x" : "y";
    auto c = come({.receive_maximum = 2}, 0, id);
    c->take();
    c->subscribed("a/+", 1).subscribed("a/#", 1).subscribed("a/1", 1);
    Words expected;
    for (int i = 0; i < 8; ++i) publish("a/1", std::to_string(i)), expected.push_back(std::to_string(i));
    auto first = c->packets();  // two; the window is full, the rest waits in the logs
    ASSERT_EQ(first.size(), 2u);
    c->unsubscribe("a/+");
    for (int i = 8; i < 12; ++i) publish("a/1", std::to_string(i)), expected.push_back(std::to_string(i));
    EXPECT_EQ(c->take().size(), 1u) << "UNSUBACK";
    if (away) {
      c->lose();
      c = come({.receive_maximum = 2}, 0, id);
      first = c->packets();
      first.erase(first.begin());
    }
    for (auto& p : first) c->answer(p);
    Words got = Client::payloads(first);
    for (auto& p : c->messages()) got.push_back(p.payload);
    EXPECT_EQ(got, expected) << away;
    publish("a/1", "after");
    EXPECT_THAT(Client::payloads(c->messages()), ElementsAre("after"));
    publish("a/2", "after");
    EXPECT_THAT(Client::payloads(c->messages()), ElementsAre("after"));
    c->unsubscribe("a/#");
    c->unsubscribe("a/1");
    c->take();
    publish("a/1", "nobody");
    EXPECT_THAT(c->messages(), IsEmpty());
    c->send(disconnect_packet(Version::v5, Reason::success, 0));
    b.settle();
    EXPECT_EQ(b.logs.count(), 0u);
  }
}

TEST_P(DurableFilters, UnsubscribingOneThatHasDeliveredAllWhileAnotherLags) {
  auto c = come({.receive_maximum = 2});
  c->take();
  c->subscribed("a/+", 2).subscribed("a/#", 2);
  publish("a/1", "1", 2);
  publish("a/1", "2", 2);
  auto first = c->packets();
  ASSERT_EQ(first.size(), 2u);  // the window is full: the other one has not even passed over them
  c->unsubscribe("a/+");
  EXPECT_EQ(c->take().size(), 1u);
  for (auto& p : first) c->answer(p);
  EXPECT_THAT(c->messages(), IsEmpty());
  publish("a/1", "3", 2);
  EXPECT_THAT(Client::payloads(c->messages()), ElementsAre("3"));
}

TEST_P(DurableFilters, UnsubscribingEndsWhatWasNotSent) {
  auto c = come({.receive_maximum = 1});
  c->take();
  c->subscribed("a", 1);
  publish("a", "1");
  publish("a", "2");
  auto first = c->packets();
  c->unsubscribe("a");
  EXPECT_EQ(c->take(), Words{"UNSUBACK 2 00"});
  c->lose();
  c = come({.receive_maximum = 1});
  EXPECT_EQ(c->take(), (Words{"CONNACK 00 present", "PUBLISH a 1 qos1 id1 dup"})) << "[MQTT-3.10.4-3]";
  c->ack(PacketType::puback, 1);
  EXPECT_THAT(c->take(), IsEmpty());
  EXPECT_EQ(b.logs.count(), 0u);
}

TEST_P(DurableFilters, SubscribingAnewAfterUnsubscribingWithARest) {
  auto c = come({.receive_maximum = 2});
  c->take();
  c->subscribed("a/+", 2).subscribed("a/#", 2);
  Words expected;
  for (int i = 0; i < 6; ++i) publish("a/1", std::to_string(i), 2), expected.push_back(std::to_string(i));
  c->unsubscribe("a/+");
  c->subscribe("a/+", 2);
  for (int i = 6; i < 9; ++i) publish("a/1", std::to_string(i), 2), expected.push_back(std::to_string(i));
  EXPECT_EQ(Client::payloads(c->messages()), expected);
}

TEST_P(DurableFilters, UnsubscribingTheMiddleOneRepeatsNothing) {
  auto c = come({.receive_maximum = 2});
  c->take();
  c->subscribed("a/1", 2).subscribed("a/+", 2).subscribed("zzz", 2);
  Words expected;
  for (int i = 0; i < 8; ++i) publish("a/1", std::to_string(i), 2), expected.push_back(std::to_string(i));
  c->unsubscribe("a/+");
  EXPECT_EQ(Client::payloads(c->messages()), expected);
}

TEST_P(DurableFilters, RaisingTheQosOfAnOlderOneLosesNothingOfAYoungerOne) {
  auto c = come({.receive_maximum = 1});
  c->take();
  c->subscribed("a/#", 0).subscribed("a/b", 1);
  Words expected;
  for (int i = 0; i < 5; ++i) publish("a/b", std::to_string(i)), expected.push_back(std::to_string(i));
  c->subscribe("a/#", 1);
  for (int i = 5; i < 8; ++i) publish("a/b", std::to_string(i)), expected.push_back(std::to_string(i));
  EXPECT_EQ(Client::payloads(c->messages()), expected);
}

TEST_P(DurableFilters, SubscribingAnewToOneThatHasDeliveredItsRest) {
  auto c = come({.receive_maximum = 2});
  c->take();
  c->subscribed("a/+", 2).subscribed("a/#", 2).subscribed("big", 2);
  for (int i = 0; i < 6; ++i) publish("big", std::to_string(i), 2);
  publish("a/1", "rest", 2);
  std::vector<Packet> open = c->packets();  // two: the window is full
  Words got = Client::payloads(open);
  c->unsubscribe("a/+");
  // Two at a time: it drains, and stays for what the others have yet to pass over.
  for (int i = 0; i < 4 && std::ranges::count(got, "rest") == 0; ++i) {
    for (auto& p : std::exchange(open, {})) c->answer(p);
    open = c->packets();
    for (auto& p : open)
      if (p.type == PacketType::publish) got.push_back(p.payload);
  }
  publish("a/1", "new", 2);
  for (auto& p : open) c->answer(p);
  for (auto& p : c->packets()) {
    c->answer(p);
    if (p.type == PacketType::publish) got.push_back(p.payload);
  }
  c->subscribe("a/+", 2);
  for (auto& p : c->messages()) got.push_back(p.payload);
  publish("a/1", "last", 2);
  for (auto& p : c->messages()) got.push_back(p.payload);
  EXPECT_THAT(got, UnorderedElementsAre("0", "1", "2", "3", "4", "5", "rest", "new", "last"));
}

/// What a client sends right behind CONNACK comes before it is known how far its logs go.
TEST_P(DurableFilters, UnsubscribingAtOnceAfterComingBack) {
  auto c = come({.receive_maximum = 1});
  c->take();
  c->subscribed("a/1", 1).subscribed("a/#", 1);
  Words expected;
  for (int i = 0; i < 8; ++i) publish("a/1", std::to_string(i)), expected.push_back(std::to_string(i));
  Words got = Client::payloads(c->packets());
  c->lose();
  b.settle();
  c = come({.receive_maximum = 1});
  std::vector<Packet> open;
  for (int i = 0; i < 1000 && open.empty(); ++i) {
    b.run_shards();
    open = c->arrived();
    if (open.empty() && !b.delay.arrive(0)) b.delay.work();
  }
  c->unsubscribe("a/1");
  for (auto& p : open) {
    c->answer(p);
    if (p.type == PacketType::publish && !p.dup) got.push_back(p.payload);
  }
  for (auto& p : c->messages())
    if (!p.dup) got.push_back(p.payload);
  EXPECT_EQ(got, expected);
}

TEST_P(DurableFilters, NoLocalBesideAnotherSubscription) {
  auto c = come();
  c->take();
  model::SubscribeOptions o;
  o.qos = 1;
  o.no_local = true;
  c->subscribe("a/+", o);
  c->subscribe("a/1", 0);
  c->take();
  c->publish("a/1", "own", {.qos = 1, .id = 1});
  c->publish("a/2", "own", {.qos = 1, .id = 2});
  auto got = c->messages();
  EXPECT_EQ(Client::words(got), Words{"PUBLISH a/1 own qos0"}) << "only the other one wants it, with its QoS";
}

TEST_P(DurableFilters, RetainAsPublishedGoesThroughTheLog) {
  auto c = come();
  c->take();
  model::SubscribeOptions o;
  o.qos = 1;
  o.retain_as_published = true;
  c->subscribe("a", o);
  c->subscribe("b", 1);
  c->take();
  pub.publish("a", "1", {.qos = 1, .id = 1, .retain = true});
  pub.publish("b", "2", {.qos = 1, .id = 2, .retain = true});
  EXPECT_THAT(Client::words(c->messages()),
              UnorderedElementsAre("PUBLISH a 1 qos1 id1 retain", "PUBLISH b 2 qos1 id2"));
}

TEST_P(DurableFilters, ChangingTheQosOfASubscription) {
  auto c = come();
  c->take();
  c->subscribed("a", 0);
  EXPECT_EQ(b.logs.count(), 0u) << "QoS 0 needs no log";
  c->subscribed("a", 1);
  EXPECT_EQ(b.logs.count(), 1u);
  publish("a", "1", 1);
  c->subscribed("a", 2);
  c.reset();
  publish("a", "2", 2);
  c = come();
  auto got = c->messages();
  EXPECT_THAT(Client::words(got), ::testing::Contains("PUBLISH a 2 qos2 id2"));
  c->subscribed("a", 0);
  EXPECT_EQ(b.logs.count(), 1u) << "it goes on reading, so that nothing is lost or doubled by the change";
  publish("a", "3", 1);
  publish("a", "4", 0);
  EXPECT_EQ(Client::words(c->messages()), (Words{"PUBLISH a 3 qos0", "PUBLISH a 4 qos0"}));
  c->unsubscribe("a");
  b.settle();
  EXPECT_EQ(b.logs.count(), 0u);
}

/// [MQTT-3.8.4-4]: what waits is not lost when the QoS changes.
TEST_P(DurableFilters, LoweringTheQosKeepsWhatWaits) {
  auto c = come({.receive_maximum = 1});
  c->take();
  c->subscribed("a", 1);
  for (int i = 0; i < 5; ++i) publish("a", std::to_string(i));
  auto first = c->packets();
  c->subscribed("a", 0);
  for (auto& p : first) c->answer(p);
  Words got = Client::payloads(first);
  for (auto& p : c->messages()) got.push_back(p.payload);
  EXPECT_EQ(got, (Words{"0", "1", "2", "3", "4"}));
}

}  // namespace
}  // namespace sb::broker::testing
