// SPDX-License-Identifier: MIT
// What this node tells the others.
#include <fmt/format.h>

#include <utility>

#include "cluster/cluster.h"
#include "ports/errc.h"

namespace sb::cluster {

using ports::PeerNumber;

namespace {

/// What waits for several streams.
struct Sent {
  std::size_t waits = 1;
  bool failed = false;
  ports::Peers::Done<void> done;
  void one(bool ok) {
    failed |= !ok;
    if (--waits > 0) return;
    done(failed ? result<void>(ports::make_error_code(ports::errc::unavailable)) : result<void>());
  }
};

}  // namespace

void Cluster::send(const ports::PeerBatch& batch, ports::Peers::Done<void> done) {
  std::shared_ptr<Sent> sent;
  if (done) {
    sent = std::make_shared<Sent>();
    sent->done = std::move(done);
  }
  const std::uint64_t mark = ++last_mark_;
  bool refused = false;
  std::size_t out = 0;
  for (auto& item : batch.items()) {
    const bool keep = item.message.qos > 0;
    bool encoded = false;
    for (std::size_t i = 0; i < item.peers; ++i) {
      const PeerNumber n = batch.peers_of(item)[i];
      if (n >= peers_.size() || !peers_[n].out) continue;
      if (!encoded) {
        frame_.assign(1, '\0');  // no version in front
        EnvelopeWriter(frame_).message(item.message, loop_.wall(), item.group, item.hops);
        encoded = true;
      }
      Peer& p = peers_[n];
      const auto put = p.out->put(std::string_view(frame_).substr(1), keep);
      out += put == PeerStream::Put::taken;
      refused |= put == PeerStream::Put::refused;
      if (put == PeerStream::Put::taken && keep) p.mark = mark;
    }
  }
  stats_.messages_sent.add(out);
  if (!sent) return;
  for (auto& p : peers_) {
    if (p.mark != mark || !p.out) continue;
    ++sent->waits;
    p.out->wait([sent](bool ok) { sent->one(ok); });
  }
  sent->one(!refused);
}

// ---------------------------------------------------------------- routes

void Cluster::change(const std::vector<ports::Peers::Change>& changes, ports::Peers::Done<void> done) {
  bool any = false, more = false;
  for (auto& c : changes) {
    const std::uint8_t before = own_.wants(c.filter);
    const auto wants = own_.change(c);
    if (!wants) continue;
    any = true;
    more |= (*wants & ~before) != 0;
    to_all([&](EnvelopeWriter& w) { w.route(c.filter, *wants); });
    if ((*wants & ~before & kReadsLog) && logs_ && barriers_.any_peers()) reads_.push_back(c.filter);
  }
  if (!done) {
    if (more) add_barrier([] {});  // others may wait for the same without a change
    return;
  }
  auto known = [done = std::move(done)] { done({}); };
  // Another subscription may just have told the same.
  if (any || turn_end_ || !barriers_.join(known)) {
    if (!any && !turn_end_) return known();
    add_barrier(std::move(known));
  }
}

/// One barrier for what is asked within a turn.
void Cluster::add_barrier(std::function<void()> done) {
  barrier_dones_.push_back(std::move(done));
  if (std::exchange(turn_end_, true)) return;
  if (loop_.in_turn())
    loop_.at_turn_end(this);
  else
    on_end_of_turn();
}

void Cluster::on_end_of_turn() {
  turn_end_ = false;
  auto dones = std::exchange(barrier_dones_, {});
  if (!reads_.empty())
    dones.push_back([this, n = barriers_.last() + 1, filters = std::exchange(reads_, {})]() mutable {
      compare_reads(n, std::move(filters));
    });
  send_barrier(std::move(dones));
}

/// A log may be read before all know that it is: a session that comes back does not wait for them.
void Cluster::compare_reads(std::uint64_t barrier, std::vector<std::string> filters) {
  for (auto& filter : filters) logs_->compare_head(filter);
  if (!barriers_.answered(barrier)) late_reads_.emplace_back(barrier, std::move(filters));
}

std::uint64_t Cluster::send_barrier(std::vector<std::function<void()>> dones) {
  const std::uint64_t n = barriers_.add(std::move(dones), loop_.now());
  for (auto& p : peers_) {
    if (!p.out) continue;
    p.out->control([n](EnvelopeWriter& w) { w.barrier(n); });
    p.out->wait([this, alive = alive_, peer = p.number, n](bool ok) {
      if (!*alive || !ok) return;
      barriers_.written(peer, n, loop_.now());
      again(barriers_.next());
    });
  }
  run_barriers();
  return n;
}

void Cluster::run_barriers() {
  for (auto& done : barriers_.run(loop_.now())) done();
  while (!late_reads_.empty() && barriers_.answered(late_reads_.front().first)) {
    for (auto& filter : late_reads_.front().second) logs_->compare_head(filter);
    late_reads_.pop_front();
  }
  set_fresh();
  again(barriers_.next());
}

void Cluster::on_lost(PeerStream& s) {
  for (auto& p : peers_) {
    if (p.out.get() != &s) continue;
    stats_.routes_again.add();
    log::warn("cluster node={} lacks entries that Redis has lost: it is told all routes again", p.name);
    tell_all(p);
  }
}

// ---------------------------------------------------------------- clients

void Cluster::kick(std::string_view node, std::string_view client_id, std::uint64_t epoch,
                   std::function<void()> released) {
  const auto it = numbers_.find(node);
  if (it == numbers_.end() || !peers_[it->second].out) {
    kick_everywhere(client_id, epoch);
    return released();
  }
  const std::uint64_t n = ++last_kick_;
  kicks_.emplace(n, Kick{it->second, loop_.now() + kKick, std::string(client_id), epoch, std::move(released)});
  peers_[it->second].out->control([&](EnvelopeWriter& w) { w.kick(n, client_id, epoch); });
  again(loop_.now() + kKick);
}

/// Nobody waits for an answer.
void Cluster::kick_everywhere(std::string_view client_id, std::uint64_t epoch) {
  to_all([&, n = ++last_kick_](EnvelopeWriter& w) { w.kick(n, client_id, epoch); });
}

/// Those that are late, or all that wait for a node. Who does not answer may never do so, nor have told the node that
/// had the client before it.
void Cluster::run_kicks(bool all_of, PeerNumber peer) {
  for (auto it = kicks_.begin(); it != kicks_.end();) {
    const bool late = it->second.until <= loop_.now();
    if (!late && !(all_of && it->second.peer == peer)) {
      ++it;
      continue;
    }
    if (late) stats_.late_kicks.add();
    const auto n = it->first;
    const Kick k = std::move(kicks_.extract(it).mapped());
    kick_everywhere(k.client_id, k.epoch);
    k.released();
    it = kicks_.upper_bound(n);
  }
  if (!kicks_.empty()) again(kicks_.begin()->second.until);
}

void Cluster::connected(std::string_view client_id, ports::ConnectTime since) {
  to_all([&](EnvelopeWriter& w) { w.connected(client_id, since); });
}

// ---------------------------------------------------------------- shared groups

std::uint64_t Cluster::id_of(ports::PeerNumber peer) const {
  std::lock_guard lock(ids_mutex_);
  return peer < ids_.size() ? ids_[peer] : 0;
}

void Cluster::tell(PeerNumber peer, const ports::GroupNote& note) {
  if (peer >= peers_.size() || !peers_[peer].out) return;
  peers_[peer].out->control([&](EnvelopeWriter& w) { w.group(note, loop_.wall()); });
}

void Cluster::ask_group(std::string_view filter, std::uint64_t epoch,
                        std::function<void(ports::Peers::GroupReplies)> done) {
  ask({}, kGroupRequest, fmt::format("{} {}", epoch, filter),
      [this, done = std::move(done)](Requests::Answers answers) {
        ports::Peers::GroupReplies replies;
        for (auto& a : answers.answers) replies.emplace_back(numbers_.find(a.node)->second, std::move(a.body));
        done(std::move(replies));
      });
}

// ---------------------------------------------------------------- stores

void Cluster::retained_changed(std::string_view topic, std::string_view entry, std::function<void()> known) {
  auto sent = std::make_shared<Sent>();
  sent->done = [known = std::move(known)](const result<void>&) {
    if (known) known();
  };
  for (auto& p : peers_) {
    if (!p.out) continue;
    p.out->control([&](EnvelopeWriter& w) { w.retained(topic, entry); });
    ++sent->waits;
    p.out->wait([sent](bool ok) { sent->one(ok); });
  }
  sent->one(true);
}

void Cluster::log_began(std::string_view filter, std::uint64_t incarnation, std::function<void()> known) {
  to_all([&](EnvelopeWriter& w) { w.log_began(filter, incarnation); });
  if (known) add_barrier(std::move(known));
}

void Cluster::log_ended(std::string_view filter, std::uint64_t incarnation) {
  to_all([&](EnvelopeWriter& w) { w.log_ended(filter, incarnation); });
}

void Cluster::appended(std::string_view filter, const store::AppendedRun& run) {
  bool encoded = false;
  routes_.for_readers(filter, [&](PeerNumber n) {
    Peer& p = peers_[n];
    if (!p.out) return;
    if (!encoded) {
      frame_.assign(1, '\0');
      EnvelopeWriter(frame_).appended(filter, run, loop_.wall());
      encoded = true;
    }
    if (p.out->put(std::string_view(frame_).substr(1), false) == PeerStream::Put::taken) stats_.notices_sent.add();
  });
}

void Cluster::ask(std::string_view node, std::string_view kind, std::string_view body, Requests::Done done) {
  const bool hears = membership_.until() > loop_.now();
  std::vector<std::string> asked, missing;
  for (auto& p : peers_)
    if (p.expected && (node.empty() || p.name == node)) (hears && p.out ? asked : missing).push_back(p.name);
  if (!node.empty() && asked.empty() && missing.empty()) missing.emplace_back(node);
  const auto to = asked;
  const std::uint64_t n = requests_.add(std::move(asked), std::move(missing), std::move(done), loop_.now());
  for (auto& name : to)
    if (Peer& p = peer(name); p.out) p.out->control([&](EnvelopeWriter& w) { w.request(n, kind, body); });
  again(requests_.next());
}

}  // namespace sb::cluster
