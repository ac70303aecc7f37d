// SPDX-License-Identifier: MIT
// Durable sessions: what they miss, what is under way when they leave, bounds.
#include "broker/tests/durable.h"

namespace sb::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Durable : public DurableTest {
 protected:
  using DurableTest::DurableTest;
};
SB_AT_ONCE_AND_LATER(Durable);

TEST_P(Durable, WhatItMissedComesWhenItIsBack) {
  for (Version v : {Version::v31, Version::v311, Version::v5}) {
    std::string id = "c" + std::to_string(static_cast<int>(v));
    auto c = come({}, 0, id, v);
    EXPECT_EQ(c->take(), Words{"CONNACK 00"});
    c->subscribed("a/#", 2);
    publish("a/1", "while there");
    EXPECT_THAT(Client::payloads(c->messages()), ElementsAre("while there"));
    c->disconnect();
    c.reset();
    publish("a/1", "1", 1);
    publish("a/2", "2", 2);
    publish("a/1", "qos 0 is not kept", 0);
    publish("b", "not for it", 1);
    c = come({}, 1, id, v);  // on another shard
    auto all = c->messages();
    EXPECT_THAT(Client::payloads(all), ElementsAre("1", "2"));
    for (auto& p : all) EXPECT_FALSE(p.dup || p.retain);
    c->disconnect();
    c = come({}, 0, id, v);
    EXPECT_EQ(c->take(), v == Version::v31 ? Words{"CONNACK 00"} : Words{"CONNACK 00 present"});
    publish("a/1", "again there", 0);
    EXPECT_THAT(Client::payloads(c->messages()), ElementsAre("again there"));
  }
}

TEST_P(Durable, ACleanStartBeginsAnew) {
  auto c = come();
  c->take();
  c->subscribed("a", 1);
  c.reset();
  publish("a", "1");
  Client clean(b, "c");
  clean.connect();
  EXPECT_EQ(clean.take(), Words{"CONNACK 00"});
  EXPECT_EQ(b.sessions.count(), 0u);
  EXPECT_EQ(b.logs.count(), 0u);
  EXPECT_EQ(b.node.index.nodes(), 0u);
}

TEST_P(Durable, EndsWithItsExpiry) {
  auto c = come({.expiry = 50});
  c->take();
  c->subscribed("a", 1);
  c.reset();
  b.settle();
  b.advance(Seconds(49));
  b.core(0).run_due();
  b.settle();
  EXPECT_EQ(b.sessions.count(), 1u);
  b.advance(Seconds(1));
  b.core(0).run_due();
  b.settle();
  EXPECT_EQ(b.sessions.count(), 0u);
  EXPECT_EQ(b.logs.count(), 0u);
  // And at a return in the moment before anybody looked.
  c = come({.expiry = 50});
  c->take();
  c.reset();
  b.settle();
  b.advance(Seconds(60));
  c = come();
  EXPECT_EQ(c->take(), Words{"CONNACK 00"});
}

TEST_P(Durable, DisconnectMayEndItOrMakeItLonger) {
  auto c = come({.expiry = 50});
  c->take();
  c->send(disconnect_packet(Version::v5, Reason::success, 0));
  b.settle();
  EXPECT_EQ(b.sessions.count(), 0u);
  c = come({.expiry = 50});
  c->take();
  c->send(disconnect_packet(Version::v5, Reason::success, 5000));
  b.settle();
  b.advance(Seconds(1000));
  b.core(0).run_due();
  b.settle();
  EXPECT_EQ(b.sessions.count(), 1u);
}

TEST_P(Durable, ComingBackWithoutExpiryEndsItWithTheConnection) {
  auto c = come();
  c->take();
  c->subscribed("a", 1);
  c.reset();
  publish("a", "1");
  Client last(b, "c");
  last.connect({.clean = false});
  EXPECT_EQ(last.take(), (Words{"CONNACK 00 present", "PUBLISH a 1 qos1 id1"}));
  last.disconnect();
  b.settle();
  EXPECT_EQ(b.sessions.count(), 0u);
  EXPECT_EQ(b.logs.count(), 0u);
}

