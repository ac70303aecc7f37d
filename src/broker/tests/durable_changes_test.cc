// SPDX-License-Identifier: MIT
// Durable sessions while something changes: subscriptions, connections, what the store answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "broker/tests/bench.h"

namespace sb::broker::testing {
namespace {

using model::OutboundState;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Changes : public ::testing::TestWithParam<bool> {
 protected:
  explicit Changes(model::Limits limits = {}) : b({.shards = 2, .delayed = GetParam(), .limits = limits}) { pub.up(); }
  Bench b;
  Client pub{b, "pub"};

  std::unique_ptr<Client> come(ConnectOptions o = {}, std::size_t shard = 0, const std::string& id = "c") {
    o.clean = false;
    o.expiry = 1000;
    auto c = std::make_unique<Client>(b, id, Version::v5, shard);
    c->connect(o);
    return c;
  }
  /// What came behind CONNACK.
  static std::vector<Packet> behind_connack(Client& c) {
    auto all = c.packets();
    all.erase(all.begin());
    return all;
  }
  void publish(std::string_view topic, std::string_view payload, std::uint8_t qos = 1) {
    pub.publish(topic, payload, {.qos = qos, .id = static_cast<PacketId>(qos ? 1 : 0)});
    pub.messages();
  }
  ports::SessionStore::Claimed claim(const std::string& id) {
    ports::SessionStore::Claim c;
    c.client_id = id;
    c.durable = true;
    c.expiry = 1000;
    c.now = b.clock.wall_now;
    ports::SessionStore::Claimed answer;
    b.sessions.claim(std::move(c), [&](auto r) { answer = std::move(*r); });
    return answer;
  }
};
INSTANTIATE_TEST_SUITE_P(All, Changes, ::testing::Bool(), [](auto& i) { return i.param ? "later" : "at_once"; });

/// The record of a connected session, as the store has it after a tick.
TEST_P(Changes, TheRecordIsWholeAfterATick) {
  auto c = come({.receive_maximum = 3});
  c->take();
  c->subscribed("a", 1);
  for (int i = 1; i <= 5; ++i) publish("a", std::to_string(i));
  auto first = c->packets();
  ASSERT_EQ(first.size(), 3u);
  c->ack(PacketType::puback, first[1].id);
  b.settle();
  b.core(0).tick();
  b.settle();
  auto record = claim("c").record;
  ASSERT_EQ(record.subscriptions.size(), 1u);
  ASSERT_EQ(record.outbound.size(), 3u) << "two of the first and the one that came for the acknowledged";
  std::uint64_t next = record.subscriptions[0].next.offset;
  std::vector<std::uint64_t> under_way;
  for (auto& o : record.outbound) {
    EXPECT_EQ(o.state, OutboundState::sent_qos1);
    EXPECT_EQ(o.filter, "a");
    under_way.push_back(next - o.position.offset);
  }
  EXPECT_THAT(under_way, ElementsAre(3u, 1u, 0u));
  // Somebody else owns the session now: what this connection stores is refused, and it ends.
  c->take();
  c->ack(PacketType::puback, first[0].id);
  b.settle();
  b.core(0).tick();
  EXPECT_EQ(c->take().back(), "DISCONNECT 8e");
}

TEST_P(Changes, ALoneDurableMemberKeepsWhatItHad) {
  auto c = come();
  c->take();
  c->subscribed("$share/g/a", 1);
  publish("a", "1");
  publish("a", "2");
  EXPECT_EQ(c->packets().size(), 2u);  // not acknowledged
  c->lose();
  c = come();
  EXPECT_THAT(Client::payloads(behind_connack(*c)), ElementsAre("1", "2"));
}

TEST_P(Changes, RaisingAndLoweringTheQosLosesNothing) {
  auto c = come();
  c->take();
  std::set<std::string> got, sent;
  c->subscribed("a", 0);
  for (int i = 0; i < 200; ++i) {
    c->subscribe("a", static_cast<std::uint8_t>(i % 3));
    std::string payload = std::to_string(i);
    pub.publish("a", payload, {.qos = 1, .id = 1});
    sent.insert(payload);
    if (i % 7 == 0)
      for (auto& p : c->messages()) got.insert(p.payload);
  }
  for (auto& p : c->messages()) got.insert(p.payload);
  EXPECT_EQ(got, sent);
}

/// [MQTT-3.10.4-3]: what an earlier connection had under way is still owed when its subscription goes.
TEST_P(Changes, UnsubscribingWhileTheWindowIsSentAgain) {
  auto c = come({.receive_maximum = 5});
  c->take();
  c->subscribed("a", 1);
  for (int i = 1; i <= 5; ++i) publish("a", std::to_string(i));
  EXPECT_EQ(c->packets().size(), 5u);
  c->lose();
  c = come({.receive_maximum = 1});
  auto first = behind_connack(*c);
  ASSERT_EQ(first.size(), 1u);
  c->unsubscribe("a");
  b.settle();
  c->answer(first[0]);
  auto got = Client::payloads(first);
  for (auto& p : c->messages()) got.push_back(p.payload);
  EXPECT_EQ(got, (Words{"1", "2", "3", "4", "5"}));
  publish("a", "nobody");
  EXPECT_THAT(c->messages(), IsEmpty());
  EXPECT_EQ(b.logs.count(), 0u);
}

class FullRetained : public Changes {
 protected:
  static model::Limits one() {
    model::Limits l;
    l.retained_messages = 1;
    return l;
  }
  FullRetained() : Changes(one()) {}
};
INSTANTIATE_TEST_SUITE_P(All, FullRetained, ::testing::Bool(), [](auto& i) { return i.param ? "later" : "at_once"; });

/// A refused QoS 2 publish must not make the next one with its packet id a repeat, not even after a resume.
TEST_P(FullRetained, ARefusedQos2PublishFreesItsPacketId) {
  auto c = come();
  Client sub(b, "sub");
  sub.up();
  sub.subscribed("#", 0);
  c->take();
  c->publish("a", "kept", {.qos = 0, .retain = true});
  c->publish("b", "refused", {.qos = 2, .id = 7, .retain = true});
  EXPECT_THAT(c->take(), ElementsAre("PUBREC 7 97"));
  c->lose();
  sub.take();
  c = come();
  c->take();
  c->publish("c", "another", {.qos = 2, .id = 7});
  EXPECT_THAT(Client::payloads(sub.messages()), ElementsAre("another"));
}

class SmallOutput : public Changes {
 protected:
  static model::Limits small() {
    model::Limits l;
    l.output_bytes = 10'000;
    return l;
  }
  SmallOutput() : Changes(small()) {}
};
INSTANTIATE_TEST_SUITE_P(All, SmallOutput, ::testing::Bool(), [](auto& i) { return i.param ? "later" : "at_once"; });

TEST_P(SmallOutput, AResumeDoesNotFillTheOutput) {
  auto c = come();
  c->take();
  c->subscribed("a", 1);
  const std::string large(2'000, 'x');
  for (int i = 0; i < 100; ++i) {
    publish("a", large);
    c->packets();  // not acknowledged
  }
  c->lose();
  c = std::make_unique<Client>(b, "c");
  c->reads = false;
  c->connect({.clean = false, .expiry = 1000});
  b.settle();
  EXPECT_LT(c->channel.out().size(), 20'000u);
  c->reads = true;
  EXPECT_EQ(behind_connack(*c).size(), 100u) << "the rest follows as it is read";
}

TEST(Scans, AFilterWaitsOnce) {
  Bench b;
  Client pub(b, "pub"), sub(b, "sub");
  pub.up();
  for (int i = 0; i < 3; ++i) pub.publish("a/" + std::to_string(i), "x", {.retain = true});
  sub.up({.receive_maximum = 1}).subscribe("b", 1);
  b.settle();
  pub.publish("a/q1", "x", {.qos = 1, .id = 1, .retain = true});
  b.settle();
  sub.take();
  sub.subscribe("a/#", 1);
  b.settle();
  auto first = sub.packets();
  for (int i = 0; i < 1000; ++i) sub.subscribe("a/#", 1);
  std::size_t count = 0;
  for (auto& p : first) sub.answer(p), count += p.type == PacketType::publish;
  for (auto& p : sub.messages()) count += p.type == PacketType::publish;
  EXPECT_GE(count, 2 * 4u) << "what a SUBSCRIBE asked for comes after it";
  EXPECT_LE(count, 1001 * 4u);
}

/// What an unsubscribed filter owes comes before what younger ones have, also when it has to be read from the log.
TEST_P(Changes, WhatIsOwedComesFirst) {
  model::Limits limits;
  limits.tail_cache_bytes = 500;
  Bench small{{.shards = 1, .delayed = GetParam(), .limits = limits}};
  Client p(small, "pub"), c(small, "c");
  p.up();
  c.up({.clean = false, .expiry = 1000, .receive_maximum = 2});
  c.subscribed("a/+", 1).subscribed("a/#", 1);
  Words expected;
  auto publish_one = [&](int i) {
    p.publish("a/1", std::to_string(i), {.qos = 1, .id = 1});
    p.messages();
    expected.push_back(std::to_string(i));
  };
  for (int i = 0; i < 50; ++i) publish_one(i);
  auto first = c.packets();
  c.unsubscribe("a/+");
  for (int i = 50; i < 100; ++i) publish_one(i);
  c.take();
  for (auto& x : first) c.answer(x);
  Words got = Client::payloads(first);
  for (auto& x : c.messages()) got.push_back(x.payload);
  EXPECT_EQ(got, expected);
}

}  // namespace
}  // namespace sb::broker::testing
