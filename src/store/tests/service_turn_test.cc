// SPDX-License-Identifier: MIT
// What a shard asks within one turn of its loop.
#include <gtest/gtest.h>

#include "store/memory_logs.h"
#include "store/memory_retained.h"
#include "store/memory_sessions.h"
#include "store/service.h"

namespace sb::store {
namespace {

/// Counts what an engine is told.
struct CountingEngine final : Engine {
  void start(io::EventLoop&) override {}
  void on_requests_end() override { ++pieces; }
  void stop() override {}
  std::uint64_t outages() const override { return 0; }
  void asked_knowing(std::uint64_t) override {}
  std::string unavailable() const override { return {}; }
  bool on_turn_end() override { return false; }
  std::atomic<int> pieces{0};
};

TEST(Service, WhatIsAskedInATurnArrivesInOnePieceAndIsAnsweredInOne) {
  Backend b;
  b.engine = std::make_unique<CountingEngine>();
  auto& engine = static_cast<CountingEngine&>(*b.engine);
  b.logs = std::make_unique<MemoryLogs>(model::Limits{}, [](auto, auto) {});
  b.sessions = std::make_unique<MemorySessions>(*b.logs);
  b.retained = std::make_unique<MemoryRetained>(100, 1 << 20);
  io::EventLoop shard;
  Service service(std::move(b));
  ShardStores stores(service, shard);
  service.start();
  std::vector<std::uint64_t> answered_in;  // turns of the shard
  auto ask_three = [&] {
    stores.logs().join("a", "m", [&](auto) { answered_in.push_back(shard.turns()); });
    stores.retained().match("#", "", 1, {}, [&](auto) { answered_in.push_back(shard.turns()); });
    stores.sessions().take_due({}, [&](auto) { answered_in.push_back(shard.turns()); });
  };
  shard.post_fn(ask_three);
  while (answered_in.size() < 3) shard.run_once(Millis(1000));
  EXPECT_EQ(engine.pieces, 1);
  EXPECT_EQ(answered_in[0], answered_in[2]);
  ask_three();  // not in a turn: nothing would send it later
  while (answered_in.size() < 6) shard.run_once(Millis(1000));
  EXPECT_EQ(engine.pieces, 4);
  service.stop();
}

}  // namespace
}  // namespace sb::store