TEST_P(Durable, WhatIsUnderWayIsSentAgain) {
  auto c = come();
  c->take();
  c->subscribed("a", 2);
  publish("a", "one", 1);
  publish("a", "two", 2);
  publish("a", "three", 1);
  publish("a", "four", 2);
  auto first = c->packets();
  ASSERT_EQ(Client::words(first), (Words{"PUBLISH a one qos1 id1", "PUBLISH a two qos2 id2", "PUBLISH a three qos1 id3",
                                         "PUBLISH a four qos2 id4"}));
  c->answer(first[0]);
  c->answer(first[1]);
  EXPECT_EQ(c->take(), Words{"PUBREL 2"});
  c->lose();
  publish("a", "five", 1);
  for (int again = 0; again < 2; ++again) {
    c = come({}, static_cast<std::size_t>(1 - again));
    EXPECT_EQ(c->take(),
              (Words{"CONNACK 00 present", "PUBREL 2", "PUBLISH a three qos1 id3 dup", "PUBLISH a four qos2 id4 dup",
                     again ? "PUBLISH a five qos1 id5 dup" : "PUBLISH a five qos1 id5"}));
    if (!again) c->lose();
  }
  c->ack(PacketType::pubcomp, 2);
  c->ack(PacketType::puback, 3);
  c->ack(PacketType::pubrec, 4);
  c->ack(PacketType::puback, 5);
  EXPECT_EQ(c->take(), Words{"PUBREL 4"});
  c->ack(PacketType::pubcomp, 4);
  EXPECT_THAT(c->take(), IsEmpty());
  c->disconnect();
  c = come();
  EXPECT_EQ(c->take(), Words{"CONNACK 00 present"}) << "nothing is left";
}

TEST_P(Durable, APubrecJustBeforeTheEndCounts) {
  auto c = come();
  c->take();
  c->subscribed("a", 2);
  publish("a", "x", 2);
  EXPECT_EQ(c->take(), Words{"PUBLISH a x qos2 id1"});
  c->ack(PacketType::pubrec, 1);
  c->lose();  // before the store has answered
  c = come();
  EXPECT_EQ(c->take(), (Words{"CONNACK 00 present", "PUBREL 1"})) << "PUBLISH must not be sent again [MQTT-4.3.3-6]";
}

TEST_P(Durable, InboundQos2OfAnEarlierConnectionIsNotRoutedTwice) {
  Client watcher(b, "watcher", Version::v5, 1);
  watcher.up().subscribed("a", 2);
  auto c = come();
  c->take();
  c->publish("a", "x", {.qos = 2, .id = 5});
  EXPECT_EQ(c->take(), Words{"PUBREC 5"});
  c->lose();
  c = come({}, 1);
  c->take();
  c->publish("a", "x", {.qos = 2, .id = 5, .dup = true});
  EXPECT_EQ(c->take(), Words{"PUBREC 5"});
  c->ack(PacketType::pubrel, 5);
  EXPECT_EQ(c->take(), Words{"PUBCOMP 5"});
  c->lose();
  c = come();
  c->take();
  c->ack(PacketType::pubrel, 5);
  EXPECT_EQ(c->take(), Words{"PUBCOMP 5 92"});
  EXPECT_THAT(Client::payloads(watcher.messages()), ElementsAre("x"));
}

TEST_P(Durable, TheReceiveMaximumHoldsForWhatIsSentAgainToo) {
  auto c = come();
  c->take();
  c->subscribed("a", 2);
  for (int i = 1; i <= 6; ++i) publish("a", std::to_string(i), static_cast<std::uint8_t>(1 + i % 2));
  EXPECT_EQ(c->take().size(), 6u);
  c->lose();
  publish("a", "7");
  c = come({.receive_maximum = 2});
  auto got = c->packets();
  ASSERT_EQ(got.size(), 3u) << "CONNACK and two";
  Words all = Client::payloads({got.begin() + 1, got.end()});
  for (auto& p : got) c->answer(p);
  for (auto& p : c->messages()) all.push_back(p.payload);
  EXPECT_EQ(all, (Words{"1", "2", "3", "4", "5", "6", "7"}));
}

