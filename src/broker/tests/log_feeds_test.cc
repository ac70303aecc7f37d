// SPDX-License-Identifier: MIT
#include "broker/log_feeds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "broker/tests/delayed_stores.h"
#include "store/memory_logs.h"

namespace sb::broker {
namespace {

using channel::Channel;
using ports::LogId;
using testing::Delay;
using testing::DelayedLogs;
using ::testing::ElementsAre;

/// Reads a log as a session does: when it is told, as far as it has room. LogFeeds never looks into the channel that
/// stands for it.
struct Reader {
  LogId log = 0;
  model::Position at;
  std::size_t room = SIZE_MAX;
  bool there = false;
  std::uint64_t lost = 0;
  std::vector<std::uint64_t> got;  ///< offsets; 0 stands for a stretch that was lost
  Channel* channel() { return reinterpret_cast<Channel*>(this); }
};

struct Feeds : LogFeeds::Listener {
  explicit Feeds(std::size_t tail_bytes = 1 << 20, model::Limits limits = {}, std::size_t all_bytes = SIZE_MAX)
      : store(limits, [](auto, auto) {}), logs(store, delay, 0), feeds(logs, *this, tail_bytes, all_bytes) {}
  virtual ~Feeds() = default;
  Delay delay{1};
  store::MemoryLogs store;
  DelayedLogs logs;
  LogFeeds feeds;
  int told = 0;

