// SPDX-License-Identifier: MIT
#include "app/bench_connect.h"

#include <fmt/format.h>

#include "app/client_run.h"

namespace sb::app {
namespace {

class ConnectClient final : public BenchClient {
 public:
  using BenchClient::BenchClient;
  void begin() {
    begin_ns_ = BenchWorker::clock_ns();
    connection.connect();
  }

 private:
  void on_connected(const mqtt::Connack&) override {
    worker_.add_latency(BenchWorker::clock_ns() - begin_ns_);
    ++worker_.counts.connects;
    worker_.shared().any_up.store(true, std::memory_order_relaxed);
    connection.disconnect();
  }
  void on_closed(const client::Stop& stop) override {
    BenchClient::on_closed(stop);
    if (!connection.will_retry() && worker_.phase() != BenchPhase::drain) begin();
  }
  std::uint64_t begin_ns_ = 0;
};

/// Starts the clients with the warm-up.
class ConnectRole final : public BenchRole {
 public:
  std::vector<ConnectClient*> clients;

 private:
  void on_phase(BenchPhase p) override {
    if (p == BenchPhase::warmup)
      for (auto* c : clients) c->begin();
  }
};

class IdleClient final : public BenchClient {
 public:
  IdleClient(BenchWorker& worker, std::uint32_t index, const client::Options& options, std::string id,
             std::string filter)
      : BenchClient(worker, index, options, std::move(id)), filter_(std::move(filter)) {}

 private:
  void on_connected(const mqtt::Connack&) override {
    if (filter_.empty()) return ready();
    mqtt::SubscribeEntryOut e{filter_, {}};
    e.options.qos = worker_.shared().options.qos & 3;
    (void)connection.engine().subscribe({e});
  }
  void on_suback(const mqtt::SubscribeAck& a) override {
    auto reason = a.codes.empty() ? mqtt::Reason::unspecified_error : static_cast<mqtt::Reason>(a.codes[0]);
    if (!ok(reason)) worker_.shared().fail(fmt::format("cannot subscribe to {}: {}", filter_, in_words(reason)));
    ready();
  }
  std::string filter_;
};

}  // namespace

void build_connect(BenchShared& s, const client::Options& options) {
  std::vector<ConnectRole*> roles;
  for (auto& w : s.workers) {
    auto role = std::make_unique<ConnectRole>();
    roles.push_back(role.get());
    w->set_role(std::move(role));
  }
  for (std::uint32_t i = 0; i < s.options.conns; ++i) {
    std::size_t w = i % s.workers.size();
    auto c = std::make_unique<ConnectClient>(*s.workers[w], i, options, fmt::format("{}c{}", s.prefix, i));
    roles[w]->clients.push_back(c.get());
    s.workers[w]->add(std::move(c));
  }
}

void build_idle(BenchShared& s, const client::Options& options) {
  for (std::uint32_t i = 0; i < s.options.conns; ++i) {
    auto& w = *s.workers[i % s.workers.size()];
    std::string filter = s.options.subscribe ? fmt::format("{}/idle/{}", s.prefix, i) : "";
    w.add(std::make_unique<IdleClient>(w, i, options, fmt::format("{}i{}", s.prefix, i), std::move(filter)));
  }
}

}  // namespace sb::app
