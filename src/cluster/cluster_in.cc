// SPDX-License-Identifier: MIT
// What the others tell this node.
#include <charconv>
#include <utility>

#include "cluster/cluster.h"

namespace sb::cluster {

void Cluster::on_entry(const std::string& from, StreamId id, std::string_view d, std::string_view q) {
  Peer& p = peer(from);
  from_ = &p;
  id_ = id;
  p.unread += d.size() + q.size();
  const bool was_heard = heard();
  if (was_heard && id.sequence != p.sequence + 1) {
    // Perhaps it was only QoS 0 that Redis forgot. But it may have been the end or the beginning of a log.
    stats_.gaps.add();
    log::warn("cluster node={} epoch={} entries {} to {} are missing", from, id.epoch, p.sequence + 1, id.sequence - 1);
    receiver_.load([] {});
    if (logs_) logs_->compare_heads();
  }
  p.sequence = id.sequence;
  take(d);
  take(q);
  if (!heard()) stats_.stale_entries.add();
  if (heard() && !counts() && loop_.now() - p.rung >= Seconds(1)) {  // it does not know
    p.rung = loop_.now();
    membership_.ring(from, "fenced", id.epoch);
  }
  from_ = nullptr;
}

void Cluster::take(std::string_view field) {
  if (field.empty()) return;
  const auto fault = read_envelope(field, loop_.wall(), *this);
  if (fault == EnvelopeFault::none) return;
  stats_.dropped_malformed.add();
  if (fault_log_.pass()) {
    if (fault == EnvelopeFault::version)
      log::error("cluster node={} writes version {} of the bus's format, and this node reads {}: dropped", from_->name,
                 static_cast<unsigned>(static_cast<unsigned char>(field[0])), kEnvelopeVersion);
    else
      log::error("cluster node={} has sent bytes that are no envelope: dropped", from_->name);
  }
  if (logs_) logs_->compare_heads();
}

bool Cluster::on_entries_done() {
  for (std::size_t lane = 0; lane < lanes_.size(); ++lane)
    if (lanes_[lane]) receiver_.messages(lane, handed_out_->add(std::exchange(lanes_[lane], nullptr)));
  return handed_out_->room();
}

void Cluster::on_read_to_end(MonoTime as_of) {
  read_at_ = as_of;
  set_fresh();
}

void Cluster::on_trimmed(const std::string& from, StreamId id) {
  if (from.empty()) return;
  Peer& p = peer(from);
  // Not for a few bytes: what says so has to be read and told as well.
  // Of the life that this node writes to, too: a new one may have come while what the last one wrote was still read.
  if (!p.out || p.hello != id.epoch || p.epoch != id.epoch ||
      p.unread < std::min<std::size_t>(options_.inbox_bytes / 16, 1 << 20))
    return;
  p.unread = 0;
  p.out->control([&](EnvelopeWriter& w) { w.read(id.sequence); });
}

void Cluster::on_interrupted() {
  repaired_by_ = send_barrier({});
  membership_.look();  // the list of nodes is to have this one again before somebody comes in
  if (logs_) logs_->compare_heads();
}

void Cluster::on_missing(const std::string& from) {
  stats_.streams_lost.add();
  log::warn("cluster Redis has lost what {} wrote to this node: it is asked to repeat that",
            from.empty() ? "new nodes" : from);
  // Whoever deleted this one may have deleted others, whose readers cannot say so when theirs is gone, too.
  repair_streams();
  if (!from.empty()) membership_.ring(from, "lacks", membership_.epoch());
}

void Cluster::repair_streams() {
  for (auto& p : peers_)
    if (p.out) p.out->repair();
}

void Cluster::on_door(std::string_view what, std::uint64_t epoch) {
  if (what == "look") membership_.look();
  if (what == "lacks") repair_streams();
  // Who has heard that this node leaves counts it no more, and may ring for what else comes from it.
  if (what == "fenced" && state_ != State::left) membership_.told_fenced(epoch);
}

// ---------------------------------------------------------------- frames

void Cluster::on_message(const model::MessageView& m, std::string_view group, std::uint8_t hops) {
  if (!heard()) return;
  stats_.messages_received.add();
  std::size_t lane = 0;
  if (lanes_.size() > 1) lane = ((m.publisher ^ hash_bytes(m.topic)) >> 8) % lanes_.size();
  auto& batch = lanes_[lane];
  if (!batch) batch = std::make_unique<ports::PeerBatch>();
  batch->add(m, nullptr, 0, group, hops);
}

void Cluster::on_appended(std::string_view filter, const store::AppendedRun& run) {
  if (!heard()) return;
  stats_.notices_received.add();
  if (logs_) logs_->peer_appended(filter, run);
}

void Cluster::on_hello(std::uint64_t receiver_epoch) {
  if (receiver_epoch != membership_.epoch()) return;
  const bool again = heard();
  from_->hello = id_.epoch;
  if (!counts()) return;
  if (!again) from_->told = false, from_->hello_at = loop_.now();
  routes_.begin(from_->number);
  if (from_->epoch < id_.epoch) membership_.look();
}

void Cluster::on_route(std::string_view filter, std::uint8_t wants) {
  if (!counts()) return;
  if (const auto what = routes_.set(from_->number, filter, wants)) receiver_.peer_wants(from_->number, filter, *what);
}

void Cluster::on_routes_end() {
  if (!counts()) return;
  for (auto& filter : routes_.end(from_->number)) receiver_.peer_wants(from_->number, filter, ports::Interest::none);
  from_->told = true;
  check_joined();
}

void Cluster::on_log_began(std::string_view filter, std::uint64_t incarnation) {
  if (heard() && logs_) logs_->peer_log_began(filter, incarnation);
}

void Cluster::on_log_ended(std::string_view filter, std::uint64_t incarnation) {
  if (heard() && logs_) logs_->peer_log_ended(filter, incarnation);
}

void Cluster::on_kick(std::uint64_t number, std::string_view client_id, std::uint64_t epoch) {
  if (!heard()) return;
  receiver_.kick(client_id, epoch, [this, alive = alive_, loop = &loop_, to = from_->number, life = id_.epoch, number] {
    loop->post_fn([this, alive, to, life, number] {
      if (*alive && peers_[to].out && peers_[to].epoch == life)
        peers_[to].out->control([number](EnvelopeWriter& w) { w.released(number); });
    });
  });
}

void Cluster::on_released(std::uint64_t number) {
  const auto it = kicks_.find(number);
  if (!heard() || it == kicks_.end() || it->second.peer != from_->number) return;
  auto released = std::move(it->second.released);
  kicks_.erase(it);
  released();
}

void Cluster::on_connected(std::string_view client_id, ports::ConnectTime since) {
  if (heard()) receiver_.connected_elsewhere(client_id, since, from_->name > options_.node);
}

void Cluster::on_retained(std::string_view topic, std::string_view entry) {
  if (heard()) receiver_.peer_retained(topic, entry);
}

void Cluster::on_barrier(std::uint64_t number) {
  if (!counts()) return;
  if (from_->out && from_->epoch == id_.epoch)  // not to the life before, of which this node may still think
    from_->out->control([number](EnvelopeWriter& w) { w.answer(number); });
  else
    from_->unanswered = number;
}

void Cluster::on_answer(std::uint64_t barrier) {
  if (!counts()) return;
  barriers_.answered(from_->number, barrier);
  run_barriers();
}

void Cluster::on_gap(std::uint64_t dropped) {
  if (!heard()) return;
  stats_.gaps.add();
  log::warn("cluster node={} has left out {} messages, since this node did not read", from_->name, dropped);
  if (logs_) logs_->compare_heads();
}

void Cluster::on_request(std::uint64_t number, std::string_view kind, std::string_view body) {
  if (!counts()) return;
  auto reply = [this, alive = alive_, loop = &loop_, to = from_->number, life = id_.epoch, number](std::string answer) {
    loop->post_fn([this, alive, to, life, number, answer = std::move(answer)] {
      if (*alive && peers_[to].out && peers_[to].epoch == life)
        peers_[to].out->control([&](EnvelopeWriter& w) { w.reply(number, answer); });
    });
  };
  if (kind != kGroupRequest) return receiver_.request(kind, body, std::move(reply));
  std::uint64_t epoch = 0;
  const auto space = body.find(' ');
  if (space == body.npos || std::from_chars(body.data(), body.data() + space, epoch).ec != std::errc{}) return;
  receiver_.group_asked(body.substr(space + 1), epoch, std::move(reply));
}

void Cluster::on_group(ports::GroupNote&& n) {
  if (counts()) receiver_.group_note(from_->number, std::move(n));
}

void Cluster::on_reply(std::uint64_t number, std::string_view body) {
  if (counts()) requests_.answered(from_->name, number, std::string(body));
}

void Cluster::on_read(std::uint64_t sequence) {
  if (counts() && from_->out) from_->out->read_up_to(sequence);
}

void Cluster::on_leaving() {
  if (heard()) from_->left = true;
  if (counts()) membership_.told_leaving(from_->name, id_.epoch);
  if (counts()) on_member_lost(from_->name, id_.epoch);  // it goes before it was found
}

}  // namespace sb::cluster
