// SPDX-License-Identifier: MIT
#include "model/topic.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace sb::model {
namespace {

std::vector<std::string> split(std::string_view s) {
  std::vector<std::string> levels(1);
  for (char c : s) {
    if (c == '/')
      levels.emplace_back();
    else
      levels.back() += c;
  }
  return levels;
}

/// The rules of MQTT5 4.7 by recursion over lists of levels.
bool naive_levels(const std::vector<std::string>& f, std::size_t i, const std::vector<std::string>& t, std::size_t k) {
  if (i == f.size()) return k == t.size();
  if (f[i] == "#") return true;  // the parent level as well [MQTT5 4.7.1.2]
  if (k == t.size()) return false;
  return (f[i] == "+" || f[i] == t[k]) && naive_levels(f, i + 1, t, k + 1);
}
bool naive_match(std::string_view filter, std::string_view topic) {
  if (topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#'))) return false;
  return naive_levels(split(filter), 0, split(topic), 0);
}

TEST(Topic, Names) {
  const struct {
    std::string topic;
    bool good;
  } rows[] = {
      {"", false},
      {"a", true},
      {"/", true},
      {"//", true},
      {"a/b", true},
      {"/a", true},
      {"a/", true},
      {" ", true},
      {"$SYS/x", true},
      {"a+", false},
      {"+", false},
      {"#", false},
      {"a/#", false},
      {"a/b#", false},
      {"a/+/c", false},
      {"Δ/x", true},
      {"a b/c d", true},
      {std::string(65535, 'x'), true},
      {std::string(65536, 'x'), false},
  };
  for (const auto& row : rows) EXPECT_EQ(is_topic_name(row.topic), row.good) << row.topic.substr(0, 20);
}

TEST(Topic, Filters) {
  const struct {
    std::string filter;
    bool good;
  } rows[] = {
      {"", false},
      {"a", true},
      {"/", true},
      {"#", true},
      {"+", true},
      {"+/#", true},
      {"/#", true},
      {"#/", false},
      {"#/a", false},
      {"a/#", true},
      {"a/#/b", false},
      {"a#", false},
      {"a/b#", false},
      {"##", false},
      {"a/##", false},
      {"+a", false},
      {"a+", false},
      {"a/+b/c", false},
      {"++", false},
      {"+/+", true},
      {"/+", true},
      {"+/", true},
      {"a/+/c", true},
      {"+#", false},
      {"#+", false},
      {"$SYS/#", true},
      {"$/+", true},
      {"a//+", true},
      {std::string(65535, 'x'), true},
      {std::string(65536, 'x'), false},
  };
  for (const auto& row : rows) EXPECT_EQ(is_topic_filter(row.filter), row.good) << row.filter.substr(0, 20);
}

TEST(Topic, MatchesOfTheSpecification) {
  const struct {
    std::string_view filter, topic;
    bool match;
  } rows[] = {
      // MQTT5 4.7.1.2
      {"sport/tennis/player1/#", "sport/tennis/player1", true},
      {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
      {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
      {"sport/tennis/player1/#", "sport/tennis/player10", false},
      {"sport/#", "sport", true},
      {"sport/#", "sport/", true},
      {"sport/#", "sports", false},
      {"#", "any/thing/at/all", true},
      {"#", "/", true},
      // 4.7.1.3
      {"sport/tennis/+", "sport/tennis/player1", true},
      {"sport/tennis/+", "sport/tennis/player1/ranking", false},
      {"sport/+", "sport", false},
      {"sport/+", "sport/", true},
      {"+/+", "/finance", true},
      {"/+", "/finance", true},
      {"+", "/finance", false},
      {"+", "finance", true},
      {"+/tennis/#", "sport/tennis", true},
      {"+/#", "a", true},
      {"a/+/#", "a", false},
      // 4.7.2
      {"#", "$SYS/monitor", false},
      {"+/monitor/Clients", "$SYS/monitor/Clients", false},
      {"$SYS/#", "$SYS/monitor", true},
      {"$SYS/#", "$SYS", true},
      {"$SYS/monitor/+", "$SYS/monitor/Clients", true},
      {"a/#", "a/$b", true},
      {"a/+", "a/$b", true},
      {"/#", "$SYS", false},
      // 4.7.3: case and slashes matter
      {"ACCOUNTS", "Accounts", false},
      {"/finance", "finance", false},
      {"a/b", "a/b", true},
      {"a/b", "a/b/", false},
      {"a/b/", "a/b", false},
      {"a//b", "a/b", false},
      {"a/+/b", "a//b", true},
      {"a", "ab", false},
      {"ab", "a", false},
      {"/", "/", true},
      {"+/+", "/", true},
      {"+/+/+", "/", false},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(matches(row.filter, row.topic), row.match) << row.filter << " and " << row.topic;
    EXPECT_EQ(naive_match(row.filter, row.topic), row.match) << "the model: " << row.filter << " and " << row.topic;
  }
}

TEST(Topic, RandomFiltersAgainstTheModel) {
  std::mt19937 random(4);
  const std::string_view name_levels[] = {"", "a", "b", "ab", "$", "$a"};
  const std::string_view filter_levels[] = {"", "a", "b", "ab", "$", "$a", "+", "+"};
  int matched = 0;
  for (int i = 0; i < 100000; ++i) {
    std::string topic, filter;
    for (std::size_t n = 1 + random() % 4, k = 0; k < n; ++k) {
      if (k) topic += '/';
      topic += name_levels[random() % std::size(name_levels)];
    }
    for (std::size_t n = 1 + random() % 4, k = 0; k < n; ++k) {
      if (k) filter += '/';
      filter += filter_levels[random() % std::size(filter_levels)];
    }
    if (random() % 3 == 0) filter += "/#";
    if (topic.empty() || filter.empty()) continue;
    ASSERT_TRUE(is_topic_name(topic)) << topic;
    ASSERT_TRUE(is_topic_filter(filter)) << filter;
    ASSERT_EQ(matches(filter, topic), naive_match(filter, topic)) << filter << " and " << topic;
    matched += matches(filter, topic);
  }
  EXPECT_GT(matched, 1000);
}

TEST(Topic, SharedFilters) {
  const struct {
    std::string_view filter;
    bool shared, good;
    std::string_view group, inner;
  } rows[] = {
      {"$share/g/a", true, true, "g", "a"},
      {"$share/g/a/b/#", true, true, "g", "a/b/#"},
      {"$share/g//", true, true, "g", "/"},
      {"$share/g/+/x", true, true, "g", "+/x"},
      {"$share/g/$SYS/x", true, true, "g", "$SYS/x"},
      {"$share", true, false, {}, {}},
      {"$share/", true, false, {}, {}},
      {"$share/g", true, false, {}, {}},
      {"$share/g/", true, false, {}, {}},
      {"$share//a", true, false, {}, {}},
      {"$share/+/a", true, false, {}, {}},
      {"$share/g#/a", true, false, {}, {}},
      {"$share/g/a#", true, false, {}, {}},
      {"$share/g/#/a", true, false, {}, {}},
      {"$shared/g/a", false, false, {}, {}},
      {"a/$share/g/a", false, false, {}, {}},
      {"share/g/a", false, false, {}, {}},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(is_shared(row.filter), row.shared) << row.filter;
    auto parts = split_shared(row.filter);
    ASSERT_EQ(parts.has_value(), row.good) << row.filter;
    if (!parts) continue;
    EXPECT_EQ(parts->group, row.group);
    EXPECT_EQ(parts->filter, row.inner);
  }
}

TEST(Topic, LevelsAreWalkedAndCounted) {
  for (std::string_view topic : {"a", "/", "//", "a/b", "a//b", "/a/", "a/b/c/d"}) {
    std::vector<std::string> walked;
    for (Levels l(topic); !l.done(); l.next()) {
      walked.emplace_back(l.level());
      std::string_view rest = l.last() ? std::string_view() : l.rest();
      EXPECT_TRUE(topic.ends_with(rest));
      EXPECT_EQ(l.last(), walked.size() == split(topic).size()) << topic;
    }
    EXPECT_EQ(walked, split(topic)) << topic;
    EXPECT_EQ(level_count(topic), walked.size()) << topic;
  }
}

TEST(Topic, Wildcards) {
  EXPECT_TRUE(has_wildcard("a/+"));
  EXPECT_TRUE(has_wildcard("#"));
  EXPECT_FALSE(has_wildcard("a/b$"));
}

}  // namespace
}  // namespace sb::model
