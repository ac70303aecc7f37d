// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "io/event_loop.h"
#include "redis/writer.h"
#include "store/redis.h"
#include "store/redis_keys.h"
#include "store/redis_part.h"
#include "store/service.h"

namespace sb::store {

/// What the stores in Redis share: the writer, and when they refuse. What cannot be confirmed is held back for a while
/// (RedisOptions::hold), and then refused, with an outcome that nobody knows. Owner: the store thread.
class RedisEngine final : public Engine, redis::Client::Listener, io::Timer {
 public:
  /// `loop`: on which the stores will run.
  RedisEngine(io::EventLoop& loop, const RedisOptions& options);
  ~RedisEngine() override;
  void add(RedisPart& part) { parts_.push_back(&part); }
  /// Begins to connect.
  void connect() { writer_.start(); }

  // --- Engine
  void start(io::EventLoop& loop) override;
  void on_requests_end() override { asker_knows_ = true; }
  std::uint64_t outages() const override { return outages_; }
  void asked_knowing(std::uint64_t outages) override { asker_knows_ = outages == outages_; }
  bool on_turn_end() override;
  void drain(std::function<void()> done) override;
  void stop() override;
  std::string unavailable() const override;

  /// Nobody else uses this Redis: a life without other nodes. It lives as long as this.
  NodeLife* live_alone();

  // --- for the parts
  redis::Writer& writer() { return writer_; }
  io::EventLoop& loop() { return loop_; }
  const RedisOptions& options() const { return options_; }
  const RedisKeys& keys() const { return keys_; }
  /// False for who does not know that something was refused.
  bool knows() const { return asker_knows_; }
  /// Something was refused that had been taken.
  void refused() { ++outages_; }

 private:
  static constexpr Millis kTick{100};
  static constexpr Seconds kDrain{5};
  void on_up(redis::Connection& c, unsigned lane) override;
  void on_down(redis::Connection&, unsigned) override {}
  void on_timer() override;
  bool busy() const;

  io::EventLoop& loop_;
  const RedisOptions options_;
  const RedisKeys keys_;
  redis::Writer writer_;
  std::unique_ptr<NodeLife> alone_;
  std::vector<RedisPart*> parts_;
  std::uint64_t outages_ = 0;
  bool asker_knows_ = true;
  MonoTime trouble_since_ = kNever;
  std::function<void()> drained_;
  MonoTime drain_until_{};

  mutable std::mutex mutex_;
  std::string unavailable_;  ///< under mutex_
};

}  // namespace sb::store
