// SPDX-License-Identifier: MIT
// The verifier has to notice: each way in which a broker can break its word is done to the books here.
#include "app/verify_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "app/verify_message.h"

namespace sb::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint32_t kPublishers = 2, kTopics = 2;
constexpr std::uint64_t kMessages = 20;  // of each stream

// Subscriber 0 takes all at QoS 2, subscriber 1 all at QoS 1, subscriber 2 topic 1 only, by two filters.
std::vector<VerifyLedger::Subscriber> subscribers() { return {{2, {1, 1}}, {1, {1, 1}}, {2, {0, 2}}}; }

MessageName send(VerifyLedger& ledger, std::uint32_t publisher, std::uint32_t topic, std::uint8_t qos) {
  MessageName m = ledger.next(publisher, topic, qos);
  ledger.send(m, 1, 0);
  return m;
}

/// A run: what a good broker does, unless `tamper` does something else with a message on its way to a subscriber.
struct Trial {
  using Tamper = std::function<bool(Trial&, std::uint32_t subscriber, const MessageName&)>;  ///< true: it has done it

  void deliver(std::uint32_t s, const MessageName& m) {
    ledger.deliver(s, m, std::min(m.qos, subscribers()[s].qos), 3);
  }
  void deliver_to_all(const MessageName& m, const Tamper& tamper) {
    for (std::uint32_t s = 0; s < 3; ++s)
      if (subscribers()[s].copies[m.topic] > 0 && !(tamper && tamper(*this, s, m))) deliver(s, m);
  }
  void run(const Tamper& tamper = {}) {
    for (std::uint64_t i = 0; i < kMessages; ++i)
      for (std::uint32_t p = 0; p < kPublishers; ++p)
        for (std::uint32_t t = 0; t < kTopics; ++t)
          for (std::uint8_t qos : {1, 2}) {
            MessageName m = send(ledger, p, t, qos);
            ledger.acknowledge(m, 2);
            deliver_to_all(m, tamper);
          }
    ledger.close();
  }
  VerifyLedger ledger{kPublishers, kTopics, subscribers()};
};

constexpr std::uint64_t kSent = kPublishers * kTopics * 2 * kMessages;
constexpr MessageName kQos1{1, 1, 1, 7}, kQos2{1, 1, 2, 7};

Trial::Tamper at(std::uint32_t subscriber, MessageName m, std::function<void(Trial&)> instead) {
  return [=](Trial& run, std::uint32_t s, const MessageName& now) {
    if (s != subscriber || now != m) return false;
    instead(run);
    return true;
  };
}

MessageName later(MessageName m, std::uint64_t by) {
  m.sequence += by;
  return m;
}

TEST(VerifyLedger, AGoodRun) {
  Trial run;
  run.run();
  const VerifyCounts& c = run.ledger.counts();
  EXPECT_EQ(c.sent, kSent);
  EXPECT_EQ(c.acknowledged, kSent);
  EXPECT_EQ(c.owed, kSent * 5 / 2);
  EXPECT_EQ(c.delivered, kSent * 5 / 2);
  EXPECT_THAT(complaints(c), IsEmpty());
  EXPECT_THAT(run.ledger.findings(), IsEmpty());
}

struct Case {
  const char* name;
  Trial::Tamper tamper;
  Breach breach;
  std::uint64_t count;
};

class Tampered : public ::testing::TestWithParam<Case> {};

TEST_P(Tampered, IsNoticed) {
  Trial run;
  run.run(GetParam().tamper);
  for (std::size_t b = 0; b < kBreaches; ++b)
    EXPECT_EQ(run.ledger.counts().breaches[b], static_cast<Breach>(b) == GetParam().breach ? GetParam().count : 0)
        << name_of(static_cast<Breach>(b));
  EXPECT_EQ(complaints(run.ledger.counts()).size(), 1u);
  ASSERT_FALSE(run.ledger.findings().empty());
  EXPECT_EQ(run.ledger.findings()[0].breach, GetParam().breach);
}

