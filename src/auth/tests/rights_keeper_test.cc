// SPDX-License-Identifier: MIT
// Rights that a source gives for a time: renewed, ended, withdrawn, forgotten.
#include "auth/rights_keeper.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <deque>
#include <thread>

#include "auth/asked_rights.h"
#include "base/json.h"

namespace sb::auth {
namespace {

using mqtt::Reason;

DocumentRights::Ptr rules(std::string_view topic) {
  return DocumentRights::parse(*parse_json(R"({"all":["always",")" + std::string(topic) + "\"]}", 4));
}

/// Holds its questions until the test answers.
struct Source final : RightsSource {
  void ask(const ports::Subject& who, Done done) override {
    asked.push_back(std::string(who.client_id) + " " + std::string(who.username));
    waiting.push_back(std::move(done));
  }
  void answer(Answer a) {
    ASSERT_FALSE(waiting.empty());
    Done done = std::move(waiting.front());
    waiting.pop_front();
    done(std::move(a));
  }
  std::vector<std::string> asked;
  std::deque<Done> waiting;
};

struct Bench {
  Bench() { keeper.set(source, options); }
  ~Bench() { source->waiting.clear(); }  // which hold the source

  ports::RightsPtr open(std::string_view client, RightsSource::Answer a, Reason* reason = nullptr) {
    ports::RightsPtr got;
    keeper.open({client, "ada"}, [&](Reason r, ports::RightsPtr rights) {
      if (reason) *reason = r;
      got = std::move(rights);
    });
    source->answer(std::move(a));
    return got;
  }
  void pass(Seconds s) {
    clock.advance(s);
    keeper.tick();
  }
  static bool may(const ports::RightsPtr& r, std::string_view topic) { return r->may_receive({"c", "ada"}, topic); }

