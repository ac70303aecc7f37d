// SPDX-License-Identifier: MIT
#include "store/redis_log_tail.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sb::store::test {
namespace {

using model::Position;

model::MessagePtr message(const std::string& payload) {
  model::MessageView v;
  v.topic = "t";
  v.payload = payload;
  return model::Message::copy(v);
}

/// Messages named by their offsets.
AppendedRun run(Position previous, Position first, std::size_t n) {
  AppendedRun r{previous, first, {}, {}};
  for (std::size_t i = 0; i < n; ++i) r.messages.push_back(message(std::to_string(first.offset + i)));
  return r;
}

struct Heard final : ports::LogWatcher {
  void on_appended(ports::LogId, Position previous, const ports::StoredMessage& m) override {
    if (!text.empty()) text += " ";
    const std::string generation = previous.generation == m.position.generation ? "" : "!";
    text += generation + std::to_string(previous.offset) + ">" + std::to_string(m.position.offset);
    if (m.known) text += "(" + std::to_string(m.known->front().offset) + ")";
    EXPECT_EQ(m.message->view().payload, std::to_string(m.position.offset));
  }
  std::string text;
};

struct Tail : LogTail {
  explicit Tail(Position head) : LogTail(1, memory) {
    const auto number = attach(&heard);
    start(head);
    listen(number);
  }
  Heard heard;
  LogMemory memory;
};

TEST(RedisLogTail, WhatComesInAnyOrderIsToldInOrder) {
  Tail t({1, 5});
  t.add(run({1, 5}, {1, 6}, 2));
  EXPECT_EQ(t.heard.text, "5>6 6>7");
  t.add(run({1, 9}, {1, 10}, 1));
  t.add(run({1, 7}, {1, 8}, 2));
  EXPECT_EQ(t.heard.text, "5>6 6>7 7>8 8>9 9>10");
  EXPECT_FALSE(t.hole());
  t.add(run({1, 5}, {1, 6}, 5));  // a repeat, and from before
  t.add(run({1, 2}, {1, 3}, 2));
  EXPECT_EQ(t.heard.text, "5>6 6>7 7>8 8>9 9>10");
  EXPECT_EQ(t.at(), (Position{1, 10}));
}

TEST(RedisLogTail, AHoleIsFilledFromTheLog) {
  Tail t({1, 0});
  t.add(run({1, 3}, {1, 4}, 1));
  EXPECT_TRUE(t.hole());
  EXPECT_EQ(t.heard.text, "");
  std::vector<ports::StoredMessage> page;
  for (std::uint64_t i = 1; i <= 5; ++i) page.push_back({{1, i}, message(std::to_string(i))});
  t.add_page(page, {1, 5});
  EXPECT_EQ(t.heard.text, "0>1 1>2 2>3 3>4 4>5");
  EXPECT_FALSE(t.hole());
}

TEST(RedisLogTail, AnotherGenerationGoesOnWhereTheLogDoes) {
  Tail t({1, 100});
  t.add(run({1, 98}, {2, 99}, 1));  // 99 and 100 of generation 1 are forgotten
  EXPECT_EQ(t.heard.text, "!100>99");
  EXPECT_FALSE(t.hole());
  t.add(run({1, 101}, {1, 102}, 1));  // late: of what is forgotten
  t.add(run({2, 100}, {2, 101}, 1));
  EXPECT_TRUE(t.hole());
  auto again = run({2, 99}, {2, 100}, 1);
  again.known = {{1, 100}};
  t.add(again);
  EXPECT_EQ(t.heard.text, "!100>99 99>100(100) 100>101");
  EXPECT_FALSE(t.hole()) << "what is forgotten is not waited for";
}

/// Told or read, and then forgotten, and taken from another writer, with other messages and in another order.
TEST(RedisLogTail, WhatWasMetAndThenForgottenIsKnown) {
  Tail t({1, 97});
  const auto numbered = [](Position previous, Position first, std::vector<std::uint64_t> identities) {
    AppendedRun r{previous, first, {}, {}};
    for (auto identity : identities) {
      model::MessageView v;
      v.topic = "t";
      const std::string payload = std::to_string(first.offset + r.messages.size());
      v.payload = payload;
      v.identity = identity;
      r.messages.push_back(model::Message::copy(v));
    }
    return r;
  };
  std::vector<Position> known;
  t.memory.saw(1, 33, {1, 98}, known);  // a session has read it there
  t.add(numbered({1, 97}, {1, 98}, {33, 44, 0}));
  EXPECT_EQ(t.heard.text, "97>98 98>99 99>100") << "at its own place it is not known";
  t.heard.text.clear();
  t.add(numbered({1, 97}, {2, 98}, {55, 44}));
  t.add(numbered({2, 99}, {2, 100}, {33, 0}));
  EXPECT_EQ(t.heard.text, "!100>98 98>99(99) 99>100(98) 100>101");
  t.memory.saw(2, 44, {2, 1}, known);
  EXPECT_TRUE(known.empty()) << "another log";
  t.memory.saw(1, 44, {3, 7}, known);
  EXPECT_EQ(known, (std::vector<Position>{{1, 99}, {2, 99}}));
}

TEST(LogMemory, IsBounded) {
  LogMemory m;
  std::vector<Position> known;
  for (std::uint64_t i = 1; i <= 100'000; ++i) m.saw(1, i, {1, i}, known);
  m.saw(1, 100'000, {2, 1}, known);
  EXPECT_EQ(known, (std::vector<Position>{{1, 100'000}}));
  m.saw(1, 1, {2, 2}, known);
  EXPECT_EQ(known.size(), 1u) << "long forgotten";
}

TEST(RedisLogTail, WhatABoundTookAwayIsAHoleForWatchers) {
  Tail t({1, 10});
  t.add_page({{{1, 20}, message("20")}, {{1, 21}, message("21")}}, {1, 21});
  EXPECT_EQ(t.heard.text, "19>20 20>21");
  t.add_page({}, {1, 30});  // all of it
  t.add(run({1, 30}, {1, 31}, 1));
  EXPECT_EQ(t.heard.text, "19>20 20>21 30>31");
}

TEST(RedisLogTail, AWatcherHearsFromItsHeadOn) {
  LogMemory memory;
  LogTail t(1, memory);
  Heard first, second;
  const auto one = t.attach(&first);
  t.add(run({1, 1}, {1, 2}, 1));  // while its head is being asked for
  t.start({1, 1});
  EXPECT_TRUE(t.listen(one));
  t.go_on();
  EXPECT_EQ(first.text, "1>2");
  const auto two = t.attach(&second);
  t.add(run({1, 2}, {1, 3}, 1));
  EXPECT_EQ(second.text, "") << "not before it listens";
  EXPECT_TRUE(t.listen(two));
  t.add(run({1, 3}, {1, 4}, 1));
  EXPECT_EQ(first.text, "1>2 2>3 3>4");
  EXPECT_EQ(second.text, "3>4");
  t.detach(&second);
  EXPECT_FALSE(t.listen(two));
  t.detach(&first);
  EXPECT_FALSE(t.runs());
}

/// Counts what it is told.
struct Counting final : ports::LogWatcher {
  void on_appended(ports::LogId, Position, const ports::StoredMessage& m) override {
    ++heard;
    last = m.position.offset;
  }
  std::size_t heard = 0;
  std::uint64_t last = 0;
};

TEST(RedisLogTail, WhatWaitsBehindAHoleIsBounded) {
  LogMemory memory;
  LogTail t(1, memory);
  Counting w;
  const auto number = t.attach(&w);
  t.start({1, 0});
  t.listen(number);
  const std::string large(1024 * 1024, 'x');
  for (std::uint64_t i = 2; i <= 20; ++i) t.add({{1, i - 1}, {1, i}, {message(large)}, {}});
  t.add_page({{{1, 1}, message("1")}}, {1, 1});
  EXPECT_LT(w.last, 20u) << "not all were kept";
  EXPECT_EQ(w.heard, w.last) << "but what comes is in order";
}

}  // namespace
}  // namespace sb::store::test
