// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/tests/bench.h"

namespace sb::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::shared_ptr<const auth::BanFile> bans(std::string_view text) {
  std::string why;
  return auth::BanFile::parse(text, why).value();
}

std::vector<std::unique_ptr<Client>> crowd(Bench& b, std::size_t n, std::uint32_t expiry, const std::string& name) {
  std::vector<std::unique_ptr<Client>> all;
  for (std::size_t i = 0; i < n; ++i) {
    all.push_back(std::make_unique<Client>(b, name + std::to_string(i)));
    all.back()->connect({.expiry = expiry});
  }
  return all;
}
std::size_t in(const std::vector<std::unique_ptr<Client>>& all) {
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](auto& c) { return c->channel.up(); }));
}

// ---------------------------------------------------------------- limits.connect_rate

TEST(ConnectRate, ACrowdComesInOneAfterTheOther) {
  BenchOptions o;
  o.limits.connect_rate = 100;
  Bench b(o);
  auto others = crowd(b, 100, 0, "v"), durable = crowd(b, 100, 60, "d");
  b.settle();
  EXPECT_EQ(in(others) + in(durable), 21u) << "a fifth of a second's worth at once";
  EXPECT_EQ(b.core().counters.connects_waiting.get(), 179u);
  for (int i = 0; i < 100; ++i) b.advance(Millis(10));
  b.settle();
  EXPECT_NEAR(static_cast<double>(in(others) + in(durable)), 121, 2);
  EXPECT_GT(in(durable), 80u) << "those whose session waits come first";
  EXPECT_GT(in(others), 21u) << "but not all of them";
  for (int i = 0; i < 100; ++i) b.advance(Millis(10));
  b.settle();
  EXPECT_EQ(in(others) + in(durable), 200u);
  EXPECT_EQ(b.core().counters.connects_waiting.get(), 0u);
}

TEST(ConnectRate, WhoGivesUpCostsNothing) {
  BenchOptions o;
  o.limits.connect_rate = 10;
  Bench b(o);
  auto some = crowd(b, 100, 0, "a");
  b.settle();
  EXPECT_EQ(in(some), 3u);
  for (auto& c : some)
    if (!c->channel.up()) c->lose();
  auto more = crowd(b, 1, 0, "b");
  b.advance(Millis(101));
  b.settle();
  EXPECT_EQ(in(more), 1u);
}

// ---------------------------------------------------------------- limits.memory

TEST(MemoryFull, NewWorkIsRefused) {
  for (Version v : {Version::v311, Version::v5}) {
    Bench b;
    b.node.stores_in_memory = true;
    Client inside(b, "inside", v);
    inside.up();
    inside.subscribed("a", 1);
    b.node.memory_full = true;
    b.settle();
    Client late(b, "late", v);
    late.connect();
    EXPECT_THAT(late.take(), ElementsAre(v == Version::v5 ? "CONNACK 97" : "CONNACK 03"));
    EXPECT_TRUE(late.closed());
    inside.subscribe("b", 0);
    EXPECT_THAT(inside.take(), ElementsAre(v == Version::v5 ? "SUBACK 2 97" : "SUBACK 2 80"));
    inside.subscribe("a", 1);
    EXPECT_THAT(inside.take(), ElementsAre("SUBACK 3 01")) << "what it has it keeps";
    inside.publish("a", "live", {.qos = 1, .id = 7});
    EXPECT_THAT(inside.take(), ::testing::UnorderedElementsAre("PUBACK 7", "PUBLISH a live qos1 id1"));
    inside.publish("r", "kept", {.qos = 1, .id = 8, .retain = true});
    EXPECT_THAT(inside.take(), ElementsAre(v == Version::v5 ? "PUBACK 8 97" : "PUBACK 8"));
    EXPECT_EQ(b.retained.count(), 0u);
    EXPECT_EQ(b.core().counters.refused_memory.get(), 3u);
    EXPECT_EQ(b.core().counters.retained_refused.get(), 1u);
    b.node.memory_full = false;
    b.settle();
    Client again(b, "late", v);
    again.up();
  }
}

TEST(MemoryFull, StoredMessagesAreRefusedOnlyWhereTheyTakeMemory) {
  for (bool in_memory : {true, false}) {
    Bench b;
    b.node.stores_in_memory = in_memory;
    Client away(b, "away"), pub(b, "pub");
    away.up({.expiry = 60}).subscribed("a", 1);
    away.lose();
    pub.up();
    b.node.memory_full = true;
    b.settle();
    pub.publish("a", "x", {.qos = 1, .id = 1});
    EXPECT_THAT(pub.take(), ElementsAre(in_memory ? "PUBACK 1 97" : "PUBACK 1"));
  }
}

// ---------------------------------------------------------------- bans

TEST(Bans, ClientsAndUsersAreTurnedAway) {
  Bench b;
  b.node.bans.replace(bans("client bad\naddress 192.0.2.7"));
  Client bad(b, "bad"), old(b, "bad", Version::v311), good(b, "good");
  bad.connect();
  old.connect();
  EXPECT_THAT(bad.take(), ElementsAre("CONNACK 8a"));
  EXPECT_THAT(old.take(), ElementsAre("CONNACK 05"));
  good.up();
  EXPECT_EQ(b.core().counters.refused_banned.get(), 2u);
}

