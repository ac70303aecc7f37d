// SPDX-License-Identifier: MIT
// What decides without I/O: members, routes, barriers, requests.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "cluster/barriers.h"
#include "cluster/members.h"
#include "cluster/pace.h"
#include "cluster/requests.h"
#include "cluster/routes.h"
#include "cluster/stream_id.h"

namespace sb::cluster {
namespace {

using ports::Interest;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// ---------------------------------------------------------------- members

struct MembersTest : ::testing::Test {
  Members members{"m", Millis(5000)};
  MonoTime now{Seconds(1000)};
  std::vector<std::string> out;

  void note(const std::vector<Members::Event>& events) {
    static const char* const kNames[] = {"found", "lost", "suspect", "clean", "undead"};
    for (auto& e : events)
      out.push_back(std::string(kNames[static_cast<int>(e.kind)]) + " " + e.node + std::to_string(e.epoch));
  }
  void listed(std::map<std::string, Members::Listed> nodes) { note(members.listed(nodes)); }
  void read(const char* node, bool lease, std::uint64_t fenced = 0, std::uint64_t connection = 1) {
    const Members::Reading r{connection, lease, fenced};
    note(members.read(node, &r, now));
  }
  void unread(const char* node) { note(members.read(node, nullptr, now)); }
  std::vector<std::string> take() { return std::exchange(out, {}); }
};

TEST_F(MembersTest, AMemberIsFoundOnceItsKeysWereRead) {
  listed({{"m", {1, ""}}, {"a", {7, "here"}}});
  EXPECT_THAT(take(), IsEmpty());
  unread("a");
  EXPECT_THAT(take(), IsEmpty());
  read("a", true);
  read("a", true);
  EXPECT_THAT(take(), ElementsAre("found a7"));
  EXPECT_EQ(members.epoch("a"), 7u);
}

TEST_F(MembersTest, ALeaseThatIsGoneIsSuspectOnlyAfterAWholeLeaseOfReading) {
  listed({{"z", {7, ""}}});
  read("z", false);
  EXPECT_THAT(take(), ElementsAre("found z7"));
  now += Millis(4999);
  read("z", false);
  EXPECT_THAT(take(), IsEmpty());
  now += Millis(1);
  read("z", false);
  read("z", false);
  EXPECT_THAT(take(), ElementsAre("suspect z7", "suspect z7")) << "until it is fenced";
  read("z", true);
  EXPECT_THAT(take(), IsEmpty()) << "it is back";
}

TEST_F(MembersTest, WhatBreaksTheReadingBeginsItAgain) {
  listed({{"z", {7, ""}}});
  read("z", true);
  take();
  now += Seconds(100);
  read("z", true);
  now += Seconds(1);
  unread("z");  // no answer
  now += Seconds(1);
  read("z", false);
  EXPECT_THAT(take(), IsEmpty());
  now += Millis(4000);
  read("z", false, 0, 2);  // another connection
  now += Millis(4999);
  read("z", false, 0, 2);
  EXPECT_THAT(take(), IsEmpty());
  members.doubt();  // Redis has forgotten things
  now += Millis(4999);
  read("z", false, 0, 2);
  EXPECT_THAT(take(), IsEmpty());
  now += Millis(5000);
  read("z", false, 0, 2);
  EXPECT_THAT(take(), ElementsAre("suspect z7"));
}

TEST_F(MembersTest, SurvivorsTakeTurns) {
  listed({{"a", {1, ""}}, {"z", {7, ""}}});
  read("a", true);
  read("z", true);
  take();
  now += Millis(5999);
  read("a", true);
  read("z", false);
  EXPECT_THAT(take(), IsEmpty()) << "a is before m";
  now += Millis(1);
  read("z", false);
  EXPECT_THAT(take(), ElementsAre("suspect z7"));
}

TEST_F(MembersTest, AFencedOneIsLostOnceAndCleanedIfNobodyElseDoes) {
  listed({{"z", {7, ""}}});
  read("z", true);
  read("z", false, 7);
  read("z", false, 7);
  EXPECT_THAT(take(), ElementsAre("found z7", "lost z7"));
  EXPECT_EQ(members.epoch("z"), 0u);
  now += Millis(5000);
  read("z", false, 7);
  EXPECT_THAT(take(), ElementsAre("clean z7"));
  listed({});
  read("z", false, 7);
  EXPECT_THAT(take(), IsEmpty());
  EXPECT_THAT(members.watched(), IsEmpty());
}

TEST_F(MembersTest, ALostOneThatHasALeaseIsTold) {
  listed({{"z", {7, ""}}});
  read("z", true);
  read("z", true, 7);
  read("z", true, 7);
  EXPECT_THAT(take(), ElementsAre("found z7", "lost z7"));
  read("z", false);
  EXPECT_THAT(take(), IsEmpty());
  read("z", true);  // Redis has forgotten who was fenced
  EXPECT_THAT(take(), ElementsAre("undead z7"));
  EXPECT_EQ(members.epoch("z"), 0u);
}

TEST_F(MembersTest, ALaterEpochFollowsTheOneBefore) {
  listed({{"z", {7, ""}}});
  read("z", true);
  listed({{"z", {9, ""}}});
  read("z", true, 7);
  EXPECT_THAT(take(), ElementsAre("found z7", "lost z7", "found z9"));
  listed({{"z", {8, ""}}});
  read("z", true, 7);
  EXPECT_THAT(take(), IsEmpty()) << "an old list, after a failover";
}

TEST_F(MembersTest, WhoIsNotListedForAMomentIsNotLost) {
  listed({{"z", {7, ""}}});
  read("z", true);
  listed({});
  read("z", true);
  listed({{"z", {7, ""}}});
  EXPECT_THAT(take(), ElementsAre("found z7")) << "Redis forgot it";
  note(members.left("z", 6));
  EXPECT_THAT(take(), IsEmpty());
  note(members.left("z", 7));
  note(members.left("z", 7));
  EXPECT_THAT(take(), ElementsAre("lost z7"));
}

// ---------------------------------------------------------------- routes

TEST(OwnRoutes, TellWhatAllSubscriptionsTogetherWant) {
  struct Step {
    Interest before, after;
    int told;  // bits; -1 = nothing changed
  };
  const Step steps[] = {
      {Interest::none, Interest::logged, kWantsLogged},
      {Interest::none, Interest::logged, -1},
      {Interest::none, Interest::live, kWantsLogged | kWantsLive},
      {Interest::logged, Interest::none, -1},
      {Interest::logged, Interest::live, kWantsLive},
      {Interest::live, Interest::live, -1},
      {Interest::live, Interest::none, -1},
      {Interest::live, Interest::none, 0},
      {Interest::none, Interest::group, kWantsGroup},
      {Interest::none, Interest::owner, kWantsGroup | kWantsOwner},
      {Interest::group, Interest::none, kWantsOwner},
      {Interest::owner, Interest::none, 0},
  };
  OwnRoutes own;
  for (auto& s : steps) {
    const auto told = own.change({"f", s.before, s.after});
    EXPECT_EQ(told ? int{*told} : -1, s.told) << &s - steps;
  }
  EXPECT_EQ(own.size(), 0u);
}

TEST(PeerRoutes, TellTheBrokerWhatChanges) {
  PeerRoutes r;
  EXPECT_EQ(r.set(1, "f", kWantsLogged), Interest::logged);
  EXPECT_EQ(r.set(1, "f", kWantsLogged | kWantsLive), Interest::live);
  EXPECT_EQ(r.set(1, "f", kWantsLive), std::nullopt);
  EXPECT_EQ(r.set(2, "f", kWantsLogged), Interest::logged);
  std::vector<int> readers;
  r.for_readers("f", [&](auto p) { readers.push_back(p); });
  EXPECT_THAT(readers, ElementsAre(2)) << "the other one reads no log";
  EXPECT_EQ(r.set(1, "f", 0), Interest::none);
  EXPECT_EQ(r.set(1, "f", 0), std::nullopt);
  EXPECT_EQ(r.set(2, "f", 0), Interest::none);
  EXPECT_EQ(r.size(), 0u);
}

TEST(PeerRoutes, NoticesOfAGroupGoToItsOwner) {
  PeerRoutes r;
  EXPECT_EQ(r.set(1, "$share/g/f", kWantsGroup), Interest::group);
  EXPECT_EQ(r.set(2, "$share/g/f", kWantsGroup | kWantsOwner), Interest::owner);
  std::vector<int> readers;
  r.for_readers("$share/g/f", [&](auto p) { readers.push_back(p); });
  EXPECT_THAT(readers, ElementsAre(2));
  EXPECT_EQ(r.set(2, "$share/g/f", kWantsOwner), Interest::none) << "who has no members is nobody to send to";
}

TEST(PeerRoutes, WhatIsNotNamedAgainIsGone) {
  PeerRoutes r;
  r.begin(1);
  r.set(1, "a", kWantsLive);
  r.set(1, "b", kWantsLive);
  r.set(2, "b", kWantsLive);
  EXPECT_THAT(r.end(1), IsEmpty());
  r.begin(1);
  r.set(1, "a", kWantsLive);
  EXPECT_THAT(r.end(1), ElementsAre("b"));
  EXPECT_THAT(r.drop(1), ElementsAre("a"));
  EXPECT_THAT(r.drop(2), ElementsAre("b"));
  EXPECT_EQ(r.size(), 0u);
}

// ---------------------------------------------------------------- barriers

struct BarriersTest : ::testing::Test {
  Stats stats;
  Barriers barriers{stats};
  MonoTime now{Seconds(1000)};
  int done = 0;
  std::uint64_t add() {
    return barriers.add({[this] { ++done; }}, now);
  }
  int run() {
    for (auto& f : barriers.run(now)) f();
    return done;
  }
};

TEST_F(BarriersTest, AreOverWhenAllHaveAnswered) {
  EXPECT_EQ((add(), run()), 1) << "there is nobody";
  barriers.add_peer(1);
  barriers.add_peer(2);
  const auto first = add(), second = add();
  barriers.answered(1, second);
  EXPECT_EQ(run(), 1);
  barriers.answered(2, first);
  EXPECT_EQ(run(), 2);
  barriers.add_peer(3);  // it has heard everything with its first words
  barriers.answered(2, second);
  EXPECT_EQ(run(), 3);
  EXPECT_EQ(stats.late_barriers.get(), 0u);
}

TEST_F(BarriersTest, WaitForNobodyWhoIsGone) {
  barriers.add_peer(1);
  barriers.add_peer(2);
  const auto n = add();
  barriers.answered(1, n);
  EXPECT_EQ(run(), 0);
  barriers.remove_peer(2);
  EXPECT_EQ(run(), 1);
}

TEST_F(BarriersTest, EndInTime) {
  struct Case {
    std::optional<int> written_after;  // ms
    int over_after;
  };
  const Case cases[] = {{0, 500}, {250, 500}, {251, 501}, {400, 650}, {1900, 2000}, {std::nullopt, 2000}};
  for (auto& c : cases) {
    SCOPED_TRACE(&c - cases);
    barriers.add_peer(1);
    done = 0;
    const auto since = now;
    const auto n = add();
    if (c.written_after) barriers.written(1, n, since + Millis(*c.written_after));
    now = since + Millis(c.over_after - 1);
    EXPECT_EQ(run(), 0);
    EXPECT_EQ(barriers.next(), since + Millis(c.over_after));
    now = since + Millis(c.over_after);
    EXPECT_EQ(run(), 1);
  }
  EXPECT_EQ(stats.late_barriers.get(), std::size(cases));
}

TEST_F(BarriersTest, WhatChangedNothingWaitsForWhatIsUnderWay) {
  EXPECT_FALSE(barriers.join([] {}));
  barriers.add_peer(1);
  const auto n = add();
  EXPECT_TRUE(barriers.join([this] { done += 10; }));
  barriers.answered(1, n + 100);  // never was
  EXPECT_EQ(run(), 11);
  const auto next = add();
  EXPECT_EQ(run(), 11) << "an answer to what was not asked counts for nothing";
  barriers.answered(1, next);
  EXPECT_EQ(run(), 12);
}

// ---------------------------------------------------------------- requests

TEST(RequestsTest, SayWhoHasNotAnswered) {
  Stats stats;
  Requests r(stats);
  const MonoTime now{Seconds(1000)};
  std::optional<Requests::Answers> got;
  auto done = [&](Requests::Answers a) { got = std::move(a); };
  r.add({}, {"x"}, done, now);
  ASSERT_TRUE(got);
  EXPECT_THAT(std::exchange(got, {})->missing, ElementsAre("x"));
  const auto n = r.add({"a", "b", "c"}, {}, done, now);
  r.answered("a", n, "A");
  r.answered("a", n, "twice");
  r.answered("stranger", n, "?");
  r.lost("b");
  r.run(now + Requests::kTime - Millis(1));
  EXPECT_FALSE(got);
  r.run(r.next());
  ASSERT_TRUE(got);
  ASSERT_EQ(got->answers.size(), 1u);
  EXPECT_EQ(got->answers[0].body, "A");
  EXPECT_THAT(got->missing, ElementsAre("b", "c"));
  EXPECT_EQ(stats.late_requests.get(), 1u);
  r.answered("c", n, "late");
}

TEST(PaceTest, IsOfTheLastWindow) {
  using namespace std::chrono_literals;
  Pace pace(1000);
  Pace::Time now{1h};
  auto many = [&](int n, std::chrono::microseconds apart) {
    for (int i = 0; i < n; ++i) pace.count(now += apart);
    return pace.is_fast();
  };
  EXPECT_FALSE(many(1, 0us)) << "the first one ever";
  EXPECT_FALSE(many(5, 1us)) << "a burst is not many";
  EXPECT_FALSE(many(50, 1100us));
  EXPECT_TRUE(many(50, 900us));
  EXPECT_TRUE(many(5, 1us));
  EXPECT_FALSE(many(1, 1s)) << "behind a quiet time";
  EXPECT_TRUE(many(1000, 20us));
}

TEST(StreamIdTest, IsWhatRedisWrites) {
  EXPECT_EQ(StreamId::parse("17-5"), (StreamId{17, 5}));
  EXPECT_EQ((StreamId{17, 5}).text(), "17-5");
  EXPECT_LT((StreamId{17, 5}), (StreamId{18, 1}));
  for (auto bad : {"", "17", "17-", "-5", "17-5x", "x-5", "99999999999999999999-1"})
    EXPECT_FALSE(StreamId::parse(bad)) << bad;
}

}  // namespace
}  // namespace sb::cluster
