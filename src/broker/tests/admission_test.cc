// SPDX-License-Identifier: MIT
#include "broker/admission.h"

#include <gtest/gtest.h>

#include <vector>

namespace sb::broker {
namespace {

const MonoTime kNow{Seconds(100)};

std::vector<std::uint64_t> taken(Admission& a, MonoTime now) {
  std::vector<std::uint64_t> all;
  for (std::uint64_t who = 0; a.next(now, who);) {
    a.take(now);
    all.push_back(who);
  }
  return all;
}

TEST(Admission, ATurnHasItsBound) {
  Admission a(0);
  std::size_t at_once = 0;
  for (std::uint64_t i = 1; i <= 100; ++i) at_once += a.ask(i, false, kNow);
  EXPECT_EQ(at_once, Admission::kPerTurn);
  EXPECT_EQ(a.waiting(), 100 - Admission::kPerTurn);
  EXPECT_TRUE(a.goes_on(kNow));
  EXPECT_TRUE(taken(a, kNow).empty());
  a.new_turn();
  EXPECT_EQ(taken(a, kNow).size(), Admission::kPerTurn);
  EXPECT_FALSE(a.ask(101, true, kNow)) << "who comes now waits behind them";
  a.new_turn();
  EXPECT_EQ(taken(a, kNow).front(), 101u) << "unless its session is durable";
  a.new_turn();
  taken(a, kNow);
  a.new_turn();
  taken(a, kNow);
  EXPECT_EQ(a.waiting(), 0u);
  EXPECT_FALSE(a.goes_on(kNow));
}

TEST(Admission, TheRateHolds) {
  Admission a(100);  // 21 at once
  MonoTime now = kNow;
  std::size_t in = 0;
  for (std::uint64_t i = 1; i <= 200; ++i) in += a.ask(i, true, now);
  EXPECT_EQ(in, 21u);
  EXPECT_FALSE(a.goes_on(now));
  EXPECT_GT(a.ready_at(), now);
  EXPECT_LE(a.ready_at(), now + Millis(11));
  while (a.waiting() > 0) {
    now = a.ready_at();
    a.new_turn();
    in += taken(a, now).size();
  }
  EXPECT_EQ(in, 200u);
  EXPECT_NEAR(static_cast<double>((now - kNow).count()), 1790, 20);
}

TEST(Admission, DurableSessionsComeFirstAndTheOthersAreNotForgotten) {
  Admission a(0);
  for (std::uint64_t i = 0; i < Admission::kPerTurn; ++i) a.ask(0, false, kNow);
  for (std::uint64_t i = 1; i <= 100; ++i) a.ask(1000 + i, false, kNow);
  for (std::uint64_t i = 1; i <= 100; ++i) a.ask(i, true, kNow);
  std::vector<std::uint64_t> order;
  while (a.waiting() > 0) {
    a.new_turn();
    for (auto who : taken(a, kNow)) order.push_back(who);
  }
  ASSERT_EQ(order.size(), 200u);
  std::size_t others = 0;
  for (std::size_t i = 0; i < 112; ++i) others += order[i] > 1000;
  EXPECT_EQ(others, 14u) << "one in eight";
  std::uint64_t last = 0;
  for (auto who : order) {
    if (who > 1000) continue;
    EXPECT_GT(who, last) << "in the order in which they came";
    last = who;
  }
}

}  // namespace
}  // namespace sb::broker