TEST(Bans, AReloadEndsConnections) {
  Bench b;
  Client a(b, "a"), c(b, "c"), here(b, "here");
  a.ip = *Ip::parse("192.0.2.7");
  for (Client* one : {&a, &c, &here}) one->up();
  b.node.bans.replace(bans("client c\naddress 192.0.2.0/24"));
  b.core().bans_changed();
  EXPECT_THAT(a.take(), ElementsAre("DISCONNECT 98"));
  EXPECT_THAT(c.take(), ElementsAre("DISCONNECT 98"));
  EXPECT_TRUE(c.closed());
  EXPECT_TRUE(here.channel.up());
}

TEST(Bans, AClientThatComesTooOften) {
  Bench b;
  b.node.bans.set_rules({.flapping = 5, .flapping_window = 60, .time = 300});
  for (int i = 0; i < 5; ++i) Client(b, "a").up();
  Client again(b, "a"), other(b, "b");
  again.connect();
  EXPECT_THAT(again.take(), ElementsAre("CONNACK 8a"));
  other.up();
  b.advance(Seconds(301));
  Client(b, "a").up();
}

// ---------------------------------------------------------------- events

TEST(Events, ArePublished) {
  Bench b;
  b.node.name = "n1";
  b.node.events.topics = true;
  b.core().events_changed();
  b.settle();
  Client ears(b, "ears");
  ears.up().subscribed("$SYS/brokers/events/#", 1);
  ears.messages();
  Client a(b, "a"), again(b, "a");
  a.up();
  again.up();
  b.node.bans.replace(bans("client \"x"));
  Client bad(b, "\"x");
  bad.connect();
  again.lose();
  std::vector<std::string> all;
  for (auto& p : ears.messages()) {
    EXPECT_EQ(p.qos, 1);
    EXPECT_THAT(p.payload, HasSubstr("\"node\":\"n1\",\"ts\":"));
    all.push_back(p.topic.substr(sizeof "$SYS/brokers/events/" - 1) + p.payload.substr(p.payload.find(",\"client")));
  }
  EXPECT_THAT(all, ::testing::UnorderedElementsAre(
                       R"(client/connected,"client":"a","user":"","peer":"test","reason":"new session"})",
                       R"(client/taken_over,"client":"a","user":"","peer":"test","reason":"session taken over"})",
                       R"(client/disconnected,"client":"a","user":"","peer":"test","reason":"session taken over"})",
                       R"(client/connected,"client":"a","user":"","peer":"test","reason":"new session"})",
                       R"(client/refused,"client":"\"x","user":"","peer":"test","reason":"banned"})",
                       R"(client/disconnected,"client":"a","user":"","peer":"test","reason":"connection lost"})"));
}

TEST(Events, AreNotHeardWhereNobodyAsked) {
  EventOptions o;
  o.log = EventOptions::Log::none;
  EXPECT_EQ(o.heard().bits(), 0);
  o.log = EventOptions::Log::refusals;
  EXPECT_TRUE(o.heard().has(channel::EventKind::refused));
  EXPECT_FALSE(o.heard().has(channel::EventKind::connected));
  o.topics = true;
  EXPECT_TRUE(o.heard().has(channel::EventKind::connected));
}

TEST(Events, AFloodIsCutOff) {
  Bench b;
  b.node.events.topics = true;
  b.node.events.log = EventOptions::Log::none;
  for (int i = 0; i < 30'000; ++i) b.core().happened({channel::EventKind::refused, "c", "", "p", "r", ""});
  EXPECT_EQ(b.core().counters.events_dropped.get(), 10'000u);
  b.settle();
}

// ---------------------------------------------------------------- the memory of routes

TEST(RouteMemory, LargeRoutesAreNotAllRemembered) {
  SubscriptionIndex index;
  constexpr std::uint32_t kSubscribers = 100'000;  // 1.6 MB a route
  for (std::uint32_t i = 0; i < kSubscribers; ++i) {
    Subscriber s;
    s.client = {0, i, 1};
    index.add("#", s);
  }
  RouteCache cache(index, 0, 1, 8192);
  std::vector<RoutePtr> remembered;
  for (int i = 0; i < 400; ++i) {
    RoutePtr r = cache.get("t" + std::to_string(i));
    ASSERT_EQ(r->receivers.size(), kSubscribers);
    EXPECT_LE(cache.bytes(), RouteCache::kBytes);
    if (!r->passing) remembered.push_back(r);
  }
  EXPECT_LE(cache.live_bytes(), RouteCache::kLiveBytes + 4'000'000);
  EXPECT_LT(remembered.size(), 200u);
  EXPECT_GT(remembered.size(), 100u);
  remembered.clear();
  EXPECT_LE(cache.live_bytes(), RouteCache::kBytes);
  EXPECT_FALSE(cache.get("new")->passing);
}

}  // namespace
}  // namespace sb::broker::testing