void nothing(Trial&) {}

INSTANTIATE_TEST_SUITE_P(
    VerifyLedger, Tampered,
    ::testing::Values(
        Case{"lost_qos1", at(0, kQos1, nothing), Breach::lost, 1},
        Case{"lost_qos2", at(1, kQos2, nothing), Breach::lost, 1},
        Case{"lost_the_first", at(0, {0, 0, 2, 0}, nothing), Breach::lost, 1},
        Case{"lost_the_last", at(1, {1, 1, 2, kMessages - 1}, nothing), Breach::lost, 1},
        Case{"lost_for_one_of_two_filters", at(2, kQos2, nothing), Breach::lost, 1},
        Case{"a_subscriber_gets_nothing", [](Trial&, std::uint32_t s, const MessageName&) { return s == 1; },
             Breach::lost, kSent},
        Case{"qos2_twice", at(0, kQos2, [](Trial& r) { r.deliver(0, kQos2), r.deliver(0, kQos2); }), Breach::duplicate,
             1},
        Case{"qos2_again_after_others",
             at(0, later(kQos2, 5), [](Trial& r) { r.deliver(0, later(kQos2, 5)), r.deliver(0, kQos2); }),
             Breach::duplicate, 1},
        Case{"qos2_more_often_than_filters",
             at(2, kQos2, [](Trial& r) { r.deliver(2, kQos2), r.deliver(2, kQos2), r.deliver(2, kQos2); }),
             Breach::duplicate, 1},
        Case{"swapped_qos1",
             [](Trial& r, std::uint32_t s, const MessageName& m) {
               if (s != 1 || (m != kQos1 && m != later(kQos1, 1))) return false;
               if (m != kQos1) r.deliver(1, m), r.deliver(1, kQos1);
               return true;
             },
             Breach::disorder, 1},
        Case{"swapped_qos2",
             [](Trial& r, std::uint32_t s, const MessageName& m) {
               if (s != 0 || (m != kQos2 && m != later(kQos2, 1))) return false;
               if (m != kQos2) r.deliver(0, m), r.deliver(0, kQos2);
               return true;
             },
             Breach::disorder, 1},
        Case{"never_sent", at(0, kQos1, [](Trial& r) { r.deliver(0, kQos1), r.deliver(0, later(kQos1, 1)); }),
             Breach::forged, 1},
        Case{"unknown_publisher",
             at(0, kQos1,
                [](Trial& r) {
                  r.deliver(0, kQos1), r.deliver(0, {9, 0, 1, 0});
                }),
             Breach::forged, 1},
        Case{"qos0",
             at(0, kQos1,
                [](Trial& r) {
                  r.deliver(0, kQos1), r.ledger.deliver(0, {0, 0, 0, 0}, 0, 3);
                }),
             Breach::forged, 1},
        Case{"foreign", at(0, kQos1, [](Trial& r) { r.deliver(0, kQos1), r.ledger.forge(0, "what is this", 3); }),
             Breach::forged, 1},
        Case{"to_whom_it_is_not_for",
             at(0, kQos1,
                [](Trial& r) {
                  r.deliver(0, kQos1), r.deliver(2, {0, 0, 1, 0});
                }),
             Breach::misrouted, 1},
        Case{"lower_qos", at(0, kQos2, [](Trial& r) { r.ledger.deliver(0, kQos2, 1, 3); }), Breach::wrong_qos, 1},
        Case{"higher_qos", at(1, kQos2, [](Trial& r) { r.ledger.deliver(1, kQos2, 2, 3); }), Breach::wrong_qos, 1}),
    [](const auto& c) { return c.param.name; });

