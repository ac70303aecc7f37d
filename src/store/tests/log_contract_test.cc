// SPDX-License-Identifier: MIT
#include <map>
#include <random>

#include "store/tests/implementations.h"

namespace sb::store::test {
namespace {

using model::Position;
using ports::LogId;
using ports::LogPage;
using LogContract = Contract;

TEST_P(LogContract, JoinMakesALogAndARepeatChangesNothing) {
  auto first = join("a/#", "one");
  EXPECT_NE(first.log, 0u);
  EXPECT_EQ(stores().announced(), (Stores::Announced{{"a/#", first.log}})) << "before the answer";
  append(first.log, "x");
  auto again = join("a/#", "one"), second = join("a/#", "two");
  EXPECT_EQ(again.log, first.log);
  EXPECT_EQ(again.head, behind(first.head, 1)) << "the present head";
  EXPECT_EQ(second.log, first.log);
  EXPECT_EQ(second.head, again.head);
  auto other = join("b/#", "one");
  EXPECT_NE(other.log, first.log);
  EXPECT_EQ(stores().announced().size(), 2u);
  // The repeat did not move the member: what it has not had is still there.
  EXPECT_EQ(payloads(read(first.log, first.head)), "x");
}

TEST_P(LogContract, TheLastMemberTakesTheLogWithIt) {
  auto log = join("a", "one");
  join("a", "two");
  append(log.log, "x");
  logs().leave("a", "one");
  logs().leave("a", "one");
  logs().leave("a", "stranger");
  logs().leave("never/there", "one");
  EXPECT_EQ(payloads(read(log.log, log.head)), "x");
  logs().leave("a", "two");
  LogPage gone = read(log.log, log.head);
  EXPECT_TRUE(gone.messages.empty());
  EXPECT_EQ(gone.lost, 0u);
  EXPECT_EQ(gone.head, log.head) << "a reader finds itself at the end";
  EXPECT_EQ(stores().announced(), (Stores::Announced{{"a", log.log}, {"a", 0}}));
  append(log.log, "y");  // taken, and stored nowhere
  auto anew = join("a", "three");
  EXPECT_NE(anew.log, log.log);
  EXPECT_TRUE(read(anew.log, anew.head).messages.empty());
}

TEST_P(LogContract, AGroupMakesNoLogAndNeedsAllOfIt) {
  std::optional<error_code> refused;
  logs().join("$share/g/a", ports::kGroupMember, [&](auto r) { refused = r.error(); });
  stores().settle();
  EXPECT_EQ(refused, ports::errc::no_log);
  EXPECT_TRUE(stores().announced().empty());

  auto log = join("$share/g/a", "one");
  append(log.log, "x");
  join("$share/g/a", std::string(ports::kGroupMember));
  logs().release("$share/g/a", "one", behind(log.head, 1));
  for (int i = 0; i < 1000; ++i)
    append(log.log, "y");  // more than what a log gathers before it looks whom it may forget
  EXPECT_EQ(read(log.log, log.head, 1).messages.size(), 1u);
  EXPECT_EQ(read(log.log, log.head, 1).lost, 0u) << "what came before the group was there";
  logs().leave("$share/g/a", "one");
  stores().settle();
  EXPECT_EQ(stores().announced(), (Stores::Announced{{"$share/g/a", log.log}, {"$share/g/a", 0}}));
}

TEST_P(LogContract, MessagesComeBackAsTheyWere) {
  auto log = join("#");
  std::vector<model::MessageView> views(3);
  views[0].topic = "a";
  views[1].topic = "b/c";
  views[1].payload = std::string_view("\0\xFF", 2);
  views[1].properties = std::string_view("\x01\x01", 2);
  views[1].qos = 2;
  views[1].retain = true;
  views[1].publisher = 77;
  views[1].expires_at = WallTime(Seconds(2'000'000'000));
  std::string large(100'000, 'L');
  views[2].topic = "large";
  views[2].payload = large;
  views[2].qos = 1;
  std::vector<ports::LogStore::Append> batch;
  for (auto& v : views) batch.push_back({log.log, model::Message::copy(v)});
  append(std::move(batch));
  LogPage page = read(log.log, log.head);
  ASSERT_EQ(page.messages.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    const model::MessageView& m = page.messages[i].message->view();
    EXPECT_EQ(m.topic, views[i].topic);
    EXPECT_EQ(m.payload, views[i].payload);
    EXPECT_EQ(m.properties, views[i].properties);
    EXPECT_EQ(m.qos, views[i].qos);
    EXPECT_EQ(m.retain, views[i].retain);
    EXPECT_EQ(m.publisher, views[i].publisher);
    EXPECT_EQ(m.expires_at, views[i].expires_at);
    EXPECT_EQ(page.messages[i].position, behind(log.head, i + 1));
  }
  EXPECT_EQ(page.head, behind(log.head, 3));
}

TEST_P(LogContract, ABatchForSeveralLogs) {
  auto a = join("a"), b = join("b");
  append({{a.log, message("t", "1")},
          {b.log, message("t", "2")},
          {a.log, message("t", "3")},
          {12345, message("t", "4")},
          {b.log, message("t", "5")}});
  append({});
  EXPECT_EQ(payloads(read(a.log, a.head)), "1 3");
  EXPECT_EQ(payloads(read(b.log, b.head)), "2 5");
}

TEST_P(LogContract, ReadingInPages) {
  auto log = join("a");
  for (int i = 1; i <= 10; ++i) append(log.log, std::to_string(i));
  Position head = behind(log.head, 10);
  const struct {
    std::uint64_t after;
    std::size_t max;
    std::string_view payloads;
  } rows[] = {
      {0, 100, "1 2 3 4 5 6 7 8 9 10"}, {0, 3, "1 2 3"}, {3, 3, "4 5 6"}, {9, 3, "10"}, {10, 3, ""}, {5, 1, "6"}};
  for (const auto& row : rows) {
    LogPage page = read(log.log, behind(log.head, row.after), row.max);
    EXPECT_EQ(payloads(page), row.payloads) << row.after << " " << row.max;
    EXPECT_EQ(page.head, head);
    EXPECT_EQ(page.lost, 0u);
  }
}

TEST_P(LogContract, AMemberReadsFromWhereItJoined) {
  auto first = join("a", "one");
  append(first.log, "old");
  auto second = join("a", "two");
  append(first.log, "new");
  EXPECT_EQ(payloads(read(first.log, first.head)), "old new");
  EXPECT_EQ(payloads(read(second.log, second.head)), "new");
}

// ---------------------------------------------------------------- bounds

TEST_P(LogContract, BoundedInMessagesTheOldestGoAndAreCounted) {
  model::Limits limits;
  limits.log_messages = 10;
  use(limits);
  auto log = join("a");
  for (int i = 1; i <= 25; ++i) append(log.log, std::to_string(i));
  const struct {
    std::uint64_t after, lost;
    std::size_t messages;
  } rows[] = {{0, 15, 10}, {5, 10, 10}, {14, 1, 10}, {15, 0, 10}, {16, 0, 9}, {24, 0, 1}, {25, 0, 0}};
  for (const auto& row : rows) {
    LogPage page = read(log.log, behind(log.head, row.after));
    EXPECT_EQ(page.lost, row.lost) << row.after;
    ASSERT_EQ(page.messages.size(), row.messages) << row.after;
    if (!page.messages.empty()) {
      EXPECT_EQ(page.messages.front().position, behind(log.head, row.after + row.lost + 1));
    }
  }
}

TEST_P(LogContract, BoundedInBytesButNeverEmptied) {
  std::string payload(1000, 'x');
  std::size_t each = message("t", payload)->footprint();
  model::Limits limits;
  limits.log_bytes = 5 * each;
  use(limits);
  auto log = join("a");
  for (int i = 0; i < 20; ++i) append(log.log, payload);
  LogPage page = read(log.log, log.head);
  EXPECT_EQ(page.messages.size(), 5u);
  EXPECT_EQ(page.lost, 15u);
  append(log.log, std::string(10 * each, 'y'));  // larger than the bound: it stays alone
  page = read(log.log, log.head);
  ASSERT_EQ(page.messages.size(), 1u);
  EXPECT_EQ(page.messages[0].message->view().payload.size(), 10 * each);
  EXPECT_EQ(page.lost, 20u);
  append(log.log, "small");
  EXPECT_EQ(payloads(read(log.log, log.head)), "small");
}

TEST_P(LogContract, BoundedOverAllLogsTheOneThatGrowsPays) {
  std::string payload(1000, 'x');
  model::Limits limits;
  limits.logs_total_bytes = 10 * message("t", payload)->footprint();
  use(limits);
  auto a = join("a"), b = join("b");
  for (int i = 0; i < 6; ++i) append(a.log, payload);
  for (int i = 0; i < 6; ++i) append(b.log, payload);
  LogPage of_a = read(a.log, a.head), of_b = read(b.log, b.head);
  EXPECT_EQ(of_a.messages.size(), 6u);
  EXPECT_EQ(of_b.messages.size(), 4u);
  EXPECT_EQ(of_b.lost, 2u);
  logs().leave("a", "m");  // its room is free again
  for (int i = 0; i < 6; ++i) append(b.log, payload);
  of_b = read(b.log, b.head);
  EXPECT_EQ(of_b.messages.size(), 10u);
  EXPECT_EQ(of_b.lost, 2u);
}

TEST_P(LogContract, APageIsBoundedInBytesButNeverEmptyBeforeTheEnd) {
  auto log = join("a");
  for (int i = 0; i < 5; ++i) append(log.log, std::string(700'000, 'x'));
  std::uint64_t at = 0;
  for (int pages = 0; at < 5; ++pages) {
    ASSERT_LT(pages, 5);
    LogPage page = read(log.log, behind(log.head, at));
    ASSERT_FALSE(page.messages.empty());
    EXPECT_LE(page.messages.size(), 3u) << "not all five at once";
    EXPECT_EQ(page.messages.front().position, behind(log.head, at + 1));
    at += page.messages.size();
  }
}

TEST_P(LogContract, APositionOfAnotherGenerationLiesBeforeThisOne) {
  model::Limits limits;
  limits.log_messages = 3;
  use(limits);
  auto log = join("a");
  for (int i = 1; i <= 5; ++i) append(log.log, std::to_string(i));
  Position older{log.head.generation - 1, 1000};
  LogPage page = read(log.log, older);
  EXPECT_EQ(payloads(page), "3 4 5");
  EXPECT_EQ(page.lost, 2u) << "of this generation; what the older one had is not known";
}

TEST_P(LogContract, WhatOneMemberHasHadTheOtherStillGets) {
  auto log = join("a", "fast");
  join("a", "slow");
  for (int i = 1; i <= 2000; ++i) {
    append(log.log, std::to_string(i));
    if (i % 100 == 0) logs().release("a", "fast", behind(log.head, static_cast<std::uint64_t>(i)));
  }
  LogPage page = read(log.log, log.head, 5000);
  EXPECT_EQ(page.lost, 0u);
  EXPECT_EQ(page.messages.size(), 2000u);
  logs().release("a", "stranger", behind(log.head, 2000));
  logs().release("never/there", "slow", behind(log.head, 2000));
  EXPECT_EQ(read(log.log, log.head, 5000).messages.size(), 2000u);
}

TEST_P(LogContract, AReleaseNeverGoesBack) {
  auto log = join("a", "one");
  for (int i = 1; i <= 1000; ++i) append(log.log, std::to_string(i));
  logs().release("a", "one", behind(log.head, 900));
  logs().release("a", "one", behind(log.head, 100));  // late, of an earlier checkpoint
  for (int i = 1; i <= 1000; ++i) append(log.log, std::to_string(1000 + i));
  // Whether it has been trimmed is the store's business; what lies behind 900 has to be there.
  LogPage page = read(log.log, behind(log.head, 900), 5000);
  EXPECT_EQ(page.lost, 0u);
  EXPECT_EQ(page.messages.size(), 1100u);
}

// ---------------------------------------------------------------- watchers

struct Watcher final : ports::LogWatcher {
  void on_appended(LogId log, Position previous, const ports::StoredMessage& m) override {
    lines.push_back(std::to_string(log - first_log) + ":" + std::to_string(previous.offset) + "→" +
                    std::to_string(m.position.offset) + " " + std::string(m.message->view().payload));
  }
  LogId first_log = 0;
  std::vector<std::string> lines;
};

TEST_P(LogContract, AWatcherHearsOfEverythingBehindTheHead) {
  auto a = join("a"), b = join("b"), c = join("c");
  append(a.log, "before");
  Watcher w;
  w.first_log = a.log;
  EXPECT_EQ(ask<Position>([&](auto done) { logs().attach(a.log, &w, done); }).value(), behind(a.head, 1));
  EXPECT_EQ(ask<Position>([&](auto done) { logs().attach(b.log, &w, done); }).value(), b.head);
  append({{a.log, message("t", "1")}, {b.log, message("t", "2")}, {c.log, message("t", "unseen")}});
  append({{a.log, message("t", "3")}, {a.log, message("t", "4")}});
  stores().settle();
  EXPECT_EQ(w.lines,
            (std::vector<std::string>{"0:1→2 1", std::to_string(b.log - a.log) + ":0→1 2", "0:2→3 3", "0:3→4 4"}));
  logs().detach(a.log, &w);
  stores().settle();
  w.lines.clear();
  append({{a.log, message("t", "5")}, {b.log, message("t", "6")}});
  stores().settle();
  EXPECT_EQ(w.lines, (std::vector<std::string>{std::to_string(b.log - a.log) + ":1→2 6"}));
  logs().detach(b.log, &w);
  logs().detach(b.log, &w);
  logs().detach(99999, &w);
  stores().settle();
}

TEST_P(LogContract, AWatcherThatLeavesBeforeItIsAnswered) {
  auto log = join("a");
  Watcher w;
  bool answered = false;
  logs().attach(log.log, &w, [&](result<Position>) { answered = true; });
  logs().detach(log.log, &w);
  ASSERT_TRUE(stores().wait([&] { return answered; }));
  append(log.log, "unseen");
  EXPECT_EQ(ask<Position>([&](auto done) { logs().attach(log.log, &w, done); }).value(), behind(log.head, 1));
  logs().detach(log.log, &w);
  stores().settle();
  EXPECT_TRUE(w.lines.empty());
}

TEST_P(LogContract, AttachingToALogThatIsGone) {
  auto log = join("a");
  logs().leave("a", "m");
  Watcher w;
  auto head = ask<Position>([&](auto done) { logs().attach(log.log, &w, done); });
  ASSERT_TRUE(head);
  EXPECT_EQ(*head, Position{});
  append(log.log, "x");
  stores().settle();
  EXPECT_TRUE(w.lines.empty());
}

TEST_P(LogContract, ManyAppendsOneNoticeEachInOrder) {
  auto log = join("a");
  Watcher w;
  w.first_log = log.log;
  ASSERT_TRUE(ask<Position>([&](auto done) { logs().attach(log.log, &w, done); }));
  int answers = 0;
  for (int i = 0; i < 500; ++i)
    logs().append({{log.log, message("t", std::to_string(i))}}, [&](result<void>) { ++answers; });
  ASSERT_TRUE(stores().wait([&] { return answers == 500; }));
  stores().settle();
  ASSERT_EQ(w.lines.size(), 500u);
  for (std::uint64_t i = 0; i < 500; ++i)
    EXPECT_EQ(w.lines[i], "0:" + std::to_string(log.head.offset + i) + "→" + std::to_string(log.head.offset + i + 1) +
                              " " + std::to_string(i));
  logs().detach(log.log, &w);
  stores().settle();
}

TEST_P(LogContract, AnswersComeInTheOrderOfTheRequests) {
  auto log = join("a");
  std::vector<int> order;
  std::vector<std::size_t> sizes;
  for (int i = 0; i < 300; i += 3) {
    logs().append({{log.log, message("t", "x")}}, [&, i](result<void> r) {
      EXPECT_TRUE(r);
      order.push_back(i);
    });
    logs().read(log.log, log.head, 1000, [&, i](result<LogPage> page) {
      sizes.push_back(page->messages.size());
      order.push_back(i + 1);
    });
    logs().join("other/" + std::to_string(i), "m", [&, i](result<ports::LogStore::Joined>) { order.push_back(i + 2); });
  }
  ASSERT_TRUE(stores().wait([&] { return order.size() == 300; }));
  for (int i = 0; i < 300; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
  for (std::size_t i = 0; i < sizes.size(); ++i)
    EXPECT_GE(sizes[i], i + 1) << "a read sees what was appended before it";
}

/// Random appends, reads, members coming and going, against plain lists.
TEST_P(LogContract, BehavesLikeAList) {
  std::mt19937 random(7);
  struct Model {
    LogId id = 0;
    Position start;
    std::vector<std::string> payloads;
    std::map<std::string, std::uint64_t> members;  ///< → offset from which on it may read
  };
  std::map<std::string, Model> model;
  const std::string filters[] = {"a", "b/+", "#"}, members[] = {"m1", "m2", "m3", "m4"};
  for (int step = 0; step < 3000; ++step) {
    const std::string& filter = filters[random() % 3];
    const std::string& member = members[random() % 4];
    Model& m = model[filter];
    switch (random() % 8) {
      case 0: {
        auto joined = join(filter, member);
        if (m.members.empty()) m = {joined.log, joined.head, {}, {}};
        m.members.try_emplace(member, m.payloads.size());
        ASSERT_EQ(joined.log, m.id);
        ASSERT_EQ(joined.head, behind(m.start, m.payloads.size()));
        break;
      }
      case 1:
        if (random() % 4) break;
        logs().leave(filter, member);
        m.members.erase(member);
        if (m.members.empty()) m.payloads.clear();
        break;
      case 2:
        if (auto it = m.members.find(member); it != m.members.end()) {
          it->second += random() % (m.payloads.size() - it->second + 1);
          logs().release(filter, member, behind(m.start, it->second));
        }
        break;
      case 3: {
        auto it = m.members.find(member);
        if (it == m.members.end()) break;
        LogPage page = read(m.id, behind(m.start, it->second), 7);
        ASSERT_EQ(page.lost, 0u);
        ASSERT_EQ(page.head, behind(m.start, m.payloads.size()));
        ASSERT_EQ(page.messages.size(), std::min<std::size_t>(7, m.payloads.size() - it->second));
        for (std::size_t i = 0; i < page.messages.size(); ++i) {
          ASSERT_EQ(page.messages[i].message->view().payload, m.payloads[it->second + i]);
          ASSERT_EQ(page.messages[i].position, behind(m.start, it->second + i + 1));
        }
        break;
      }
      default:
        if (m.members.empty()) break;
        for (std::size_t n = 1 + random() % 5; n > 0; --n) {
          m.payloads.push_back(std::to_string(random()));
          append(m.id, m.payloads.back());
        }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Stores, LogContract, testing::ValuesIn(implementations()), name_of);

}  // namespace
}  // namespace sb::store::test
