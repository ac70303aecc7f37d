// SPDX-License-Identifier: MIT
// Shared groups with durable members: one log for the group, what is under way goes from member to member.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "broker/tests/bench.h"

namespace sb::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const ConnectOptions kDurable{.clean = false, .expiry = 1000};

struct Row {
  std::size_t shards;
  bool delayed;
};
class Groups : public ::testing::TestWithParam<Row> {
 protected:
  Bench b{{.shards = GetParam().shards, .delayed = GetParam().delayed}};
  Client pub{b, "pub"};
  std::size_t next_shard = 0;

  void SetUp() override { pub.up(); }
  std::unique_ptr<Client> come(const std::string& id, ConnectOptions o = kDurable) {
    auto c = std::make_unique<Client>(b, id, Version::v5, next_shard++ % b.shards());
    c->connect(o);
    return c;
  }
  std::unique_ptr<Client> member(const std::string& id, std::uint8_t qos = 1, ConnectOptions o = kDurable) {
    auto c = come(id, o);
    c->take();
    c->subscribed("$share/g/a/#", qos);
    return c;
  }
  void publish(const std::string& payload, std::uint8_t qos = 1) {
    pub.publish("a/b", payload, {.qos = qos, .id = static_cast<PacketId>(qos ? 1 : 0)});
    pub.messages();
  }
  /// The payloads of PUBLISH packets; not acknowledged.
  static Words sent_to(Client& c) {
    Words all;
    for (auto& p : c.packets())
      if (p.type == PacketType::publish) all.push_back(p.payload);
    return all;
  }
};
INSTANTIATE_TEST_SUITE_P(All, Groups, ::testing::Values(Row{1, false}, Row{1, true}, Row{3, false}, Row{3, true}),
                         [](auto& i) {
                           return std::to_string(i.param.shards) + (i.param.delayed ? "_later" : "_at_once");
                         });

TEST_P(Groups, WhatComesWhileAllAreAwayWaitsForThem) {
  auto one = member("one"), two = member("two");
  one.reset();
  two.reset();
  for (int i = 0; i < 10; ++i) publish(std::to_string(i));
  EXPECT_EQ(b.logs.messages("$share/g/a/#"), 10u) << "stored once, for the group";
  two = come("two");
  EXPECT_EQ(two->messages().size(), 10u);
  one = come("one");
  EXPECT_THAT(one->messages(), IsEmpty());
  publish("live");
  EXPECT_EQ(one->messages().size() + two->messages().size(), 1u);
}

TEST_P(Groups, ALogMayEndBeforeItsOwnerHearsThatItBegan) {
  b.logs.join("$share/g/a/#", "one", [](auto) {});
  b.logs.leave("$share/g/a/#", "one");
  b.settle();
  EXPECT_EQ(b.logs.count(), 0u);
  EXPECT_EQ(b.sessions.count(), 0u);
}

TEST_P(Groups, EachGoesToOneMemberAndAllTakePart) {
  std::vector<std::unique_ptr<Client>> all;
  for (const char* id : {"one", "two", "three"}) all.push_back(member(id));
  all.push_back(member("volatile", 1, {}));
  std::map<std::string, int> got;
  std::map<Client*, std::size_t> parts;
  for (int i = 0; i < 200; ++i) {
    publish(std::to_string(i));
    for (auto& c : all)
      for (auto& p : c->messages()) ++got[p.payload], ++parts[c.get()];
  }
  for (auto& c : all) EXPECT_EQ(parts[c.get()], 50u);
  EXPECT_EQ(got.size(), 200u);
  for (auto& [payload, times] : got) EXPECT_EQ(times, 1) << payload;
}

TEST_P(Groups, Qos1OfALostMemberGoesToAnother) {
  auto one = member("one");
  for (int i = 0; i < 5; ++i) publish(std::to_string(i));
  EXPECT_EQ(sent_to(*one).size(), 5u);
  one->lose();
  b.settle();
  auto two = come("two");
  two->take();
  two->subscribe("$share/g/a/#", 1);
  EXPECT_THAT(Client::payloads(two->messages()), ElementsAre("0", "1", "2", "3", "4"));
  one = come("one");
  EXPECT_THAT(one->messages(), IsEmpty()) << "they are another's now";
}

