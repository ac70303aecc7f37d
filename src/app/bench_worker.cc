// SPDX-License-Identifier: MIT
#include "app/bench_worker.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <ctime>

#include "app/client_run.h"

namespace sb::app {

void BenchShared::fail(const std::string& why) {
  std::lock_guard lock(mutex_);
  if (error_.empty()) error_ = why;
  failed.store(true, std::memory_order_release);
}

std::string BenchShared::error() {
  std::lock_guard lock(mutex_);
  return error_;
}

void BenchCounts::add(const BenchCounts& o) {
  published += o.published;
  acknowledged += o.acknowledged;
  received += o.received;
  duplicates += o.duplicates;
  reordered += o.reordered;
  foreign += o.foreign;
  refused += o.refused;
  behind += o.behind;
  stalls += o.stalls;
  disconnects += o.disconnects;
  connects += o.connects;
}

BenchClient::BenchClient(BenchWorker& worker, std::uint32_t index, const client::Options& options, std::string id)
    : connection(
          worker.hub(), worker.shared().setup.wiring, options, std::move(id), *this,
          worker.shared().sources.empty() ? nullptr : &worker.shared().sources[index % worker.shared().sources.size()]),
      worker_(worker),
      index_(index) {}

void BenchClient::ready() {
  if (ready_) return;
  ready_ = true;
  worker_.client_ready();
}

void BenchClient::on_closed(const client::Stop& stop) {
  if (!stop.code) return;
  ++worker_.counts.disconnects;
  // Nobody ever came in, or this one never may: there is nothing to measure.
  BenchShared& s = worker_.shared();
  if (!s.any_up || !connection.will_retry()) s.fail(explain(stop, s.setup.wiring.target, s.any_up));
}

BenchWorker::BenchWorker(BenchShared& shared, std::uint32_t number) : shared_(shared), number_(number) {
  loop_.set_turn(this);
  timer_fd_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  itimerspec every{};
  every.it_value.tv_nsec = every.it_interval.tv_nsec = shared.options.rate > 0 ? 500'000 : 2'000'000;
  timerfd_settime(timer_fd_, 0, &every, nullptr);
  loop_.add(timer_fd_, EPOLLIN, this);
}

BenchWorker::~BenchWorker() {
  stop();
  clients_.clear();
  ::close(timer_fd_);
}

std::uint64_t BenchWorker::clock_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

void BenchWorker::start() {
  thread_ = std::thread([this] { loop_.run(); });
}

void BenchWorker::stop() {
  if (!thread_.joinable()) return;
  loop_.stop();
  thread_.join();
}

void BenchWorker::enter(BenchPhase p) {
  loop_.post_fn([this, p] {
    at_phase_[static_cast<std::size_t>(p)] = counts;
    phase_ = p;
    if (role_) role_->on_phase(p);
    entered_.store(p, std::memory_order_release);
  });
}

void BenchWorker::wake() {
  if (!woken_.exchange(true, std::memory_order_acq_rel))
    loop_.post_fn([this] { woken_.store(false, std::memory_order_release); });
}

BenchCounts BenchWorker::live() {
  BenchCounts c;
  c.published = live_published_.load(std::memory_order_relaxed);
  c.received = live_received_.load(std::memory_order_relaxed);
  c.connects = live_connects_.load(std::memory_order_relaxed);
  return c;
}

void BenchWorker::open(std::size_t begin, std::size_t end) {
  loop_.post_fn([this, begin, end] {
    next_open_ = begin;
    end_open_ = end;
    opening_ = 0;
    open_more();
  });
}

void BenchWorker::open_more() {
  while (next_open_ < end_open_ && opening_ < shared_.options.parallel) {
    ++opening_;
    clients_[next_open_++]->connection.connect();
  }
}

void BenchWorker::opened_one() {
  if (opening_ > 0) --opening_;
  open_more();
}

bool BenchWorker::on_turn_end() {
  if (role_) role_->on_turn();
  live_published_.store(counts.published, std::memory_order_relaxed);
  live_received_.store(counts.received, std::memory_order_relaxed);
  live_connects_.store(counts.connects, std::memory_order_relaxed);
  recent_uses_ = 0;
  return hub_.on_turn_end();
}

void BenchWorker::on_events(std::uint32_t) {
  std::uint64_t expired;
  if (::read(timer_fd_, &expired, sizeof expired) < 0) return;  // without this it would not be set again
  if (role_) role_->on_tick(clock_ns());
}

}  // namespace sb::app