TEST(VerifyLedger, RepeatsOfQos1AreCountedAndAllowed) {
  Trial run;
  run.run(at(1, later(kQos2, 3), [](Trial& r) {
    // The connection was lost with three unacknowledged: they come again, in their order, and then what is new.
    for (std::uint64_t i : {1, 2}) r.deliver(1, later(kQos2, i));
    r.deliver(1, later(kQos2, 3));
  }));
  EXPECT_EQ(run.ledger.counts().repeated, 2u);
  EXPECT_THAT(complaints(run.ledger.counts()), IsEmpty());
}

TEST(VerifyLedger, OneCopyForEachOverlappingFilterIsAllowed) {
  Trial run;
  run.run(at(2, kQos2, [](Trial& r) { r.deliver(2, kQos2), r.deliver(2, kQos2); }));
  EXPECT_EQ(run.ledger.counts().copies, 1u);
  EXPECT_THAT(complaints(run.ledger.counts()), IsEmpty());
}

TEST(VerifyLedger, AGroupIsOneSubscriberWithoutOrder) {
  VerifyLedger ledger(1, 1, {{2, {1}, true}});
  for (int i = 0; i < 4; ++i) ledger.acknowledge(send(ledger, 0, 0, 2), 2);
  for (std::uint64_t i : {1, 0, 2, 2}) ledger.deliver(0, {0, 0, 2, i}, 2, 3);
  ledger.close();
  EXPECT_EQ(ledger.counts().of(Breach::disorder), 0u);
  EXPECT_EQ(ledger.counts().of(Breach::duplicate), 1u);
  EXPECT_EQ(ledger.counts().of(Breach::lost), 1u);
}

TEST(VerifyLedger, WhatWasRefusedIsOwedToNobodyAndMayCome) {
  VerifyLedger ledger(1, 1, {{2, {1}}});
  MessageName a = send(ledger, 0, 0, 2), b = send(ledger, 0, 0, 2), c = send(ledger, 0, 0, 2);
  ledger.refuse(a);
  ledger.refuse(b);
  ledger.acknowledge(c, 2);
  ledger.deliver(0, b, 2, 3);
  ledger.deliver(0, c, 2, 3);
  ledger.close();
  EXPECT_EQ(ledger.counts().owed, 1u);
  EXPECT_EQ(ledger.counts().refused, 2u);
  EXPECT_THAT(complaints(ledger.counts()), IsEmpty());
}

TEST(VerifyLedger, WhatWasNeverAnsweredIsABreach) {
  VerifyLedger ledger(1, 1, {{2, {1}}});
  for (int i = 0; i < 3; ++i) send(ledger, 0, 0, 1);
  ledger.acknowledge({0, 0, 1, 1}, 2);
  for (std::uint64_t i = 0; i < 3; ++i) ledger.deliver(0, {0, 0, 1, i}, 1, 3);
  ledger.close();
  EXPECT_EQ(ledger.counts().of(Breach::unanswered), 2u);
  EXPECT_THAT(complaints(ledger.counts()), ElementsAre(HasSubstr("never answered")));
  EXPECT_EQ(ledger.findings()[0].text(), "unanswered: publisher 0, topic 0, QoS 1, number 0");
}

TEST(VerifyLedger, ARunInWhichNothingHappenedProvesNothing) {
  VerifyLedger idle(1, 1, {{2, {1}}});
  idle.close();
  EXPECT_THAT(complaints(idle.counts()), ElementsAre(HasSubstr("nothing was sent")));

  VerifyLedger deaf(1, 1, {{2, {1}}});
  send(deaf, 0, 0, 1);
  deaf.refuse({0, 0, 1, 0});
  deaf.close();
  EXPECT_THAT(complaints(deaf.counts()), ElementsAre(HasSubstr("nothing was acknowledged")));

  VerifyLedger mute(1, 1, {{2, {1}}});
  mute.acknowledge(send(mute, 0, 0, 1), 2);
  mute.close();
  EXPECT_THAT(complaints(mute.counts()), ElementsAre(HasSubstr("nothing was delivered"), HasSubstr("never came")));

  VerifyLedger alone(1, 1, {{2, {0}}});
  alone.acknowledge(send(alone, 0, 0, 1), 2);
  alone.close();
  EXPECT_FALSE(complaints(alone.counts()).empty());
}