TEST_P(Durable, AClientThatTakesLessThanBefore) {
  auto c = come();
  c->take();
  c->subscribed("a", 2);
  publish("a", std::string(200, 'x'), 1);
  publish("a", std::string(200, 'y'), 2);
  publish("a", "short", 1);
  EXPECT_EQ(c->take().size(), 3u);
  c->lose();
  publish("a", std::string(200, 'z'), 2);
  publish("a", "short too", 2);
  c = come({.receive_maximum = 2, .packet_maximum = 60});
  EXPECT_THAT(Client::payloads(c->messages()), ElementsAre("short", "short too"));
  c->lose();
  c = come();
  EXPECT_EQ(c->take(), Words{"CONNACK 00 present"}) << "what could not be sent is over";
}

TEST_P(Durable, ExpiryWhileAway) {
  auto c = come();
  c->take();
  c->subscribed("a", 1);
  c.reset();
  publish("a", "short", 1, 10);
  publish("a", "long", 1, 100);
  b.advance(Seconds(30));
  c = come();
  c->take();
  c.reset();  // in flight: it does not expire any more
  b.advance(Seconds(200));
  c = come();
  EXPECT_EQ(c->take(), (Words{"CONNACK 00 present", "PUBLISH a long qos1 id1 dup expiry=0"}));
  EXPECT_EQ(b.core(0).counters.dropped_expired.get(), 1u);
}

TEST_P(Durable, ManyMoreThanAPage) {
  auto c = come();
  c->take();
  c->subscribed("a", 1);
  c.reset();
  Words expected;
  for (int i = 0; i < 1500; ++i) {
    pub.publish("a", std::to_string(i), {.qos = 1, .id = 1});
    expected.push_back(std::to_string(i));
    if (i % 500 == 0) b.settle();
  }
  pub.take();
  c = come({.receive_maximum = 100});
  EXPECT_EQ(Client::payloads(c->messages()), expected);
}

TEST_P(Durable, ManySessionsReadOnce) {
  std::vector<std::unique_ptr<Client>> all;
  for (int i = 0; i < 30; ++i) {
    all.push_back(come({}, 0, "m" + std::to_string(i)));
    all.back()->take();
    all.back()->subscribed("a", 1);
    all.back()->disconnect();
  }
  for (int i = 0; i < 500; ++i) pub.publish("a", std::to_string(i), {.qos = 1, .id = 1});
  pub.take();
  EXPECT_EQ(b.logs.messages("a"), 500u) << "stored once";
  for (int i = 0; i < 30; ++i) all[static_cast<std::size_t>(i)] = come({}, 0, "m" + std::to_string(i));
  for (auto& c : all) EXPECT_EQ(c->messages().size(), 500u);
  if (GetParam()) {
    EXPECT_LE(b.delayed_logs(0).reads, 10u);
  }
}

TEST_P(Durable, TheLogIsTrimmedBehindItsReaders) {
  auto c = come();
  c->take();
  c->subscribed("a", 1);
  for (int i = 0; i < 2000; ++i) {
    pub.publish("a", "x", {.qos = 1, .id = 1});
    if (i % 100 == 99) {
      EXPECT_EQ(c->messages().size(), 100u);
      b.core(0).tick();
    }
  }
  b.settle();
  EXPECT_LT(b.logs.messages("a"), 700u);
}

// ---- a store that forgets

struct Forgetful : DurableTest {
  /// A client that has two messages under way, and one that it has not got, of which the store has nothing now.
  std::unique_ptr<Client> come_back() {
    auto c = come();
    c->take();
    c->subscribed("a", 2);
    publish("a", "one", 1);
    publish("a", "two", 2);
    EXPECT_EQ(c->take().size(), 2u);
    c->lose();
    publish("a", "three", 1);
    b.delayed_logs(0).forgot = true;
    c = come();
    EXPECT_EQ(c->take(), Words{"CONNACK 00 present"});
    b.core(0).tick();
    b.settle();
    EXPECT_THAT(c->take(), IsEmpty());
    return c;
  }
};
INSTANTIATE_TEST_SUITE_P(Later, Forgetful, ::testing::Values(true));

