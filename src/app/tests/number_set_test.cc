// SPDX-License-Identifier: MIT
#include "app/number_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace sb::app {
namespace {

using enum NumberSet::Sight;

std::vector<std::uint64_t> missing(const NumberSet& s, std::uint64_t limit) {
  std::vector<std::uint64_t> all;
  s.for_each_missing(0, limit, [&](std::uint64_t n) { all.push_back(n); });
  return all;
}

TEST(NumberSet, Sights) {
  struct {
    std::vector<std::uint64_t> numbers;
    std::vector<NumberSet::Sight> sights;
    std::vector<std::uint64_t> missing;  ///< below 8
  } cases[] = {
      {{}, {}, {0, 1, 2, 3, 4, 5, 6, 7}},
      {{0, 1, 2}, {in_order, in_order, in_order}, {3, 4, 5, 6, 7}},
      {{0, 0, 1, 0}, {in_order, again, in_order, again}, {2, 3, 4, 5, 6, 7}},
      {{5, 0, 4, 4, 6}, {in_order, late, late, again, in_order}, {1, 2, 3, 7}},
      {{0, 6, 3, 3, 7}, {in_order, in_order, late, again, in_order}, {1, 2, 4, 5}},
      {{7, 3, 2, 4, 1, 0, 6, 5}, {in_order, late, late, late, late, late, late, late}, {}},
      {{2, 5, 1, 4, 0, 3}, {in_order, in_order, late, late, late, late}, {6, 7}},
  };
  for (auto& c : cases) {
    NumberSet s;
    std::vector<NumberSet::Sight> got;
    for (auto n : c.numbers) got.push_back(s.insert(n));
    EXPECT_EQ(got, c.sights);
    EXPECT_EQ(missing(s, 8), c.missing);
    EXPECT_EQ(s.size(), std::set<std::uint64_t>(c.numbers.begin(), c.numbers.end()).size());
  }
}

TEST(NumberSet, IsTheSameAsASetOfNumbers) {
  std::minstd_rand random(7);
  for (int round = 0; round < 50; ++round) {
    NumberSet s;
    std::set<std::uint64_t> plain;
    for (int i = 0; i < 300; ++i) {
      std::uint64_t n = random() % 400, highest = plain.empty() ? 0 : *plain.rbegin();
      bool late_one = !plain.empty() && n < highest;
      auto expected = plain.contains(n) ? again : late_one ? late : in_order;
      ASSERT_EQ(s.insert(n), expected) << n;
      plain.insert(n);
    }
    for (std::uint64_t n = 0; n < 400; ++n) EXPECT_EQ(s.contains(n), plain.contains(n));
    EXPECT_EQ(s.size(), plain.size());
    EXPECT_EQ(missing(s, 400).size(), 400 - plain.size());
    for (std::uint64_t n = 0; n < 400; ++n) {
      auto next = plain.upper_bound(n);
      ASSERT_EQ(s.next_after(n), next == plain.end() ? s.end() : *next) << n;
    }
    for (std::uint64_t first : {0u, 100u, 399u}) {
      std::uint64_t count = 0;
      s.for_each_missing(first, 400, [&](std::uint64_t n) { count += n >= first && !plain.contains(n); });
      EXPECT_EQ(count, 400 - first - static_cast<std::uint64_t>(std::distance(plain.lower_bound(first), plain.end())));
    }
  }
}

}  // namespace
}  // namespace sb::app
