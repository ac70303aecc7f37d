// SPDX-License-Identifier: MIT
// Shared groups with durable members over several nodes: one owner, and what becomes of messages when nodes go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "broker/tests/cluster.h"

namespace sb::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const ConnectOptions kDurable{.clean = false, .expiry = 1000};

class GroupNodes : public ::testing::Test {
 protected:
  Cluster cluster{3};
  std::map<std::size_t, std::unique_ptr<Client>> publishers;
  std::map<std::string, int> got;  ///< payload → how often

  std::unique_ptr<Client> come(std::size_t node, const std::string& id, ConnectOptions o = kDurable) {
    auto c = std::make_unique<Client>(cluster[node], id, Version::v5, 0);
    c->connect(o);
    cluster.settle();
    c->arrived();
    return c;
  }
  std::unique_ptr<Client> member(std::size_t node, const std::string& id, ConnectOptions o = kDurable) {
    auto c = come(node, id, o);
    c->subscribe("$share/g/a/#", 1);
    cluster.settle();
    c->arrived();
    return c;
  }
  void publish(std::size_t node, const std::string& payload, std::uint8_t qos = 1) {
    auto& p = publishers[node];
    if (!p) p = come(node, "pub" + std::to_string(node), {});
    p->publish("a/b", payload, {.qos = qos, .id = 1});
    cluster.settle();
    for (auto& packet : p->arrived()) p->answer(packet);
    cluster.settle();
    p->arrived();
  }
  void publish_all(std::size_t node, int from, int to) {
    for (int i = from; i < to; ++i) publish(node, std::to_string(i));
  }
  /// What is there now, not acknowledged.
  std::vector<Packet> arrived(Client& c) {
    cluster.settle();
    std::vector<Packet> all;
    for (auto& p : c.arrived())
      if (p.type == PacketType::publish) all.push_back(p);
    return all;
  }
  /// All of it, acknowledged.
  std::size_t take(Client& c) {
    std::size_t n = 0;
    for (;;) {
      cluster.settle();
      auto some = c.arrived();
      if (some.empty()) return n;
      for (auto& p : some) {
        c.answer(p);
        if (p.type == PacketType::publish) ++got[p.payload], ++n;
      }
    }
  }
  void all_once(int n) {
    EXPECT_EQ(got.size(), static_cast<std::size_t>(n));
    for (auto& [payload, times] : got) EXPECT_EQ(times, 1) << payload;
  }
};

TEST_F(GroupNodes, EachGoesToOneMemberOfAllNodes) {
  auto a = member(0, "a"), b = member(1, "b"), c = member(2, "c");
  for (int i = 0; i < 90; ++i) {
    publish(static_cast<std::size_t>(i % 3), std::to_string(i));
    take(*a), take(*b), take(*c);
  }
  all_once(90);
}

TEST_F(GroupNodes, SharesAreThoseOfTheMembers) {
  std::vector<std::unique_ptr<Client>> all;
  for (const char* id : {"a", "b", "c"}) all.push_back(member(0, id));
  all.push_back(member(1, "d"));
  std::vector<std::size_t> parts(4);
  for (int i = 0; i < 80; ++i) {
    publish(2, std::to_string(i));
    for (std::size_t k = 0; k < 4; ++k) parts[k] += take(*all[k]);
  }
  all_once(80);
  EXPECT_THAT(parts, ElementsAre(20u, 20u, 20u, 20u));
}

TEST_F(GroupNodes, WhatComesWhileAllAreAwayWaitsOnWhateverNodeTheyComeBackTo) {
  auto a = member(0, "a");
  publish(0, "0");
  EXPECT_EQ(take(*a), 1u);
  a->lose();
  cluster.settle();
  publish_all(0, 1, 6);
  a = std::make_unique<Client>(cluster[2], "a");
  a->connect(kDurable);
  EXPECT_EQ(take(*a), 5u);
  all_once(6);
}

/// It keeps the group until somebody asks; of QoS 2 it has nobody to give it to.
TEST_F(GroupNodes, AnOwnerWithoutMembersIsNoneToWhoComes) {
  auto with_qos2 = [&](std::size_t node, const std::string& id) {
    auto c = come(node, id);
    c->subscribe("$share/g/a/#", 2);
    cluster.settle();
    c->arrived();
    return c;
  };
  auto a = with_qos2(0, "a"), b = with_qos2(1, "b");
  publish_all(2, 0, 2);
  EXPECT_EQ(take(*a) + take(*b), 2u);
  b->lose();
  a->lose();
  cluster.tick();
  cluster.settle();
  publish(2, "2", 2);
  b = std::make_unique<Client>(cluster[1], "b");
  b->connect(kDurable);
  cluster.tick();
  take(*b);
  all_once(3);
}

