// SPDX-License-Identifier: MIT
#include "app/verify_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "app/verify_run.h"
#include "model/topic.h"

namespace sb::app {
namespace {

TEST(Span, Parsed) {
  struct {
    const char* text;
    double low, high;
  } good[] = {{"0", 0, 0}, {"5", 5, 5}, {"0.5..3", .5, 3}, {"2..2", 2, 2}, {"48..5000", 48, 5000}};
  for (auto& c : good) {
    auto span = parse_span(c.text);
    ASSERT_TRUE(span) << c.text;
    EXPECT_EQ(span->low, c.low);
    EXPECT_EQ(span->high, c.high);
  }
  for (const char* text : {"", "x", "1..", "..1", "3..2", "-1", "1...2", "1..2..3", "1s", "nan", "inf", "1e99"})
    EXPECT_FALSE(parse_span(text)) << text;
}

TEST(VerifyPlan, TheBooksKnowHowManyFiltersMatch) {
  for (bool overlap : {false, true})
    for (std::uint32_t topics : {1u, 2u, 7u}) {
      VerifyOptions o;
      o.subscribers = 12;
      o.topics = topics;
      o.overlap = overlap;
      VerifyWire wire(1, topics, 64);
      bool any_overlap = false;
      for (const VerifySubscription& s : plan_subscriptions(o, wire)) {
        EXPECT_FALSE(s.filters.empty());
        for (std::uint32_t t = 0; t < topics; ++t) {
          auto matching =
              std::ranges::count_if(s.filters, [&](const std::string& f) { return model::matches(f, wire.topic(t)); });
          EXPECT_EQ(s.copies[t], matching) << topics << " topics, topic " << t;
          any_overlap |= matching > 1;
        }
      }
      EXPECT_EQ(any_overlap, overlap);
    }
}

TEST(VerifyPlan, AGroupHasOneEntry) {
  VerifyOptions o;
  o.subscribers = 2;
  o.shared = 3;
  VerifyWire wire(1, o.topics, 64);
  auto plan = plan_subscriptions(o, wire);
  ASSERT_EQ(plan.size(), 5u);
  for (std::size_t i = 2; i < 5; ++i) {
    EXPECT_EQ(plan[i].entry, 2u);
    EXPECT_EQ(plan[i].number % 2, 1u);
    EXPECT_THAT(plan[i].filters[0], ::testing::StartsWith("$share/"));
  }
}

TEST(VerifyPlan, ThoseWithoutSessionsStandBetweenTheOthersAndTheGroup) {
  VerifyOptions o;
  o.subscribers = 2;
  o.volatiles = 3;
  o.shared = 2;
  VerifyWire wire(1, o.topics, 64);
  auto plan = plan_subscriptions(o, wire);
  ASSERT_EQ(plan.size(), 7u);
  for (std::uint32_t i = 0; i < 7; ++i) {
    EXPECT_EQ(plan[i].entry, std::min(i, 5u));
    EXPECT_EQ(plan[i].durable, i < 2 || i >= 5);
    EXPECT_EQ(plan[i].group, i >= 5);
  }
}

TEST(VerifyPlan, EachVersionHasBothQos) {
  VerifyOptions o;
  VerifyWire wire(1, o.topics, 64);
  auto plan = plan_subscriptions(o, wire);
  for (std::size_t version : {0, 1}) EXPECT_NE(plan[version].qos, plan[version + 2].qos);
  o.qos = "1";
  for (auto& s : plan_subscriptions(o, wire)) EXPECT_EQ(s.qos, 1);
}

TEST(VerifyComplaints, WhatElseMustNotHappen) {
  VerifyCounts fine;
  fine.sent = fine.acknowledged = fine.delivered = fine.owed = 1;
  EXPECT_TRUE(complaints(fine, {}).empty());
  VerifyConduct normal;
  normal.connects = normal.reconnects = normal.losses = 5;
  normal.refused["server busy"] = normal.closed["reset"] = 5;
  EXPECT_TRUE(complaints(fine, normal).empty());
  for (auto member : {&VerifyConduct::unasked_sessions, &VerifyConduct::unreachable, &VerifyConduct::unfinished}) {
    VerifyConduct d;
    d.*member = 1;
    EXPECT_EQ(complaints(fine, d).size(), 1u);
  }
}

}  // namespace
}  // namespace sb::app
