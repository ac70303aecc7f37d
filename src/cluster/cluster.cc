// SPDX-License-Identifier: MIT
// The lives of the nodes: this one comes in, goes and is buried; others are found and lost.
#include "cluster/cluster.h"

#include <algorithm>
#include <ctime>
#include <utility>

#include "base/fnv.h"

namespace sb::cluster {
namespace {

constexpr Millis kCoarse{10};         // by which the clock of fresh() may be behind
constexpr Seconds kRemembered{3600};  // that a lost node is

}  // namespace

Cluster::Cluster(io::EventLoop& loop, redis::Writer& writer, store::RedisKeys keys, Options o, Receiver& receiver)
    : loop_(loop),
      writer_(writer),
      keys_(std::move(keys)),
      options_(std::move(o)),
      receiver_(receiver),
      handed_out_(std::make_shared<HandedOut>(loop, [this] { inbox_.resume(); })),
      membership_(loop, writer.client(), keys_, {options_.node, options_.detail, options_.lease}, *this, stats_),
      inbox_(loop, writer.client(), keys_, options_.node, options_.rest, *this, stats_) {
  lanes_.resize(std::max<std::size_t>(receiver_.lanes(), 1));
  writer_.allow_until(MonoTime::min());
}

Cluster::~Cluster() {
  *alive_ = false;
  handed_out_->end();
  loop_.timers().cancel(*this);
}

Cluster::Peer& Cluster::peer(std::string_view name) {
  if (const auto it = numbers_.find(name); it != numbers_.end()) return peers_[it->second];
  Peer& p = peers_.emplace_back();
  p.number = static_cast<ports::PeerNumber>(peers_.size() - 1);
  p.name = name;
  numbers_.emplace(p.name, p.number);
  std::lock_guard lock(ids_mutex_);
  ids_.push_back(id_of(p.name));
  return p;
}

/// The same in every process.
std::uint64_t Cluster::id_of(std::string_view node) { return fnv1a(node); }

void Cluster::again(MonoTime at) {
  if (at != kNever && (!armed() || deadline() > at)) loop_.timers().set(*this, at);
}

void Cluster::on_timer() {
  run_barriers();
  run_kicks(false, 0);
  requests_.run(loop_.now());
  again(requests_.next());
  if (loop_.now() >= leave_at_) say_goodbye();
  again(leave_at_);
}

// ---------------------------------------------------------------- this node

void Cluster::on_epoch(std::uint64_t, std::vector<std::string> listed, std::function<void()> go_on) {
  state_ = State::out;
  for (auto& p : peers_) {
    p.hello = p.last_number = 0;
    p.told = false;
  }
  inbox_.open(listed, [this, go_on = std::move(go_on)] {
    if (state_ == State::left) return;
    inbox_.start();
    go_on();
  });
}

void Cluster::on_registered() {
  state_ = State::joining;
  check_joined();
}

/// The node is in when all members have told what they want. One without a lease may be cut off only for a moment, and
/// what is written to it is waiting for it: it is waited for until it has told, too, or is buried.
void Cluster::check_joined() {
  if (state_ != State::joining) return;
  for (auto& p : peers_)
    if (p.out && !(p.told && p.hello == p.epoch)) return;
  state_ = State::loading;
  receiver_.load([this, alive = alive_, epoch = membership_.epoch()] {
    if (!*alive || state_ != State::loading || epoch != membership_.epoch()) return;
    state_ = State::in;
    for (auto& p : peers_) p.expected = p.out != nullptr;  // others went meanwhile, and nobody has told this node
    in_.store(true, std::memory_order_relaxed);
    set_fresh();
    receiver_.joined(epoch);
  });
}

void Cluster::on_lease(MonoTime until) {
  writer_.allow_until(until);
  set_fresh();
}

bool Cluster::fresh() const {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1'000'000 < fresh_until_.load(std::memory_order_relaxed);
}

void Cluster::set_fresh() {
  std::int64_t until = 0;
  if (state_ == State::in && read_at_ != MonoTime::min() && membership_.until() != MonoTime::min() &&
      barriers_.answered(repaired_by_) && writes_to_all())
    until = (std::min(read_at_ + kFresh, membership_.until()) - kCoarse).time_since_epoch().count();
  fresh_until_.store(until, std::memory_order_relaxed);
}

/// Who has told what it wants is a member, but this node may be unable to read so. It would leave out what it should
/// write to it; but no longer than for a lease, since it may be gone again, unseen.
bool Cluster::writes_to_all() const {
  return std::ranges::none_of(peers_, [this](const Peer& p) {
    return p.hello > std::max(p.buried, p.epoch) && loop_.now() - p.hello_at < options_.lease;
  });
}

void Cluster::on_fenced() {
  state_ = State::out;
  in_.store(false, std::memory_order_relaxed);
  inbox_.stop();
  set_fresh();
  for (auto& p : peers_) {
    drop_routes(p);
    drop(p, false);
    p.hello = 0;
  }
  receiver_.fenced();
}

void Cluster::leave(std::function<void()> done) {
  if (state_ == State::left) return done();
  state_ = State::left;
  set_fresh();
  left_ = std::move(done);
  auto waits = std::make_shared<std::size_t>(1);
  auto said = [this, alive = alive_, waits](bool) {
    if (--*waits > 0 || !*alive) return;
    loop_.post_fn([this, alive] {  // this may be within a stream that goes with it
      if (*alive) say_goodbye();
    });
  };
  for (auto& [n, k] : kicks_) kick_everywhere(k.client_id, k.epoch);  // nobody will see whether they are answered
  for (auto& p : peers_) {
    if (!p.out) continue;
    p.out->control([](EnvelopeWriter& w) { w.leaving(); });
    ++*waits;
    p.out->wait(said);
  }
  leave_at_ = loop_.now() + Seconds(1);
  again(leave_at_);
  said(true);
}

/// The others have heard it, or there was no time.
void Cluster::say_goodbye() {
  leave_at_ = kNever;
  if (!left_) return;
  in_.store(false, std::memory_order_relaxed);
  inbox_.stop();
  const auto done = std::exchange(left_, nullptr);
  for (auto& p : peers_) drop(p, true);
  membership_.leave(done);
}

// ---------------------------------------------------------------- other nodes

void Cluster::on_member(const std::string& node, std::uint64_t epoch, const std::string& detail) {
  Peer& p = peer(node);
  drop(p, true);
  p.epoch = epoch;
  p.detail = detail;
  p.expected = true;
  p.left = false;
  PeerStream::Options o{keys_.inbox(node, options_.node), membership_.epoch(), p.last_number + 1, options_.inbox_bytes};
  p.out.reset(new PeerStream(writer_, std::move(o), *this, stats_));
  barriers_.add_peer(p.number);
  inbox_.open({node}, [] {});
  log::info("cluster node={} epoch={} is a member", node, epoch);
  tell_all(p);
  if (const auto n = std::exchange(p.unanswered, 0)) p.out->control([n](EnvelopeWriter& w) { w.answer(n); });
  set_fresh();
  check_joined();  // it may have told before it was found
  receiver_.members_changed();
}

void Cluster::tell_all(Peer& p) {
  p.out->control([&](EnvelopeWriter& w) { w.hello(p.epoch); });
  own_.for_each([&](std::string_view filter, std::uint8_t wants) {
    p.out->control([&](EnvelopeWriter& w) { w.route(filter, wants); });
  });
  p.out->control([](EnvelopeWriter& w) { w.routes_end(); });
}

/// It is no member any more; who waits for it hears `outcome`.
void Cluster::drop(Peer& p, bool outcome) {
  if (!p.out) return;
  p.epoch = 0;
  p.last_number = std::max(p.last_number, p.out->last_number());
  const auto out = std::move(p.out);
  barriers_.remove_peer(p.number);
  out->end(outcome);
  run_barriers();
  run_kicks(true, p.number);
  requests_.lost(p.name);
  receiver_.peer_gone(p.number);
}

void Cluster::drop_routes(Peer& p) {
  p.told = false;
  for (auto& filter : routes_.drop(p.number)) receiver_.peer_wants(p.number, filter, ports::Interest::none);
}

void Cluster::on_member_lost(const std::string& node, std::uint64_t epoch) {
  Peer& p = peer(node);
  p.buried = std::max(p.buried, epoch);
  p.expected = p.epoch > epoch;
  p.lost_at = loop_.now();
  if (p.hello <= epoch) {  // first, so that nobody gives it anything when its life is over
    drop_routes(p);
    inbox_.forget(node);
  }
  if (p.epoch == epoch) drop(p, true);
  check_joined();
  if (logs_) logs_->compare_heads();
  receiver_.members_changed();
}

std::vector<Cluster::PeerInfo> Cluster::members() const {
  std::vector<PeerInfo> out;
  for (auto& p : peers_)
    if (p.out) out.push_back({p.name, p.detail, p.number, p.epoch, p.out->backlog(), p.out->waiting()});
  return out;
}

std::vector<std::string> Cluster::expected() const {
  std::vector<std::string> out;
  for (auto& p : peers_)
    if (p.expected) out.push_back(p.name);
  return out;
}

std::vector<std::string> Cluster::lost() const {
  std::vector<std::string> out;
  for (auto& p : peers_)
    if (p.buried > 0 && !p.expected && !p.left && loop_.now() - p.lost_at < kRemembered) out.push_back(p.name);
  return out;
}

bool Cluster::expects(std::string_view node) const {
  const auto it = numbers_.find(node);
  return it != numbers_.end() && peers_[it->second].expected;
}

}  // namespace sb::cluster
