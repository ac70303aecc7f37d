// SPDX-License-Identifier: MIT
// Shared subscriptions in a running broker.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "broker/tests/bench.h"

namespace sb::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Members = std::vector<std::unique_ptr<Client>>;

Members members(Bench& b, std::size_t n, std::uint8_t qos, ConnectOptions o = {}, std::size_t shards = 1) {
  Members all;
  for (std::size_t i = 0; i < n; ++i) {
    all.push_back(std::make_unique<Client>(b, "m" + std::to_string(i), Version::v5, i % shards));
    all.back()->up(o).subscribed("$share/g/a", qos);
  }
  return all;
}

TEST(Shared, EachMessageGoesToOneMember) {
  for (auto how :
       {SharedStrategy::round_robin, SharedStrategy::random, SharedStrategy::hash, SharedStrategy::least_inflight})
    for (std::size_t shards : {1u, 3u}) {
      Bench b{{.shards = shards, .strategy = how}};
      Members all = members(b, 6, 1, {}, shards);
      Client pub(b, "pub"), plain(b, "plain", Version::v311, shards - 1);
      pub.up();
      plain.up().subscribed("a", 0);
      for (int i = 0; i < 60; ++i) pub.publish("a", std::to_string(i), {.qos = 1, .id = 1});
      std::set<std::string> got;
      for (auto& m : all) {
        auto mine = m->messages();
        for (auto& p : mine) EXPECT_TRUE(got.insert(p.payload).second) << "twice";
        if (how == SharedStrategy::round_robin || how == SharedStrategy::least_inflight) {
          EXPECT_EQ(mine.size(), 10u);
        }
        if (how == SharedStrategy::hash) {
          EXPECT_TRUE(mine.empty() || mine.size() == 60u);
        }
      }
      EXPECT_EQ(got.size(), 60u);
      EXPECT_EQ(plain.messages().size(), 60u) << "who is not in the group gets all";
    }
}

TEST(Shared, GroupsAreIndependent) {
  Bench b;
  Client one(b, "one"), two(b, "two"), pub(b, "pub");
  one.up().subscribed("$share/g/a/#", 0, 3).subscribed("$share/h/a/+", 0);
  two.up().subscribed("$share/g/a/#", 0).subscribed("a/b", 0);
  pub.up();
  for (int i = 0; i < 4; ++i) pub.publish("a/b", std::to_string(i));
  auto first = one.messages(), second = two.messages();
  EXPECT_EQ(first.size(), 4u + 2u) << "all of h, half of g";
  EXPECT_EQ(second.size(), 4u + 2u);
  for (auto& p : first) EXPECT_TRUE(p.ids.empty() || p.ids == std::vector<std::uint32_t>{3});
}

TEST(Shared, WhatAMemberHadGoesToAnotherWhenItLeaves) {
  for (bool lost : {false, true})
    for (std::size_t shards : {1u, 2u}) {
      Bench b{{.shards = shards}};
      Members all = members(b, 2, 1, {.receive_maximum = 2}, shards);
      Client pub(b, "pub");
      pub.up();
      for (int i = 0; i < 8; ++i) pub.publish("a", std::to_string(i), {.qos = 1, .id = 1});
      b.settle();
      auto first = all[0]->packets();
      EXPECT_EQ(first.size(), 2u) << "its window; two more wait for it";
      all[0]->ack(PacketType::puback, first[0].id);
      lost ? all[0]->lose() : all[0]->disconnect();
      std::set<std::string> got{first[0].payload};
      for (auto& p : all[1]->messages()) got.insert(p.payload);
      EXPECT_EQ(got.size(), 8u) << "nothing is lost with the member";
      EXPECT_EQ(b.core(0).counters.dropped_no_member.get(), 0u);
    }
}

TEST(Shared, Qos2UnderWayStaysWithItsMember) {
  Bench b;
  Client one(b, "one"), two(b, "two"), pub(b, "pub");
  one.up({.clean = false, .expiry = 100}).subscribed("$share/g/a", 2);
  two.up();
  pub.up();
  pub.publish("a", "x", {.qos = 2, .id = 1});
  EXPECT_EQ(one.take(), Words{"PUBLISH a x qos2 id1"});
  two.subscribed("$share/g/a", 2);
  one.lose();
  EXPECT_THAT(two.messages(), IsEmpty()) << "[MQTT-4.8.2-5]";
  Client again(b, "one");
  again.connect({.clean = false, .expiry = 100});
  EXPECT_EQ(again.take(), (Words{"CONNACK 00 present", "PUBLISH a x qos2 id1 dup"}));
}

TEST(Shared, AMemberWithoutRoomIsPassedOver) {
  for (auto how : {SharedStrategy::round_robin, SharedStrategy::least_inflight, SharedStrategy::hash})
    for (std::size_t shards : {1u, 2u}) {
      Bench b{{.shards = shards, .strategy = how}};
      Client pub(b, "pub"), slow(b, "slow"), quick(b, "quick", Version::v5, shards - 1);
      pub.up();
      slow.up({.receive_maximum = 1}).subscribed("$share/g/a", 1);
      quick.up().subscribed("$share/g/a", 1);
      std::set<std::string> got;
      for (int i = 0; i < 20; ++i) {
        pub.publish("a", std::to_string(i), {.qos = 1, .id = 1});
        for (auto& p : quick.messages()) got.insert(p.payload);
      }
      auto held = slow.packets();
      EXPECT_LE(held.size(), 1u);
      // Some may wait for the slow one when it is its turn and nobody else is known to have room.
      for (auto& p : held) slow.answer(p), got.insert(p.payload);
      for (auto& p : slow.messages()) got.insert(p.payload);
      EXPECT_EQ(got.size(), 20u);
    }
}

