// SPDX-License-Identifier: MIT
#include "store/tests/session_contract.h"

namespace sb::store::test {
namespace {

TEST_P(SessionContract, ANewSession) {
  EXPECT_FALSE(sessions().any());
  Claimed c = claim("c");
  EXPECT_FALSE(c.present);
  EXPECT_EQ(c.will.record.message, nullptr);
  EXPECT_EQ(c.record.client_id, "c");
  EXPECT_EQ(c.record.username, "user");
  EXPECT_EQ(c.record.expiry, 100u);
  EXPECT_TRUE(c.record.connected);
  EXPECT_NE(c.record.epoch, 0u);
  EXPECT_TRUE(c.record.subscriptions.empty() && c.record.outbound.empty() && c.record.inbound.empty());
  EXPECT_TRUE(sessions().any());
}

TEST_P(SessionContract, AVolatileClientLeavesNoRecord) {
  EXPECT_FALSE(claim("c", true, false).present);
  EXPECT_FALSE(claim("c", false, false).present);
  EXPECT_FALSE(sessions().any());
}

TEST_P(SessionContract, EveryClaimHasANewerEpochAndFencesTheOneBefore) {
  Claimed first = claim("c");
  SessionChange order;
  order.next_order = 5;
  EXPECT_EQ(change("c", first.record.epoch, order), error_code{});
  Claimed second = claim("c");
  EXPECT_TRUE(second.present);
  EXPECT_GT(second.record.epoch, first.record.epoch);
  EXPECT_EQ(second.record.incarnation, first.record.incarnation);
  EXPECT_EQ(second.record.next_order, 5u);
  order.next_order = 99;
  EXPECT_EQ(change("c", first.record.epoch, order), errc::stale_epoch);
  EXPECT_EQ(leave("c", first.record.epoch, at(1)), errc::stale_epoch);
  EXPECT_EQ(end("c", first.record.epoch), errc::stale_epoch);
  Claimed third = claim("c");
  EXPECT_TRUE(third.present);
  EXPECT_EQ(third.record.next_order, 5u) << "a refused change leaves no trace";
  EXPECT_EQ(change("nobody", 1, order), errc::no_session);
}

TEST_P(SessionContract, AStaleOwnerOfASessionThatEndedIsNotTheNextOne) {
  Claimed first = claim("c");
  EXPECT_EQ(end("c", first.record.epoch), error_code{});
  EXPECT_EQ(end("c", first.record.epoch), error_code{}) << "a repeat is harmless";
  EXPECT_EQ(change("c", first.record.epoch, {}), errc::no_session);
  EXPECT_FALSE(sessions().any());
  Claimed second = claim("c");
  EXPECT_FALSE(second.present);
  EXPECT_NE(second.record.epoch, first.record.epoch);
  EXPECT_NE(second.record.incarnation, first.record.incarnation);
  EXPECT_EQ(end("c", first.record.epoch), errc::stale_epoch);
}

TEST_P(SessionContract, AClaimThatOnlyEndsASessionIsAboveIt) {
  Claimed first = claim("c");
  Claimed last = claim("c", true, false);
  EXPECT_FALSE(last.present);
  EXPECT_GT(last.record.epoch, first.record.epoch);
  EXPECT_EQ(change("c", first.record.epoch, {}), errc::no_session);
}

TEST_P(SessionContract, CleanBeginsANewIncarnation) {
  auto log = join("a/#", "somebody");
  Claimed first = claim("c", false, true, kStart, "old will");
  std::string member = "c#" + std::to_string(first.record.incarnation);
  join("a/#", member);
  auto own = join("own", member);
  SessionChange subs;
  subs.subscriptions_set = {subscription("a/#", true), subscription("own", true), subscription("volatile", false)};
  EXPECT_EQ(change("c", first.record.epoch, subs), error_code{});
  for (bool durable : {true, false}) {
    Claimed next = claim("c", true, durable);
    EXPECT_FALSE(next.present);
    EXPECT_TRUE(next.record.subscriptions.empty());
    EXPECT_NE(next.record.incarnation, first.record.incarnation);
    EXPECT_EQ(payload(next.will.record.message), durable ? "old will" : "none")
        << "the will of a session that ends is published";
  }
  EXPECT_FALSE(sessions().any());
  // Its memberships went with it: its own log is gone, the shared one is not.
  stores().settle();
  EXPECT_EQ(stores().announced().back(), (std::pair<std::string, ports::LogId>{"own", 0}));
  append({{own.log, message("t", "x")}, {log.log, message("t", "y")}});
  EXPECT_TRUE(read(own.log, own.head).messages.empty());
  EXPECT_EQ(payloads(read(log.log, log.head)), "y");
}

TEST_P(SessionContract, EndTakesTheMembershipsWithIt) {
  Claimed c = claim("c");
  std::string member = "c#" + std::to_string(c.record.incarnation);
  auto log = join("own", member);
  SessionChange subs;
  subs.subscriptions_set = {subscription("own", true)};
  EXPECT_EQ(change("c", c.record.epoch, subs), error_code{});
  EXPECT_EQ(end("c", c.record.epoch), error_code{});
  stores().settle();
  EXPECT_EQ(stores().announced(), (Stores::Announced{{"own", log.log}, {"own", 0}}));
}

// ---------------------------------------------------------------- what a change may set

TEST_P(SessionContract, SubscriptionsAndCursors) {
  Claimed c = claim("c");
  model::SubscriptionRecord logged = subscription("a/#", true, {1, 10}), plain = subscription("b", false, {1, 20});
  logged.options.qos = 2;
  logged.options.no_local = true;
  logged.subscription_id = 7;
  logged.order = 3;
  logged.draining = true;
  logged.drain_to = {1, 99};
  logged.covers = {{"b", {1, 7}}, {"c", {2, 8}}};
  SessionChange first;
  plain.order = 4;
  first.subscriptions_set = {plain, logged};
  first.next_order = 5;
  EXPECT_EQ(change("c", c.record.epoch, first), error_code{});
  SessionChange moved;
  moved.cursors = {{"a/#", {1, 15}}, {"b", {1, 25}}, {"unknown", {1, 1}}};
  EXPECT_EQ(change("c", c.record.epoch, moved), error_code{});
  EXPECT_EQ(change("c", c.record.epoch, {}), error_code{}) << "what is not set stays";
  SessionRecord r = claim("c").record;
  ASSERT_EQ(r.subscriptions.size(), 2u);
  EXPECT_EQ(r.subscriptions[0].filter, "a/#");
  EXPECT_EQ(r.subscriptions[0].options, logged.options);
  EXPECT_EQ(r.subscriptions[0].subscription_id, 7u);
  EXPECT_EQ(r.subscriptions[0].order, 3u);
  EXPECT_TRUE(r.subscriptions[0].logged);
  EXPECT_EQ(r.subscriptions[0].next, (Position{1, 15}));
  EXPECT_TRUE(r.subscriptions[0].draining);
  EXPECT_EQ(r.subscriptions[0].drain_to, (Position{1, 99}));
  EXPECT_EQ(r.subscriptions[0].covers, logged.covers);
  EXPECT_EQ(r.subscriptions[1].filter, "b");
  EXPECT_EQ(r.subscriptions[1].next, (Position{1, 20})) << "it reads no log";
  EXPECT_EQ(r.next_order, 5u);
  SessionChange second;
  second.subscriptions_removed = {"a/#", "unknown"};
  plain.options.qos = 1;
  second.subscriptions_set = {plain, subscription("c", false)};
  EXPECT_EQ(change("c", r.epoch, second), error_code{});
  r = claim("c").record;
  ASSERT_EQ(r.subscriptions.size(), 2u) << "by age";
  EXPECT_EQ(r.subscriptions[0].filter, "c");
  EXPECT_EQ(r.subscriptions[1].filter, "b");
  EXPECT_EQ(r.subscriptions[1].options.qos, 1);
}

/// The window as "id:state@offset".
std::string window(const SessionRecord& r) {
  std::string s;
  for (auto& o : r.outbound)
    s += (s.empty() ? "" : " ") + std::to_string(o.packet_id) + ":" + std::to_string(static_cast<int>(o.state)) + "@" +
         std::to_string(o.position.offset);
  return s;
}

TEST_P(SessionContract, PacketIdsUnderWay) {
  auto out = [](std::uint16_t id, OutboundState state, std::uint64_t offset) {
    model::OutboundRecord o;
    o.sequence = id + 1000u;
    o.packet_id = id;
    o.state = state;
    o.filter = "a";
    o.position = {1, offset};
    return o;
  };
  const auto sent1 = OutboundState::sent_qos1, sent2 = OutboundState::sent_qos2, released = OutboundState::released;
  std::uint64_t epoch = claim("c").record.epoch;
  auto after = [&](SessionChange change_) {
    EXPECT_EQ(change("c", epoch, std::move(change_)), error_code{});
    SessionRecord r = claim("c").record;
    epoch = r.epoch;
    std::string s = window(r) + " |";
    for (auto& i : r.inbound) s += " " + std::to_string(i.packet_id);
    return s;
  };
  SessionChange c;
  c.outbound_set = {out(5, sent2, 50), out(6, sent1, 60), out(7, sent2, 70)};
  EXPECT_EQ(after(c), "5:2@50 6:1@60 7:2@70 |");
  c = {};
  c.outbound_set = {out(5, released, 0), out(8, sent2, 80)};  // one changed, in its place, and one added
  c.outbound_removed = {6};
  c.inbound_added = {{1}, {2}, {3}};
  EXPECT_EQ(after(c), "5:3@0 7:2@70 8:2@80 | 1 2 3");
  c = {};
  c.inbound_removed = {2, 9};
  c.inbound_added = {{4}, {1}};  // a repeat is harmless
  c.outbound_removed = {5, 99};
  EXPECT_EQ(after(c), "7:2@70 8:2@80 | 1 3 4");
  c = {};
  c.outbound_removed = {7};
  c.outbound_set = {out(1, sent1, 10), out(7, sent2, 71)};  // an id that is used again
  c.outbound_set[1].sequence = 999;
  EXPECT_EQ(after(c), "7:2@71 1:1@10 8:2@80 | 1 3 4") << "in the order in which they were sent";
}

TEST_P(SessionContract, APacketIdKeepsTheNumberAndTheEpochOfItsPublish) {
  Claimed first = claim("c");
  const std::uint64_t epoch = first.record.epoch;
  EXPECT_EQ(first.record.next_publish, 1u);
  SessionChange c;
  c.inbound_added = {{7, 1, epoch}, {9, 2, epoch}, {3, 3, epoch}};
  EXPECT_EQ(change("c", epoch, c), error_code{});
  Claimed second = claim("c");
  EXPECT_EQ(second.record.inbound, (std::vector<model::InboundRecord>{{3, 3, epoch}, {7, 1, epoch}, {9, 2, epoch}}));
  EXPECT_EQ(second.record.next_publish, 4u);
  c = {};
  c.inbound_removed = {3, 9};
  c.inbound_added = {{7, 1, epoch}};  // as it came again to the next owner
  EXPECT_EQ(change("c", second.record.epoch, c), error_code{});
  c = {};
  c.inbound_added = {{9, 4, second.record.epoch}};
  EXPECT_EQ(change("c", second.record.epoch, c), error_code{});
  Claimed third = claim("c");
  EXPECT_EQ(third.record.inbound, (std::vector<model::InboundRecord>{{7, 1, epoch}, {9, 4, second.record.epoch}}));
  EXPECT_EQ(third.record.next_publish, 5u);
  EXPECT_EQ(claim("c", true).record.next_publish, 1u) << "of a session that begins anew";
}

TEST_P(SessionContract, AMessageThatNoLogHoldsIsKeptWithItsId) {
  Claimed c = claim("c");
  model::OutboundRecord o;
  o.packet_id = 1;
  o.message = message("group", "of a shared group");
  SessionChange change_;
  change_.outbound_set = {o};
  EXPECT_EQ(change("c", c.record.epoch, change_), error_code{});
  SessionRecord r = claim("c").record;
  ASSERT_EQ(r.outbound.size(), 1u);
  EXPECT_EQ(payload(r.outbound[0].message), "of a shared group");
}

TEST_P(SessionContract, BoundedInSessions) {
  model::Limits limits;
  limits.sessions = 2;
  use(limits);
  claim("a");
  Claimed b = claim("b");
  auto refused = [&](bool durable) {
    Claim c;
    c.client_id = "c";
    c.durable = durable;
    c.expiry = 10;
    auto r = ask<Claimed>([&](auto done) { sessions().claim(std::move(c), done); });
    return r ? error_code{} : r.error();
  };
  EXPECT_EQ(refused(true), errc::quota);
  EXPECT_EQ(refused(false), error_code{}) << "one that is not kept needs no room";
  EXPECT_TRUE(claim("a").present) << "one that is there goes on";
  EXPECT_FALSE(claim("a", true).present) << "and may begin anew";
  EXPECT_EQ(end("b", b.record.epoch), error_code{});
  EXPECT_EQ(refused(true), error_code{});
}

TEST_P(SessionContract, AMembershipThatTheRecordDoesNotKnowYetGoesWithTheSession) {
  // SUBSCRIBE: the record is written first, the log joined then; the connection may end in between.
  Claimed c = claim("c");
  auto log = join("own", "c#" + std::to_string(c.record.incarnation));
  SessionChange subs;
  subs.subscriptions_set = {subscription("own", false)};
  EXPECT_EQ(change("c", c.record.epoch, subs), error_code{});
  EXPECT_EQ(end("c", c.record.epoch), error_code{});
  stores().settle();
  EXPECT_EQ(stores().announced(), (Stores::Announced{{"own", log.log}, {"own", 0}}));
}

TEST_P(SessionContract, WhatAMemberTakesEndsInTheRecordOfTheGroup) {
  const std::string group = ports::SessionStore::group_session("$share/g/a");
  auto under_way = [](std::uint16_t id) {
    model::OutboundRecord o;
    o.sequence = o.packet_id = id;
    o.state = OutboundState::sent_qos2;
    o.message = message("a", "x");
    return o;
  };
  auto ids = [](const SessionRecord& r) {
    std::vector<std::uint16_t> all;
    for (auto& o : r.outbound) all.push_back(o.packet_id);
    return all;
  };
  SessionChange c;
  c.outbound_set = {under_way(1), under_way(2)};
  EXPECT_EQ(change(group, claim(group).record.epoch, c), error_code{});
  Claimed member = claim("member");
  c = {};
  c.outbound_set = {under_way(7)};
  c.group_taken = {{"$share/g/a", 1}, {"$share/g/none", 2}};
  EXPECT_EQ(change("member", member.record.epoch + 1, c), errc::stale_epoch);
  EXPECT_EQ(ids(claim(group).record), (std::vector<std::uint16_t>{1, 2}));
  EXPECT_EQ(change("member", member.record.epoch, c), error_code{});
  EXPECT_EQ(ids(claim(group).record), (std::vector<std::uint16_t>{2}));
  EXPECT_EQ(ids(claim("member").record), (std::vector<std::uint16_t>{7}));
}

TEST_P(SessionContract, AnswersComeInTheOrderOfTheRequests) {
  std::vector<int> order;
  std::size_t due = 0;
  for (int i = 0; i < 100; i += 2) {
    Claim c;
    c.client_id = "c";
    c.durable = true;
    c.expiry = 10;
    sessions().claim(std::move(c), [&, i](result<Claimed>) { order.push_back(i); });
    sessions().change("c", 1, {}, [&, i](result<void>) { order.push_back(i + 1); });
    sessions().take_due(kStart, [&](result<std::vector<Due>>) { ++due; });
  }
  ASSERT_TRUE(stores().wait([&] { return order.size() == 100 && due == 50; }));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST_P(SessionContract, WhatIsUnderWay) {
  auto outbound = [&](const std::string& id, std::uint16_t packet) {
    using Outbound = ports::SessionStore::Outbound;
    auto r = ask<Outbound>([&](auto done) { sessions().outbound(id, packet, done); }).value();
    return r ? r->sequence : 0;
  };
  Claimed c = claim("c");
  SessionChange set;
  set.outbound_set = {{5, 7, OutboundState::sent_qos2, "", {}, message("t", "x")}};
  EXPECT_EQ(change("c", c.record.epoch, set), error_code{});
  EXPECT_EQ(outbound("c", 7), 5u);
  EXPECT_EQ(outbound("c", 8), 0u);
  EXPECT_EQ(outbound("nobody", 7), 0u);
  SessionChange removed;
  removed.outbound_removed = {7};
  EXPECT_EQ(change("c", c.record.epoch, removed), error_code{});
  EXPECT_EQ(outbound("c", 7), 0u);
}

INSTANTIATE_TEST_SUITE_P(Stores, SessionContract, testing::ValuesIn(implementations()), name_of);

}  // namespace
}  // namespace sb::store::test
