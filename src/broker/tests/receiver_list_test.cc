// SPDX-License-Identifier: MIT
#include "broker/receiver_list.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace sb::broker {
namespace {

Subscriber subscriber(std::uint32_t slot, std::uint8_t qos = 0, std::uint32_t id = 0) {
  Subscriber s;
  s.client = {static_cast<std::uint16_t>(slot % 3), slot, 1};
  s.qos = qos;
  s.subscription_id = id;
  return s;
}

std::map<std::uint64_t, Subscriber> contents(const ReceiverList& list) {
  std::map<std::uint64_t, Subscriber> all;
  list.for_each([&](const Subscriber& s) { EXPECT_TRUE(all.emplace(s.client.packed(), s).second); });
  return all;
}

TEST(ClientKey, PacksAndUnpacks) {
  for (ClientKey k : {ClientKey{0, 0, 1}, ClientKey{63, 0xFFFFFF, 0xFFFFFF}, ClientKey{1, 2, 3}}) {
    EXPECT_EQ(ClientKey::unpack(k.packed()), k);
    EXPECT_NE(k.packed(), 0u);
  }
}

TEST(ReceiverList, KeepsAllThatASubscriberIs) {
  Rcu rcu;
  ReceiverList list;
  for (std::uint32_t bits = 0; bits < 24; ++bits) {
    Subscriber s = subscriber(bits, static_cast<std::uint8_t>(bits % 3), bits * 1000);
    s.no_local = bits & 1;
    s.retain_as_published = bits & 2;
    s.logged = bits & 4;
    list.add(s, rcu);
  }
  auto all = contents(list);
  ASSERT_EQ(all.size(), 24u);
  for (auto& [key, s] : all) {
    std::uint32_t bits = s.client.slot;
    EXPECT_EQ(s.qos, bits % 3);
    EXPECT_EQ(s.subscription_id, bits * 1000);
    EXPECT_EQ(s.no_local, (bits & 1) != 0);
    EXPECT_EQ(s.retain_as_published, (bits & 2) != 0);
    EXPECT_EQ(s.logged, (bits & 4) != 0);
  }
}

TEST(ReceiverList, RemovesAndSaysWhetherItWasThere) {
  Rcu rcu;
  ReceiverList list;
  EXPECT_FALSE(list.remove({0, 0, 1}, rcu));
  list.add(subscriber(0), rcu);
  EXPECT_FALSE(list.remove({0, 0, 2}, rcu)) << "another tenant of the slot";
  EXPECT_TRUE(list.remove({0, 0, 1}, rcu));
  EXPECT_FALSE(list.remove({0, 0, 1}, rcu));
  EXPECT_EQ(list.size(), 0u);
  EXPECT_EQ(list.slots(), 0u) << "nothing is kept for nobody";
  EXPECT_EQ(list.at(0), nullptr);
}

TEST(ReceiverList, PlacesOfTheRemovedAreUsedAgain) {
  Rcu rcu;
  ReceiverList list;
  for (std::uint32_t i = 0; i < 10000; ++i) {
    list.add(subscriber(i), rcu);
    if (i >= 10) {
      ASSERT_TRUE(list.remove(subscriber(i - 10).client, rcu));
    }
    ASSERT_LE(list.slots(), 64u) << "at " << i;
  }
  EXPECT_EQ(list.size(), 10u);
}

TEST(ReceiverList, LoadGoesWithItsEntry) {
  Rcu rcu;
  ReceiverList list;
  for (std::uint32_t i = 0; i < 5; ++i) {
    list.add(subscriber(i), rcu);
    list.at(i)->load = static_cast<std::uint16_t>(i + 100);
  }
  for (std::uint32_t i = 5; i < 100; ++i) list.add(subscriber(i), rcu);  // grows, through the side index
  for (std::uint32_t i = 10; i < 100; ++i) list.remove(subscriber(i).client, rcu);
  std::uint32_t seen = 0;
  for (std::uint32_t i = 0; i < list.slots(); ++i)
    if (auto* e = list.at(i)) {
      std::uint32_t slot = ClientKey::unpack(e->key).slot;
      if (slot < 5) {
        EXPECT_EQ(e->load, slot + 100);
        ++seen;
      }
    }
  EXPECT_EQ(seen, 5u);
}

TEST(ReceiverList, AsAMap) {
  std::mt19937 rng(1);
  for (std::uint32_t most : {3u, 20u, 40u, 500u}) {  // without and with the side index, and around its border
    Rcu rcu;
    ReceiverList list;
    std::map<std::uint64_t, Subscriber> model;
    for (int step = 0; step < 20000; ++step) {
      Subscriber s = subscriber(rng() % most, static_cast<std::uint8_t>(rng() % 3), rng());
      std::uint64_t key = s.client.packed();
      // Long runs of additions and of removals, so that both ends are reached.
      bool grow = (step / 1000) % 2 == 0 ? rng() % 10 < 7 : rng() % 10 < 3;
      if (grow && !model.contains(key)) {
        list.add(s, rcu);
        model.emplace(key, s);
      } else if (!grow) {
        ASSERT_EQ(list.remove(s.client, rcu), model.erase(key) > 0);
      }
      ASSERT_EQ(list.size(), model.size());
      if (step % 97 != 0) continue;
      auto all = contents(list);
      ASSERT_EQ(all.size(), model.size());
      for (auto& [k, v] : model) {
        ASSERT_TRUE(all.contains(k));
        ASSERT_EQ(all[k].subscription_id, v.subscription_id);
        ASSERT_EQ(all[k].qos, v.qos);
      }
    }
  }
}

}  // namespace
}  // namespace sb::broker
