// SPDX-License-Identifier: MIT
#include "broker/route.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "broker/directory.h"
#include "broker/tests/filters.h"

namespace sb::broker {
namespace {

using ::testing::ElementsAre;
using testing::naive_match;
using testing::random_filter;
using testing::random_topic;
using ::testing::UnorderedElementsAre;

struct Maker {
  Subscriber s;
  Maker(std::uint16_t shard, std::uint32_t slot) { s.client = {shard, slot, 1}; }
  Maker& qos(std::uint8_t v) { return s.qos = v, *this; }
  Maker& id(std::uint32_t v) { return s.subscription_id = v, *this; }
  Maker& no_local() { return s.no_local = true, *this; }
  Maker& rap() { return s.retain_as_published = true, *this; }
  Maker& logged() { return s.logged = true, *this; }
  operator Subscriber() const { return s; }  // NOLINT: reads as what it makes
};

std::vector<std::uint32_t> slots_of(const Route& r, std::size_t shard) {
  std::vector<std::uint32_t> all;
  for (auto& to : r.of_shard(shard)) all.push_back(to.slot);
  return all;
}

TEST(RouteCache, NobodyIsARouteToo) {
  SubscriptionIndex index;
  RouteCache cache(index, 0, 2, 10);
  RoutePtr r = cache.get("a");
  EXPECT_TRUE(r->nobody());
  EXPECT_EQ(r->topic, "a");
  EXPECT_EQ(r->remote_shards, 0u);
  EXPECT_TRUE(r->of_shard(0).empty());
  EXPECT_TRUE(r->of_shard(1).empty());
  EXPECT_EQ(cache.get("a"), r);
}

TEST(RouteCache, OrderedByShard) {
  SubscriptionIndex index;
  for (std::uint16_t shard : {3, 0, 3, 1, 0}) {
    static std::uint32_t slot = 0;
    index.add(slot % 2 ? "a" : "#", Maker(shard, slot));
    ++slot;
  }
  RouteCache cache(index, 1, 4, 10);
  RoutePtr r = cache.get("a");
  EXPECT_THAT(slots_of(*r, 0), ElementsAre(1, 4));
  EXPECT_THAT(slots_of(*r, 1), ElementsAre(3));
  EXPECT_THAT(slots_of(*r, 2), ElementsAre());
  EXPECT_THAT(slots_of(*r, 3), ElementsAre(0, 2));
  EXPECT_EQ(r->remote_shards, 0b1001u) << "its own shard is not remote";
}

TEST(RouteCache, OverlappingSubscriptionsAreOneReceiver) {
  SubscriptionIndex index;
  index.add("a/+", Maker(0, 1).qos(1).id(5));
  index.add("a/#", Maker(0, 1).qos(0).id(7).rap());
  index.add("a/b", Maker(0, 1).qos(2).logged());
  index.add("a/b", Maker(0, 2).id(9));
  RouteCache cache(index, 0, 1, 10);
  RoutePtr r = cache.get("a/b");
  ASSERT_EQ(r->receivers.size(), 2u);
  const Receiver& one = r->receivers[0];
  EXPECT_EQ(one.slot, 1u);
  EXPECT_EQ(one.qos, 2);
  EXPECT_TRUE(one.retain_as_published);
  EXPECT_TRUE(one.logged);
  EXPECT_FALSE(one.no_local);
  EXPECT_FALSE(one.mixed_local);
  auto ids = r->ids_of(one);
  EXPECT_THAT(std::vector<std::uint32_t>(ids.begin(), ids.end()), UnorderedElementsAre(5, 7));
  ids = r->ids_of(r->receivers[1]);
  EXPECT_THAT(std::vector<std::uint32_t>(ids.begin(), ids.end()), ElementsAre(9));
}

TEST(RouteCache, NoLocalOfAllOrOfSome) {
  SubscriptionIndex index;
  index.add("a", Maker(0, 1).no_local());
  index.add("#", Maker(0, 1).no_local());
  index.add("a", Maker(0, 2).no_local());
  index.add("#", Maker(0, 2));
  index.add("a", Maker(0, 3));
  RouteCache cache(index, 0, 1, 10);
  RoutePtr r = cache.get("a");
  ASSERT_EQ(r->receivers.size(), 3u);
  EXPECT_TRUE(r->receivers[0].no_local && !r->receivers[0].mixed_local);
  EXPECT_TRUE(!r->receivers[1].no_local && r->receivers[1].mixed_local);
  EXPECT_TRUE(!r->receivers[2].no_local && !r->receivers[2].mixed_local);
}

TEST(RouteCache, TenantsOfOneSlotAreNotMixed) {
  SubscriptionIndex index;  // the old tenant is about to be removed; the new one has two subscriptions around its
  Subscriber older = Maker(0, 1), newer = Maker(0, 1);
  newer.client.generation = 2;
  index.add("a", newer);
  index.add("+", older);
  index.add("#", newer);
  RouteCache cache(index, 0, 1, 10);
  RoutePtr r = cache.get("a");
  int of_newer = 0;
  for (auto& to : r->receivers) of_newer += to.generation == 2;
  EXPECT_EQ(of_newer, 1) << "one delivery, whatever stands between";
  EXPECT_EQ(r->receivers.size(), 2u);
}

TEST(RouteCache, StaysWhileNothingThatMattersChanges) {
  SubscriptionIndex index;
  index.add("a/b", Maker(0, 1));
  RouteCache cache(index, 0, 1, 10);
  RoutePtr r = cache.get("a/b");
  index.add("x", Maker(0, 2));
  EXPECT_FALSE(cache.fresh(*r));
  RoutePtr same = r;
  cache.refresh(same);
  EXPECT_EQ(same, r);
  EXPECT_TRUE(cache.fresh(*r));

  index.add("a/+", Maker(0, 2));
  RoutePtr other = r;
  cache.refresh(other);
  EXPECT_NE(other, r);
  EXPECT_EQ(other->receivers.size(), 2u);
  EXPECT_EQ(r->receivers.size(), 1u) << "who holds the old one still may read it";
  RoutePtr late = r;
  cache.refresh(late);
  EXPECT_EQ(late, other) << "rebuilt once for all";
  EXPECT_EQ(cache.get("a/b"), other);
}

TEST(RouteCache, Bounded) {
  SubscriptionIndex index;
  index.add("#", Maker(0, 1));
  for (std::size_t capacity : {0u, 1u, 5u}) {
    RouteCache cache(index, 0, 1, capacity);
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(cache.get("t/" + std::to_string(i))->receivers.size(), 1u);
      EXPECT_LE(cache.size(), capacity);
    }
    // Refreshing what the cache has forgotten works all the same.
    RoutePtr r = cache.get("x");
    for (int i = 0; i < 10; ++i) cache.get(std::to_string(i));
    index.add("x", Maker(0, 2));
    cache.refresh(r);
    EXPECT_EQ(r->receivers.size(), 2u);
    index.remove("x", {0, 2, 1});
  }
}

TEST(RouteCache, AlwaysWhatTheSubscriptionsSay) {
  std::mt19937 rng(5);
  SubscriptionIndex index;
  RouteCache cache(index, 1, 3, 20);
  std::map<std::pair<std::string, ClientKey>, std::uint8_t, decltype([](auto& a, auto& b) {
             return std::pair(a.first, a.second.packed()) < std::pair(b.first, b.second.packed());
           })>
      model;
  std::map<std::string, RoutePtr> held;  // as channels hold the route of their last topic
  for (int step = 0; step < 1500; ++step) {
    std::string filter = random_filter(rng);
    auto slot = static_cast<std::uint32_t>(rng() % 6);
    Maker m(static_cast<std::uint16_t>(slot % 3), slot);
    m.qos(static_cast<std::uint8_t>(rng() % 3));
    if (rng() % 2) {
      if (model.emplace(std::pair(filter, m.s.client), m.s.qos).second) index.add(filter, m);
    } else if (model.erase({filter, m.s.client})) {
      ASSERT_TRUE(index.remove(filter, m.s.client));
    }
    std::string topic = random_topic(rng);
    RoutePtr r = rng() % 2 ? cache.get(topic) : held.contains(topic) ? held[topic] : cache.get(topic);
    if (!cache.fresh(*r)) cache.refresh(r);
    held[topic] = r;
    std::map<std::uint32_t, std::uint8_t> expected, found;
    for (auto& [key, qos] : model)
      if (naive_match(key.first, topic)) expected[key.second.slot] = std::max(expected[key.second.slot], qos);
    for (std::size_t shard = 0; shard < 3; ++shard)
      for (auto& to : r->of_shard(shard)) {
        ASSERT_EQ(to.slot % 3, shard);
        ASSERT_TRUE(found.emplace(to.slot, to.qos).second) << "twice";
      }
    ASSERT_EQ(found, expected) << topic;
    if (held.size() > 50) held.clear();
  }
}

TEST(Directory, KnowsWhoHasAClientId) {
  Directory d;
  std::uint64_t key = Directory::key("client");
  EXPECT_EQ(d.find(key), std::nullopt);
  EXPECT_EQ(d.claim(key, {1, 2, 3}), std::nullopt);
  EXPECT_EQ(d.claim(key, {4, 5, 6}), (ClientKey{1, 2, 3}));
  d.release(key, {1, 2, 3});  // somebody else's by now
  EXPECT_EQ(d.find(key), (ClientKey{4, 5, 6}));
  EXPECT_EQ(d.claim(key, {4, 5, 6}), (ClientKey{4, 5, 6})) << "its own";
  d.release(key, {4, 5, 6});
  EXPECT_EQ(d.find(key), std::nullopt);
}

}  // namespace
}  // namespace sb::broker
