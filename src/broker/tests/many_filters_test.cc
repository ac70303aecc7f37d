// SPDX-License-Identifier: MIT
// Thousands of filters in one packet, or of one session, are worked off over several turns.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/tests/bench.h"

namespace sb::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int kMany = 3500;

std::string filter(int i) { return "f/" + std::to_string(i); }

std::string subscribe_all(Version v, PacketId id) {
  std::vector<std::string> names;
  for (int i = 0; i < kMany; ++i) names.push_back(filter(i));
  std::vector<mqtt::SubscribeEntryOut> all;
  model::SubscribeOptions o;
  o.qos = 1;
  for (auto& n : names) all.push_back({n, o});
  return subscribe_packet(v, id, all);
}

std::string unsubscribe_all(Version v, PacketId id) {
  std::vector<std::string> names;
  for (int i = 0; i < kMany; ++i) names.push_back(filter(i));
  std::string s;
  mqtt::encode_unsubscribe(s, v, id, {names.begin(), names.end()});
  return s;
}

class ManyFilters : public ::testing::TestWithParam<bool> {
 protected:
  Bench b;
  ConnectOptions options() const { return {.expiry = GetParam() ? 3600u : 0u}; }
};

TEST_P(ManyFilters, AreAllAnsweredAndWork) {
  Client a(b, "a"), pub(b, "pub");
  a.up(options());
  pub.up();
  a.send(subscribe_all(Version::v5, 1));
  b.turn(0);
  EXPECT_THAT(a.arrived(), IsEmpty()) << "not in one turn";
  auto answer = a.packets();
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer.front().codes, std::vector<std::uint8_t>(kMany, 1));
  for (int i : {0, 999, 1000, kMany - 1}) {
    pub.publish(filter(i), "x", {.qos = 1, .id = 1});
    pub.take();
    EXPECT_EQ(Client::payloads(a.messages()), Words{"x"}) << i;
  }
  a.send(unsubscribe_all(Version::v5, 2));
  answer = a.packets();
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer.front().codes, std::vector<std::uint8_t>(kMany, 0));
  for (int i : {0, 999, 1000, kMany - 1}) {
    pub.publish(filter(i), "x", {.qos = 1, .id = 1});
    EXPECT_THAT(pub.take(), ElementsAre("PUBACK 1 10"));
  }
  EXPECT_THAT(a.take(), IsEmpty());
}

TEST_P(ManyFilters, WhatFollowsTheSubscribeWaitsForIt) {
  Client a(b, "a");
  a.up(options());
  a.send(subscribe_all(Version::v5, 1) + publish_packet(Version::v5, filter(kMany - 1), "own", {.qos = 1, .id = 9}));
  Words types;
  for (auto& p : a.packets()) types.push_back(mqtt::name(p.type));
  EXPECT_THAT(types, ::testing::UnorderedElementsAre("SUBACK", "PUBACK", "PUBLISH"));
  EXPECT_EQ(types.front(), "SUBACK");
}

TEST_P(ManyFilters, LeaveBitByBitAndNobodyIsFoundBehindThem) {
  Client pub(b, "pub");
  pub.up();
  for (bool in_the_middle : {false, true}) {
    Client a(b, "a");
    a.up({.clean = true, .expiry = options().expiry});
    a.send(subscribe_all(Version::v5, 1));
    if (in_the_middle)
      b.turn(0);
    else
      a.take();
    a.disconnect();
    b.turn(0);
    Client next(b, "next");  // has its slot
    next.up();
    pub.publish(filter(1), "x");
    pub.publish(filter(kMany - 1), "x");
    EXPECT_THAT(next.take(), IsEmpty());
    b.settle();
    EXPECT_EQ(b.core().counters.subscriptions.get(), 0u);
    next.disconnect();
    b.settle();
  }
  Client last(b, "a");
  last.up({.clean = true});
  b.settle();
  pub.publish(filter(1), "x", {.qos = 1, .id = 5});
  EXPECT_THAT(pub.take(), ElementsAre("PUBACK 5 10")) << "nothing is left in the index";
}

TEST(ManyFiltersOfADurableSession, ComeBack) {
  Bench b;
  Client pub(b, "pub");
  pub.up();
  {
    Client a(b, "a");
    a.up({.expiry = 3600});
    a.send(subscribe_all(Version::v5, 1));
    a.take();
  }
  b.turn(0);
  pub.publish(filter(7), "away", {.qos = 1, .id = 5});
  pub.take();
  Client a(b, "a");
  a.connect({.clean = false, .expiry = 3600});
  auto got = a.messages();
  EXPECT_EQ(Client::payloads(got), Words{"away"});
  pub.publish(filter(kMany - 1), "live", {.qos = 1, .id = 6});
  pub.take();
  EXPECT_EQ(Client::payloads(a.messages()), Words{"live"});
}

INSTANTIATE_TEST_SUITE_P(Sessions, ManyFilters, ::testing::Bool(),
                         [](const auto& p) { return p.param ? "Durable" : "Volatile"; });

}  // namespace
}  // namespace sb::broker::testing
