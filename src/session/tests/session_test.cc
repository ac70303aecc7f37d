// SPDX-License-Identifier: MIT
#include "session/session.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "model/topic.h"

namespace sb::session {
namespace {

model::Position at(std::uint64_t offset, std::uint64_t generation = 1) { return {generation, offset}; }

Subscription& durable(Session& s, const char* filter, std::uint64_t log) {
  Subscription& sub = s.add(filter);
  sub.cursor = std::make_unique<Cursor>();
  sub.cursor->log = log;
  return sub;
}

TEST(Session, FindsAddsAndRemovesFew) {
  Session s;
  EXPECT_EQ(s.find("a"), nullptr);
  EXPECT_EQ(s.add("a").order, 1u);
  EXPECT_EQ(s.add("b").order, 2u);
  EXPECT_EQ(s.add("c").order, 3u);
  s.remove("a");
  s.remove("never there");
  EXPECT_EQ(s.find("a"), nullptr);
  ASSERT_NE(s.find("b"), nullptr);
  ASSERT_NE(s.find("c"), nullptr);
  EXPECT_EQ(s.find("b")->order, 2u);
  EXPECT_EQ(s.find("c")->order, 3u);
  EXPECT_EQ(s.add("a").order, 4u) << "one that comes back is the youngest";
  EXPECT_EQ(s.next_order(), 5u);
}

/// Random operations around the size from which on there is an index.
TEST(Session, ManySubscriptionsBehaveLikeAMap) {
  std::mt19937 random(6);
  for (std::size_t names : {20u, 40u, 70u, 500u}) {
    Session s;
    std::map<std::string, std::uint64_t> model;
    std::uint64_t order = 1;
    for (int step = 0; step < 5000; ++step) {
      std::string filter = "filter/" + std::to_string(random() % names) + "/+";
      bool there = model.contains(filter);
      ASSERT_EQ(s.find(filter) != nullptr, there);
      if (random() % 2) {
        if (!there) {
          Subscription& added = s.add(filter);
          ASSERT_EQ(added.filter, filter);
          ASSERT_EQ(added.order, order);
          model[filter] = order++;
        }
      } else {
        s.remove(filter);
        model.erase(filter);
      }
      ASSERT_EQ(s.subscriptions().size(), model.size());
      if (step % 200) continue;
      for (auto& [name, age] : model) {
        ASSERT_NE(s.find(name), nullptr) << name;
        ASSERT_EQ(s.find(name)->filter, name);
        ASSERT_EQ(s.find(name)->order, age);
      }
    }
    while (!model.empty()) {
      s.remove(model.begin()->first);
      model.erase(model.begin());
    }
    EXPECT_TRUE(s.subscriptions().empty());
    s.add("again");
    EXPECT_NE(s.find("again"), nullptr);
  }
}

TEST(Session, RemoveMayBeGivenTheFilterThatItRemoves) {
  for (std::size_t n : {3u, 100u}) {
    Session s;
    for (std::size_t i = 0; i < n; ++i) s.add("a filter that is not small/" + std::to_string(i));
    s.remove(s.subscriptions().front().filter);
    EXPECT_EQ(s.subscriptions().size(), n - 1);
    EXPECT_EQ(s.find("a filter that is not small/0"), nullptr);
    EXPECT_NE(s.find("a filter that is not small/" + std::to_string(n - 1)), nullptr);
  }
}

TEST(Session, InboundQos2) {
  Session s;
  EXPECT_FALSE(s.inbound_has(1));
  EXPECT_FALSE(s.inbound_remove(1));
  EXPECT_EQ(s.inbound_count(), 0u);
  s.inbound_add(1);
  s.inbound_add(65535);
  s.inbound_add(1);
  EXPECT_EQ(s.inbound_count(), 2u);
  EXPECT_TRUE(s.inbound_has(65535));
  EXPECT_TRUE(s.inbound_remove(1));
  EXPECT_FALSE(s.inbound_remove(1));
  EXPECT_EQ(s.inbound_count(), 1u);
}

TEST(Session, TheOldestMatchingDurableSubscriptionDelivers) {
  Session s;
  s.add("a/#");  // the oldest, but not durable
  durable(s, "a/+", 1);
  durable(s, "a/b", 2);
  durable(s, "#", 3);
  durable(s, "x", 4);
  const struct {
    const char* topic;
    const char* delivers;
  } rows[] = {{"a/b", "a/+"}, {"a/c", "a/+"}, {"a/b/c", "#"}, {"x", "#"}, {"y", "#"}};
  for (const auto& row : rows)
    for (const auto& sub : s.subscriptions()) {
      if (!sub.cursor || !model::matches(sub.filter, row.topic)) continue;
      EXPECT_EQ(s.responsible(sub, row.topic, at(5)), sub.filter == row.delivers) << row.topic << " " << sub.filter;
    }
  // Age counts, not the place in the list: removing moves the last one to the front.
  s.remove("a/#");
  EXPECT_TRUE(s.responsible(*s.find("#"), "x", at(5)));
  EXPECT_FALSE(s.responsible(*s.find("x"), "x", at(5)));
}

TEST(Session, ADrainingSubscriptionDeliversWhatYoungerOnesPassedOver) {
  Session s;
  Subscription& old = durable(s, "a/+", 1);
  old.cursor->draining = true;
  old.cursor->drain_to = at(10);
  old.cursor->covers = {{"a/b", at(7)}};
  durable(s, "a/b", 2);
  const Subscription& draining = *s.find("a/+");
  const Subscription& young = *s.find("a/b");
  EXPECT_TRUE(s.responsible(draining, "a/b", at(3))) << "somebody still subscribes to it";
  EXPECT_FALSE(s.responsible(draining, "a/c", at(3))) << "nobody subscribes to it any more";
  EXPECT_FALSE(s.responsible(young, "a/b", at(7))) << "the draining one answers for it up to 7";
  EXPECT_TRUE(s.responsible(young, "a/b", at(8)));
}

TEST(Session, TwoDrainingSubscriptionsDeliverNothingForEachOther) {
  Session s;
  durable(s, "a/+", 1).cursor->draining = true;
  durable(s, "#", 2).cursor->draining = true;
  EXPECT_FALSE(s.responsible(*s.find("a/+"), "a/b", at(1)));
  EXPECT_FALSE(s.responsible(*s.find("#"), "a/b", at(1)));
}

TEST(Session, LowIsBeforeTheOldestUnacknowledgedMessage) {
  Session s;
  Cursor c;
  c.log = 9;
  c.next = at(20);
  EXPECT_EQ(s.low(c), at(20));
  auto push = [&](std::uint64_t log, model::Position position, OutboundState state) {
    InFlight e;
    e.state = state;
    e.log = log;
    e.position = position;
    return s.window.push(std::move(e));
  };
  push(8, at(3), OutboundState::sent_qos1);   // of another log
  push(9, at(5), OutboundState::released);    // the message itself is done
  push(9, at(25), OutboundState::sent_qos1);  // behind the cursor
  EXPECT_EQ(s.low(c), at(20));
  PacketId last = push(9, at(20), OutboundState::sent_qos1);
  EXPECT_EQ(s.low(c), at(19));
  PacketId first = push(9, at(12), OutboundState::sent_qos2);
  push(9, at(15), OutboundState::sent_qos1);
  EXPECT_EQ(s.low(c), at(11));
  s.window.erase(first);
  EXPECT_EQ(s.low(c), at(14));
  push(9, at(30, 0), OutboundState::sent_qos1);  // an older generation lies before all of this one
  EXPECT_EQ(s.low(c), at(29, 0));
  s.window.erase(last);
  EXPECT_EQ(s.low(c), at(29, 0));
}

TEST(Session, MemberNamesTheIncarnation) {
  Session s;
  s.client_id = "c#1";
  s.incarnation = 42;
  EXPECT_EQ(s.member(), "c#1#42");
}

TEST(Session, TheQueueIsMadeWhenNeeded) {
  Session s;
  EXPECT_FALSE(s.has_waiting());
  s.queue().offer({model::Message::copy({}), 1, false, 0, {}}, 10, 1000, false);
  EXPECT_TRUE(s.has_waiting());
  s.drop_queue();
  EXPECT_FALSE(s.has_waiting());
}

}  // namespace
}  // namespace sb::session