TEST_F(GroupNodes, WhatALeavingMemberHasGoesToAnotherNode) {
  auto a = member(0, "a"), b = member(1, "b");
  publish_all(2, 0, 10);
  const auto lost = arrived(*b);
  EXPECT_EQ(lost.size(), 5u);
  b->lose();
  cluster.settle();
  take(*a);
  all_once(10);
}

/// What the record knows to be done nobody keeps, whoever owns the group.
TEST_F(GroupNodes, WhatIsStoredIsForgottenAlsoAfterAnotherOwner) {
  const std::string filter = "$share/g/a/#";
  std::vector<std::unique_ptr<Client>> all;
  for (std::size_t n = 0; n < 3; ++n) all.push_back(member(n, std::string(1, static_cast<char>('a' + n))));
  auto part = [&](std::size_t n) {
    Core& core = cluster[n].core(cluster[n].node.group_owner(filter));
    return decode_group_part(core.group_asked(filter, 0));
  };
  int next = 0;
  auto some = [&] {
    for (int i = 0; i < 30; ++i) {
      publish(0, std::to_string(next++));
      for (auto& c : all)
        if (!c->closed()) take(*c);
    }
  };
  some();
  std::size_t owner = 0;
  while (owner < 2 && part(owner)) ++owner;
  ASSERT_FALSE(part(owner));
  all[owner]->disconnect();
  cluster.settle();
  some();
  for (int i = 0; i < 4; ++i) cluster.tick();
  unsigned others = 0;
  for (std::size_t n = 0; n < 3; ++n)
    if (const auto p = part(n); p && n != owner) {
      ++others;
      EXPECT_THAT(p->done, IsEmpty()) << n;
    }
  EXPECT_EQ(others, 1u) << "one owns it";
  all_once(next);
}

/// A node gets as many in a row as it has members: not when it has died meanwhile.
TEST_F(GroupNodes, ANodeThatDiedHasNoTurn) {
  auto a = member(0, "a");
  std::vector<std::unique_ptr<Client>> others;
  for (const char* id : {"b", "c", "d"}) others.push_back(member(1, id));
  int n = 0;
  auto have = [&] {
    std::size_t all = 0;
    for (auto& c : others) all += arrived(*c).size();
    return all;
  };
  while (n < 10 && have() == 0) publish(2, std::to_string(n++));
  take(*a);
  cluster.kill(1);
  for (int i = 0; i < 3; ++i) publish(2, std::to_string(n++));
  take(*a);
  all_once(n);
}

/// The one that dies owns the group, or has members only.
class GroupNodesDeath : public GroupNodes, public ::testing::WithParamInterface<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Node, GroupNodesDeath, ::testing::Values(0u, 1u, 2u));

TEST_P(GroupNodesDeath, CostsOnlyWhatWasNotAcknowledged) {
  auto a = member(0, "a"), b = member(1, "b"), c = member(2, "c");
  publish_all((GetParam() + 1) % 3, 0, 30);
  Client* all[] = {a.get(), b.get(), c.get()};
  for (int i : {0, 1, 2})  // a few are acknowledged, and nobody has stored that
    if (static_cast<std::size_t>(i) != GetParam()) {
      auto some = arrived(*all[i]);
      ASSERT_EQ(some.size(), 10u);
      for (std::size_t k = 0; k < some.size(); k += 2) {
        all[i]->answer(some[k]);
        ++got[some[k].payload];
      }
      cluster.settle();
    }
  cluster.kill(GetParam());
  cluster.tick();
  publish_all((GetParam() + 1) % 3, 30, 40);
  for (int i : {0, 1, 2})
    if (static_cast<std::size_t>(i) != GetParam()) {
      // those that it still has came before: they are not sent again
      auto more = arrived(*all[i]);
      for (auto& p : more) {
        EXPECT_EQ(got.count(p.payload), 0u) << p.payload << " was acknowledged";
        all[i]->answer(p);
        ++got[p.payload];
      }
      take(*all[i]);
    }
  EXPECT_EQ(got.size(), 30u) << "what the others still have they have been sent before";
  for (auto& [payload, times] : got) EXPECT_EQ(times, 1) << payload;
}

