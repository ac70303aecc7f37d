// SPDX-License-Identifier: MIT
#include "session/verdicts.h"

#include <gtest/gtest.h>

#include <string>

#include "base/hash_map.h"

namespace sb::session {
namespace {

TEST(Verdicts, AreAskedForOnceATopic) {
  Verdicts v;
  int asked = 0;
  auto may = [&](int topic, bool allowed) {
    return v.get(std::uint64_t(topic) << 56, [&] { return ++asked, allowed; });  // a place of its own for each
  };
  for (int round = 0; round < 3; ++round)
    for (int i = 0; i < 20; ++i) EXPECT_EQ(may(i, i % 3 == 0), i % 3 == 0);
  EXPECT_EQ(asked, 20);
  v.clear();
  EXPECT_TRUE(may(1, true));
}

TEST(Verdicts, NoTopicGetsTheVerdictOfAnother) {
  Verdicts v;
  for (int round = 0; round < 2; ++round)
    for (int i = 0; i < 10'000; ++i)
      ASSERT_EQ(v.get(hash_bytes(std::to_string(i)), [&] { return i % 2 == 0; }), i % 2 == 0) << i;
  EXPECT_FALSE(v.get(0, [] { return false; }));
  EXPECT_TRUE(v.get(4, [] { return true; }));
  EXPECT_FALSE(v.get(0, [] { return false; }));
}

}  // namespace
}  // namespace sb::session