  void feed_ready(ports::LogId, const std::vector<Channel*>& readers) override {
    ++told;
    for (Channel* c : readers) {
      auto& r = *reinterpret_cast<Reader*>(c);
      if (r.there) read(r);
    }
  }
  void read(Reader& r) {
    while (r.room > 0) {
      LogFeeds::Next n = feeds.next(r.log, r.at);
      r.lost += n.lost;
      if (n.skip) {
        ASSERT_GT(n.skip_to, r.at);
        r.at = n.skip_to;
        continue;
      }
      if (!n.message) return;
      ASSERT_GT(n.message->position, r.at);
      r.at = n.message->position;
      r.got.push_back(r.at.offset);
      if (r.room != SIZE_MAX) --r.room;
    }
  }
  LogId make(std::string_view filter, std::string_view member = "m") {
    LogId id = 0;
    store.join(filter, member, [&](auto j) { id = j->log; });
    return id;
  }
  model::Position head(LogId log) {
    model::Position p;
    store.read(log, {UINT64_MAX, 0}, 1, [&](auto page) { p = page->head; });
    return p;
  }
  void append(LogId log, int n = 1) {
    std::vector<ports::LogStore::Append> batch;
    for (int i = 0; i < n; ++i) {
      model::MessageView m;
      m.topic = "t";
      batch.push_back({log, model::Message::copy(m)});
    }
    store.append(std::move(batch), [](auto) {});
  }
  void enter(Reader& r) {
    r.there = true;
    feeds.add_reader(r.log, r.channel());
  }
  void leave(Reader& r) {
    r.there = false;
    feeds.remove_reader(r.log, r.channel());
  }
  void settle() {
    do feeds.deliver();
    while (delay.work() || delay.arrive(0));
  }
};

TEST(LogFeeds, LiveMessagesComeFromTheTail) {
  Feeds f;
  LogId log = f.make("a");
  Reader r{.log = log, .at = f.head(log)};
  f.enter(r);
  f.settle();
  f.append(log, 3);
  f.settle();
  EXPECT_THAT(r.got, ElementsAre(1, 2, 3));
  EXPECT_EQ(f.logs.reads, 0u);
  EXPECT_EQ(f.feeds.head(log), r.at);
}

TEST(LogFeeds, TheBacklogIsReadOnceForManyReadersAtOnePlace) {
  Feeds f;
  LogId log = f.make("a");
  model::Position start = f.head(log);
  f.append(log, 1000);
  std::vector<Reader> readers(50, Reader{.log = log, .at = start});
  for (auto& r : readers) f.enter(r);
  f.settle();
  for (auto& r : readers) {
    ASSERT_EQ(r.got.size(), 1000u);
    for (std::size_t i = 0; i < 1000; ++i) ASSERT_EQ(r.got[i], i + 1);
  }
  EXPECT_EQ(f.logs.reads, 4u) << "pages of 256";
}

TEST(LogFeeds, AHoleInTheNoticesIsReadFromTheLog) {
  Feeds f;
  LogId log = f.make("a");
  Reader r{.log = log, .at = f.head(log)};
  f.enter(r);
  f.settle();
  f.append(log, 2);
  f.settle();
  f.store.detach(log, static_cast<ports::LogWatcher*>(nullptr));
  // What the notice of 3 and 4 would have said is lost; 5 is told of.
  std::vector<ports::StoredMessage> all;
  f.append(log, 3);
  while (f.delay.answers(0) > 1) f.delay.arrive(0);  // 3 and 4 arrive ...
  EXPECT_EQ(f.feeds.head(log).offset, 4u);
  f.settle();
  EXPECT_THAT(r.got, ElementsAre(1, 2, 3, 4, 5));

  // A notice that does not join on to the last one.
  model::MessageView m;
  m.topic = "t";
  ports::StoredMessage far{{r.at.generation, 8}, model::Message::copy(m)};
  f.append(log, 3);
  while (f.delay.answers(0) > 0) {
    // 6, 7 and 8 are on their way; 8 overtakes them.
    f.feeds.on_appended(log, {r.at.generation, 7}, far);
    break;
  }
  f.feeds.deliver();
  EXPECT_THAT(r.got, ElementsAre(1, 2, 3, 4, 5)) << "8 must wait for 6 and 7";
  EXPECT_EQ(f.logs.reads, 1u);
  f.settle();
  EXPECT_THAT(r.got, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
}

TEST(LogFeeds, ATailBeyondItsBoundIsReadBack) {
  Feeds f(/*tail_bytes=*/1000);
  LogId log = f.make("a");
  Reader fast{.log = log, .at = f.head(log)}, slow{.log = log, .at = f.head(log), .room = 0};
  f.enter(fast);
  f.enter(slow);
  f.settle();
  for (int i = 0; i < 100; ++i) {
    f.append(log);
    f.settle();
  }
  EXPECT_EQ(fast.got.size(), 100u);
  EXPECT_EQ(f.logs.reads, 0u) << "who keeps up reads nothing back";
  slow.room = SIZE_MAX;
  f.read(slow);
  f.settle();
  EXPECT_EQ(slow.got, fast.got);
  EXPECT_EQ(f.logs.reads, 1u);
}

TEST(LogFeeds, AllTailsTogetherHaveABound) {
  constexpr std::size_t kAll = 20'000;
  Feeds f(1 << 20, {}, kAll);
  std::vector<Reader> fast(50), slow(50);
  for (std::size_t i = 0; i < fast.size(); ++i) {
    fast[i].log = slow[i].log = f.make("a" + std::to_string(i));
    fast[i].at = slow[i].at = f.head(fast[i].log);
    slow[i].room = 0;
    f.enter(fast[i]);
    f.enter(slow[i]);
  }
  f.settle();
  for (int n = 0; n < 100; ++n)
    for (auto& r : fast) {
      f.append(r.log);
      f.settle();
      EXPECT_LE(f.feeds.kept(), kAll);
    }
  for (auto& r : fast) EXPECT_EQ(r.got.size(), 100u);
  EXPECT_EQ(f.logs.reads, 0u) << "who keeps up reads nothing back";
  for (auto& r : slow) {
    r.room = SIZE_MAX;
    f.read(r);
    f.settle();
    EXPECT_LE(f.feeds.kept(), kAll);
  }
  for (std::size_t i = 0; i < fast.size(); ++i) EXPECT_EQ(slow[i].got, fast[i].got);
  for (int n = 0; n < 1000; ++n)  // readers that come and go
    for (auto& r : {&fast[0], &slow[0]}) {
      f.leave(*r);
      f.append(r->log);
      f.enter(*r);
      f.settle();
    }
  for (auto* all : {&fast, &slow})
    for (auto& r : *all) f.leave(r);
  EXPECT_EQ(f.feeds.kept(), 0u);
}

TEST(LogFeeds, WhatABoundTookIsCountedForEveryReader) {
  model::Limits limits;
  limits.log_messages = 10;
  Feeds f(1 << 20, limits);
  LogId log = f.make("a");
  model::Position start = f.head(log);
  f.append(log, 100);
  Reader first{.log = log, .at = start}, second{.log = log, .at = {start.generation, 40}},
      third{.log = log, .at = {start.generation, 95}};
  for (auto* r : {&first, &second, &third}) f.enter(*r);
  f.settle();
  EXPECT_EQ(first.lost, 90u);
  EXPECT_EQ(first.got.size(), 10u);
  EXPECT_EQ(second.lost, 50u) << "also when it reads the page that was fetched for somebody else";
  EXPECT_EQ(second.got.size(), 10u);
  EXPECT_EQ(third.lost, 0u);
  EXPECT_EQ(third.got.size(), 5u);
}

TEST(LogFeeds, WhatIsAppendedBetweenTheLastReaderAndTheNextIsNotForgotten) {
  Feeds f;
  LogId log = f.make("a");
  Reader one{.log = log, .at = f.head(log)}, two = one;
  f.enter(one);
  f.settle();
  f.append(log);  // its notice is on its way
  f.leave(one);
  f.delay.work();  // detached
  f.append(log);   // nobody is told of this one
  f.enter(two);
  f.delay.arrive(0);  // the late notice reaches the new feed
  f.settle();
  EXPECT_THAT(two.got, ElementsAre(1, 2)) << "without waiting for the next message";
}

TEST(LogFeeds, ALogThatIsGoneGivesNothing) {
  Feeds f;
  LogId log = f.make("a");
  Reader r{.log = log, .at = f.head(log), .room = 0};
  f.enter(r);
  f.settle();
  f.append(log, 3);
  f.settle();
  f.store.leave("a", "m");  // with its last member
  Reader late{.log = log, .at = {r.at.generation, 0}};
  f.enter(late);
  f.settle();
  EXPECT_THAT(late.got, ElementsAre(1, 2, 3)) << "what the tail has";
  Reader other{.log = 12345};
  f.enter(other);
  f.settle();
  EXPECT_TRUE(other.got.empty());
}

TEST(LogFeeds, WhoLagsInALogThatIsGoneStandsStill) {
  Feeds f(/*tail_bytes=*/1);
  LogId log = f.make("a");
  Reader r{.log = log, .at = f.head(log), .room = 0};
  f.enter(r);
  f.settle();
  f.append(log, 3);
  f.settle();
  f.store.leave("a", "m");
  r.room = SIZE_MAX;
  f.read(r);
  f.settle();
  EXPECT_TRUE(r.got.empty());
}

TEST(LogFeeds, WhatAStoreForgetsIsReadWhenItHasItAgain) {
  for (bool grows : {false, true}) {
    Feeds f(/*tail_bytes=*/1);
    LogId log = f.make("a");
    Reader r{.log = log, .at = f.head(log), .room = 0};
    f.enter(r);
    f.settle();
    f.append(log, 3);
    f.settle();
    f.logs.forgot = true;
    r.room = SIZE_MAX;
    f.read(r);
    f.settle();
    EXPECT_TRUE(r.got.empty());
    const auto reads = f.logs.reads;
    f.settle();
    EXPECT_EQ(f.logs.reads, reads) << "it is not asked all the time";
    f.logs.forgot = false;
    grows ? f.append(log) : f.feeds.retry();
    f.settle();
    EXPECT_EQ(r.got.size(), grows ? 4u : 3u);
  }
}

TEST(LogFeeds, ReaderThatLeftIsNotTold) {
  Feeds f;
  LogId log = f.make("a");
  Reader stays{.log = log, .at = f.head(log)}, leaves = stays;
  f.enter(stays);
  f.enter(leaves);
  f.settle();
  f.leave(leaves);
  f.feeds.remove_reader(log, leaves.channel());  // again: nothing
  f.append(log);
  f.settle();
  EXPECT_THAT(stays.got, ElementsAre(1));
  f.leave(stays);
  int told = f.told;
  f.append(log);
  f.settle();
  EXPECT_EQ(f.told, told);
  EXPECT_EQ(f.feeds.head(log), model::Position{}) << "nothing is kept for nobody";
}

/// Readers come, stop, go on and leave at random, while notices, pages and requests overtake each other as far as their
/// queues let them. Everyone must see every offset once and in order, but for what was counted as lost.
void random_run(unsigned seed, std::size_t tail_bytes, std::uint32_t bound) {
  SCOPED_TRACE(seed);
  std::mt19937 rng(seed);
  model::Limits limits;
  if (bound) limits.log_messages = bound;
  Feeds f(tail_bytes, limits);
  std::vector<LogId> logs = {f.make("a"), f.make("b")};
  std::vector<Reader> readers(6);
  for (std::size_t i = 0; i < readers.size(); ++i) {
    readers[i].log = logs[i % 2];
    readers[i].at = f.head(logs[i % 2]);
  }
  auto start = readers;
  for (int step = 0; step < 2000; ++step) {
    Reader& r = readers[rng() % readers.size()];
    switch (rng() % 10) {
      case 0:
        f.append(logs[rng() % 2], rng() % 8 == 0 ? 300 : 1 + static_cast<int>(rng() % 4));
        break;
      case 1:
        if (!r.there)
          f.enter(r);
        else if (rng() % 4 == 0)
          f.leave(r);
        break;
      case 2:
        r.room = rng() % 3 == 0 ? SIZE_MAX : rng() % 50;
        if (r.there) f.read(r);
        break;
      case 3:
      case 4:
        f.delay.work();
        break;
      case 5:
      case 6:
      case 7:
        f.delay.arrive(0);
        break;
      default:
        f.feeds.deliver();
        break;
    }
  }
  for (auto& r : readers) {
    r.room = SIZE_MAX;
    if (!r.there)
      f.enter(r);
    else
      f.read(r);
  }
  f.settle();
  for (std::size_t i = 0; i < readers.size(); ++i) {
    Reader& r = readers[i];
    std::uint64_t head = f.head(r.log).offset, missing = 0, last = start[i].at.offset;
    for (auto offset : r.got) {
      ASSERT_GT(offset, last);
      missing += offset - last - 1;
      last = offset;
    }
    ASSERT_EQ(last, head) << "reader " << i << " stands still";
    ASSERT_EQ(missing, r.lost) << "reader " << i;
    if (!bound) {
      ASSERT_EQ(missing, 0u);
    }
  }
}

TEST(LogFeeds, NoLossNoRepeatNoDisorder) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    random_run(seed, seed % 3 == 0 ? 1 << 20 : 2000, 0);
    if (HasFatalFailure()) return;
  }
}

TEST(LogFeeds, WhatIsMissingWasCounted) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    random_run(seed, seed % 3 == 0 ? 1 << 20 : 2000, 100 + seed * 7);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace sb::broker
