// SPDX-License-Identifier: MIT
#include "broker/subscription_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "broker/tests/filters.h"
#include "model/topic.h"

namespace sb::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::naive_match;
using testing::random_filter;
using testing::random_topic;
using ::testing::UnorderedElementsAre;

Subscriber subscriber(std::uint32_t slot, std::uint32_t id = 0) {
  Subscriber s;
  s.client = {0, slot, 1};
  s.subscription_id = id;
  return s;
}

std::multiset<std::uint32_t> slots(const SubscriptionIndex& index, std::string_view topic) {
  Matches m;
  index.match(0, topic, m);
  std::multiset<std::uint32_t> all;
  for (auto& s : m.subscribers) all.insert(s.client.slot);
  return all;
}

std::vector<SharedGroupPtr> groups(const Matches& m) {
  std::vector<SharedGroupPtr> all;
  for (auto& g : m.groups) all.push_back(g.group);
  return all;
}

TEST(SubscriptionIndex, Wildcards) {
  SubscriptionIndex index;
  const char* filters[] = {"#", "+",   "a/#", "a/+",  "a",      "a/b",    "+/b",
                           "/", "+/+", "a/",  "a//b", "$SYS/#", "$SYS/+", "/#"};
  for (std::uint32_t i = 0; i < std::size(filters); ++i) index.add(filters[i], subscriber(i));
  struct Row {
    const char* topic;
    std::multiset<std::uint32_t> expected;
  };
  const Row rows[] = {
      {"a", {0, 1, 2, 4}},  {"a/b", {0, 2, 3, 5, 6, 8}}, {"a/", {0, 2, 3, 8, 9}},
      {"/", {0, 7, 8, 13}}, {"a//b", {0, 2, 10}},        {"$SYS", {11}},
      {"$SYS/x", {11, 12}}, {"$SYS/x/y", {11}},          {"x", {0, 1}},
      {"/x", {0, 8, 13}},   {"x/$SYS", {0, 8}},
  };
  for (auto& r : rows) EXPECT_EQ(slots(index, r.topic), r.expected) << r.topic;
}

TEST(SubscriptionIndex, LogsAndGroupsAreFoundToo) {
  SubscriptionIndex index;
  index.set_log("a/#", 7);
  index.set_log("a/+", 8);
  auto g = index.add_shared("g", "a/b", subscriber(1));
  auto h = index.add_shared("h", "a/b", subscriber(1));
  EXPECT_EQ(index.add_shared("g", "a/b", subscriber(2)), g) << "one group, whoever comes";
  EXPECT_NE(g->key, h->key);
  Matches m;
  index.match(0, "a/b", m);
  EXPECT_THAT(m.logs, UnorderedElementsAre(7u, 8u));
  EXPECT_THAT(groups(m), UnorderedElementsAre(g, h));
  EXPECT_THAT(m.subscribers, IsEmpty());
  index.set_log("a/#", 0);
  EXPECT_TRUE(index.remove_shared("g", "a/b", {0, 1, 1}));
  EXPECT_FALSE(index.remove_shared("g", "a/b", {0, 1, 1}));
  EXPECT_TRUE(index.remove_shared("g", "a/b", {0, 2, 1}));
  EXPECT_FALSE(index.remove_shared("nobody", "a/b", {0, 2, 1}));
  m.clear();
  index.match(0, "a/b", m);
  EXPECT_THAT(m.logs, ElementsAre(8u));
  EXPECT_THAT(groups(m), ElementsAre(h));
}

TEST(SubscriptionIndex, ASecondSubscriptionOfAGroupMemberTakesThePlaceOfTheFirst) {
  SubscriptionIndex index;
  index.add_shared("g", "a", subscriber(1, 5));
  auto g = index.add_shared("g", "a", subscriber(1, 6));
  ASSERT_EQ(g->members.size(), 1u);
  g->members.for_each([](const Subscriber& s) { EXPECT_EQ(s.subscription_id, 6u); });
}