  FakeClock clock;
  RightsKeeper::Options options{.ttl = Seconds(100), .retry = Seconds(5), .questions = 2};
  std::shared_ptr<Source> source = std::make_shared<Source>();
  RightsKeeper keeper{clock, options};
};

const RightsSource::Answer kNone{Reason::server_unavailable, nullptr, {}};
RightsSource::Answer given(std::string_view topic, Seconds ttl = Seconds(0)) {
  return {Reason::success, rules(topic), ttl};
}

TEST(RightsKeeper, WithoutAnAnswerThereAreNone) {
  Bench b;
  for (Reason r : {Reason::server_unavailable, Reason::server_busy, Reason::not_authorized}) {
    Reason reason{};
    EXPECT_EQ(b.open("c", {r, nullptr, {}}, &reason), nullptr);
    EXPECT_EQ(reason, r);
  }
  EXPECT_EQ(b.keeper.size(), 0u);
}

TEST(RightsKeeper, AskedAgainFromHalfOfTheTimeOn) {
  Bench b;
  auto rights = b.open("c", given("a"));
  ASSERT_TRUE(rights && b.may(rights, "a"));
  b.pass(Seconds(49));
  EXPECT_EQ(b.source->asked.size(), 1u);
  b.pass(Seconds(1));
  ASSERT_EQ(b.source->asked.size(), 2u);
  EXPECT_EQ(b.source->asked[1], "c ada");
  b.pass(Seconds(1));
  EXPECT_EQ(b.source->asked.size(), 2u) << "while one question is under way there is no other";
  b.source->answer(given("a"));
  EXPECT_EQ(b.keeper.take_changes(), nullptr) << "the same rules are no change";
  b.pass(Seconds(49));
  EXPECT_EQ(b.source->asked.size(), 2u);
  b.pass(Seconds(1));
  b.source->answer(given("b"));
  EXPECT_TRUE(b.may(rights, "b") && !b.may(rights, "a"));
  EXPECT_NE(b.keeper.take_changes(), nullptr);
  EXPECT_EQ(b.keeper.take_changes(), nullptr) << "said once";
}

TEST(RightsKeeper, TheSourceMaySayHowLong) {
  Bench b;
  auto rights = b.open("c", given("a", Seconds(10)));
  b.pass(Seconds(5));
  EXPECT_EQ(b.source->asked.size(), 2u);
}

TEST(RightsKeeper, TheyEndWhenThereIsNoAnswer) {
  Bench b;
  auto rights = b.open("c", given("a"));
  for (int second = 1; second < 100; ++second) {
    b.pass(Seconds(1));
    if (!b.source->waiting.empty()) b.source->answer(kNone);
    ASSERT_TRUE(b.may(rights, "a")) << second;
  }
  EXPECT_EQ(b.source->asked.size(), 1u + 10u) << "every five seconds of the second half";
  EXPECT_EQ(b.keeper.take_changes(), nullptr);
  b.pass(Seconds(1));
  EXPECT_FALSE(b.may(rights, "a"));
  EXPECT_NE(b.keeper.take_changes(), nullptr);
  while (!b.source->waiting.empty()) b.source->answer(kNone);
  b.pass(Seconds(5));
  b.source->answer(given("a"));
  EXPECT_TRUE(b.may(rights, "a")) << "and are there again with an answer";
  EXPECT_NE(b.keeper.take_changes(), nullptr);
}

TEST(RightsKeeper, TheyEndWhileAQuestionHangs) {
  Bench b;
  auto rights = b.open("c", given("a"));
  b.pass(Seconds(50));
  b.pass(Seconds(50));
  EXPECT_FALSE(b.may(rights, "a"));
  EXPECT_EQ(b.source->asked.size(), 2u);
  b.source->answer(given("a"));
  EXPECT_TRUE(b.may(rights, "a"));
}

TEST(RightsKeeper, WhatIsRefusedIsWithdrawnAtOnce) {
  Bench b;
  auto rights = b.open("c", given("a"));
  b.pass(Seconds(50));
  b.source->answer({Reason::not_authorized, nullptr, {}});
  EXPECT_FALSE(b.may(rights, "a"));
  EXPECT_NE(b.keeper.take_changes(), nullptr);
  b.pass(Seconds(50));
  EXPECT_EQ(b.source->asked.size(), 3u) << "it may be allowed again";
}

TEST(RightsKeeper, NobodyAsksForThoseWhoLeft) {
  Bench b;
  auto stays = b.open("stays", given("a")), leaves = b.open("leaves", given("a"));
  auto leaves_later = b.open("leaves later", given("a"));
  leaves.reset();
  b.pass(Seconds(50));
  EXPECT_EQ(b.keeper.size(), 2u);
  EXPECT_EQ(b.source->asked.size(), 3u + 2u);
  leaves_later.reset();
  while (!b.source->waiting.empty()) b.source->answer(given("a"));
  b.pass(Seconds(50));
  EXPECT_EQ(b.keeper.size(), 1u);
}

TEST(RightsKeeper, WhoIsAwayIsAskedAboutOnce) {
  Bench b;
  AskedRights by_name(b.keeper);
  EXPECT_FALSE(b.may(by_name.rights({"c", "ada"}), "a"));
  std::vector<ports::RightsPtr> got;
  for (auto& a : {given("a"), kNone, RightsSource::Answer{Reason::not_authorized, nullptr, {}}}) {
    by_name.ask({"c", "ada"}, [&](ports::RightsPtr r) { got.push_back(std::move(r)); });
    b.source->answer(a);
  }
  ASSERT_EQ(got.size(), 3u);
  EXPECT_TRUE(b.may(got[0], "a"));
  EXPECT_FALSE(b.may(got[1], "a") || b.may(got[2], "a")) << "fails closed";
  b.pass(Seconds(1000));
  EXPECT_EQ(b.source->asked.size(), 3u);
}

TEST(RightsKeeper, ThoseWhoLeftTakeNoRoom) {
  Bench b;
  for (int i = 0; i < 5000; ++i) b.open("c", given("a"));
  EXPECT_LE(b.keeper.size(), 1024u);
}

TEST(RightsKeeper, SoManyQuestionsAtOnce) {
  Bench b;
  std::vector<ports::RightsPtr> all;
  for (int i = 0; i < 5; ++i) all.push_back(b.open("c" + std::to_string(i), given("a")));
  b.pass(Seconds(50));
  EXPECT_EQ(b.source->waiting.size(), 2u);
  for (int i = 0; i < 2; ++i) {
    while (!b.source->waiting.empty()) b.source->answer(given("b"));
    b.pass(Seconds(1));
  }
  while (!b.source->waiting.empty()) b.source->answer(given("b"));
  for (auto& r : all) EXPECT_TRUE(b.may(r, "b"));
}

/// As on shards: rules that were replaced are kept until each reader has run a task since.
TEST(LiveRights, MayBeReplacedWhileTheyAreAsked) {
  constexpr int kReaders = 3, kTurns = 50;
  LiveRights::Ptr live(new LiveRights(rules("a")));
  std::atomic<bool> stop{false};
  std::array<std::atomic<int>, kReaders> turns{};
  std::vector<std::thread> readers;
  for (int i = 0; i < kReaders; ++i)
    readers.emplace_back([&, i] {
      while (!stop) {
        EXPECT_TRUE(live->may_receive({"c", "u"}, "always"));
        ++turns[static_cast<std::size_t>(i)];
        std::this_thread::yield();
      }
    });
  for (int n = 0; n < kTurns; ++n) {
    auto old = live->replace(rules(n % 2 ? "a" : "b"));
    for (auto& t : turns)
      for (int then = t.load(); t.load() < then + 2;) std::this_thread::yield();
  }
  stop = true;
  for (auto& r : readers) r.join();
  EXPECT_TRUE(live->may_receive({"c", "u"}, "a"));
}

}  // namespace
}  // namespace sb::auth
