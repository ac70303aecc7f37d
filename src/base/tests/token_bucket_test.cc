// SPDX-License-Identifier: MIT
#include "base/token_bucket.h"

#include <gtest/gtest.h>

namespace sb {
namespace {

TEST(TokenBucket, AllowsTheBurstAndThenTheRate) {
  MonoTime now{Seconds(10)};
  TokenBucket b(100, 20);
  int taken = 0;
  for (; b.ready(now) && taken < 1000; ++taken) b.take(1, now);
  EXPECT_EQ(taken, 20);
  for (int i = 0; i < 1000; ++i) {
    now += Millis(1);
    for (; b.ready(now) && taken < 1000; ++taken) b.take(1, now);
  }
  EXPECT_NEAR(taken, 120, 1);
}

TEST(TokenBucket, ALargeOneIsWorkedOff) {
  MonoTime now{Seconds(10)};
  TokenBucket b(1000, 1000);
  b.take(6000, now);  // let through, since nothing was owed
  EXPECT_FALSE(b.ready(now));
  EXPECT_GE(b.ready_at(), now + Millis(5000));
  EXPECT_LE(b.ready_at(), now + Millis(5001));
  EXPECT_FALSE(b.ready(now + Millis(4999)));
  EXPECT_TRUE(b.ready(b.ready_at()));
}

TEST(TokenBucket, WithoutRateThereIsNoBound) {
  TokenBucket b;
  b.take(1e12, MonoTime{});
  EXPECT_TRUE(b.ready(MonoTime{}));
  EXPECT_FALSE(b.bounded());
}

TEST(TokenBucket, AClockThatStandsGivesNothing) {
  MonoTime now{Seconds(10)};
  TokenBucket b(1, 1);
  b.take(1, now);
  EXPECT_FALSE(b.ready(now));
  EXPECT_FALSE(b.ready(now - Seconds(5)));
  EXPECT_TRUE(b.ready(now + Seconds(1)));
}

}  // namespace
}  // namespace sb
