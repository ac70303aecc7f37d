// SPDX-License-Identifier: MIT
// Sessions in Redis when several nodes want them.
#include "store/redis_sessions.h"

#include <random>

#include "store/tests/redis_cluster.h"

namespace sb::store::test {
namespace {

using ports::errc;
using ports::SessionChange;
using redis::testing::RedisServer;
using Claimed = ports::SessionStore::Claimed;
using model::Position;

WallTime now() { return std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now()); }

TEST(RedisSessions, TwoNodesFightOverOneClient) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a"), b(server, "b");
  SessionNode* nodes[] = {&a, &b};
  for (auto* node : nodes) node->sessions.set_turn({});
  std::mt19937 random(1);
  std::uint64_t last = 0, refused = 0, accepted = 0;
  std::uint64_t epochs[2] = {0, 0};
  for (int round = 0; round < 2000; ++round) {
    // Both at once, or one alone; each changes what it believes to own.
    std::optional<result<Claimed>> claimed[2];
    std::optional<result<void>> changed[2];
    const unsigned who = 1 + random() % 3;
    for (unsigned i = 0; i < 2; ++i) {
      SessionChange c;
      c.next_order = static_cast<std::uint64_t>(round) + 1;
      if (epochs[i]) nodes[i]->sessions.change("c", epochs[i], c, [&, i](auto r) { changed[i] = r; });
      if (who >> i & 1)
        nodes[i]->sessions.claim(SessionNode::request("c", random() % 10 == 0),
                                 [&, i](auto r) { claimed[i] = std::move(r); });
    }
    auto answered = [&] {
      for (unsigned i = 0; i < 2; ++i)
        if (((who >> i & 1) && !claimed[i]) || (epochs[i] && !changed[i])) return false;
      return true;
    };
    const auto end = std::chrono::steady_clock::now() + Seconds(60);
    while (!answered()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << round;
      a.loop.run_once(Millis(0));
      b.loop.run_once(Millis(0));
    }
    for (unsigned i = 0; i < 2; ++i)
      if (changed[i]) (*changed[i] ? accepted : refused) += 1;
    std::uint64_t highest = last;
    for (unsigned i = 0; i < 2; ++i)
      if (claimed[i]) {
        ASSERT_TRUE(*claimed[i]);
        epochs[i] = (*claimed[i])->record.epoch;
        ASSERT_GT(epochs[i], last) << "epochs grow";
        highest = std::max(highest, epochs[i]);
      }
    ASSERT_NE(epochs[0], epochs[1]);
    last = highest;
    for (unsigned i = 0; i < 2; ++i) {
      if (!epochs[i]) continue;
      const error_code e = nodes[i]->order("c", epochs[i], 1);
      ASSERT_EQ(e, epochs[i] == last ? error_code{} : make_error_code(errc::stale_epoch)) << round;
    }
  }
  EXPECT_GT(refused, 300u);
  EXPECT_GT(accepted, 300u);
}

/// Claims of other nodes wait until whoever has it has had it for a moment.
TEST(RedisSessions, WhoFightsForAClientTakesTurns) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a"), b(server, "b");
  for (auto* node : {&a, &b}) node->sessions.set_turn(Millis(600));
  const std::uint64_t at_a = a.claim("c").record.epoch;
  std::optional<result<Claimed>> one, two;
  auto given_up = std::make_shared<std::atomic<bool>>(false);
  auto request = SessionNode::request("c");
  b.sessions.claim(request, [&](auto r) { one = std::move(r); });
  request.given_up = given_up;
  b.sessions.claim(request, [&](auto r) { two = std::move(r); });
  for (int i = 0; i < 50; ++i) b.loop.run_once(Millis(1));
  EXPECT_FALSE(one || two);
  EXPECT_EQ(a.order("c", at_a, 5), error_code{});
  *given_up = true;
  ASSERT_TRUE(b.loop.until([&] { return one && two; }));
  EXPECT_EQ(two->error(), errc::unavailable) << "its connection is gone";
  ASSERT_TRUE(*one);
  EXPECT_EQ((*one)->previous_node, "a");
  EXPECT_GE((*one)->record.epoch - at_a, 600u);
  EXPECT_EQ((*one)->record.next_order, 5u);
  EXPECT_EQ(a.order("c", at_a, 6), make_error_code(errc::stale_epoch));
  EXPECT_GT(b.claim("c").record.epoch, (*one)->record.epoch) << "one's own node does not wait";
}

TEST(RedisSessions, AClaimTellsWhoHadTheSession) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a"), b(server, "b"), c(server, "c");
  EXPECT_EQ(a.claim("s", false, "will of a").previous_node, "");
  Claimed at_b = b.claim("s", false, "will of b");
  EXPECT_TRUE(at_b.present);
  EXPECT_EQ(at_b.previous_node, "a");
  ASSERT_NE(at_b.will.record.message, nullptr) << "the connection is closed, and the will has no delay";
  EXPECT_EQ(at_b.will.record.message->view().payload, "will of a");
  EXPECT_EQ(at_b.will.username, "user");
  // A dead node is not asked; its connection ended when it died.
  c.life.deaths[{"b", 7}] = now() - Seconds(10);
  Claimed at_c = c.claim("s");
  EXPECT_TRUE(at_c.present);
  EXPECT_EQ(at_c.previous_node, "*") << "b may have died before it told a";
  ASSERT_NE(at_c.will.record.message, nullptr);
  EXPECT_EQ(at_c.will.record.message->view().payload, "will of b");
  SessionChange left;
  left.left = {now() + Seconds(100), kNoExpiry};
  ASSERT_EQ(c.change("s", at_c.record.epoch, std::move(left)), error_code{});
  EXPECT_EQ(b.claim("s").previous_node, "") << "whoever had it has let go of it";
  a.life.deaths[{"b", 7}] = now() - Seconds(100);
  EXPECT_FALSE(a.claim("s").present) << "it has waited for its client as long as it said";
}

TEST(RedisSessions, AMemberTakesAMessageOutOfAGroupThatAnotherNodeHasClaimed) {
  NEEDS_REDIS();
  RedisServer server;
  SessionNode a(server, "a"), b(server, "b");
  const std::string group = ports::SessionStore::group_session("$share/g/x");
  SessionChange c;
  for (std::uint16_t id : {1, 2}) {
    model::OutboundRecord o;
    o.packet_id = id;
    o.sequence = id;
    o.state = model::OutboundState::sent_qos1;
    o.filter = "$share/g/x";
    o.position = {1, id};
    c.outbound_set.push_back(o);
  }
  ASSERT_EQ(a.change(group, a.claim(group).record.epoch, c), error_code{});
  Claimed member = a.claim("member");
  ASSERT_EQ(b.claim(group).record.outbound.size(), 2u);
  c = {};
  c.group_taken = {{"$share/g/x", 1}};
  ASSERT_EQ(a.change("member", member.record.epoch, c), error_code{}) << "a still believes that the group is its own";
  const Claimed at_b = b.claim(group);
  ASSERT_EQ(at_b.record.outbound.size(), 1u);
  EXPECT_EQ(at_b.record.outbound[0].packet_id, 2);
}

}  // namespace
}  // namespace sb::store::test
