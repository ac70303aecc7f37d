// SPDX-License-Identifier: MIT
#include "session/session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "model/topic.h"

namespace sb::session {
namespace {

model::Position at(std::uint64_t offset, std::uint64_t generation = 1) { return {generation, offset}; }

Subscription& durable(Session& s, const char* filter, std::uint64_t log) {
  Subscription& sub = s.add(filter);
  s.give_cursor(sub, log, {});
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
  Cursor& c = s.give_cursor(s.add("a"), 9, at(20));
  auto low = [&] {
    s.set_moved(c);
    s.set_moved(c);
    auto all = s.take_progress();
    EXPECT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].filter, "a");
    EXPECT_EQ(all[0].next, at(20));
    return all[0].low;
  };
  EXPECT_EQ(low(), at(20));
  EXPECT_TRUE(s.take_progress().empty()) << "told once";
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
  EXPECT_EQ(low(), at(20));
  PacketId last = push(9, at(20), OutboundState::sent_qos1);
  EXPECT_EQ(low(), at(19));
  PacketId first = push(9, at(12), OutboundState::sent_qos2);
  push(9, at(15), OutboundState::sent_qos1);
  EXPECT_EQ(low(), at(11));
  s.window.erase(first);
  EXPECT_EQ(low(), at(14));
  push(9, at(30, 0), OutboundState::sent_qos1);  // an older generation lies before all of this one
  EXPECT_EQ(low(), at(29, 0));
  s.window.erase(last);
  EXPECT_EQ(low(), at(29, 0));
}

TEST(Session, WhatIsReadyIsTakenOnceAndInTurn) {
  Session s;
  for (std::uint64_t log = 1; log <= 100; ++log) durable(s, ("f" + std::to_string(log)).c_str(), log);
  for (std::uint64_t log : {7u, 3u, 7u, 99u, 50u}) s.set_ready(*s.reader_of(log));
  s.remove("f3");
  s.remove("f1");  // the last one takes its place
  std::vector<std::uint64_t> taken;
  while (s.has_ready())
    if (Cursor* c = s.take_ready()) taken.push_back(c->log);
  EXPECT_EQ(taken, (std::vector<std::uint64_t>{7, 99, 50}));
  EXPECT_EQ(s.reader_of(3), nullptr);
  for (std::uint64_t log = 4; log <= 100; ++log) {
    ASSERT_NE(s.reader_of(log), nullptr);
    EXPECT_EQ(s.of(*s.reader_of(log)).filter, "f" + std::to_string(log));
  }
}

TEST(Session, AFailedWriteIsToldAgain) {
  Session s;
  durable(s, "a", 1).cursor->next = at(5);
  s.set_moved(*s.reader_of(1));
  InFlight e;
  e.state = OutboundState::sent_qos1;
  e.saved = true;
  PacketId id = s.window.push(std::move(e));
  s.set_done(77);
  EXPECT_EQ(s.take_progress().size(), 1u);
  auto done = s.take_done();
  EXPECT_EQ(done, (std::vector<PacketId>{77}));
  s.forget_saved(done);
  EXPECT_FALSE(s.window.find(id)->saved);
  EXPECT_EQ(s.take_progress().size(), 1u);
  EXPECT_EQ(s.take_done(), done);
}

/// Few and many subscriptions, with wildcards and without, against looking at every one.
TEST(Session, MatchingIsFoundWithoutLookingAtAll) {
  std::mt19937 random(11);
  auto level = [&](bool wild) {
    static const char* const names[] = {"a", "b", "", "$x", "+"};
    return names[random() % (wild ? 5 : 4)];
  };
  for (std::size_t count : {3u, 31u, 40u, 400u})
    for (bool wild : {false, true}) {
      Session s;
      for (std::size_t i = 0; i < count; ++i) {
        std::string f = level(wild);
        for (std::size_t n = random() % 5; n > 0; --n) f += std::string("/") + level(wild);
        if (wild && random() % 4 == 0) f += "/#";
        if (random() % 9 == 0) f = "$share/g/" + f;
        if (!s.find(f)) s.add(f);
      }
      for (int i = 0; i < 200; ++i) {
        std::string topic = level(false);
        for (std::size_t n = random() % 5; n > 0; --n) topic += std::string("/") + level(false);
        std::vector<std::string> found, expected;
        s.for_each_matching(topic, [&](const Subscription& x) { found.push_back(x.filter); });
        for (auto& x : s.subscriptions())
          if (!model::is_shared(x.filter) && model::matches(x.filter, topic)) expected.push_back(x.filter);
        std::sort(found.begin(), found.end());
        std::sort(expected.begin(), expected.end());
        ASSERT_EQ(found, expected) << topic;
      }
    }
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
