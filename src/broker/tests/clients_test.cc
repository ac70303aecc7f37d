// SPDX-License-Identifier: MIT
// What an operator sees of clients, and does to them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/tests/bench.h"

namespace sb::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// All of a shard, in pieces of so many.
Words names(Bench& b, std::size_t limit, const std::string& filter = "", std::size_t shard = 0) {
  Words all;
  ClientList list;
  list.filter = filter;
  for (int calls = 0; !list.over && calls < 10'000; ++calls) {
    list.limit = limit;
    b.core(shard).list_clients(list);
    EXPECT_LE(list.found.size(), limit);
    for (auto& c : list.found) all.push_back(c.client_id);
    list.found.clear();
    list.bytes = 0;
  }
  EXPECT_TRUE(list.over);
  return all;
}

TEST(Clients, WhatIsShown) {
  Bench b;
  b.clock.wall_now = WallTime(Seconds(1'700'000'000) + Millis(999));
  b.settle();
  Client old(b, "old", Version::v311), five(b, "five"), half(b, "half");
  old.up();
  ConnectOptions durable;
  durable.expiry = 100;
  b.advance(Millis(60'000));
  five.up(durable).subscribed("a", 1).subscribed("b", 0);
  old.publish("a", "x");
  PublishOptions qos1;
  qos1.qos = 1;
  qos1.id = 1;
  old.publish("a", "x", qos1);
  b.settle();

  ClientList list;
  list.limit = 10;
  b.core().list_clients(list);
  EXPECT_TRUE(list.over);
  ASSERT_THAT(list.found, SizeIs(2));
  const model::ClientInfo& first = list.found[0];
  EXPECT_EQ(first.client_id, "old");
  EXPECT_EQ(first.version, 4);
  EXPECT_FALSE(first.durable);
  EXPECT_EQ(first.peer, "test");
  EXPECT_EQ(first.since, WallTime(Seconds(1'700'000'000)));
  const model::ClientInfo& second = list.found[1];
  EXPECT_EQ(second.client_id, "five");
  EXPECT_EQ(second.version, 5);
  EXPECT_TRUE(second.durable);
  EXPECT_EQ(second.subscriptions, 2u);
  EXPECT_EQ(second.in_flight, 1u);
  EXPECT_EQ(second.since, WallTime(Seconds(1'700'000'060)));
}

TEST(Clients, InPieces) {
  Bench b;
  std::vector<std::unique_ptr<Client>> all;
  Words ids;
  for (int i = 0; i < 1200; ++i) {
    ids.push_back("c" + std::to_string(i));
    all.push_back(std::make_unique<Client>(b, ids.back()));
    all.back()->connect();
  }
  b.settle();
  for (std::size_t limit : {1u, 7u, 512u, 10'000u}) EXPECT_EQ(names(b, limit), ids) << limit;
  EXPECT_THAT(names(b, 1, "c119"), ElementsAre("c119", "c1190", "c1191", "c1192", "c1193", "c1194", "c1195", "c1196",
                                               "c1197", "c1198", "c1199"));
  EXPECT_THAT(names(b, 5, "nobody"), IsEmpty());

  ClientList list;  // one call looks at so many places, however few it finds
  list.filter = "nobody";
  list.limit = 1;
  b.core().list_clients(list);
  EXPECT_EQ(list.next, ClientList::kPiece);
  EXPECT_FALSE(list.over);
  list.next = 0xFFFFFFFF;  // of another run of the broker
  b.core().list_clients(list);
  EXPECT_TRUE(list.over);

  for (int i = 0; i < 1200; i += 2) all[i]->lose();
  b.settle();
  EXPECT_THAT(names(b, 100), SizeIs(600));
}

TEST(Clients, LongNamesMakeSmallPieces) {
  Bench b;
  std::vector<std::unique_ptr<Client>> all;
  for (int i = 0; i < 20; ++i) {
    all.push_back(std::make_unique<Client>(b, std::string(60'000, 'x') + std::to_string(i)));
    all.back()->up();
  }
  ClientList list;
  list.limit = 1000;
  b.core().list_clients(list);
  EXPECT_FALSE(list.over);
  EXPECT_LE(list.found.size(), 6u);
  EXPECT_EQ(names(b, 1000).size(), 20u);
}

TEST(Clients, Disconnect) {
  for (std::size_t shard : {0u, 1u}) {
    Bench b({.shards = 2});
    Client c(b, "c", Version::v5, shard), old(b, "old", Version::v311, shard), other(b, "other");
    c.up();
    old.up();
    other.up();
    std::vector<bool> was_there;
    auto end = [&](const char* id) {
      b.node.disconnect(id, Reason::administrative_action, [&](bool yes) { was_there.push_back(yes); });
    };
    end("c");
    end("nobody");
    EXPECT_EQ(c.take(), Words{"DISCONNECT 98"});
    EXPECT_TRUE(c.closed());
    end("c");
    end("old");
    EXPECT_THAT(old.take(), IsEmpty());
    EXPECT_TRUE(old.closed());
    EXPECT_EQ(std::count(was_there.begin(), was_there.end(), true), 2);
    EXPECT_EQ(was_there.size(), 4u);
    EXPECT_FALSE(other.closed());
  }
}

TEST(Clients, DisconnectWhoIsOnTheWayIn) {
  Bench b({.delayed = true});
  Client c(b, "c");
  ConnectOptions durable;
  durable.expiry = 100;
  c.connect(durable);
  b.turn(0);
  bool was_there = false;
  b.node.disconnect("c", Reason::administrative_action, [&](bool yes) { was_there = yes; });
  b.turn(0);
  EXPECT_TRUE(was_there);
  EXPECT_TRUE(c.closed());
  EXPECT_EQ(c.take(), Words{"CONNACK 87"});
}

}  // namespace
}  // namespace sb::broker::testing