TEST_P(Groups, Qos2StaysWithTheMemberThatHasIt) {
  auto one = member("one", 2), two = member("two", 2, {.clean = false, .expiry = 1000, .receive_maximum = 1});
  for (int i = 0; i < 6; ++i) publish(std::to_string(i), 2);
  Words first = sent_to(*one);
  auto second = two->packets();
  one->lose();
  b.settle();
  Words got = Client::payloads(second);
  for (auto& p : second) two->answer(p);
  for (auto& p : two->messages()) got.push_back(p.payload);
  one = come("one", kDurable);
  for (auto& p : one->messages()) {
    EXPECT_TRUE(p.dup);
    got.push_back(p.payload);
  }
  EXPECT_THAT(got, UnorderedElementsAre("0", "1", "2", "3", "4", "5")) << "each once [MQTT-4.8.2-5]";
  EXPECT_THAT(first, ::testing::Not(IsEmpty()));
}

/// A session is in the index before its logs are joined; its client may leave in between.
TEST(GroupsLater, AMemberThatIsGoneBeforeItHasItsSession) {
  Bench b{{.shards = 1, .delayed = true}};
  Client pub(b, "pub");
  pub.up();
  auto one = std::make_unique<Client>(b, "one");
  one->connect(kDurable);
  one->take();
  one->subscribed("$share/g/a", 1).subscribed("b", 1);
  one->lose();
  b.settle();
  pub.publish("a", "waits", {.qos = 1, .id = 1});
  pub.messages();
  one = std::make_unique<Client>(b, "one");
  one->connect(kDurable);
  b.run_shards();
  pub.publish("a", "more", {.qos = 1, .id = 1});
  b.run_shards();
  b.work();
  b.delay.arrive(0);  // its record; it is in the index now
  one->lose();
  b.run_shards();
  while (b.delay.arrive(0)) {  // "more", before the log of "b" is joined
  }
  b.run_shards();
  b.settle();
  b.core().tick();
  Client two(b, "two");
  two.connect(kDurable);
  two.take();
  two.subscribe("$share/g/a", 1);
  EXPECT_THAT(Client::payloads(two.messages()), ElementsAre("waits", "more"));
}

/// A crash at any time finds a QoS 2 message in one record.
/// The store failed while a member took a message, and the member left: only the store knows whose it is.
TEST(GroupsLater, AMessageThatAMemberMayHaveTaken) {
  for (auto away : {Delay::Away::without, Delay::Away::with}) {
    const bool has_it = away == Delay::Away::with;
    SCOPED_TRACE(has_it);
    Bench b{{.shards = 2, .delayed = true}};
    Client pub(b, "pub");
    pub.up();
    auto come = [&](const std::string& id) {
      auto c = std::make_unique<Client>(b, id);
      c->connect(kDurable);
      return c;
    };
    auto one = come("one");
    one->take();
    one->subscribed("$share/g/a", 2);
    int refused = 0;
    b.delay.away_for = [&](const ports::SessionChange& c) {
      if (c.group_taken.empty()) return Delay::Away::no;
      ++refused;
      return away;
    };
    pub.publish("a", "m", {.qos = 2, .id = 1});
    pub.messages();
    EXPECT_THAT(one->take(), IsEmpty());
    one->lose();
    b.settle();
    EXPECT_EQ(refused, 2) << "when it came, and when the client left";
    b.delay.away_for = nullptr;
    auto two = come("two");
    two->take();
    two->subscribe("$share/g/a", 2);
    Words to_two = Client::payloads(two->messages());
    one = come("one");
    Words to_one = Client::payloads(one->messages());
    EXPECT_EQ(to_one, has_it ? Words{"m"} : Words{});
    EXPECT_EQ(to_two, has_it ? Words{} : Words{"m"});
  }
}

TEST(GroupsLater, AMessageThatAMemberHadNotYetTakenWhenItEnded) {
  Bench b{{.shards = 2, .delayed = true}};
  Client pub(b, "pub");
  pub.up();
  Client one(b, "one"), two(b, "two");
  one.connect(kDurable);
  one.take();
  one.subscribed("$share/g/a", 2);
  b.delay.away_for = [](const ports::SessionChange& c) {
    return c.group_taken.empty() ? Delay::Away::no : Delay::Away::without;
  };
  pub.publish("a", "m", {.qos = 2, .id = 1});
  pub.messages();
  EXPECT_THAT(one.take(), IsEmpty());
  two.connect(kDurable);
  two.take();
  two.subscribe("$share/g/a", 2);
  EXPECT_THAT(two.messages(), IsEmpty());
  one.send(disconnect_packet(Version::v5, Reason::success, 0));
  b.settle();
  b.delay.away_for = nullptr;
  for (std::size_t shard : {0, 1}) b.core(shard).tick();
  EXPECT_THAT(Client::payloads(two.messages()), ElementsAre("m"));
}

