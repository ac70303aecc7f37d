// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "app/bench_histogram.h"
#include "app/bench_sequence.h"

namespace sb::app {
namespace {

TEST(Histogram, QuantilesWithinThreePercent) {
  Histogram h;
  for (std::uint64_t i = 1; i <= 100'000; ++i) h.add(i * 1000);
  for (double q : {.01, .5, .9, .99, .999})
    EXPECT_NEAR(static_cast<double>(h.quantile(q)), q * 1e8, q * 1e8 * 0.032) << q;
  EXPECT_EQ(h.max(), 100'000'000u);
  EXPECT_EQ(h.total(), 100'000u);
}

TEST(Histogram, SmallAndHugeValues) {
  Histogram h;
  EXPECT_EQ(h.quantile(.5), 0u);
  for (std::uint64_t i = 0; i < 32; ++i) h.add(i);
  EXPECT_EQ(h.quantile(0), 0u);
  EXPECT_EQ(h.quantile(1), 31u);
  h.add(~0ull);
  EXPECT_EQ(h.quantile(1), ~0ull);
  Histogram sum;
  sum.add(h);
  sum.add(h);
  EXPECT_EQ(sum.total(), 66u);
}

TEST(SequenceTracker, Verdicts) {
  using enum SequenceTracker::Verdict;
  struct {
    std::vector<std::uint64_t> numbers;
    std::vector<SequenceTracker::Verdict> verdicts;
  } cases[] = {
      {{0, 1, 2}, {next, next, next}},
      {{0, 1, 1, 0, 2}, {next, next, duplicate, duplicate, next}},
      {{0, 3, 1, 2, 4, 3, 1}, {next, ahead, late, late, next, duplicate, duplicate}},
      {{5, 0, 4, 4, 6}, {ahead, late, late, duplicate, next}},
      {{0, 100'000, 99'999, 99'999, 1}, {next, ahead, late, duplicate, duplicate}},  // 1 is forgotten
      {{0, 2, 10'000, 2, 1}, {next, ahead, ahead, duplicate, duplicate}},
  };
  for (auto& c : cases) {
    SequenceTracker t;
    std::vector<SequenceTracker::Verdict> got;
    for (auto n : c.numbers) got.push_back(t.see(n));
    EXPECT_EQ(got, c.verdicts);
  }
}

TEST(SequenceTracker, LongRunsAfterAGap) {
  SequenceTracker t;
  t.see(1);  // a gap: from here on all are remembered
  for (std::uint64_t i = 2; i < 50'000; ++i) ASSERT_EQ(t.see(i), SequenceTracker::Verdict::next);
  EXPECT_EQ(t.see(49'000), SequenceTracker::Verdict::duplicate);
}

}  // namespace
}  // namespace sb::app