TEST(SubscriptionIndex, NothingIsLeftWhenAllHaveGone) {
  SubscriptionIndex index;
  EXPECT_EQ(index.nodes(), 0u);
  index.add("a/b/c", subscriber(1));
  index.add("a/b", subscriber(1));
  index.set_log("a/+/c", 3);
  index.add_shared("g", "a/b/c", subscriber(1));
  EXPECT_EQ(index.nodes(), 5u);
  EXPECT_FALSE(index.remove("a/b/c/d", {0, 1, 1}));
  EXPECT_FALSE(index.remove("a", {0, 1, 1}));
  EXPECT_TRUE(index.remove("a/b/c", {0, 1, 1}));
  EXPECT_EQ(index.nodes(), 5u) << "the group still needs it";
  EXPECT_TRUE(index.remove_shared("g", "a/b/c", {0, 1, 1}));
  EXPECT_EQ(index.nodes(), 4u);
  EXPECT_TRUE(index.remove("a/b", {0, 1, 1}));
  EXPECT_EQ(index.nodes(), 3u);
  index.set_log("a/+/c", 0);
  EXPECT_EQ(index.nodes(), 0u);
  index.set_log("x/y", 0);  // never was there
  EXPECT_EQ(index.nodes(), 0u);
}

// ---- version() and changed()

TEST(SubscriptionIndex, ChangesConcernWhatTheyMatch) {
  SubscriptionIndex index;
  std::uint64_t before = index.version();
  EXPECT_FALSE(index.changed(0, "a/b", before, before));
  index.add("a/+", subscriber(1));
  std::uint64_t after = index.version();
  EXPECT_GT(after, before);
  EXPECT_TRUE(index.changed(0, "a/b", before, after));
  EXPECT_FALSE(index.changed(0, "a/b/c", before, after));
  EXPECT_FALSE(index.changed(0, "a/b", after, after));

  struct Row {
    const char* what;
    std::function<void()> change;
    bool noted;
  };
  const Row rows[] = {
      {"remove",
       [&] {
         index.remove("a/+", {0, 1, 1});
       },
       true},
      {"remove of nothing",
       [&] {
         index.remove("a/+", {0, 1, 1});
       },
       false},
      {"join a group", [&] { index.add_shared("g", "a/#", subscriber(1)); }, true},
      {"leave a group",
       [&] {
         index.remove_shared("g", "a/#", {0, 1, 1});
       },
       true},
      {"leave it again",
       [&] {
         index.remove_shared("g", "a/#", {0, 1, 1});
       },
       false},
      {"a log", [&] { index.set_log("a/b", 3); }, true},
      {"no log", [&] { index.set_log("a/b", 0); }, true},
  };
  for (auto& r : rows) {
    std::uint64_t since = index.version();
    r.change();
    EXPECT_EQ(index.changed(0, "a/b", since, index.version()), r.noted) << r.what;
    EXPECT_FALSE(index.changed(0, "x", since, index.version())) << r.what;
  }
}

TEST(SubscriptionIndex, WhatIsTooLongAgoCountsAsChanged) {
  SubscriptionIndex index;
  std::uint64_t first = index.version();
  for (std::uint32_t i = 0; i < 63; ++i) index.add("other", subscriber(i));
  EXPECT_FALSE(index.changed(0, "a", first, index.version()));
  index.add("other", subscriber(63));
  EXPECT_TRUE(index.changed(0, "a", first, index.version()));
  EXPECT_FALSE(index.changed(0, "a", first + 1, index.version()));
  // The place of an old change was taken by a newer one.
  for (std::uint32_t i = 100; i < 200; ++i) index.add("other", subscriber(i));
  EXPECT_TRUE(index.changed(0, "a", first + 1, first + 2));
}

// ---- against a list of filters