TEST(VerifyLedger, NamesTheFirstFewOfEachKind) {
  Trial run;
  run.run([](Trial& r, std::uint32_t s, const MessageName& m) {
    if (s == 0 && m.qos == 2) r.deliver(0, m);  // and once more
    return s == 1;
  });
  EXPECT_EQ(run.ledger.counts().of(Breach::lost), kSent);
  EXPECT_EQ(run.ledger.findings().size(), 2 * VerifyLedger::kNamed);
  EXPECT_EQ(run.ledger.findings().back().text(), "lost: publisher 0, topic 0, QoS 1, number 19, subscriber 1");
}

TEST(VerifyLedger, AForgottenSessionIsABreach) {
  Trial run;
  run.ledger.forget("subscriber x", 7);
  run.run();
  EXPECT_THAT(complaints(run.ledger.counts()), ElementsAre(HasSubstr("session was forgotten")));
  EXPECT_EQ(run.ledger.findings()[0].text(), "forgotten session: subscriber x");
}

TEST(VerifyLedger, KnowsWhatIsStillMissing) {
  VerifyLedger ledger(1, 1, {{2, {1}}, {1, {1}}, {1, {1}, false, false}});
  MessageName m = send(ledger, 0, 0, 1);
  EXPECT_EQ(ledger.outstanding(), 0u);
  ledger.acknowledge(m, 2);
  EXPECT_EQ(ledger.outstanding(), 2u) << "the volatile one is not connected";
  ledger.deliver(0, m, 1, 3);
  EXPECT_EQ(ledger.outstanding(), 1u);
  ledger.deliver(1, m, 1, 3);
  EXPECT_EQ(ledger.outstanding(), 0u);
}

TEST(VerifyLedger, TokensAreTheirMessages) {
  VerifyLedger ledger(1000, 100, {});
  for (MessageName m : {MessageName{0, 0, 1, 0}, {999, 99, 2, (1ull << 40) - 1}, {1, 0, 2, 5}, {0, 99, 1, 6}})
    EXPECT_EQ(ledger.message(ledger.token(m)), m);
  EXPECT_TRUE(VerifyLedger::fits(1000, 100, 10));
  EXPECT_FALSE(VerifyLedger::fits(1000, 100, 1000));
  EXPECT_FALSE(VerifyLedger::fits(1u << 16, 1u << 16, 1));
}

TEST(VerifyWire, KnowsItsMessagesFromAllOthers) {
  VerifyWire ours(1, 3, 200), another(2, 3, 200);
  MessageName m{1, 2, 2, 77};
  for (std::uint32_t size : {48, 49, 64, 200}) {
    std::string good(ours.payload(m, size)), problem;
    EXPECT_EQ(ours.read(ours.topic(2), good, problem), m);
    auto refused = [&](std::string_view topic, std::string payload, const char* why) {
      EXPECT_FALSE(ours.read(topic, payload, problem));
      EXPECT_THAT(problem, HasSubstr(why)) << size;
    };
    refused(ours.topic(2), "", "too short");
    refused(ours.topic(2), good.substr(0, 47), "too short");
    refused(ours.topic(1), good, "another topic");
    refused(ours.topic(2), good + "x", "when it was sent");
    refused(ours.topic(2), std::string(another.payload(m, size)), "another run");
    refused(ours.topic(2), std::string(size, 'x'), "no message of ours");
    for (std::size_t i = 8; i < good.size(); ++i) {
      std::string changed = good;
      changed[i] ^= 1;
      refused(ours.topic(2), changed, i < 48 ? "check sum" : "filling");
    }
  }
}

}  // namespace
}  // namespace sb::app