/// Packet ids go round: the message that a member keeps is as far behind as there are ids.
TEST(GroupsAtOnce, AMemberThatAcknowledgesNothingHoldsUpNobody) {
  Bench b{{}};
  Client pub(b, "pub"), hangs(b, "hangs"), works(b, "works");
  pub.up();
  hangs.connect({.clean = false, .expiry = 1000, .receive_maximum = 1});
  hangs.take();
  hangs.subscribed("$share/g/a", 1);
  pub.publish("a", "kept", {.qos = 1, .id = 1});
  pub.messages();
  EXPECT_EQ(hangs.packets().size(), 1u);
  works.connect(kDurable);
  works.take();
  works.subscribed("$share/g/a", 1);
  constexpr std::size_t kAll = 70'000;
  std::size_t got = 0;
  for (std::size_t i = 0; i < kAll; ++i) {
    pub.publish("a", "m", {.qos = 1, .id = 1});
    pub.messages();
    got += works.messages().size();
  }
  EXPECT_EQ(got, kAll);
  hangs.lose();
  b.settle();
  EXPECT_THAT(Client::payloads(works.messages()), ElementsAre("kept"));
}

TEST_P(Groups, Qos2IsInOneRecord) {
  auto one = member("one", 2);
  publish("x", 2);
  EXPECT_EQ(sent_to(*one).size(), 1u);
  auto under_way = [&](std::string id) {
    ports::SessionStore::Claim c;
    c.client_id = std::move(id);
    c.durable = true;
    c.now = b.clock.wall_now;
    std::size_t count = 0;
    b.sessions.claim(std::move(c), [&](auto r) { count = r->record.outbound.size(); });
    return count;
  };
  EXPECT_EQ(under_way("one"), 1u);
  EXPECT_EQ(under_way(ports::SessionStore::group_session("$share/g/a/#")), 0u);
}

TEST_P(Groups, RefusedByTheClientIsOver) {
  auto one = member("one", 2), two = member("two", 2);
  two.reset();
  publish("x", 2);
  auto got = one->packets();
  ASSERT_EQ(got.size(), 1u);
  one->ack(PacketType::pubrec, got[0].id, Reason::implementation_specific_error);
  b.settle();
  one->lose();
  two = come("two");
  EXPECT_THAT(two->messages(), IsEmpty()) << "[MQTT-4.8.2-6]";
}

TEST_P(Groups, AMemberWithoutRoomHoldsUpNobody) {
  auto slow = member("slow", 1, {.clean = false, .expiry = 1000, .receive_maximum = 2}), quick = member("quick");
  for (int i = 0; i < 50; ++i) publish(std::to_string(i));
  auto first = slow->packets();
  EXPECT_EQ(first.size(), 2u);
  EXPECT_EQ(quick->messages().size(), 48u);
  for (auto& p : first) slow->answer(p);
  b.settle();
  for (int i = 0; i < 10; ++i) publish(std::to_string(i));
  EXPECT_GT(slow->messages().size(), 0u) << "it takes part again";
}

/// What is on its way to a member that has just refused one must not come before that.
TEST(GroupsLater, AMemberThatHasRoomNowAndThenGetsAllInOrder) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    Bench b{{.shards = 3}};
    Client pub(b, "pub");
    pub.up();
    const std::size_t owner = b.node.group_owner("$share/g/a/#");
    Client one(b, "one", Version::v5, (owner + 1) % 3);
    one.connect({.clean = false, .expiry = 1000, .receive_maximum = 20});
    one.take();
    one.subscribed("$share/g/a/#", 1);
    constexpr int kAll = 1000;
    for (int i = 0; i < kAll; ++i) pub.publish("a/b", std::to_string(i), {.qos = 1, .id = 1}), pub.messages();
    Words came;
    std::deque<Packet> unacknowledged;
    for (int idle = 0; idle < 100; ++idle) {
      for (auto& p : one.arrived())
        if (p.type == PacketType::publish) {
          came.push_back(p.payload);
          unacknowledged.push_back(p);
          idle = 0;
        }
      for (auto n = random() % 8; n > 0 && !unacknowledged.empty(); --n) {
        one.answer(unacknowledged.front());
        unacknowledged.pop_front();
      }
      b.turn(random() % 3);
    }
    ASSERT_EQ(came.size(), std::size_t{kAll});
    for (int i = 0; i < kAll; ++i) ASSERT_EQ(came[static_cast<std::size_t>(i)], std::to_string(i));
  }
}