TEST_P(GroupNodesDeath, HandsOutNothingMore) {
  const std::size_t dies = GetParam(), lives = (dies + 1) % 3, third = (dies + 2) % 3;
  auto a = member(dies, "a"), b = member(lives, "b");
  publish_all(third, 0, 4);
  take(*a), take(*b);
  cluster.tick();  // the record knows what the members of the owner have acknowledged
  cluster.kill(dies);
  publish_all(third, 4, 8);
  EXPECT_THAT(arrived(*a), IsEmpty());
  take(*b);
  all_once(8);
}

TEST_F(GroupNodes, LostNotesAreFoundByAsking) {
  auto a = member(0, "a"), b = member(1, "b");
  publish_all(2, 0, 4);
  take(*a), take(*b);
  cluster.loses_notes = [](const ports::GroupNote&) { return true; };
  publish_all(2, 4, 10);
  take(*a), take(*b);
  cluster.loses_notes = nullptr;
  for (int i = 0; i < 12; ++i) cluster.tick();
  take(*a), take(*b);
  all_once(10);
}

TEST_F(GroupNodes, TheOwnerThatHasNoMembersAnyMoreGivesItUpWithAllThatItKnows) {
  auto a = member(0, "a"), b = member(1, "b"), c = member(2, "c");
  publish_all(2, 0, 30);
  for (Client* m : {a.get(), b.get(), c.get()}) {
    auto some = arrived(*m);
    for (std::size_t k = 0; k < 5; ++k) m->answer(some[k]), ++got[some[k].payload];
  }
  cluster.settle();
  a->lose();
  cluster.settle();
  cluster.tick();
  for (Client* m : {b.get(), c.get()})
    for (auto& p : arrived(*m)) {
      EXPECT_EQ(got.count(p.payload), 0u) << p.payload;
      ++got[p.payload];
      m->answer(p);
    }
  EXPECT_EQ(got.size(), 20u) << "15 that were acknowledged, and 5 of the one that left";
}

TEST_P(GroupNodesDeath, CostsNothingWhenItsMembersHaveLeftBefore) {
  const std::size_t dies = GetParam(), lives = (dies + 1) % 3;
  auto a = member(dies, "a"), b = member(lives, "b");
  publish_all(lives, 0, 20);
  take(*a), take(*b);
  cluster.loses_notes = [](const ports::GroupNote&) { return true; };
  cluster.silent = dies;
  a->lose();
  cluster.settle();
  cluster.kill(dies);
  cluster.loses_notes = nullptr;
  publish_all(lives, 20, 30);
  take(*b);
  all_once(30);
}

TEST_F(GroupNodes, ANodeWhoseMembersHaveNoRoomHoldsUpNobody) {
  auto slow = member(0, "slow", {.clean = false, .expiry = 1000, .receive_maximum = 1});
  auto quick = member(1, "quick");
  for (int i = 0; i < 40; ++i) {
    publish(2, std::to_string(i));
    take(*quick);
  }
  EXPECT_GE(got.size(), 35u);
  take(*slow);
  take(*quick);
  all_once(40);
}

TEST_F(GroupNodes, Qos2StaysOnTheNodeOfTheOwner) {
  auto a = come(0, "a"), b = come(1, "b");
  for (Client* c : {a.get(), b.get()}) {
    c->subscribe("$share/g/a/#", 2);
    cluster.settle();
    c->arrived();
  }
  for (int i = 0; i < 10; ++i) publish(2, std::to_string(i), 2);
  take(*a), take(*b);
  all_once(10);
}

TEST(GroupPartText, IsReadAsItWasWritten) {
  GroupPart p{3, {7, 9}, {{1, 2}}, {{3, 4}, {5, 6}}, {}};
  auto read = decode_group_part(encode(p));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->members, 3u);
  EXPECT_EQ(read->upto, p.upto);
  EXPECT_EQ(read->open, p.open);
  EXPECT_EQ(read->held, p.held);
  EXPECT_EQ(read->done, p.done);
  for (const char* bad : {"", "1", "1 2 3 99", "1 2 3 0 0 0 x", "1 2 3 0 0 0 0"})
    EXPECT_FALSE(decode_group_part(bad)) << bad;
}

}  // namespace
}  // namespace sb::broker::testing
