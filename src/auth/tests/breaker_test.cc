// SPDX-License-Identifier: MIT
#include "auth/breaker.h"

#include <gtest/gtest.h>

namespace sb::auth {
namespace {

constexpr Millis kAfter{1000};

struct Bench {
  FakeClock clock;
  Breaker breaker{{.failures = 3, .retry_after = kAfter}};

  bool may() { return breaker.ask(clock.mono()).has_value(); }
  bool fail() { return breaker.failed(*breaker.ask(clock.mono()), clock.mono()); }
};

TEST(Breaker, OpensAfterFailuresInARow) {
  Bench b;
  EXPECT_FALSE(b.fail());
  EXPECT_FALSE(b.fail());
  EXPECT_FALSE(b.breaker.succeeded(*b.breaker.ask(b.clock.mono()))) << "it was closed";
  EXPECT_FALSE(b.fail());
  EXPECT_FALSE(b.fail());
  EXPECT_TRUE(b.may()) << "two in a row are not three";
  EXPECT_TRUE(b.fail());
  EXPECT_TRUE(b.breaker.is_open());
  EXPECT_FALSE(b.may());
  b.clock.advance(kAfter - Millis(1));
  EXPECT_FALSE(b.may());
}

TEST(Breaker, OneProbeDecides) {
  Bench b;
  for (int i = 0; i < 3; ++i) b.fail();
  b.clock.advance(kAfter);
  auto probe = b.breaker.ask(b.clock.mono());
  ASSERT_TRUE(probe);
  EXPECT_FALSE(b.may()) << "one at a time";
  EXPECT_FALSE(b.breaker.failed(*probe, b.clock.mono())) << "it was open before";
  EXPECT_FALSE(b.may());
  b.clock.advance(kAfter);
  probe = b.breaker.ask(b.clock.mono());
  ASSERT_TRUE(probe);
  EXPECT_TRUE(b.breaker.succeeded(*probe));
  EXPECT_FALSE(b.breaker.is_open());
  EXPECT_FALSE(b.fail());
  EXPECT_FALSE(b.fail()) << "the count begins anew";
  EXPECT_TRUE(b.may());
}

TEST(Breaker, AProbeThatWasNotSentIsNotOne) {
  Bench b;
  for (int i = 0; i < 3; ++i) b.fail();
  b.clock.advance(kAfter);
  b.breaker.cancelled(*b.breaker.ask(b.clock.mono()));
  EXPECT_TRUE(b.may());
}

TEST(Breaker, AnswersFromBeforeItOpenedAreNotHeard) {
  Bench b;
  const auto early = *b.breaker.ask(b.clock.mono());
  for (int i = 0; i < 3; ++i) b.fail();
  EXPECT_FALSE(b.breaker.succeeded(early));
  EXPECT_FALSE(b.may()) << "it answered before it failed";
  b.clock.advance(kAfter);
  const auto probe = *b.breaker.ask(b.clock.mono());
  b.breaker.failed(early, b.clock.mono());
  b.breaker.cancelled(early);
  EXPECT_FALSE(b.may()) << "the probe is still under way";
  EXPECT_TRUE(b.breaker.succeeded(probe));
  EXPECT_TRUE(b.may());
}

}  // namespace
}  // namespace sb::auth