TEST_P(Groups, WhatMembersHoldIsBounded) {
  std::vector<std::unique_ptr<Client>> all;  // each takes at most 8 MiB
  for (int i = 0; i < 10; ++i) all.push_back(member(std::to_string(i)));
  for (int i = 0; i < 140; ++i) publish(std::string(512 << 10, 'x'));
  std::vector<std::vector<Packet>> held;
  std::size_t n = 0;
  for (auto& c : all) n += held.emplace_back(c->packets()).size();
  EXPECT_EQ(n, 128u) << "64 MiB, and what belongs to a message besides";
  for (std::size_t i = 0; i < all.size(); ++i)
    for (auto& p : held[i]) all[i]->answer(p);
  for (auto& c : all) n += c->messages().size();
  EXPECT_EQ(n, 140u);
}

TEST_P(Groups, TheLogGoesWithTheLastDurableMember) {
  auto one = member("one"), two = member("two"), other = member("volatile", 1, {});
  EXPECT_EQ(b.logs.count(), 1u);
  one->unsubscribe("$share/g/a/#");
  b.settle();
  EXPECT_EQ(b.logs.count(), 1u);
  two->send(disconnect_packet(Version::v5, Reason::success, 0));
  b.settle();
  EXPECT_EQ(b.logs.count(), 0u);
  publish("to the volatile one");
  EXPECT_THAT(Client::payloads(other->messages()), ElementsAre("to the volatile one"));
  other.reset();
  one.reset();
  b.settle();
  Client(b, "one").connect();
  b.settle();
  EXPECT_EQ(b.node.index.nodes(), 0u);
  EXPECT_EQ(b.sessions.count(), 0u) << "and the group's own session";
}

TEST_P(Groups, AcknowledgedMessagesLeaveTheLog) {
  auto one = member("one");
  for (int i = 0; i < 2000; ++i) {
    publish("x");
    one->messages();
    if (i % 100 == 0) {
      for (std::size_t s = 0; s < b.shards(); ++s) b.core(s).tick();
      b.settle();
    }
  }
  EXPECT_LT(b.logs.messages("$share/g/a/#"), 1000u);
}

/// Members come, go, and acknowledge some; in the end every message was acknowledged by somebody.
TEST_P(Groups, NothingIsLostWhateverMembersDo) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::map<std::string, std::unique_ptr<Client>> members;
    const std::string group = "$share/g" + std::to_string(seed) + "/a/#";
    auto keeper = come("keeper");
    keeper->take();
    keeper->subscribed(group, 2);
    keeper.reset();
    std::set<std::string> sent, acknowledged;
    std::map<std::string, int> qos2;
    for (int step = 0; step < 150; ++step) {
      std::string id = "m" + std::to_string(random() % 3);
      auto& c = members[id];
      switch (random() % 6) {
        case 0:
          c.reset();
          c = come(id,
                   {.clean = false, .expiry = 1000, .receive_maximum = static_cast<std::uint16_t>(1 + random() % 4)});
          c->take();
          c->subscribe(group, 2);
          break;
        case 1:
          if (c) c->lose();
          c.reset();
          break;
        case 2:
        case 3: {
          std::string payload = std::to_string(seed) + "." + std::to_string(step);
          std::uint8_t qos = 1 + random() % 2;
          publish(payload, qos);
          sent.insert(payload);
          if (qos == 2) qos2[payload];
          break;
        }
        default:
          if (!c) break;
          for (auto& p : c->packets()) {
            if (p.type == PacketType::publish && p.qos == 1 && random() % 3 == 0) continue;
            c->answer(p);
            if (p.type != PacketType::publish) continue;
            acknowledged.insert(p.payload);
            if (p.qos == 2 && !p.dup) ++qos2[p.payload];
          }
      }
    }
    for (auto& [id, c] : members) c.reset();
    for (int round = 0; round < 2; ++round)
      for (const char* id : {"m0", "m1", "m2", "keeper"}) {
        auto c = come(id);
        for (auto& p : c->messages()) {
          acknowledged.insert(p.payload);
          if (p.qos == 2 && !p.dup) ++qos2[p.payload];
        }
        b.settle();
        c.reset();
      }
    EXPECT_EQ(acknowledged, sent);
    for (auto& [payload, times] : qos2) EXPECT_LE(times, 1) << payload;
    for (const char* id : {"m0", "m1", "m2", "keeper"}) {
      Client(b, id).connect();
      b.settle();
    }
    EXPECT_EQ(b.logs.count(), 0u);
  }
}

}  // namespace
}  // namespace sb::broker::testing