TEST(SubscriptionIndex, AsAListOfFilters) {
  std::mt19937 rng(7);
  SubscriptionIndex index;
  using Key = std::pair<std::string, std::uint32_t>;
  std::map<Key, std::uint32_t> plain;                           // → subscription id
  std::map<std::pair<std::string, Key>, std::uint32_t> shared;  // group, filter, slot
  std::map<std::string, std::uint64_t> logs;
  auto remove_some = [&](bool all) {
    for (auto it = plain.begin(); it != plain.end();)
      if (all || rng() % 2) {
        ASSERT_TRUE(index.remove(it->first.first, {0, it->first.second, 1}));
        it = plain.erase(it);
      } else {
        ++it;
      }
  };
  for (int step = 0; step < 1500; ++step) {
    std::string filter = random_filter(rng);
    auto slot = static_cast<std::uint32_t>(rng() % 4);
    std::string group = rng() % 2 ? "g" : "h";
    std::uint64_t before = index.version();
    std::string touched;
    switch (rng() % 8) {
      case 0:
      case 1:
        if (plain.try_emplace({filter, slot}, rng() % 100).second) {
          index.add(filter, subscriber(slot, plain[{filter, slot}]));
          touched = filter;
        }
        break;
      case 2:
        if (bool there = plain.erase({filter, slot}) > 0; there) touched = filter;
        ASSERT_EQ(index.remove(filter, {0, slot, 1}), !touched.empty());
        break;
      case 3: {
        auto id = static_cast<std::uint32_t>(rng() % 100);
        shared[{group, {filter, slot}}] = id;
        index.add_shared(group, filter, subscriber(slot, id));
        touched = filter;
        break;
      }
      case 4: {
        bool there = shared.erase({group, {filter, slot}}) > 0;
        if (there) touched = filter;
        ASSERT_EQ(index.remove_shared(group, filter, {0, slot, 1}), there);
        break;
      }
      case 5: {
        std::uint64_t log = rng() % 3;
        index.set_log(filter, log);
        if (log)
          logs[filter] = log;
        else
          logs.erase(filter);
        touched = log ? filter : "";
        break;
      }
      default:
        break;
    }
    std::string topic = random_topic(rng);
    if (!touched.empty() && naive_match(touched, topic)) {
      ASSERT_TRUE(index.changed(0, topic, before, index.version()));
    }
    Matches m;
    index.match(0, topic, m);
    std::multiset<std::pair<std::uint32_t, std::uint32_t>> found, expected;
    for (auto& s : m.subscribers) found.emplace(s.client.slot, s.subscription_id);
    for (auto& [key, id] : plain)
      if (naive_match(key.first, topic)) expected.emplace(key.second, id);
    ASSERT_EQ(found, expected) << topic;
    std::multiset<std::uint64_t> found_logs(m.logs.begin(), m.logs.end()), expected_logs;
    for (auto& [f, log] : logs)
      if (naive_match(f, topic)) expected_logs.insert(log);
    ASSERT_EQ(found_logs, expected_logs) << topic;
    std::set<std::tuple<std::string, std::string, std::uint32_t, std::uint32_t>> members, expected_members;
    for (auto& [g, logged] : m.groups)
      g->members.for_each(
          [&](const Subscriber& s) { members.emplace(g->name, g->filter, s.client.slot, s.subscription_id); });
    for (auto& [key, id] : shared)
      if (naive_match(key.second.first, topic))
        expected_members.emplace(key.first, key.second.first, key.second.second, id);
    ASSERT_EQ(members, expected_members) << topic;
    if (step % 500 == 499) remove_some(false);
  }
  remove_some(true);
  for (auto& [key, id] : shared)
    ASSERT_TRUE(index.remove_shared(key.first, key.second.first, {0, key.second.second, 1}));
  for (auto& [filter, log] : logs) index.set_log(filter, 0);
  EXPECT_EQ(index.nodes(), 0u);
}

TEST(SubscriptionIndex, ManyChildrenOfOneLevel) {
  SubscriptionIndex index;
  std::mt19937 rng(3);
  std::set<std::uint32_t> there;
  for (int step = 0; step < 20000; ++step) {
    auto n = static_cast<std::uint32_t>(rng() % 3000);
    std::string filter = "x/" + std::to_string(n);
    if (there.erase(n))
      ASSERT_TRUE(index.remove(filter, {0, n, 1}));
    else
      index.add(filter, subscriber(n)), there.insert(n);
  }
  for (std::uint32_t n = 0; n < 3000; ++n)
    ASSERT_EQ(slots(index, "x/" + std::to_string(n)).size(), there.count(n)) << n;
  EXPECT_EQ(index.nodes(), there.size() + !there.empty());
}

TEST(SubscriptionIndex, TheNaiveMatcherAndTheModelAgree) {
  std::mt19937 rng(11);
  for (int i = 0; i < 20000; ++i) {
    std::string filter = random_filter(rng), topic = random_topic(rng);
    ASSERT_TRUE(model::is_topic_filter(filter)) << filter;
    ASSERT_EQ(model::matches(filter, topic), naive_match(filter, topic)) << filter << ' ' << topic;
  }
}

}  // namespace
}  // namespace sb::broker
