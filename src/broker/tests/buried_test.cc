// SPDX-License-Identifier: MIT
// A node that the others bury: who publishes its clients' wills, and what it does not do any more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/tests/cluster.h"

namespace sb::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Buried : public ::testing::Test {
 protected:
  Cluster cluster{2};

  std::unique_ptr<Client> up(std::size_t node, const std::string& id, ConnectOptions o = {}, std::size_t shard = 0,
                             Version v = Version::v5) {
    auto c = std::make_unique<Client>(cluster[node], id, v, shard);
    c->connect(o);
    cluster.settle();
    EXPECT_EQ(Client::words(c->arrived()).size(), 1u);
    return c;
  }
  std::unique_ptr<Client> watcher(std::size_t node, const std::string& id, ConnectOptions o = {}) {
    auto c = up(node, id, o);
    c->subscribed("will/#", 1);
    cluster.settle();
    return c;
  }
  Words take(Client& c) {
    cluster.settle();
    return Client::words(c.arrived());
  }
  Words seen(Client& c) {
    cluster.settle();
    Words all;
    for (auto& p : c.arrived()) {
      if (p.type != PacketType::publish) continue;
      all.push_back(p.payload);
      c.answer(p);
    }
    cluster.settle();
    return all;
  }
};

ConnectOptions with_will(const std::string& payload, bool retain = false) {
  ConnectOptions o;
  o.will = ConnectOptions::Will{.topic = "will/a", .payload = payload, .qos = 1, .retain = retain};
  return o;
}

ConnectOptions durable(ConnectOptions o = {}) {
  o.clean = false;
  o.expiry = 1000;
  return o;
}

TEST_F(Buried, TheWillsOfVolatileClientsAreKeptAsLongAsTheyCount) {
  auto stays = up(0, "stays", with_will("a")), loses = up(0, "loses", with_will("b"), 1);
  auto leaves = up(0, "leaves", with_will("c")), none = up(0, "none"), of_record = up(0, "d", durable(with_will("d")));
  EXPECT_THAT(cluster.wills(0), ElementsAre("leaves c", "loses b", "stays a"));
  leaves->disconnect();
  loses->lose();
  cluster.settle();
  EXPECT_THAT(cluster.wills(0), ElementsAre("stays a"));
  cluster[0].advance(Millis(1));
  auto again = up(0, "stays", with_will("e"), 1);
  EXPECT_THAT(cluster.wills(0), ElementsAre("stays e")) << "the later connection's stays";
  cluster.forget_wills(0);
  EXPECT_THAT(cluster.wills(0), ElementsAre("stays e")) << "kept again";
}

TEST_F(Buried, ANodeThatMayHaveBeenBuriedTellsItsOwnClientsOnly) {
  for (bool kept : {false, true}) {
    auto near = watcher(0, "near"), far = watcher(1, "far"), log = watcher(1, "log", durable());
    auto plain = up(0, "plain", with_will("1", true)), record = up(0, "record", durable(with_will("2")), 1);
    cluster.deafen(0);
    plain->lose();
    record->lose();
    EXPECT_THAT(seen(*near), ::testing::UnorderedElementsAre("1", "2"));
    EXPECT_THAT(seen(*far), IsEmpty());
    EXPECT_THAT(seen(*log), IsEmpty());
    EXPECT_EQ(cluster[0].retained.count(), 0u);
    EXPECT_THAT(cluster.wills(0), ElementsAre("plain 1"));
    if (!kept) cluster.bury(0);
    cluster.hear();
    cluster.tick(0);
    cluster.tick(0);
    EXPECT_THAT(seen(*near), IsEmpty());
    if (kept) {
      EXPECT_THAT(seen(*far), ::testing::UnorderedElementsAre("1", "2"));
      EXPECT_THAT(seen(*log), ::testing::UnorderedElementsAre("1", "2"));
      EXPECT_EQ(cluster[0].retained.count(), 1u);
      EXPECT_THAT(cluster.wills(0), IsEmpty());
    } else {
      EXPECT_THAT(seen(*far), IsEmpty()) << "whoever buried it publishes them";
      EXPECT_THAT(seen(*log), IsEmpty());
      EXPECT_THAT(cluster.wills(0), ElementsAre("plain 1"));
    }
    log->send(disconnect_packet(Version::v5, Reason::success, 0));
    cluster.settle();
  }
}

TEST_F(Buried, AllClientsGoWithoutAWordToAnybody) {
  auto far = watcher(1, "far");
  auto plain = up(0, "plain", with_will("1")), record = up(0, "record", durable(with_will("2")), 1);
  auto old = up(0, "old", with_will("3"), 0, Version::v311);
  record->subscribed("a", 2);
  cluster.settle();
  const std::size_t changes = cluster.changes(0);
  cluster.bury(0);
  EXPECT_EQ(cluster.let_go_of, 2u);
  EXPECT_THAT(take(*plain), ElementsAre("DISCONNECT 89"));
  EXPECT_THAT(take(*record), ElementsAre("DISCONNECT 89"));
  EXPECT_TRUE(plain->closed() && record->closed() && old->closed());
  EXPECT_THAT(seen(*far), IsEmpty());
  EXPECT_EQ(cluster.changes(0), changes) << "of a session that is not its own any more nothing is stored";
  EXPECT_THAT(cluster.wills(0), ElementsAre("old 3", "plain 1"));
  for (const char* id : {"plain", "record", "old"})
    EXPECT_EQ(cluster[0].node.directory.find(Directory::key(id)), std::nullopt) << id;
  auto back = up(0, "record", durable());
  EXPECT_FALSE(back->closed());
}

TEST_F(Buried, AGroupIsClaimedAgain) {
  auto pub = up(0, "pub");
  auto member = up(0, "member", durable());
  member->subscribed("$share/g/a", 1);
  cluster.settle();
  auto publish = [&](const char* payload) {
    pub->publish("a", payload, {.qos = 1, .id = 1});
    cluster.settle();
    pub->arrived();
  };
  publish("1");
  EXPECT_THAT(seen(*member), ElementsAre("1"));
  cluster.tick(0);
  cluster.bury(0);
  pub = up(0, "pub");
  publish("2");
  member = std::make_unique<Client>(cluster[0], "member", Version::v5);
  member->connect(durable());
  cluster.tick(0);
  // What the record did not know to be done comes again; QoS 1 may.
  EXPECT_THAT(seen(*member), ::testing::AnyOf(ElementsAre("2"), ElementsAre("1", "2")));
  publish("3");
  EXPECT_THAT(seen(*member), ElementsAre("3"));
}

}  // namespace
}  // namespace sb::broker::testing
