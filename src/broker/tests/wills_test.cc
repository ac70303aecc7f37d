// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/tests/bench.h"

namespace sb::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Wills : public ::testing::TestWithParam<bool> {
 protected:
  Bench b{{.shards = 2, .delayed = GetParam()}};
  Client watcher{b, "watcher", Version::v5, 1};
  void SetUp() override { watcher.up().subscribed("will/#", 2); }
  Words seen() { return Client::words(watcher.messages()); }
  void due(Millis after) {
    b.advance(after);
    b.core(0).run_due();
    b.settle();
  }
};
INSTANTIATE_TEST_SUITE_P(All, Wills, ::testing::Bool(), [](auto& i) { return i.param ? "later" : "at_once"; });

ConnectOptions with_will(std::uint32_t expiry = 0, std::uint32_t delay = 0) {
  ConnectOptions o;
  o.expiry = expiry;
  o.will = ConnectOptions::Will{.topic = "will/a", .payload = "gone", .qos = 1, .delay = delay};
  return o;
}

TEST_P(Wills, WhenTheConnectionBreaks) {
  for (Version v : {Version::v31, Version::v311, Version::v5}) {
    Client c(b, "c", v);
    c.up(with_will());
    c.lose();
    EXPECT_THAT(seen(), ElementsAre(::testing::StartsWith("PUBLISH will/a gone qos1")));
  }
}

TEST_P(Wills, NotAfterDisconnectUnlessAskedFor) {
  Client a(b, "a"), c(b, "c"), old(b, "old", Version::v311);
  for (auto* x : {&a, &c, &old}) x->up(with_will());
  a.disconnect();
  old.disconnect();
  EXPECT_THAT(seen(), IsEmpty());
  c.disconnect(Reason::disconnect_with_will);
  EXPECT_EQ(seen().size(), 1u);
}

TEST_P(Wills, AfterAProtocolErrorAndAKeepAliveTimeout) {
  Client a(b, "a"), c(b, "c");
  a.up(with_will());
  a.send({"\xF0\x00", 2});
  EXPECT_TRUE(a.closed());
  EXPECT_EQ(seen().size(), 1u);
  ConnectOptions o = with_will();
  o.keep_alive = 10;
  c.up(o);
  b.advance(Seconds(14));
  c.channel.on_deadline();
  EXPECT_THAT(seen(), IsEmpty());
  b.advance(Seconds(2));
  c.channel.on_deadline();
  EXPECT_EQ(seen().size(), 1u);
}

TEST_P(Wills, RetainedWill) {
  Client c(b, "c");
  ConnectOptions o = with_will();
  o.will->retain = true;
  c.up(o);
  c.lose();
  EXPECT_EQ(seen().size(), 1u);
  Client late(b, "late");
  late.up().subscribe("will/a", 0);
  EXPECT_EQ(Client::words(late.messages()), Words{"PUBLISH will/a gone qos0 retain"});
}

TEST_P(Wills, DelayIsWaitedFor) {
  Client c(b, "c");
  c.up(with_will(100, 10));
  c.lose();
  due(Seconds(9));
  EXPECT_THAT(seen(), IsEmpty());
  due(Seconds(1));
  EXPECT_EQ(seen().size(), 1u);
  due(Seconds(200));
  EXPECT_THAT(seen(), IsEmpty()) << "once";
  EXPECT_EQ(b.sessions.count(), 0u);
}

TEST_P(Wills, TheEndOfTheSessionEndsTheDelay) {
  Client c(b, "c");
  c.up(with_will(5, 1000));
  c.lose();
  due(Seconds(4));
  EXPECT_THAT(seen(), IsEmpty());
  due(Seconds(1));
  EXPECT_EQ(seen().size(), 1u);

  Client volatile_one(b, "v");  // its session ends with the connection
  volatile_one.up(with_will(0, 1000));
  volatile_one.lose();
  EXPECT_EQ(seen().size(), 1u);
}

TEST_P(Wills, AClientThatComesBackInTimeHasNotDied) {
  {
    Client c(b, "c");
    c.up(with_will(100, 10));
  }
  b.settle();
  Client again(b, "c");
  again.up({.clean = false, .expiry = 100});
  due(Seconds(500));
  EXPECT_THAT(seen(), IsEmpty()) << "[MQTT-3.1.3-9]";
}

