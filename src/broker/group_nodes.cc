// SPDX-License-Identifier: MIT
// Shared groups with durable members over several nodes: who owns a group, what the owner gives to other nodes, and
// what a new owner learns of what was under way. group_at_node.cc: the nodes of its members. ADR 17.
#include <algorithm>
#include <set>

#include "base/fnv.h"
#include "broker/core.h"
#include "model/topic.h"

namespace sb::broker {

using model::Position;
using mqtt::PacketId;
using ports::GroupNote;
using ports::Interest;
using ports::PeerNumber;
using session::InFlight;
using What = GroupAnswer::What;

namespace {

constexpr Millis kLook{20};  // between two looks whether the node is fresh

/// The same in every process.
std::uint64_t weight(std::string_view filter, std::uint64_t node) {
  std::uint64_t h = fnv1a(filter, fnv1a({}) ^ node);
  h = (h ^ h >> 32) * 0x9E3779B97F4A7C15ull;
  return h ^ h >> 29;
}

}  // namespace

// ---------------------------------------------------------------- any thread

void Node::peer_gone(PeerNumber peer) {
  for (Core* core : cores) core->loop().post_fn([core, peer] { core->peer_gone(peer); });
}

void Node::group_note(PeerNumber from, GroupNote note) {
  if (cores.empty()) return;
  Core* core = cores[group_owner(note.filter)];
  core->loop().post_fn([core, from, note = std::move(note)] { core->group_note(from, note); });
}

void Node::group_asked(std::string_view filter, std::uint64_t epoch, std::function<void(std::string)> answer) {
  if (cores.empty()) return answer({});
  Core* core = cores[group_owner(filter)];
  core->loop().post_fn(
      [core, f = std::string(filter), epoch, answer = std::move(answer)] { answer(core->group_asked(f, epoch)); });
}

// ---------------------------------------------------------------- the owner

DurableGroup* Core::find_group(std::string_view filter) {
  auto it = group_logs_.find(filter);
  return it == group_logs_.end() ? nullptr : durable_groups_[it->second].get();
}

std::uint32_t Core::local_members(const DurableGroup& g) {
  std::uint32_t n = 0;
  Rcu::Guard guard(node_.index.rcu(), shard_);
  g.group->members.for_each([&](const Subscriber& s) { n += !s.client.is_peer(); });
  return n;
}

/// Another node has the group, and members: without these it keeps it only until somebody asks.
bool Core::owned_elsewhere(const DurableGroup& g) {
  if (!g.owner) return false;
  bool members = false;
  Rcu::Guard guard(node_.index.rcu(), shard_);
  g.group->members.for_each(
      [&](const Subscriber& s) { members |= s.logged && s.client.is_peer() && s.client.slot == *g.owner; });
  return members;
}

/// Without an owner, the first of the nodes with members is to be it. They may disagree for a moment: who claims last
/// has it then, and hears from the others what they gave away.
bool Core::may_own(DurableGroup& g) {
  if (!stores_.peers) return true;
  if (owned_elsewhere(g) || !stores_.peers->fresh()) return false;
  const std::uint64_t mine = weight(g.filter, stores_.peers->own_id());
  bool members = false, first = true;
  Rcu::Guard guard(node_.index.rcu(), shard_);
  g.group->members.for_each([&](const Subscriber& s) {
    members |= !s.client.is_peer();
    if (s.client.is_peer())
      first &= weight(g.filter, stores_.peers->id_of(static_cast<PeerNumber>(s.client.slot))) <= mine;
  });
  return members && first;
}

/// What other nodes want of the group has changed.
void Core::group_peers_changed(const std::string& filter) {
  DurableGroup* g = find_group(filter);
  if (!g || !stores_.peers) return;
  std::optional<PeerNumber> same, other;
  {
    Rcu::Guard guard(node_.index.rcu(), shard_);
    g->group->members.for_each([&](const Subscriber& s) {
      if (!s.client.is_peer() || !s.logged) return;
      const auto peer = static_cast<PeerNumber>(s.client.slot);
      (g->owner == peer ? same : other) = peer;
    });
  }
  g->owner = other ? other : same;  // who owned it before may say so for a moment longer
  if (g->session)
    pump_group(g->log);
  else
    claim_group(g->log);
}

/// The group is claimed. Everything that is appended is told to this node, and the others have said what they have,
/// before it goes on. Who does not answer has stopped by then: it is not fresh.
void Core::ask_nodes(DurableGroup& g) {
  g.asks = 2;
  g.announced = true;
  auto go_on = [this, log = g.log, epoch = g.session->epoch] {
    auto it = durable_groups_.find(log);
    if (it == durable_groups_.end() || !it->second->session || it->second->session->epoch != epoch) return false;
    return true;
  };
  auto one = [this, log = g.log] {
    DurableGroup& to = *durable_groups_[log];
    if (--to.asks == 0) begin_owning(to);
  };
  stores_.peers->change({{g.filter, Interest::none, Interest::owner}}, [go_on, one](const result<void>&) {
    if (go_on()) one();
  });
  stores_.peers->ask_group(g.filter, g.session->epoch,
                           [this, log = g.log, go_on, one](const ports::Peers::GroupReplies& replies) {
                             if (!go_on()) return;
                             adopt_group(*durable_groups_[log], replies);
                             one();
                           });
}

/// What was under way with the owner before.
void Core::adopt_group(DurableGroup& g, const ports::Peers::GroupReplies& replies) {
  for (auto& p : std::exchange(g.acknowledged, {})) g.done.insert(p);
  for (auto& [peer, body] : replies) {
    const auto part = decode_group_part(body);
    if (!part) continue;
    if (part->upto > g.upto) {
      g.upto = part->upto;
      g.open = {part->open.begin(), part->open.end()};
    }
    for (auto& p : part->done) g.done.insert(p);
    g.answered[peer] = part->done.size();
    const ClientKey member = ClientKey::of_peer(peer);
    auto& load = g.loads[member.packed()];
    load.members = part->members;
    load.heard = group_ticks_;
    for (auto& p : part->held)
      if (!g.done.contains(p) && g.out.try_emplace(p, DurableGroup::Out{0, member, 0, group_ticks_, 0, nullptr}).second)
        ++load.out;
  }
}

void Core::begin_owning(DurableGroup& g) {
  std::vector<PacketId> done;
  g.session->window.for_each([&](PacketId id, InFlight& e) {
    if (auto out = g.out.find(e.position); out != g.out.end())
      out->second.id = id;
    else if (g.done.erase(e.position) > 0 || (e.position <= g.upto && !g.open.contains(e.position)))
      done.push_back(id);
    else
      g.set_ready(id);
  });
  for (PacketId id : done) end_of_group(g, id);
  if (g.upto <= g.cursor().next) {
    g.upto = {};
    g.open.clear();
  }
  forget_passed(g);
  join_group(g);
}

/// What the record knows to be done: nobody has to be told of it any more.
void Core::forget_passed(DurableGroup& g) {
  absl::erase_if(g.done, [&](const Position& p) { return p <= g.cursor().next; });
}

/// True when the message was done under an owner before.
bool Core::had_before(DurableGroup& g, const ports::StoredMessage& m) {
  if (g.done.empty() && g.upto == Position{}) return false;
  auto had = [&](const Position& p) {
    if (g.done.erase(p) > 0) return true;
    return p <= g.upto && !g.open.contains(p) && !g.out.contains(p);
  };
  bool was = had(m.position);
  if (m.known)
    for (auto& p : *m.known) was |= p.generation == g.upto.generation ? had(p) : g.done.erase(p) > 0;
  if (m.position >= g.upto) {
    g.upto = {};
    g.open.clear();
  }
  return was;
}

/// Another node owns it now, or may. What members here have stays theirs.
void Core::lose_group(DurableGroup& g) {
  if (!g.session) return;
  std::erase_if(unsure_, [&](auto& u) { return u.first == g.log; });
  if (std::exchange(g.joined, false)) feeds_.remove_reader(g.log, nullptr);
  if (std::exchange(g.announced, false)) interests_.push_back({g.filter, Interest::owner, Interest::none});
  if (std::exchange(g.asks, 0) == 0) {
    const Position at = g.cursor().next;
    absl::erase_if(g.open, [&](const Position& p) { return p <= at; });
    g.upto = std::max(g.upto, at);
    g.session->window.for_each([&](PacketId, InFlight& e) { g.open.insert(e.position); });
  }
  for (auto& p : g.done) g.acknowledged.push_back(p);
  g.done.clear();
  absl::erase_if(g.out, [](auto& out) { return out.second.member.is_peer(); });
  for (auto& [position, out] : g.out) out.id = 0;
  absl::erase_if(g.loads, [](auto& load) { return ClientKey::unpack(load.first).is_peer(); });
  g.answered.clear();
  g.stored.clear();
  g.ready.clear();
  g.stay = 0;
  g.forgotten = 0;
  g.full = g.told = g.reading = g.dirty = false;
  g.session.reset();
}

void Core::groups_lost() {
  for (auto& [log, g] : durable_groups_) {
    lose_group(*g);
    g->claiming = false;
    g->forgotten = 0;  // the owner counts anew
    retry_groups_.insert(log);
  }
}

bool Core::may_hand_out(ports::LogId log) {
  if (!stores_.peers || stores_.peers->fresh()) return true;
  waiting_groups_.insert(log);
  if (!group_wake_.armed()) loop_.timers().set(group_wake_, loop_.now() + kLook);
  return false;
}

void Core::wake_groups() {
  if (!stores_.peers->fresh()) {
    if (!group_wake_.armed()) loop_.timers().set(group_wake_, loop_.now() + kLook);
    return;
  }
  for (ports::LogId log : std::exchange(waiting_groups_, {})) pump_group(log);
}

// ---------------------------------------------------------------- the owner and other nodes

/// A message, or without a handle the question whether it takes again.
void Core::to_node(DurableGroup& g, GroupDelivery d) {
  if (!g.session) return;
  GroupNote note;
  note.filter = g.filter;
  note.epoch = g.session->epoch;
  note.what = d.handle ? GroupNote::What::hand : GroupNote::What::ask;
  if (d.handle) {
    auto& out = g.out[d.position];
    note.number = out.number = ++g.hands;
    out.bytes = d.message->footprint();
    g.loads[d.member.client.packed()].bytes += out.bytes;
    note.position = d.position;
    note.message = std::move(d.message);
  }
  stores_.peers->tell(static_cast<PeerNumber>(d.member.client.slot), std::move(note));
}

void Core::group_note(PeerNumber from, const GroupNote& note) {
  DurableGroup* g = find_group(note.filter);
  if (note.what == GroupNote::What::answer) {
    if (!g || !g->session) return;
    const auto what = static_cast<What>(note.answer);
    const ClientKey member = ClientKey::of_peer(from);
    const bool current = note.epoch == g->session->epoch;
    if (!current && what != What::done) return;
    if (current) g->loads[member.packed()].members = note.members;
    if (current && what == What::done) ++g->answered[from];
    const bool of_message = note.position.offset > 0;
    if (of_message && what != What::done) {
      auto out = g->out.find(note.position);
      const bool has = out != g->out.end() && out->second.member == member;
      if (!has || (out->second.number && out->second.number != note.number)) return;
    }
    return group_answer({g->log, static_cast<PacketId>(of_message ? 1 : 0), what, member, note.position});
  }
  if (g && note.epoch < g->owner_epoch) return;
  if (!g) {
    if (note.what != GroupNote::What::hand) return;
    GroupNote answer;
    answer.filter = note.filter;
    answer.epoch = note.epoch;
    answer.what = GroupNote::What::answer;
    answer.answer = static_cast<std::uint8_t>(What::gone);
    answer.number = note.number;
    answer.position = note.position;
    return stores_.peers->tell(from, std::move(answer));
  }
  if (note.epoch > g->owner_epoch) group_asked(note.filter, note.epoch);
  if (g->session) return;
  g->owner = from;
  if (note.what == GroupNote::What::hand) return take_for_members(*g, note);
  if (note.what == GroupNote::What::stored) {
    for (; g->forgotten < note.number && !g->acknowledged.empty(); ++g->forgotten) g->acknowledged.pop_front();
    return;
  }
  if (g->full)
    say_room(*g, What::again);
  else
    answer_owner(*g, What::again);
}

/// The record has what these nodes have told.
void Core::tell_stored(DurableGroup& g, const absl::flat_hash_map<PeerNumber, std::uint64_t>& answered) {
  if (!g.done.empty()) return;  // what they told when this owner began is not in it yet
  for (auto& [peer, n] : answered) {
    auto& told = g.stored[peer];
    if (n <= told) continue;
    told = n;
    GroupNote note;
    note.filter = g.filter;
    note.epoch = g.session->epoch;
    note.what = GroupNote::What::stored;
    note.number = n;
    stores_.peers->tell(peer, std::move(note));
  }
}

/// A node that has had a message for long may never have got it, or not have been heard: once in a while all are asked
/// what they have.
void Core::audit_group(DurableGroup& g) {
  if (!g.owns() || !stores_.peers) return;
  const bool silent = std::any_of(g.out.begin(), g.out.end(), [&](auto& out) {
    return out.second.member.is_peer() && out.second.since + kAudit <= group_ticks_;
  });
  for (auto& [member, load] : g.loads) {
    if (!ClientKey::unpack(member).is_peer() || load.heard + kAudit > group_ticks_ || !load.full) continue;
    GroupDelivery question{static_cast<std::uint32_t>(shard_), g.log, 0, {}, {}, {}};
    question.member.client = ClientKey::unpack(member);
    to_node(g, std::move(question));
  }
  if (!silent) return;
  stores_.peers->ask_group(
      g.filter, g.session->epoch,
      [this, log = g.log, epoch = g.session->epoch, asked = g.hands](const ports::Peers::GroupReplies& replies) {
        auto it = durable_groups_.find(log);
        if (it == durable_groups_.end() || !it->second->owns() || it->second->session->epoch != epoch) return;
        nodes_answered(*it->second, replies, asked);
        pump_group(log);
      });
}

void Core::nodes_answered(DurableGroup& g, const ports::Peers::GroupReplies& replies, std::uint64_t asked) {
  // One that says nothing and has no members any more is gone, or has nobody whom it could have given them to.
  std::set<PeerNumber> gone;
  for (auto& [p, out] : g.out)
    if (out.member.is_peer()) gone.insert(static_cast<PeerNumber>(out.member.slot));
  for (auto& [peer, body] : replies) gone.erase(peer);
  {
    Rcu::Guard guard(node_.index.rcu(), shard_);
    g.group->members.for_each([&](const Subscriber& s) {
      if (s.client.is_peer()) gone.erase(static_cast<PeerNumber>(s.client.slot));
    });
  }
  for (PeerNumber peer : gone) give_up_peer(g, peer);
  for (auto& [peer, body] : replies) {
    const ClientKey member = ClientKey::of_peer(peer);
    const auto part = decode_group_part(body);
    DurableGroup::Positions held, done;
    if (part) held = {part->held.begin(), part->held.end()};
    if (part) done = {part->done.begin(), part->done.end()};
    std::vector<GroupAnswer> answers;
    for (auto& [p, out] : g.out)
      if (out.member == member && out.number <= asked && !held.contains(p))
        answers.push_back({g.log, 1, done.contains(p) ? What::done : What::returned, member, p});
    for (auto& a : answers) {
      count_for_member(g, a);
      member_settled(g, a);
    }
    if (auto load = g.loads.find(member.packed()); load != g.loads.end()) load->second.heard = group_ticks_;
  }
}

/// The node is gone, and its members with it.
void Core::give_up_peer(DurableGroup& g, PeerNumber peer) {
  const ClientKey member = ClientKey::of_peer(peer);
  std::vector<GroupAnswer> answers;
  for (auto& [p, out] : g.out)
    if (out.member == member) answers.push_back({g.log, 1, What::returned, member, p});
  for (auto& a : answers) member_settled(g, a);
  if (g.stay_on.client == member) g.stay = 0;
  g.loads.erase(member.packed());
  g.answered.erase(peer);
  g.stored.erase(peer);
}

void Core::peer_gone(PeerNumber peer) {
  std::vector<ports::LogId> logs;
  for (auto& [log, g] : durable_groups_) logs.push_back(log);
  for (ports::LogId log : logs) {
    DurableGroup& g = *durable_groups_[log];
    if (g.owner == peer) g.owner.reset();
    if (g.session) {
      give_up_peer(g, peer);
      pump_group(log);
    } else {
      claim_group(log);
    }
  }
}

}  // namespace sb::broker
