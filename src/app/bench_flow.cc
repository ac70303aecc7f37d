// SPDX-License-Identifier: MIT
#include "app/bench_flow.h"

#include <fmt/format.h>

#include <cstring>

#include "app/client_run.h"

namespace sb::app {

BenchPublisher::BenchPublisher(BenchWorker& worker, FlowRole& flow, std::uint32_t index, const client::Options& options,
                               std::string id, std::string topic)
    : BenchClient(worker, index, options, std::move(id)),
      flow_(flow),
      topic_(std::move(topic)),
      payload_(worker.shared().options.payload, 'x') {}

void BenchPublisher::on_connected(const mqtt::Connack&) {
  ready();
  want_fill();
}

void BenchPublisher::on_published(std::uint64_t, mqtt::Reason reason, std::string_view) {
  ++worker_.counts.acknowledged;
  if (!ok(reason)) ++worker_.counts.refused;
  want_fill();
}

void BenchPublisher::want_fill() {
  if (listed_ || flow_.paced()) return;
  listed_ = true;
  flow_.want_fill(this);
}

std::uint64_t BenchPublisher::under_way() const {
  const BenchShared& s = worker_.shared();
  std::uint64_t expected = sent_ * s.receivers_per_message;
  std::uint64_t done = s.delivered[index_].load(std::memory_order_relaxed) + written_off_;
  return expected > done ? expected - done : 0;
}

bool BenchPublisher::publish_one(std::uint64_t now_ns) {
  BenchStamp stamp{now_ns, index_, kBenchMagic, sent_};
  std::memcpy(payload_.data(), &stamp, sizeof stamp);
  error_code e =
      connection.engine().publish({.topic = topic_, .payload = payload_, .qos = worker_.shared().options.qos});
  if (e) {
    bool passing = e == client::errc::window_full || e == client::errc::output_full || e == client::errc::not_connected;
    if (!passing) worker_.shared().fail(fmt::format("cannot publish: {}", e.message()));
    return false;
  }
  ++sent_;
  ++worker_.counts.published;
  return true;
}

void BenchPublisher::fill() {
  listed_ = false;
  if (!flow_.publishing()) return;
  const BenchOptions& o = worker_.shared().options;
  std::uint64_t fan = worker_.shared().receivers_per_message;
  std::uint64_t limit = o.window * fan, open = under_way();
  if (open >= limit) return;
  std::uint64_t now = BenchWorker::clock_ns();
  for (; open + fan <= limit; open += fan)
    if (!publish_one(now)) return;
}

void BenchPublisher::check_stall() {
  std::uint64_t delivered = worker_.shared().delivered[index_].load(std::memory_order_relaxed);
  if (delivered == seen_delivered_ && under_way() > 0) {
    written_off_ += under_way();
    ++worker_.counts.stalls;
    want_fill();
  }
  seen_delivered_ = delivered;
}

BenchSubscriber::BenchSubscriber(BenchWorker& worker, FlowRole& flow, std::uint32_t index,
                                 const client::Options& options, std::string id, std::string filter,
                                 std::vector<SequenceTracker>* group, int only)
    : BenchClient(worker, index, options, std::move(id)),
      flow_(flow),
      filter_(std::move(filter)),
      own_(group       ? 0
           : only >= 0 ? 1
                       : worker.shared().delivered.size()),
      trackers_(group ? group : &own_),
      only_(only) {}

void BenchSubscriber::on_connected(const mqtt::Connack&) {
  mqtt::SubscribeEntryOut e{filter_, {}};
  e.options.qos = worker_.shared().options.qos & 3;
  (void)connection.engine().subscribe({e});  // right after CONNACK nothing is in its way
}

void BenchSubscriber::on_suback(const mqtt::SubscribeAck& a) {
  auto reason = a.codes.empty() ? mqtt::Reason::unspecified_error : static_cast<mqtt::Reason>(a.codes[0]);
  if (!ok(reason)) worker_.shared().fail(fmt::format("cannot subscribe to {}: {}", filter_, in_words(reason)));
  ready();
}

void BenchSubscriber::on_message(const mqtt::Publish& m) {
  BenchStamp stamp;
  BenchCounts& c = worker_.counts;
  if (m.payload.size() >= sizeof stamp) std::memcpy(&stamp, m.payload.data(), sizeof stamp);
  bool ours = m.payload.size() >= sizeof stamp && stamp.magic == kBenchMagic &&
              (only_ < 0 ? stamp.publisher < trackers_->size() : stamp.publisher == static_cast<std::uint32_t>(only_));
  if (!ours) {
    ++c.foreign;
    return;
  }
  ++c.received;
  std::uint64_t now = worker_.recent_ns();
  worker_.add_latency(now > stamp.sent_ns ? now - stamp.sent_ns : 0);
  switch ((*trackers_)[only_ < 0 ? stamp.publisher : 0].see(stamp.sequence)) {
    case SequenceTracker::Verdict::duplicate:
      ++c.duplicates;
      break;
    case SequenceTracker::Verdict::late:
      ++c.reordered;
      break;
    default:
      break;
  }
  flow_.delivered(stamp.publisher);
}

FlowRole::FlowRole(BenchWorker& worker)
    : worker_(worker),
      rate_(worker.shared().options.rate / worker.shared().options.threads),
      arrived_(worker.shared().delivered.size()) {}

bool FlowRole::publishing() const {
  return worker_.phase() == BenchPhase::warmup || worker_.phase() == BenchPhase::measure;
}

void FlowRole::on_phase(BenchPhase p) {
  if (p != BenchPhase::warmup) return;
  begin_ns_ = stall_check_ns_ = BenchWorker::clock_ns();
  for (auto* publisher : publishers_) publisher->want_fill();
}

void FlowRole::tell_deliveries() {
  BenchShared& s = worker_.shared();
  for (std::uint32_t p : touched_) {
    s.delivered[p].fetch_add(arrived_[p], std::memory_order_relaxed);
    arrived_[p] = 0;
    auto owner = p % s.workers.size();
    if (owner == worker_.number())
      publishers_[p / s.workers.size()]->want_fill();
    else if (!paced())
      s.workers[owner]->wake();
  }
  touched_.clear();
}

void FlowRole::on_turn() {
  tell_deliveries();
  if (paced()) return;
  // With other threads there are deliveries that nobody told us of: their wake-up made this turn.
  if (worker_.shared().workers.size() > 1)
    for (auto* p : publishers_) p->want_fill();
  filling_.swap(fill_);
  for (auto* p : filling_) p->fill();
  filling_.clear();
}

void FlowRole::on_tick(std::uint64_t now_ns) {
  if (!publishing()) return;
  if (paced()) return pace(now_ns);
  if (now_ns - stall_check_ns_ < 1'000'000'000) return;
  stall_check_ns_ = now_ns;
  for (auto* p : publishers_) p->check_stall();
}

void FlowRole::pace(std::uint64_t now_ns) {
  if (publishers_.empty()) return;
  auto due = static_cast<std::uint64_t>(static_cast<double>(now_ns - begin_ns_) / 1e9 * rate_);
  auto second = static_cast<std::uint64_t>(rate_) + 1;
  if (due - due_done_ > second) {  // we cannot keep up: say so instead of sending a burst
    worker_.counts.behind += due - due_done_ - second;
    due_done_ = due - second;
  }
  for (std::size_t failed = 0; due_done_ < due && failed < publishers_.size();) {
    turn_ = (turn_ + 1) % publishers_.size();
    if (!publishers_[turn_]->publish_one(now_ns)) {
      ++failed;
      continue;
    }
    failed = 0;
    ++due_done_;
  }
}

namespace {

struct Topics {
  std::string publish, subscribe;
};

Topics topics_of(const BenchShared& s, std::uint32_t pub, std::uint32_t sub) {
  switch (s.options.scenario) {
    case Scenario::fanin:
      return {fmt::format("{}/in/{}", s.prefix, pub), s.prefix + "/in/#"};
    case Scenario::pairs:
      return {fmt::format("{}/p/{}", s.prefix, pub), fmt::format("{}/p/{}", s.prefix, sub)};
    case Scenario::shared:
      return {fmt::format("{}/s/{}", s.prefix, pub), fmt::format("$share/bench/{}/s/#", s.prefix)};
    default:
      return {s.prefix + "/out", s.prefix + "/out"};
  }
}

}  // namespace

std::vector<std::size_t> build_flow(BenchShared& s, const client::Options& pub_options,
                                    const client::Options& sub_options, std::vector<SequenceTracker>& group) {
  const BenchOptions& o = s.options;
  bool shared = o.scenario == Scenario::shared, pairs = o.scenario == Scenario::pairs;
  s.receivers_per_message = shared || pairs ? 1 : o.subs;
  s.delivered = std::vector<std::atomic<std::uint64_t>>(o.pubs);
  if (shared) group.resize(o.pubs);
  std::vector<FlowRole*> flows;
  for (auto& w : s.workers) {
    auto flow = std::make_unique<FlowRole>(*w);
    flows.push_back(flow.get());
    w->set_role(std::move(flow));
  }
  std::vector<std::size_t> subscribers(s.workers.size());
  for (std::uint32_t i = 0; i < o.subs; ++i) {
    std::size_t w = shared ? 0 : i % s.workers.size();  // a group has one common memory of what it has seen
    s.workers[w]->add(std::make_unique<BenchSubscriber>(*s.workers[w], *flows[w], i, sub_options,
                                                        fmt::format("{}s{}", s.prefix, i), topics_of(s, 0, i).subscribe,
                                                        shared ? &group : nullptr, pairs ? static_cast<int>(i) : -1));
    ++subscribers[w];
  }
  for (std::uint32_t i = 0; i < o.pubs; ++i) {
    std::size_t w = i % s.workers.size();
    auto p = std::make_unique<BenchPublisher>(*s.workers[w], *flows[w], i, pub_options,
                                              fmt::format("{}p{}", s.prefix, i), topics_of(s, i, 0).publish);
    flows[w]->add(p.get());
    s.workers[w]->add(std::move(p));
  }
  return subscribers;
}

}  // namespace sb::app
