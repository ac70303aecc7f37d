// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "app/bench_histogram.h"
#include "app/bench_options.h"
#include "client/connection.h"
#include "client/hub.h"
#include "io/event_loop.h"

namespace sb::app {

class BenchWorker;

/// What all threads of a run see. The controller (main thread) writes, workers read, except for the atomics.
struct BenchShared {
  BenchShared(const BenchOptions& o, ClientSetup s) : options(o), setup(std::move(s)) {}

  const BenchOptions& options;
  ClientSetup setup;
  std::string prefix;  ///< of topics and client ids, new with each run
  std::vector<client::Address> sources;
  std::uint32_t receivers_per_message = 1;
  std::vector<std::unique_ptr<BenchWorker>> workers;
  /// Deliveries of each publisher's messages so far, which gives it room in its window.
  std::vector<std::atomic<std::uint64_t>> delivered;
  std::atomic<bool> any_up{false};
  std::atomic<bool> failed{false};

  /// The first error ends the run.
  void fail(const std::string& why);
  std::string error();

 private:
  std::mutex mutex_;  ///< only for the error text
  std::string error_;
};

/// What one thread counted. Read by other threads only at a standstill, or through `live`.
struct BenchCounts {
  std::uint64_t published = 0, acknowledged = 0, received = 0, duplicates = 0, reordered = 0, foreign = 0;
  std::uint64_t refused = 0;  ///< publishes answered with an error
  std::uint64_t behind = 0;   ///< paced publishes given up
  std::uint64_t stalls = 0;   ///< windows opened again after a second without progress
  std::uint64_t disconnects = 0;
  std::uint64_t connects = 0;  ///< scenario connect: accepted connections
  void add(const BenchCounts& o);
};

enum class BenchPhase : std::uint8_t { opening, warmup, measure, drain };

/// One client of a run.
class BenchClient : public client::Handler {
 public:
  BenchClient(BenchWorker& worker, std::uint32_t index, const client::Options& options, std::string id);
  virtual ~BenchClient() = default;
  client::Connection connection;

 protected:
  void on_closed(const client::Stop& stop) override;
  /// It is ready for the run: connected and, if it subscribes, subscribed.
  void ready();
  BenchWorker& worker_;
  std::uint32_t index_;
  bool ready_ = false;
};

/// Something that a worker calls in each of its turns and ticks.
class BenchRole {
 public:
  virtual ~BenchRole() = default;
  virtual void on_turn() {}
  /// Every half millisecond while messages are paced, else every millisecond or so.
  virtual void on_tick(std::uint64_t /*now_ns*/) {}
  virtual void on_phase(BenchPhase) {}
};

/// One thread with its loop and its share of the clients.
class BenchWorker final : io::Turn, io::EventHandler {
 public:
  BenchWorker(BenchShared& shared, std::uint32_t number);
  ~BenchWorker();

  // --- Before the thread runs, or after it has ended
  void add(std::unique_ptr<BenchClient> c) { clients_.push_back(std::move(c)); }
  void set_role(std::unique_ptr<BenchRole> r) { role_ = std::move(r); }
  const BenchCounts& at(BenchPhase p) const { return at_phase_[static_cast<std::size_t>(p)]; }
  const Histogram& latency() const { return latency_; }

  // --- Any thread
  void start();
  void stop();  ///< returns when the thread has ended
  /// Tells the thread to go on to `p`; entered() says when it has.
  void enter(BenchPhase p);
  BenchPhase entered() const { return entered_.load(std::memory_order_acquire); }
  /// Opens the clients from `begin` to before `end`, some at a time.
  void open(std::size_t begin, std::size_t end);
  std::size_t clients() const { return clients_.size(); }
  std::uint32_t ready() const { return ready_.load(std::memory_order_relaxed); }
  BenchCounts live();
  void wake();

  // --- Its own thread
  BenchShared& shared() { return shared_; }
  client::Hub& hub() { return hub_; }
  io::EventLoop& loop() { return loop_; }
  BenchPhase phase() const { return phase_; }
  std::uint32_t number() const { return number_; }
  void client_ready() {
    ready_.fetch_add(1, std::memory_order_relaxed);
    shared_.any_up.store(true, std::memory_order_relaxed);
    opened_one();
  }
  void opened_one();
  void add_latency(std::uint64_t ns) {
    if (phase_ == BenchPhase::measure) latency_.add(ns);
  }
  /// CLOCK_MONOTONIC in nanoseconds, at most a few messages old.
  std::uint64_t recent_ns() {
    if (recent_uses_++ % 16 == 0) recent_ = clock_ns();
    return recent_;
  }
  static std::uint64_t clock_ns();
  BenchCounts counts;

 private:
  bool on_turn_end() override;
  void on_events(std::uint32_t) override;  ///< of the timer
  void open_more();

  BenchShared& shared_;
  std::uint32_t number_;
  io::EventLoop loop_;
  client::Hub hub_{loop_};
  std::unique_ptr<BenchRole> role_;
  std::vector<std::unique_ptr<BenchClient>> clients_;
  Histogram latency_;
  BenchPhase phase_ = BenchPhase::opening;
  BenchCounts at_phase_[4];
  std::size_t next_open_ = 0, end_open_ = 0;
  std::uint32_t opening_ = 0;
  std::uint64_t recent_ = 0, recent_uses_ = 0;
  int timer_fd_ = -1;
  std::atomic<std::uint32_t> ready_{0};
  std::atomic<std::uint64_t> live_published_{0}, live_received_{0}, live_connects_{0};
  std::atomic<BenchPhase> entered_{BenchPhase::opening};
  std::atomic<bool> woken_{false};
  std::thread thread_;
};

}  // namespace sb::app