TEST_P(Wills, ACleanStartEndsTheSessionAndSoPublishesTheWill) {
  {
    Client c(b, "c");
    c.up(with_will(100, 10));
  }
  b.settle();
  Client again(b, "c", Version::v5, 1);
  again.up();
  EXPECT_EQ(seen().size(), 1u);
}

TEST_P(Wills, TakenOver) {
  Client first(b, "c", Version::v5, 1), second(b, "c"), third(b, "c", Version::v5, 1);
  first.up(with_will());
  second.up(with_will(100, 10));
  EXPECT_EQ(seen().size(), 1u) << "a volatile session ends with its connection";
  third.up({.clean = false, .expiry = 100});
  EXPECT_THAT(seen(), IsEmpty()) << "a durable one goes on, within the delay";
  due(Seconds(100));
  EXPECT_THAT(seen(), IsEmpty());
}

TEST_P(Wills, MessageExpiryCountsFromThePublication) {
  ConnectOptions o = with_will(100);
  o.will->expiry = 30;
  Client now(b, "now"), later(b, "later"), ended(b, "ended");
  now.up(o);
  now.lose();
  EXPECT_THAT(seen(), ElementsAre(::testing::EndsWith(" expiry=30")));
  o.will->delay = 20;
  later.up(o);
  later.lose();
  due(Seconds(25));
  EXPECT_THAT(seen(), ElementsAre(::testing::EndsWith(" expiry=30"))) << "not from the connection's end";
  ended.up(o);
  ended.lose();
  b.settle();
  Client again(b, "ended");
  again.up();
  EXPECT_THAT(seen(), ElementsAre(::testing::EndsWith(" expiry=30")));
}

TEST_P(Wills, NoLocalHoldsForAWillToo) {
  // A client subscribes to its own will's topic with No Local, and comes back to find the will published meanwhile.
  for (std::uint32_t delay : {0u, 5u}) {
    std::string id = "c" + std::to_string(delay);
    {
      Client c(b, id);
      c.up(with_will(1000, delay));
      model::SubscribeOptions o;
      o.qos = 1;
      o.no_local = true;
      c.subscribe("will/#", o);
      c.take();
    }
    due(Seconds(6));
    Client again(b, id);
    again.up({.clean = false, .expiry = 1000});
    EXPECT_THAT(Client::words(again.messages()), IsEmpty()) << delay;
    EXPECT_EQ(seen().size(), 1u);
  }
}

TEST_P(Wills, NoneForAClientThatWasNeverLetIn) {
  b.node.shutting_down = true;
  Client c(b, "c");
  c.connect(with_will());
  EXPECT_EQ(c.take().size(), 1u);
  EXPECT_TRUE(c.closed());
  EXPECT_THAT(seen(), IsEmpty());
}

TEST(WillsLate, OneThatTheStoreRefusedIsStoredWhenItIsBack) {
  Bench b{{.delayed = true}};
  auto reader = std::make_unique<Client>(b, "reader");
  reader->up({.clean = false, .expiry = 1000}).subscribed("will/#", 1);
  reader.reset();
  Client c(b, "c");
  ConnectOptions o = with_will();
  o.will->retain = true;
  c.up(o);
  b.delay.away = Delay::Away::without;
  c.lose();
  b.settle();
  b.core(0).tick();
  b.settle();
  EXPECT_EQ(b.logs.messages("will/#") + b.retained.count(), 0u);
  b.delay.away = Delay::Away::no;
  b.core(0).tick();
  b.settle();
  EXPECT_EQ(b.logs.messages("will/#"), 1u);
  EXPECT_EQ(b.retained.count(), 1u);
  b.core(0).tick();
  b.settle();
  EXPECT_EQ(b.logs.messages("will/#"), 1u) << "once";
}

TEST(WillsLate, NoneForAClientThatLeftBeforeItsConnack) {
  Bench b{{.delayed = true}};
  Client watcher(b, "watcher");
  watcher.up().subscribed("will/#", 2);
  {
    Client c(b, "c");
    c.connect(with_will(50));
    EXPECT_FALSE(c.channel.up());
  }
  b.settle();
  b.advance(Seconds(100));
  b.core(0).run_due();
  EXPECT_THAT(watcher.take(), IsEmpty());
  EXPECT_EQ(b.sessions.count(), 0u) << "and its session has an end";
}

}  // namespace
}  // namespace sb::broker::testing
