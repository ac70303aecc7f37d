// SPDX-License-Identifier: MIT
#include "redis/cluster.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace sb::redis {
namespace {

constexpr Millis kInterval{5000};  // between questions when all is well
constexpr Millis kSoon{100};       // when it is not
constexpr Millis kAnswer{1000};    // for an answer
constexpr Millis kAttempt{500};    // for who is asked, before another one is although nothing is wrong with it
constexpr int kOutdated = 20;      // answers; then the cluster was made anew, and counts from the beginning

/// `cluster_current_epoch` of CLUSTER INFO; 0 when it has none.
std::int64_t epoch_of(std::string_view info) {
  constexpr std::string_view kName = "cluster_current_epoch:";
  const std::size_t at = info.find(kName);
  std::int64_t epoch = 0;
  if (at != info.npos) std::from_chars(info.data() + at + kName.size(), info.data() + info.size(), epoch);
  return epoch;
}

}  // namespace

ClusterTopology::ClusterTopology(io::EventLoop& loop, std::vector<Endpoint> seeds, const Options& options,
                                 Listener& listener)
    : loop_(loop), seeds_(std::move(seeds)), listener_(listener) {
  auto o = std::make_shared<Options>(options);
  o->scripts.clear();
  o->primary_only = false;
  o->connect_timeout = o->command_timeout = kAnswer;
  options_ = std::move(o);
}

ClusterTopology::~ClusterTopology() { loop_.timers().cancel(*this); }

void ClusterTopology::start() { ask_next(); }

void ClusterTopology::ask_next() {
  const auto& known = map_.primaries();
  const std::size_t i = next_++ % (seeds_.size() + known.size());
  asked_ = elsewhere_ = false;
  began_ = loop_.now();
  connection_ = Connection::make(loop_, i < seeds_.size() ? seeds_[i] : known[i - seeds_.size()], options_, this);
  connection_->start();
  ask_within(kAnswer);
}

void ClusterTopology::ask_within(Millis most) {
  const MonoTime at = loop_.now() + most;
  if (!armed() || at < deadline()) loop_.timers().set(*this, at);
}

void ClusterTopology::on_timer() {
  const MonoTime patience = connection_ && began_ != kNever ? began_ + kAttempt : MonoTime::min();
  if (elsewhere_ && loop_.now() < patience) return ask_within(patience - loop_.now());
  if (elsewhere_ || !connection_ || !connection_->up()) return ask_next();
  ask();
}

void ClusterTopology::ask() {
  if (asked_) return ask_within(kInterval);
  loop_.timers().cancel(*this);
  ask_within(kInterval);
  // An older server would let itself be believed; its epoch comes first.
  asked_ = !connection_->command({"CLUSTER", "INFO"}, *this, kInfo) &&
           !connection_->command({"CLUSTER", "SLOTS"}, *this, kSlotsOf);
}

void ClusterTopology::doubt() {
  elsewhere_ = true;
  ask_within(kSoon);
}

void ClusterTopology::moved(const Redirect& r) {
  const Endpoint* owner = map_.owner(r.slot);
  if (owner && *owner == r.to) return;
  map_.move(r.slot, r.to);
  ask_within(kSoon);
  listener_.on_topology();
}

void ClusterTopology::on_down(Connection&, error_code, const std::string&) {
  elsewhere_ = true;
  began_ = kNever;
  ask_within(kSoon);
}

void ClusterTopology::on_outcome(Outcome& outcome, std::uint64_t tag) {
  if (tag == kInfo) {
    answer_epoch_ = outcome.done() ? epoch_of(outcome.value().text()) : 0;
    return;
  }
  asked_ = false;
  began_ = kNever;
  if (outcome.done()) return take(outcome.value());
  if (outcome.kind != Outcome::Kind::refused) return;  // the connection is down
  log::warn("redis cluster peer={} does not tell its slots: {}", connection_->endpoint().text(), outcome.text());
  elsewhere_ = true;
}

void ClusterTopology::take(Reply::View slots) {
  if (answer_epoch_ < epoch_ && ++outdated_ < kOutdated) return doubt();
  SlotMap next;
  if (!next.take(slots, connection_->endpoint().host)) return doubt();
  outdated_ = 0;
  epoch_ = answer_epoch_;
  if (next == map_) return;
  map_ = std::move(next);
  listener_.on_topology();
}

}  // namespace sb::redis
