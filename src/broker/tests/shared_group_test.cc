// SPDX-License-Identifier: MIT
// How a shared group picks the member for a message.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "broker/subscription_index.h"

namespace sb::broker {
namespace {

using ::testing::Each;

Subscriber member(std::uint32_t slot) {
  Subscriber s;
  s.client = {0, slot, 1};
  return s;
}

struct Group {
  SubscriptionIndex index;
  SharedGroupPtr g;
  explicit Group(std::uint32_t members) {
    for (std::uint32_t i = 0; i < members; ++i) join(i);
  }
  void join(std::uint32_t slot) { g = index.add_shared("g", "a", member(slot)); }
  void leave(std::uint32_t slot) { index.remove_shared("g", "a", member(slot).client); }
  int pick(SharedStrategy how, std::uint64_t topic_hash = 0, const ClientKey* not_this = nullptr) {
    Subscriber out;
    Rcu::Guard guard(index.rcu(), 0);
    return g->pick(how, topic_hash, not_this, out) ? static_cast<int>(out.client.slot) : -1;
  }
  std::map<int, int> count(SharedStrategy how, int times) {
    std::map<int, int> n;
    for (int i = 0; i < times; ++i) ++n[pick(how, static_cast<std::uint64_t>(i) * 0x9E3779B97F4A7C15ull)];
    return n;
  }
};

constexpr SharedStrategy kAll[] = {SharedStrategy::round_robin, SharedStrategy::random, SharedStrategy::hash,
                                   SharedStrategy::least_inflight};

TEST(SharedGroup, NobodyThere) {
  for (auto how : kAll) {
    Group group(1);
    group.leave(0);
    EXPECT_EQ(group.pick(how), -1);
  }
}

TEST(SharedGroup, RoundRobinTakesTurns) {
  Group group(4);
  for (int round = 0; round < 3; ++round)
    for (int i = 0; i < 4; ++i) EXPECT_EQ(group.pick(SharedStrategy::round_robin), i);
}

TEST(SharedGroup, ThoseWhoStayShareEquallyWhenOthersHaveLeft) {
  for (auto how : {SharedStrategy::round_robin, SharedStrategy::least_inflight}) {
    Group group(15);
    for (std::uint32_t i = 1; i < 14; ++i) group.leave(i);  // 0 and 14 stay: a wide hole between them
    auto n = group.count(how, 1000);
    EXPECT_EQ(n[0], 500);
    EXPECT_EQ(n[14], 500);
  }
  Group group(15);
  for (std::uint32_t i = 1; i < 14; ++i) group.leave(i);
  auto n = group.count(SharedStrategy::random, 4000);
  EXPECT_GT(n[0], 1500);
  EXPECT_GT(n[14], 1500);
}

TEST(SharedGroup, HoleOfALargeGroup) {
  Group group(100);
  for (std::uint32_t i = 10; i < 50; ++i) group.leave(i);
  auto n = group.count(SharedStrategy::round_robin, 6000);
  EXPECT_EQ(n.size(), 60u);
  for (auto& [slot, times] : n) EXPECT_EQ(times, 100) << slot;
}

TEST(SharedGroup, RandomReachesEverybody) {
  Group group(5);
  auto n = group.count(SharedStrategy::random, 5000);
  EXPECT_EQ(n.size(), 5u);
  for (auto& [slot, times] : n) EXPECT_GT(times, 700) << slot;
}

TEST(SharedGroup, HashKeepsATopicWithItsMember) {
  Group group(7);
  std::map<int, int> used;
  for (std::uint64_t topic = 1; topic < 200; ++topic) {
    std::uint64_t hash = topic * 0x9E3779B97F4A7C15ull;
    int first = group.pick(SharedStrategy::hash, hash);
    ++used[first];
    for (int i = 0; i < 5; ++i) ASSERT_EQ(group.pick(SharedStrategy::hash, hash), first);
  }
  EXPECT_EQ(used.size(), 7u);
}

TEST(SharedGroup, LeastInFlightEvensOut) {
  Group group(3);
  for (int i = 0; i < 9; ++i) group.pick(SharedStrategy::least_inflight);
  // 3 each; member 1 acknowledges all: the next three are its.
  for (int i = 0; i < 3; ++i) group.g->done(member(1).client);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(group.pick(SharedStrategy::least_inflight), 1);
  group.g->done({0, 99, 1});                                     // nobody
  for (int i = 0; i < 10; ++i) group.g->done(member(2).client);  // more than it had
  for (int i = 0; i < 3; ++i) EXPECT_EQ(group.pick(SharedStrategy::least_inflight), 2);
}

TEST(SharedGroup, TheOneToAvoidIsTakenOnlyWhenThereIsNoOther) {
  for (auto how : kAll) {
    Group group(2);
    ClientKey not_this = member(1).client;
    for (std::uint64_t i = 0; i < 20; ++i) EXPECT_EQ(group.pick(how, i, &not_this), 0);
    group.leave(0);
    EXPECT_EQ(group.pick(how, 0, &not_this), 1);
  }
}

}  // namespace
}  // namespace sb::broker