TEST(Shared, FullQueuesOnAllShardsDropAndEnd) {
  channel::ChannelConfig c;
  c.limits.queued_messages = 2;
  for (auto how : {SharedStrategy::round_robin, SharedStrategy::least_inflight, SharedStrategy::hash}) {
    Bench b{{.shards = 3, .strategy = how}};
    Client pub(b, "pub");
    pub.up();
    Members all;
    for (std::size_t i = 0; i < 3; ++i) {
      all.push_back(std::make_unique<Client>(b, "m" + std::to_string(i), Version::v5, i, c));
      all.back()->up({.receive_maximum = 1}).subscribed("$share/g/a", 1);
    }
    for (int i = 0; i < 100; ++i) pub.publish("a", std::to_string(i), {.qos = 1, .id = 1});
    for (int i = 0; i < 20; ++i)
      for (std::size_t s = 0; s < 3; ++s) b.turn(s);  // would go round for ever
    EXPECT_EQ(pub.take().size(), 100u);
    std::uint64_t dropped = 0;
    for (std::size_t s = 0; s < 3; ++s) {
      dropped += b.core(s).counters.dropped_no_member.get();
      EXPECT_FALSE(b.core(s).congested());
    }
    std::size_t got = 0;
    for (auto& m : all) got += m->messages().size();
    EXPECT_EQ(got + dropped, 100u);
    if (how != SharedStrategy::hash) {
      EXPECT_EQ(got, 9u) << "three windows of one, three queues of two";
    }
  }
}

TEST(Shared, LeastInFlightForgetsNobody) {
  // Busy, blocked and leaving members must not leave counts behind that keep others from their share.
  Bench b{{.strategy = SharedStrategy::least_inflight}};
  Client pub(b, "pub"), slow(b, "slow"), quick(b, "quick");
  pub.up();
  slow.up({.receive_maximum = 1}).subscribed("$share/g/a", 1);
  quick.up().subscribed("$share/g/a", 1);
  auto first = [&] {
    pub.publish("a", "x", {.qos = 1, .id = 1});
    return slow.packets();
  };
  while (first().empty()) quick.messages();
  for (int i = 0; i < 50; ++i) {
    pub.publish("a", "x", {.qos = 1, .id = 1});
    quick.messages();
  }
  slow.ack(PacketType::puback, 1);
  slow.messages();
  quick.messages();
  int of_slow = 0, of_quick = 0;
  for (int i = 0; i < 40; ++i) {
    pub.publish("a", "x", {.qos = 1, .id = 1});
    of_slow += static_cast<int>(slow.messages().size());
    of_quick += static_cast<int>(quick.messages().size());
  }
  EXPECT_EQ(of_slow, 20);
  EXPECT_EQ(of_quick, 20);
}

TEST(Shared, SubscribingAgainAndLeavingKeepsTheAccounts) {
  Bench b;
  Client one(b, "one"), two(b, "two"), pub(b, "pub");
  pub.up();
  one.up();
  two.up().subscribed("$share/g/a", 1);
  for (int i = 0; i < 3; ++i) one.subscribed("$share/g/a", 1);
  EXPECT_EQ(b.core().counters.shared_subscriptions.get(), 2u);
  EXPECT_EQ(b.core().counters.subscriptions.get(), 2u);
  for (int i = 0; i < 10; ++i) pub.publish("a", std::to_string(i), {.qos = 1, .id = 1});
  EXPECT_EQ(one.packets().size(), 5u) << "one member, however often it subscribed";
  one.unsubscribe("$share/g/a");
  EXPECT_EQ(one.take(), Words{"UNSUBACK 4 00"});
  one.subscribed("$share/g/a", 1);
  one.disconnect();
  EXPECT_EQ(two.messages().size(), 10u);
  two.unsubscribe("$share/g/a");
  two.take();
  EXPECT_EQ(b.core().counters.shared_subscriptions.get(), 0u);
  EXPECT_EQ(b.node.index.nodes(), 0u);
  pub.take();
  pub.publish("a", "x", {.qos = 1, .id = 1});
  EXPECT_EQ(pub.take(), Words{"PUBACK 1 10"});
}

TEST(Shared, RefusedByTheClientIsOver) {
  Bench b;
  Client one(b, "one"), two(b, "two"), pub(b, "pub");
  pub.up();
  one.up().subscribed("$share/g/a", 2);
  pub.publish("a", "x", {.qos = 2, .id = 1});
  EXPECT_EQ(one.take(), Words{"PUBLISH a x qos2 id1"});
  two.up().subscribed("$share/g/a", 2);
  one.ack(PacketType::pubrec, 1, Reason::implementation_specific_error);
  one.lose();
  EXPECT_THAT(two.messages(), IsEmpty()) << "[MQTT-4.8.2-6]";
}

TEST(Shared, DurableMemberIsSkippedWhileAway) {
  Bench b{{.delayed = true}};
  auto one = std::make_unique<Client>(b, "one");
  Client two(b, "two"), pub(b, "pub");
  pub.up();
  one->up({.clean = false, .expiry = 100}).subscribed("$share/g/a", 1);
  two.up().subscribed("$share/g/a", 1);
  one.reset();
  for (int i = 0; i < 6; ++i) pub.publish("a", std::to_string(i), {.qos = 1, .id = 1});
  EXPECT_EQ(two.messages().size(), 6u);
  Client again(b, "one");
  again.up({.clean = false, .expiry = 100});
  for (int i = 0; i < 6; ++i) pub.publish("a", std::to_string(i), {.qos = 1, .id = 1});
  EXPECT_EQ(again.messages().size(), 3u) << "it is a member again without subscribing";
  EXPECT_EQ(two.messages().size(), 3u);
}

}  // namespace
}  // namespace sb::broker::testing
