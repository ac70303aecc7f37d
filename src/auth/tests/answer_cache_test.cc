// SPDX-License-Identifier: MIT
#include "auth/answer_cache.h"

#include <gtest/gtest.h>

#include <set>

namespace sb::auth {
namespace {

constexpr MonoTime kStart{Millis(1000)};

ShownKey key(unsigned char n) {
  ShownKey k{};
  k[0] = n;
  return k;
}

TEST(AnswerCache, EachAnswerHasItsTime) {
  AnswerCache<int> cache(10, Millis(100));
  cache.add(key(1), kStart, 1);
  cache.add(key(2), kStart, 2, Millis(200));
  cache.add(key(3), kStart, 3, Millis(0));
  ASSERT_NE(cache.find(key(1), kStart + Millis(99)), nullptr);
  EXPECT_EQ(*cache.find(key(1), kStart + Millis(99)), 1);
  EXPECT_EQ(cache.find(key(1), kStart + Millis(100)), nullptr);
  EXPECT_NE(cache.find(key(2), kStart + Millis(199)), nullptr);
  EXPECT_EQ(cache.find(key(3), kStart), nullptr) << "not to be remembered";
}

TEST(AnswerCache, AnAnswerThatEndedIsReplaced) {
  AnswerCache<int> cache(10, Millis(100));
  cache.add(key(1), kStart, 1);
  cache.add(key(1), kStart + Millis(50), 2);
  EXPECT_EQ(*cache.find(key(1), kStart + Millis(50)), 1) << "the first one holds for its time";
  cache.add(key(1), kStart + Millis(100), 3);
  ASSERT_NE(cache.find(key(1), kStart + Millis(199)), nullptr);
  EXPECT_EQ(*cache.find(key(1), kStart + Millis(199)), 3);
}

TEST(AnswerCache, HoldsNoMoreThanItsSize) {
  AnswerCache<int> cache(3, Millis(100));
  for (unsigned char n = 1; n <= 10; ++n) cache.add(key(n), kStart, n);
  EXPECT_EQ(cache.size(), 3u);
  EXPECT_EQ(cache.find(key(7), kStart), nullptr);
  EXPECT_NE(cache.find(key(8), kStart), nullptr);
}

TEST(ShownKeys, NoTwoListsHaveTheSameKey) {
  ShownKeys keys, others;
  std::set<ShownKey> all;
  all.insert(keys.key({"a", "b"}));
  all.insert(keys.key({"ab", ""}));
  all.insert(keys.key({"", "ab"}));
  all.insert(keys.key({"ab"}));
  all.insert(keys.key({"1:a", "b"}));
  all.insert(keys.key({"a1:b"}));
  EXPECT_EQ(all.size(), 6u);
  EXPECT_EQ(keys.key({"a", "b"}), keys.key({"a", "b"}));
  EXPECT_NE(keys.key({"a", "b"}), others.key({"a", "b"})) << "each has its own secret";
}

}  // namespace
}  // namespace sb::auth
