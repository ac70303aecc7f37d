// SPDX-License-Identifier: MIT
#include "auth/filters.h"

#include <gtest/gtest.h>

#include <bitset>
#include <string>
#include <vector>

#include "model/topic.h"

namespace sb::auth {
namespace {

TEST(Filters, CoversAndOverlaps) {
  const struct {
    std::string_view a, b;
    bool covers, overlaps;
  } rows[] = {
      {"a", "a", true, true},
      {"a", "b", false, false},
      {"a", "A", false, false},
      {"a/#", "a", true, true},
      {"a", "a/#", false, true},
      {"a/#", "a/b/c", true, true},
      {"a/#", "a/+/c", true, true},
      {"a/#", "ab", false, false},
      {"a/+", "a", false, false},
      {"a/+", "a/", true, true},
      {"a/+", "a/#", false, true},
      {"a/+/#", "a/#", false, true},
      {"a/#", "a/+/#", true, true},
      {"+/b", "a/+", false, true},
      {"+/b", "a/+/c", false, false},
      {"+/+", "+/b", true, true},
      {"#", "+/b/#", true, true},
      {"+", "#", false, true},
      {"+/#", "#", true, true},  // a topic has a first level
      {"#", "+/#", true, true},
      {"#", "$SYS/a", false, false},
      {"#", "$SYS/#", false, false},
      {"+/a", "$SYS/a", false, false},
      {"$SYS/#", "#", false, false},
      {"$SYS/#", "$SYS", true, true},
      {"$SYS/#", "$SYS/+/a", true, true},
      {"a/+", "a/$b", true, true},  // only the first level's "$" is special
      {"/#", "/", true, true},
      {"+/+", "/", true, true},
      {"/+", "+/a", false, true},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(covers(row.a, row.b), row.covers) << row.a << " covers " << row.b;
    EXPECT_EQ(overlaps(row.a, row.b), row.overlaps) << row.a << " overlaps " << row.b;
    EXPECT_EQ(overlaps(row.b, row.a), row.overlaps) << row.b << " overlaps " << row.a;
  }
}

/// Every sequence of 1 to `most` of these levels that is neither empty nor wrong.
std::vector<std::string> all(const std::vector<std::string>& levels, std::size_t most) {
  std::vector<std::string> out, before = {""};
  for (std::size_t n = 0; n < most; ++n) {
    std::vector<std::string> now;
    for (const std::string& start : before)
      for (const std::string& level : levels) now.push_back(n == 0 ? level : start + '/' + level);
    for (const std::string& s : now)
      if (model::is_topic_filter(s)) out.push_back(s);
    before = std::move(now);
  }
  return out;
}

TEST(Filters, AreWhatTheirTopicsAre) {
  // Topics have a level that no filter names, and one level more than filters without "#". The empty one is none, but
  // the parent of "/#".
  std::vector<std::string> topics = all({"", "a", "$a", "z"}, 4);
  topics.emplace_back();
  const std::vector<std::string> filters = all({"", "a", "$a", "+", "#"}, 3);
  constexpr std::size_t kTopics = 4 + 16 + 64 + 256;
  ASSERT_EQ(topics.size(), kTopics);
  std::vector<std::bitset<kTopics>> matched(filters.size());
  for (std::size_t f = 0; f < filters.size(); ++f)
    for (std::size_t t = 0; t < kTopics; ++t) matched[f][t] = model::matches(filters[f], topics[t]);
  for (std::size_t a = 0; a < filters.size(); ++a) {
    ASSERT_TRUE(matched[a].any()) << filters[a];
    for (std::size_t b = 0; b < filters.size(); ++b) {
      EXPECT_EQ(covers(filters[a], filters[b]), (matched[b] & ~matched[a]).none()) << filters[a] << ' ' << filters[b];
      EXPECT_EQ(overlaps(filters[a], filters[b]), (matched[a] & matched[b]).any()) << filters[a] << ' ' << filters[b];
    }
  }
}

}  // namespace
}  // namespace sb::auth
