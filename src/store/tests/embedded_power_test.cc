// SPDX-License-Identifier: MIT
// Power failures at random moments, against what was promised before.
#include <map>

#include "store/tests/embedded_node.h"
#include "store/tests/fault_fs.h"

namespace sb::store::test {
namespace {

using model::Position;

const WallTime kStart{Seconds(2'000'000'000)};

/// What one turn of a shard asks for: so many messages to each log, its number as retained message and in the record.
struct Turn {
  std::vector<int> messages;
};

/// The life of a store through many power failures. Every turn has a number; turn k is what it is in all its parts.
class Life {
 public:
  Life(WriteConcern concern, unsigned seed, bool holes = false) : concern_(concern), random_(seed) {
    turns_.push_back({{0, 0, 0}});
    files_->holes = holes;
  }

  void run(int rounds) {
    for (int round = 0; round < rounds; ++round) {
      SCOPED_TRACE("round " + std::to_string(round));
      one_round();
      if (testing::Test::HasFailure()) return;
    }
    EXPECT_GT(forgotten_, 0u) << "no failure forgot anything: nothing was tested";
  }

 private:
  static constexpr std::size_t kLogs = 3;
  static std::string filter(std::size_t i) { return "log/" + std::to_string(i); }

  void one_round() {
    EmbeddedOptions o;
    o.path = dir_->store();
    o.concern = concern_;
    o.sync_interval = Millis(1);
    o.env = env_.get();
    o.memtable_bytes = 256 * 1024;  // so that files come and go
    auto next = std::make_unique<TempDir>();
    {
      EmbeddedNode n(o);
      ASSERT_EQ(n.error, "");
      begin(n);
      if (testing::Test::HasFailure()) return;
      for (std::uint64_t left = 5 + random_() % 60; left > 0; --left) {
        turn(n);
        if (random_() % 3 == 0) n.loop.run_once(Millis(random_() % 3));
      }
      files_->power_failure(dir_->store(), next->store(), random_);
      promised_ = answered_;
      for (auto& [log, p] : noticed_) told_.insert(told_.end(), p.begin(), p.end());
      for (auto& [position, payload] : told_) check_told(position, payload);
      told_.clear();
    }
    dir_ = std::move(next);
  }

  void check_told(std::pair<std::size_t, Position> where, const std::string& payload) {
    auto [it, is_new] = all_told_.try_emplace(where, payload);
    EXPECT_EQ(it->second, payload) << "a position was used for two messages: log " << where.first << " "
                                   << where.second.generation << "," << where.second.offset;
  }

  /// After a power failure: the store is as it was after some turn that is not before the last one that was answered.
  void begin(EmbeddedNode& n) {
    for (std::size_t i = 0; i < kLogs; ++i) log_[i] = n.join(filter(i), "keeps all").log;
    std::string retained = n.match("turn");
    std::size_t reached = retained.empty() ? 0 : std::stoul(retained.substr(5));
    ASSERT_LT(reached, turns_.size());
    EXPECT_TRUE(reached >= promised_ || concern_ != WriteConcern::fsync) << "what was answered is there";
    forgotten_ += turns_.size() - 1 - reached;
    turns_.resize(reached + 1);
    auto c = n.claim("c", kStart);
    epoch_ = c.record.epoch;
    EXPECT_EQ(c.record.next_order, std::max<std::size_t>(1, reached)) << "the same turn in the record";
    for (std::size_t i = 0; i < kLogs; ++i) {
      std::string expected;
      for (std::size_t k = 1; k < turns_.size(); ++k)
        for (int j = 0; j < turns_[k].messages[i]; ++j) expected += payload(k, j) + " ";
      std::string present;
      Position after{};
      for (;;) {
        auto page = n.ask<ports::LogPage>([&](auto done) { n.logs().read(log_[i], after, 1000, done); });
        ASSERT_TRUE(page);
        ASSERT_EQ(page->lost, 0u);
        for (auto& m : page->messages) {
          present += std::string(m.message->view().payload).substr(0, m.message->view().payload.find('.')) + " ";
          check_told({i, m.position},
                     std::string(m.message->view().payload).substr(0, m.message->view().payload.find('.')));
        }
        if (page->messages.empty()) break;
        after = page->messages.back().position;
      }
      ASSERT_EQ(present, expected) << "log " << i << " up to turn " << reached;
      watch_[i].life = this;
      watch_[i].log = i;
      ASSERT_TRUE(n.ask<Position>([&](auto done) { n.logs().attach(log_[i], &watch_[i], done); }));
    }
    answered_ = reached;
    noticed_.clear();
  }

  static std::string payload(std::size_t turn, int j) { return std::to_string(turn) + "-" + std::to_string(j); }

  void turn(EmbeddedNode& n) {
    std::size_t number = turns_.size();
    Turn t;
    std::vector<ports::LogStore::Append> batch;
    for (std::size_t i = 0; i < kLogs; ++i) {
      t.messages.push_back(static_cast<int>(random_() % 4));
      for (int j = 0; j < t.messages[i]; ++j)
        batch.push_back({log_[i], text("t", payload(number, j) + "." +
                                                std::string(random_() % (random_() % 8 ? 100 : 5000), 'x'))});
    }
    turns_.push_back(t);
    ports::SessionChange c;
    c.next_order = number;
    n.loop.post_fn([&n, this, number, batch = std::move(batch), c = std::move(c)]() mutable {
      n.retained().set(text("turn", std::to_string(number)), [](auto) {});
      n.sessions().change("c", epoch_, std::move(c), [](auto) {});
      n.logs().append(std::move(batch), [this, number](result<void> r) {
        if (r) answered_ = number;
      });
    });
    if (random_() % 2) n.loop.run_once(Millis(0));
  }

  struct Watcher final : ports::LogWatcher {
    void on_appended(ports::LogId, Position, const ports::StoredMessage& m) override {
      std::string p(m.message->view().payload);
      life->noticed_[log].emplace_back(std::pair(log, m.position), p.substr(0, p.find('.')));
    }
    Life* life = nullptr;
    std::size_t log = 0;
  };

  using Told = std::vector<std::pair<std::pair<std::size_t, Position>, std::string>>;
  const WriteConcern concern_;
  std::mt19937 random_;
  std::shared_ptr<FaultFs> files_ = std::make_shared<FaultFs>();
  std::unique_ptr<rocksdb::Env> env_ = rocksdb::NewCompositeEnv(files_);
  std::unique_ptr<TempDir> dir_ = std::make_unique<TempDir>();
  std::vector<Turn> turns_;
  std::size_t answered_ = 0, promised_ = 0, forgotten_ = 0;
  std::uint64_t epoch_ = 0;
  ports::LogId log_[kLogs] = {};
  Watcher watch_[kLogs];
  std::map<std::size_t, Told> noticed_;
  Told told_;
  std::map<std::pair<std::size_t, Position>, std::string> all_told_;
};

TEST(EmbeddedPower, WhatWasAnsweredSurvivesAndATurnIsWholeOrAbsent) { Life(WriteConcern::fsync, 1).run(60); }

TEST(EmbeddedPower, PagesThatWereNotSyncedMayBeMissing) { Life(WriteConcern::fsync, 4, true).run(60); }

TEST(EmbeddedPower, WithoutFsyncAConsistentBeginningSurvives) {
  for (bool holes : {false, true}) {
    Life(WriteConcern::interval, 2, holes).run(20);
    Life(WriteConcern::none, 3, holes).run(20);
  }
}

}  // namespace
}  // namespace sb::store::test
