// SPDX-License-Identifier: MIT
// What a cluster adds to the books: messages that go out again on other connections, and subscribers without sessions
// that are owed something only while their connection stands.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/verify_ledger.h"
#include "app/verify_pauses.h"
#include "app/verify_trace.h"

namespace sb::app {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

/// The n-th message of the only publisher on the only topic.
MessageName nth(std::uint64_t n, std::uint8_t qos = 1) { return {0, 0, qos, n}; }

/// A message: the connections on which it was sent, in order.
using Sent = std::vector<std::uint32_t>;

struct OrderCase {
  const char* name;
  std::vector<Sent> messages;
  std::vector<std::uint64_t> arrivals;
  std::uint64_t disorder, overtaken;
};

class Order : public ::testing::TestWithParam<OrderCase> {};

TEST_P(Order, IsJudgedPerConnection) {
  const OrderCase& c = GetParam();
  VerifyLedger ledger(1, 1, {{1, {1}}, {1, {1}, true}});
  for (std::uint64_t n = 0; n < c.messages.size(); ++n) {
    ledger.send(nth(n), 1, c.messages[n][0]);
    for (std::size_t i = 1; i < c.messages[n].size(); ++i) ledger.resend(nth(n), c.messages[n][i]);
    ledger.acknowledge(nth(n), 2);
  }
  for (std::uint32_t subscriber : {0, 1})
    for (auto n : c.arrivals) ledger.deliver(subscriber, nth(n), 1, 3);
  ledger.close();
  EXPECT_EQ(ledger.counts().of(Breach::disorder), c.disorder);
  EXPECT_EQ(ledger.counts().overtaken, c.overtaken);
  EXPECT_EQ(ledger.counts().of(Breach::lost), 0u);
  for (const Finding& f : ledger.findings()) EXPECT_EQ(f.subscriber, 0u) << "no order within a group";
}

INSTANTIATE_TEST_SUITE_P(
    VerifyLedger, Order,
    ::testing::Values(OrderCase{"in_order", {{0}, {0}, {1}}, {0, 1, 2}, 0, 0},
                      OrderCase{"swapped_on_one_connection", {{0}, {0}, {0}}, {0, 2, 1}, 1, 0},
                      OrderCase{"the_first_comes_last", {{0}, {0}, {0}}, {1, 2, 0}, 1, 0},
                      OrderCase{"two_come_late", {{0}, {0}, {0}}, {2, 0, 1}, 2, 0},
                      OrderCase{"overtaken_by_the_next_connection", {{0}, {1}}, {1, 0}, 0, 1},
                      OrderCase{"overtaken_by_what_was_sent_again", {{0}, {0, 1}}, {1, 0}, 0, 1},
                      OrderCase{"both_were_sent_again", {{0, 1}, {0, 1}}, {1, 0}, 1, 0},
                      OrderCase{"the_later_one_was_sent_only_there", {{0, 1}, {0}}, {1, 0}, 1, 0},
                      OrderCase{"new_after_what_was_sent_again", {{0, 1}, {1}}, {1, 0}, 1, 0},
                      OrderCase{"one_more_connection", {{0, 1}, {0, 1, 2}}, {1, 0}, 0, 1},
                      OrderCase{"a_connection_without_the_first", {{0, 1, 3}, {2, 3}}, {1, 0}, 1, 0},
                      OrderCase{"an_innocent_before_the_guilty", {{0}, {0, 1}, {0}}, {1, 2, 0}, 1, 0},
                      OrderCase{"an_innocent_behind_many", {{0}, {1}, {1}, {1}}, {1, 3, 2, 0}, 1, 1},
                      OrderCase{"a_repeat_is_no_violation", {{0}, {0, 1}, {0, 1}}, {0, 1, 2, 0, 1}, 0, 0}),
    [](const auto& c) { return c.param.name; });

constexpr Moment kMargin = 100, kNever = 0;

struct VolatileCase {
  const char* name;
  Moment begun, sent, acknowledged, alive;  ///< alive 0: the connection stands to the end
  bool comes;
  std::uint64_t owed, lost;
};

class Volatile : public ::testing::TestWithParam<VolatileCase> {};

TEST_P(Volatile, IsOwedWhileItsConnectionStands) {
  const VolatileCase& c = GetParam();
  VerifyLedger ledger(1, 1, {{1, {1}, false, false}}, {kMargin});
  bool sent_before = c.sent < c.begun;
  auto send = [&] { ledger.send(nth(0), c.sent, 0); };
  if (sent_before) send();
  ledger.begin(0, c.begun);
  if (!sent_before) send();
  if (c.acknowledged) ledger.acknowledge(nth(0), c.acknowledged);
  if (c.comes) ledger.deliver(0, nth(0), 1, c.sent + 1);
  if (c.alive) ledger.end(0, c.alive);
  ledger.close();
  EXPECT_EQ(ledger.counts().owed_volatile, c.owed);
  EXPECT_EQ(ledger.counts().of(Breach::lost_volatile), c.lost);
  EXPECT_EQ(ledger.counts().of(Breach::lost), 0u);
  EXPECT_EQ(ledger.counts().delivered, c.comes ? 1u : 0u);
}

INSTANTIATE_TEST_SUITE_P(VerifyLedger, Volatile,
                         ::testing::Values(VolatileCase{"to_the_end", 10, 20, 30, 0, true, 1, 0},
                                           VolatileCase{"lost_at_the_end", 10, 20, 30, 0, false, 1, 1},
                                           VolatileCase{"lost_before_the_margin", 10, 20, 30, 130, false, 1, 1},
                                           VolatileCase{"acknowledged_in_the_margin", 10, 20, 31, 130, false, 0, 0},
                                           VolatileCase{"a_life_shorter_than_the_margin", 10, 20, 30, 60, false, 0, 0},
                                           VolatileCase{"sent_before_suback", 10, 9, 30, 500, false, 0, 0},
                                           VolatileCase{"sent_in_the_millisecond_of_suback", 10, 10, 30, 500, false, 0,
                                                        0},
                                           VolatileCase{"sent_before_and_comes", 10, 9, 30, 500, true, 0, 0},
                                           VolatileCase{"comes_in_the_margin", 10, 20, 31, 130, true, 0, 0},
                                           VolatileCase{"never_acknowledged", 10, 20, kNever, 500, false, 0, 0},
                                           VolatileCase{"comes_unacknowledged", 10, 20, kNever, 500, true, 0, 0}),
                         [](const auto& c) { return c.param.name; });

TEST(VerifyLedger, EachConnectionOfAVolatileSubscriberBeginsAnew) {
  VerifyLedger ledger(1, 1, {{2, {2}, false, false}}, {0});
  auto send = [&](std::uint64_t n, Moment at) {
    ledger.send(nth(n, 2), at, 0);
    ledger.acknowledge(nth(n, 2), at + 1);
  };
  ledger.begin(0, 10);
  send(0, 20);
  send(1, 20);
  ledger.deliver(0, nth(1, 2), 2, 22);
  ledger.deliver(0, nth(1, 2), 2, 22);  // two filters match
  ledger.end(0, 30);
  EXPECT_EQ(ledger.counts().of(Breach::lost_volatile), 1u);
  send(2, 40);
  ledger.begin(0, 50);
  send(3, 60);
  for (std::uint64_t n : {3, 2, 0, 1, 1}) ledger.deliver(0, nth(n, 2), 2, 61);  // old ones may come, in any order
  send(4, 62);
  send(5, 62);
  for (std::uint64_t n : {5, 4}) ledger.deliver(0, nth(n, 2), 2, 64);
  ledger.end(0, 70);
  ledger.close();
  EXPECT_EQ(ledger.counts().of(Breach::lost_volatile), 1u);
  EXPECT_EQ(ledger.counts().of(Breach::duplicate), 0u);
  EXPECT_EQ(ledger.counts().owed_volatile, 5u);
  EXPECT_EQ(ledger.counts().of(Breach::disorder), 1u);
  EXPECT_EQ(ledger.counts().overtaken, 3u);
}

TEST(VerifyLedger, WhatAPublisherWithoutASessionSendsAgainIsNew) {
  for (bool durable : {true, false}) {
    VerifyLedger ledger(1, 1, {{2, {1}}}, {.first_volatile_publisher = durable ? 1u : 0u});
    for (std::uint64_t n : {0, 1}) ledger.send(nth(n, 2), 1, 0);
    ledger.resend(nth(0, 2), 1);
    for (std::uint64_t n : {0, 1, 0, 1}) ledger.deliver(0, nth(n, 2), 2, 2);
    EXPECT_EQ(ledger.counts().renewed, durable ? 0u : 1u);
    EXPECT_EQ(ledger.counts().of(Breach::duplicate), durable ? 2u : 1u);
    EXPECT_EQ(ledger.counts().resent, 1u);
  }
}

TEST(VerifyPauses, OfEachSubscriberTheLongest) {
  VerifyPauses p;
  p.message(0, 5);  // before the beginning: is not looked at
  p.begin(3, 10);
  for (Moment t : {20, 50, 60}) p.message(0, t);
  for (Moment t : {15, 95}) p.message(1, t);
  p.end(100);
  p.message(2, 500);
  auto s = p.summary();
  EXPECT_EQ(s.median, 80u);
  EXPECT_EQ(s.worst, 90u);
  EXPECT_EQ(s.subscriber, 2u);
  EXPECT_EQ(s.until, 100u);
  EXPECT_EQ(VerifyPauses().summary().worst, 0u);
}

class VerifyTrace : public ::testing::Test {
 protected:
  VerifyTrace() {
    journal.begin(std::chrono::system_clock::time_point(std::chrono::hours(24)));
    for (const char* node : {"a:1", "b:2"}) journal.add_node(node);
    for (const char* id : {"s0", "p0"}) journal.add_client(id);
    journal.opened(0, 0, 100);
    journal.closed(0, 5'000);
    journal.opened(0, 1, 6'000);
    journal.opened(1, 1, 200);
    journal.closed(1, 4'000);
    journal.opened(1, 0, 4'100);
    ledger.send(nth(0), 1'000, 0);
    ledger.resend(nth(0), 1);
  }
  std::string traced(const Finding& f) { return trace(f, ledger, journal, {1, 1}, wire); }
  VerifyJournal journal;
  VerifyWire wire{1, 1, 64};
  VerifyLedger ledger{1, 1, {{1, {1}}, {1, {1}, true}}};
};

TEST_F(VerifyTrace, SaysWhereTheClientsWere) {
  EXPECT_EQ(journal.time(5), "1970-01-02T00:00:00.005Z");
  EXPECT_EQ(journal.whereabouts(0, 50), "at a:1 from 1970-01-02T00:00:00.100Z");
  EXPECT_EQ(journal.whereabouts(0, 5'500),
            "at a:1 from 1970-01-02T00:00:00.100Z to 1970-01-02T00:00:05.000Z, then at b:2 from "
            "1970-01-02T00:00:06.000Z");
  EXPECT_EQ(journal.whereabouts(0, 7'000), "at b:2 from 1970-01-02T00:00:06.000Z");
  EXPECT_EQ(journal.last_move(0), journal.whereabouts(0, 200));
  journal.add_client("nobody");
  EXPECT_EQ(journal.whereabouts(2, 50), "never connected");
}

TEST_F(VerifyTrace, SaysWhatIsKnownOfAMessage) {
  Finding f{Breach::lost, 0, nth(0), 0, true, ""};
  EXPECT_EQ(traced(f),
            "lost: publisher 0, topic 0, QoS 1, number 0, subscriber 0; topic verify/0000000000000001/0, sent by p0 at "
            "1970-01-02T00:00:01.000Z on connection 0 to b:2 (since 1970-01-02T00:00:00.200Z), at last on connection 1 "
            "to a:1 (since 1970-01-02T00:00:04.100Z), not acknowledged; subscriber s0 was at a:1 from "
            "1970-01-02T00:00:00.100Z to 1970-01-02T00:00:05.000Z, then at b:2 from 1970-01-02T00:00:06.000Z");
  ledger.acknowledge(nth(0), 6'500);
  EXPECT_THAT(traced(f), HasSubstr("acknowledged 1970-01-02T00:00:06.500Z; subscriber s0 was at b:2"));
  f.breach = Breach::duplicate;
  f.at = 4'500;
  EXPECT_THAT(traced(f), HasSubstr("; noticed 1970-01-02T00:00:04.500Z;"));
  f.subscriber = 1;
  EXPECT_THAT(traced(f), EndsWith("; the subscriber is a shared group"));
  EXPECT_EQ(traced({Breach::forgotten, Finding::kNobody, {}, 100, false, "publisher p0 was elsewhere"}),
            "forgotten session: publisher p0 was elsewhere; noticed 1970-01-02T00:00:00.100Z");
}

}  // namespace
}  // namespace sb::app
