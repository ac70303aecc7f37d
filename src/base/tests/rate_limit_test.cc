// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "base/log.h"

namespace sb::log {
namespace {

TEST(RateLimit, TheFirstPassesAndTheRestOfThePeriodDoesNot) {
  RateLimit limit(std::chrono::hours(1));
  EXPECT_TRUE(limit.pass());
  EXPECT_EQ(limit.suppressed(), 0u);
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(limit.pass());
  EXPECT_EQ(limit.suppressed(), 0u) << "is told with the next event that passes";
}

TEST(RateLimit, TellsHowManyWereHeldBack) {
  const auto period = std::chrono::milliseconds(5);
  RateLimit limit(period);
  auto first = std::chrono::steady_clock::now();
  ASSERT_TRUE(limit.pass());
  for (int round = 0; round < 3; ++round) {
    unsigned long held = 0;
    while (!limit.pass()) ++held;
    EXPECT_EQ(limit.suppressed(), held);
  }
  EXPECT_GE(std::chrono::steady_clock::now() - first, 3 * period);
}

TEST(RateLimit, NoPeriodIsNoLimit) {
  RateLimit limit(std::chrono::milliseconds(0));
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(limit.pass());
  EXPECT_EQ(limit.suppressed(), 0u);
}

}  // namespace
}  // namespace sb::log