TEST_P(Forgetful, WhatIsThereAgainIsSentAgain) {
  auto c = come_back();
  b.delayed_logs(0).forgot = false;
  b.core(0).tick();
  EXPECT_EQ(c->take(), (Words{"PUBLISH a one qos1 id1 dup", "PUBLISH a two qos2 id2 dup", "PUBLISH a three qos1 id3"}));
  EXPECT_EQ(b.core(0).counters.dropped_log_bound.get(), 0u);
}

TEST_P(Forgetful, WhatDoesNotComeAgainHoldsNobodyUpForEver) {
  auto c = come_back();
  b.advance(Seconds(31));  // for all of it together
  b.core(0).tick();
  b.settle();
  EXPECT_EQ(b.core(0).counters.dropped_log_bound.get(), 2u);
  b.delayed_logs(0).forgot = false;
  b.core(0).tick();
  EXPECT_EQ(c->take(), Words{"PUBLISH a three qos1 id3"});
}

TEST_P(Forgetful, WhatEndsWhileTheRecordCannotBeWrittenIsOver) {
  auto c = come();
  c->take();
  c->subscribed("a", 1);
  publish("a", "one", 1);
  publish("a", "two", 1);
  auto under_way = c->packets();
  ASSERT_EQ(under_way.size(), 2u);
  b.core(0).tick();
  b.settle();  // the record has them
  b.delay.away_for = [](const ports::SessionChange&) { return Delay::Away::without; };
  publish("a", "three", 1);
  for (auto& p : c->packets()) under_way.push_back(p);
  b.core(0).tick();
  b.settle();
  for (auto& p : under_way) c->answer(p);
  b.settle();
  b.delay.away_for = nullptr;
  b.core(0).tick();
  b.settle();
  c->messages();
  b.core(0).tick();
  b.settle();
  c->lose();
  c = come();
  EXPECT_EQ(c->take(), Words{"CONNACK 00 present"});
}

// ---- bounds of a log

class DurableBound : public Durable {
 protected:
  static model::Limits bound() {
    model::Limits l;
    l.log_messages = 10;
    return l;
  }
  DurableBound() : Durable(bound()) {}
};
SB_AT_ONCE_AND_LATER(DurableBound);

TEST_P(DurableBound, WhatIsLostIsCountedAndTold) {
  for (std::uint8_t qos : {1, 2}) {
    std::string id = "c" + std::to_string(qos);
    std::uint64_t before = b.core(0).counters.dropped_log_bound.get();
    auto c = come({}, 0, id);
    c->take();
    c->subscribed("a", qos);
    c.reset();
    for (int i = 0; i < 25; ++i) publish("a", std::to_string(i), qos);
    c = come({}, 0, id);
    auto got = c->messages();
    ASSERT_EQ(got.size(), 10u);
    EXPECT_EQ(got[0].payload, "15");
    EXPECT_EQ(got[0].gap, "15");
    for (std::size_t i = 1; i < got.size(); ++i) EXPECT_EQ(got[i].gap, "");
    EXPECT_EQ(b.core(0).counters.dropped_log_bound.get() - before, 15u);
    c->send(disconnect_packet(Version::v5, Reason::success, 0));
    b.settle();
  }
}

TEST_P(DurableBound, WhatWasUnderWayAndIsGone) {
  auto c = come();
  c->take();
  c->subscribed("a", 1);
  publish("a", "first");
  EXPECT_EQ(c->take().size(), 1u);
  c->lose();
  for (int i = 0; i < 20; ++i) publish("a", std::to_string(i));
  c = come();
  auto got = c->messages();
  EXPECT_EQ(got.size(), 10u);
  EXPECT_EQ(b.core(0).counters.dropped_log_bound.get(), 11u) << "the one under way and ten of the others";
}

}  // namespace
}  // namespace sb::broker::testing
