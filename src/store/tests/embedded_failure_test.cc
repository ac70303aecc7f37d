// SPDX-License-Identifier: MIT
// The embedded store when the disk is full or does not take what it is given.
#include <map>
#include <thread>

#include "store/service.h"
#include "store/tests/embedded_node.h"
#include "store/tests/fault_fs.h"

namespace sb::store::test {
namespace {

using model::Position;
using ports::errc;

const WallTime kStart{Seconds(2'000'000'000)};
WallTime at(long seconds) { return kStart + Seconds(seconds); }

struct EmbeddedFailure : testing::Test {
  TempDir dir;
  std::shared_ptr<FaultFs> files = std::make_shared<FaultFs>();
  std::unique_ptr<rocksdb::Env> env = rocksdb::NewCompositeEnv(files);

  std::unique_ptr<EmbeddedNode> open(WriteConcern concern = WriteConcern::fsync) const {
    EmbeddedOptions o;
    o.path = dir.store();
    o.concern = concern;
    o.env = env.get();
    o.sync_interval = Millis(1);
    o.retry_min = Millis(5);
    o.retry_max = Millis(20);
    auto n = std::make_unique<EmbeddedNode>(o);
    EXPECT_EQ(n->error, "");
    return n;
  }
  static bool comes_back(EmbeddedNode& n) {
    return n.run_until([&] { return n.backend.engine->unavailable().empty(); });
  }
};

struct Watcher final : ports::LogWatcher {
  void on_appended(ports::LogId, Position previous, const ports::StoredMessage& m) override {
    EXPECT_EQ(previous.offset + 1, m.position.offset);
    heard += (heard.empty() ? "" : " ") + std::string(m.message->view().payload);
  }
  std::string heard;
};

TEST_F(EmbeddedFailure, AFullDiskIsSaidAndServiceResumesByItself) {
  for (auto fault : {FaultFs::Fault::no_space, FaultFs::Fault::io_error}) {
    auto n = open();
    auto log = n->join("a" + std::to_string(static_cast<int>(fault)));
    Watcher w;
    ASSERT_TRUE(n->ask<Position>([&](auto done) { n->logs().attach(log.log, &w, done); }));
    EXPECT_EQ(n->append(log.log, "1"), error_code{});
    files->writes = fault;
    EXPECT_EQ(n->append(log.log, "2"), errc::unavailable);
    EXPECT_NE(n->backend.engine->unavailable().find("injected"), std::string::npos);
    // In between everything is refused at once, and nothing is promised.
    EXPECT_EQ(n->append(log.log, "3"), errc::unavailable);
    EXPECT_EQ(n->retain("t", "x"), errc::unavailable);
    EXPECT_EQ(n->payloads(log.log, log.head), make_error_code(errc::unavailable).message());
    EXPECT_FALSE(n->try_claim("c", kStart));
    for (int i = 0; i < 5; ++i) n->loop.run_once(Millis(10));
    EXPECT_NE(n->backend.engine->unavailable(), "") << "it tries, and cannot";
    files->writes = FaultFs::Fault::none;
    ASSERT_TRUE(comes_back(*n));
    EXPECT_EQ(n->append(log.log, "4"), error_code{});
    EXPECT_EQ(n->payloads(log.log, log.head), "1 4");
    EXPECT_EQ(w.heard, "1 4");
    EXPECT_EQ(n->retain("t", ""), error_code{});
    n->stop();
  }
}

TEST_F(EmbeddedFailure, AFailedSyncIsFinalUntilTheStoreWasOpenedAgain) {
  auto n = open();
  auto log = n->join("a");
  Watcher w;
  ASSERT_TRUE(n->ask<Position>([&](auto done) { n->logs().attach(log.log, &w, done); }));
  EXPECT_EQ(n->append(log.log, "1"), error_code{});
  files->fail_next_log_sync = true;
  EXPECT_EQ(n->append(log.log, "2"), errc::unavailable) << "not answered as safe";
  EXPECT_NE(n->backend.engine->unavailable().find("sync failed"), std::string::npos);
  ASSERT_TRUE(comes_back(*n));
  EXPECT_EQ(n->append(log.log, "3"), error_code{});
  // It was written, so it may be there; then whoever watches hears of it too, in its place.
  EXPECT_EQ(n->payloads(log.log, log.head), "1 2 3");
  EXPECT_EQ(w.heard, "1 2 3");
  n->stop();
}

TEST_F(EmbeddedFailure, AWriteFailsWhileASyncBegins) {
  auto n = open();
  auto log = n->join("a");
  std::string expected;
  for (int round = 0; round < 50; ++round) {
    std::string number = std::to_string(round);
    bool safe = false, answered = false;
    n->logs().append({{log.log, text("t", number)}}, [&](result<void> r) { safe = r.has_value(); });
    n->loop.run_once(Millis(0));  // written; the sync begins on its thread
    files->writes = FaultFs::Fault::no_space;
    n->logs().append({{log.log, text("t", "never")}}, [&](result<void> r) {
      EXPECT_FALSE(r);
      answered = true;
    });
    ASSERT_TRUE(n->run_until([&] { return answered; }));
    files->writes = FaultFs::Fault::none;
    ASSERT_TRUE(comes_back(*n));
    std::string all = n->payloads(log.log, log.head);
    std::string with = expected + (expected.empty() ? "" : " ") + number;
    if (safe || all == with) expected = with;
    EXPECT_EQ(all, expected) << "what was answered is there, and nothing that could not be written";
  }
  n->stop();
}

TEST_F(EmbeddedFailure, WhatWasRefusedIsForgottenByTheRoutersToo) {
  auto n = open();
  auto kept = n->join("kept");
  files->writes = FaultFs::Fault::no_space;
  auto refused = n->ask<ports::LogStore::Joined>([&](auto done) { n->logs().join("refused", "m", done); });
  EXPECT_FALSE(refused);
  files->writes = FaultFs::Fault::none;
  ASSERT_TRUE(comes_back(*n));
  std::vector<std::string> present;
  for (auto& [filter, log] : n->announced) {
    std::erase(present, filter);
    if (log) present.push_back(filter);
  }
  EXPECT_EQ(present, std::vector<std::string>{"kept"});
  EXPECT_EQ(n->join("kept", "other").log, kept.log);
  n->stop();
}

TEST_F(EmbeddedFailure, WhoIsConnectedStaysSoAndWhoLeftMeanwhileHasLeft) {
  auto n = open();
  auto stays = n->claim("stays", kStart);
  auto leaves = n->claim("leaves", kStart);
  EXPECT_EQ(n->due(at(10)), "");
  EXPECT_EQ(n->retain("t", "x"), error_code{});
  files->writes = FaultFs::Fault::no_space;
  ports::SessionChange left;
  left.left = {at(1000), kNoExpiry};
  EXPECT_EQ(n->change("leaves", leaves.record.epoch, left), errc::unavailable);
  EXPECT_FALSE(n->try_claim("refused", kStart));
  files->writes = FaultFs::Fault::none;
  ASSERT_TRUE(comes_back(*n));
  EXPECT_EQ(n->change("stays", stays.record.epoch, {}), error_code{});
  EXPECT_EQ(n->due(at(109)), "");
  EXPECT_EQ(n->due(at(110)), "leaves ended");
  EXPECT_EQ(n->due(at(5000)), "");
  EXPECT_EQ(n->change("stays", stays.record.epoch, {}), error_code{});
  n->stop();
}

TEST_F(EmbeddedFailure, WhoNeedsNoSessionComesIn) {
  auto n = open();
  for (auto* id : {"anew", "back", "other"}) {
    ports::SessionChange left;
    left.left = {at(1000), kNoExpiry};
    EXPECT_EQ(n->change(id, n->claim(id, kStart).record.epoch, left), error_code{});
  }
  files->writes = FaultFs::Fault::no_space;
  EXPECT_EQ(n->retain("t", "x"), errc::unavailable);
  auto claim = [&](std::string id, bool clean, bool durable) {
    ports::SessionStore::Claim c;
    c.client_id = std::move(id);
    c.clean = clean;
    c.durable = durable;
    c.expiry = durable ? 100 : 0;
    c.now = kStart;
    return n->ask<ports::SessionStore::Claimed>([&](auto done) { n->sessions().claim(std::move(c), done); });
  };
  EXPECT_FALSE(claim("anew", false, false)) << "whether it has a session cannot be said";
  EXPECT_FALSE(claim("anew", true, true));
  for (auto* id : {"anew", "back", "new"}) {
    auto r = claim(id, true, false);
    ASSERT_TRUE(r);
    EXPECT_FALSE(r->present);
  }
  files->writes = FaultFs::Fault::none;
  ASSERT_TRUE(comes_back(*n));
  EXPECT_FALSE(claim("back", false, true)->present) << "its session ended when it began anew";
  n->run_until([] { return false; }, Millis(1500));  // a tick
  EXPECT_EQ(n->due(at(2000)), "other ended");
  n->stop();
}

TEST_F(EmbeddedFailure, WhatIsSaidAtLeavingWhileItIsAwayHolds) {
  auto n = open();
  std::map<std::string, std::uint64_t> epochs;
  for (auto* id : {"said goodbye", "lost", "shorter", "ended"}) epochs[id] = n->claim(id, kStart, id, 1).record.epoch;
  files->writes = FaultFs::Fault::no_space;
  EXPECT_EQ(n->retain("t", "x"), errc::unavailable);
  auto leave = [&](const std::string& id, bool will, std::optional<std::uint32_t> expiry) {
    ports::SessionChange c;
    c.left = {at(100), will ? at(1) : kNoExpiry};
    if (!will) c.will = model::WillRecord{};
    c.expiry = expiry;
    EXPECT_EQ(n->change(id, epochs[id], c), errc::unavailable);
  };
  leave("said goodbye", false, {});
  leave("lost", true, {});
  leave("shorter", false, 10);
  EXPECT_FALSE(n->ask<void>([&](auto done) { n->sessions().end("ended", epochs["ended"], done); }));
  files->writes = FaultFs::Fault::none;
  ASSERT_TRUE(comes_back(*n));
  n->run_until([] { return false; }, Millis(1500));  // a tick
  EXPECT_EQ(n->due(at(5)), "lost will=lost");
  EXPECT_EQ(n->due(at(50)), "shorter ended");
  EXPECT_EQ(n->due(at(500)), "lost ended; said goodbye ended");
  n->stop();
}

TEST_F(EmbeddedFailure, WhatIsSaidAtLeavingInTheVeryWriteThatFailsHolds) {
  auto n = open();
  auto goodbye = n->claim("goodbye", kStart, "w1", 1), ends = n->claim("ends", kStart, "w2", 1);
  EXPECT_EQ(n->retain("t", "x"), error_code{});
  files->writes = FaultFs::Fault::no_space;
  int refused = 0;
  auto count = [&](result<void> r) { refused += !r; };
  ports::SessionChange c;
  c.left = {at(1000), kNoExpiry};
  c.will = model::WillRecord{};
  c.expiry = 50;
  n->sessions().change("goodbye", goodbye.record.epoch, c, count);
  n->sessions().end("ends", ends.record.epoch, count);
  ASSERT_TRUE(n->run_until([&] { return refused == 2; }));
  files->writes = FaultFs::Fault::none;
  ASSERT_TRUE(comes_back(*n));
  EXPECT_EQ(n->due(at(49)), "") << "no wills";
  n->run_until([] { return false; }, Millis(1500));  // a tick
  EXPECT_EQ(n->due(at(51)), "goodbye ended");
  EXPECT_EQ(n->due(at(5000)), "");
  n->stop();
}

TEST_F(EmbeddedFailure, AWillThatCouldNotBePublishedAtLeavingIsDueLater) {
  auto n = open();
  auto dies = n->claim("dies", kStart, "gone"), later = n->claim("later", kStart, "gone too");
  EXPECT_EQ(n->retain("t", "x"), error_code{});
  ports::SessionChange c;  // its will is published in the same turn
  c.left = {at(1000), kStart};
  c.will = model::WillRecord{};
  files->writes = FaultFs::Fault::no_space;
  EXPECT_EQ(n->change("dies", dies.record.epoch, c), errc::unavailable) << "in the write that fails";
  EXPECT_EQ(n->change("later", later.record.epoch, c), errc::unavailable) << "while it is away";
  files->writes = FaultFs::Fault::none;
  ASSERT_TRUE(comes_back(*n));
  EXPECT_EQ(n->due(at(1)), "dies will=gone; later will=gone too");
  n->stop();
}

TEST_F(EmbeddedFailure, AWillIsGivenAgainUntilItsPublicationIsStored) {
  auto n = open();
  ports::SessionChange left;
  left.left = {kNoExpiry, at(1)};
  for (auto* id : {"a", "b"}) EXPECT_EQ(n->change(id, n->claim(id, kStart, id).record.epoch, left), error_code{});
  auto claimed = n->claim("b", at(1));
  EXPECT_NE(claimed.will.id, 0u);
  EXPECT_EQ(n->due(at(1)), "a will=a");
  EXPECT_EQ(n->due(at(1)), "") << "to one caller only";
  files->writes = FaultFs::Fault::no_space;
  EXPECT_EQ(n->retain("t", "x"), errc::unavailable);
  n->sessions().fired(claimed.will.id);
  files->writes = FaultFs::Fault::none;
  ASSERT_TRUE(comes_back(*n));
  auto due = n->ask<std::vector<ports::SessionStore::Due>>([&](auto done) { n->sessions().take_due(at(1), done); });
  ASSERT_EQ(due->size(), 2u) << "it has not heard of either";
  for (auto& d : *due) n->sessions().fired(d.will.id);
  n.reset();  // killed before it is written
  n = open();
  EXPECT_TRUE(n->sessions().any());
  due = n->ask<std::vector<ports::SessionStore::Due>>([&](auto done) { n->sessions().take_due(at(1), done); });
  ASSERT_EQ(due->size(), 2u);
  for (auto& d : *due) n->sessions().fired(d.will.id);
  EXPECT_EQ(n->retain("t", "x"), error_code{}) << "in one write with this";
  n.reset();
  n = open();
  EXPECT_EQ(n->due(at(1)), "");
  n->stop();
}

/// What a shard asks before it has heard that an earlier write was refused is made on what was never stored.
TEST_F(EmbeddedFailure, WhoHasNotHeardOfARefusalIsRefused) {
  EmbeddedOptions o;
  o.path = dir.store();
  o.env = env.get();
  o.retry_min = o.retry_max = Millis(5);
  Backend backend;
  ASSERT_EQ(open_embedded(
                o, [](auto, auto) {}, backend),
            "");
  Engine& engine = *backend.engine;
  io::EventLoop shard, other_shard;
  Service service(std::move(backend));
  ShardStores stores(service, shard), others(service, other_shard);
  service.start();
  auto run = [](io::EventLoop& loop, auto done) {
    for (int i = 0; i < 1000 && !done(); ++i) loop.run_once(Millis(20));
    return done();
  };
  ports::LogId log = 0;
  stores.logs().join("a", "m", [&](auto r) { log = r->log; });
  ASSERT_TRUE(run(shard, [&] { return log != 0; }));
  std::string answers;
  auto ask = [&](ShardStores& of, std::string name) {
    of.logs().append({{log, text("t", name)}}, [&, name](result<void> r) { answers += name + (r ? "+" : "-"); });
  };
  files->writes = FaultFs::Fault::no_space;
  ask(stores, "a");
  while (engine.unavailable().empty()) std::this_thread::yield();
  files->writes = FaultFs::Fault::none;
  while (!engine.unavailable().empty()) std::this_thread::yield();
  ask(stores, "b");
  ask(others, "c");
  ASSERT_TRUE(run(shard, [&] { return answers.size() == 4; }));
  EXPECT_EQ(answers, "a-b-");
  ask(stores, "d");
  ASSERT_TRUE(run(shard, [&] { return answers.size() == 6; }));
  ASSERT_TRUE(run(other_shard, [&] { return answers.size() == 8; }));
  ask(others, "e");
  ASSERT_TRUE(run(other_shard, [&] { return answers.size() == 10; }));
  EXPECT_EQ(answers, "a-b-d+c-e+");
  service.stop();
}

TEST_F(EmbeddedFailure, StoppingWhileItIsUnavailable) {
  auto n = open();
  auto log = n->join("a");
  n->append(log.log, "1");
  files->writes = FaultFs::Fault::io_error;
  EXPECT_EQ(n->append(log.log, "2"), errc::unavailable);
  int answers = 0;
  n->logs().append({{log.log, text("t", "3")}}, [&](result<void> r) {
    EXPECT_FALSE(r);
    ++answers;
  });
  n->stop();
  EXPECT_EQ(answers, 1);
  files->writes = FaultFs::Fault::none;
  n = open();
  EXPECT_EQ(n->payloads(log.log, log.head), "1");
}

TEST_F(EmbeddedFailure, WithoutFsyncAnswersDoNotWaitForTheDisk) {
  auto n = open(WriteConcern::interval);
  auto log = n->join("a");
  int before = files->log_syncs;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(n->append(log.log, "x"), error_code{});
  EXPECT_TRUE(n->run_until([&] { return files->log_syncs > before; })) << "it is synced all the same";
  n->run_until([] { return false; }, Millis(100));  // what was asked before is synced
  files->fail_next_log_sync = true;
  EXPECT_EQ(n->append(log.log, "y"), error_code{});
  EXPECT_TRUE(n->run_until([&] { return !n->backend.engine->unavailable().empty(); }));
  EXPECT_TRUE(comes_back(*n));
  n->stop();
}

TEST_F(EmbeddedFailure, ManyRequestsShareASync) {
  auto n = open();
  auto log = n->join("a");
  int before = files->log_syncs, answers = 0;
  for (int i = 0; i < 1000; ++i)
    n->logs().append({{log.log, text("t", "x")}}, [&](result<void> r) { answers += r.has_value(); });
  EXPECT_TRUE(n->run_until([&] { return answers == 1000; }));
  EXPECT_EQ(files->log_syncs, before + 1);
  n->stop();
}

}  // namespace
}  // namespace sb::store::test
