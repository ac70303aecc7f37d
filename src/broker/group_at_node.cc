// SPDX-License-Identifier: MIT
// Members of a shared group that another node owns: what the owner gives to this node goes to one of them, and the
// owner is told how it ends. ADR 17.
#include <algorithm>

#include "broker/core.h"

namespace sb::broker {

using model::Position;
using ports::GroupNote;
using What = GroupAnswer::What;

/// `epoch` owns the group: what this node has of it.
std::string Core::group_asked(const std::string& filter, std::uint64_t epoch) {
  DurableGroup* g = find_group(filter);
  if (!g) return {};
  if (g->session && g->session->epoch < epoch) {
    lose_group(*g);
    retry_groups_.insert(g->log);  // whoever claimed it may have died since
  }
  if (g->session) return {};
  if (epoch > g->owner_epoch) {
    g->owner_epoch = epoch;
    g->forgotten = 0;
    g->full = g->told = false;
  }
  GroupPart part;
  part.members = local_members(*g);
  part.upto = g->upto;
  part.open.assign(g->open.begin(), g->open.end());
  for (auto& [p, out] : g->out) part.held.push_back(p);
  part.done.assign(g->acknowledged.begin(), g->acknowledged.end());
  return encode(part);
}

void Core::answer_owner(DurableGroup& g, What what, Position p, std::uint64_t number) {
  if (!g.owner) return;  // the next one asks
  GroupNote note;
  note.filter = g.filter;
  note.epoch = g.owner_epoch;
  note.what = GroupNote::What::answer;
  note.answer = static_cast<std::uint8_t>(what);
  note.members = local_members(g);
  note.position = p;
  note.number = number;
  stores_.peers->tell(*g.owner, std::move(note));
}

void Core::take_for_members(DurableGroup& g, const GroupNote& note) {
  if (auto has = g.out.find(note.position); has != g.out.end()) {  // the owner did not hear that a member has it
    has->second.number = note.number;
    if (!has->second.message) has->second.message = note.message;
    return;
  }
  if (g.full) return answer_owner(g, What::no_room, note.position, note.number);
  if (give_to_member(g, note.position, note.message, note.number)) return;
  g.full = true;
  g.told = false;
  answer_owner(g, local_members(g) > 0 ? What::no_room : What::gone, note.position, note.number);
}

bool Core::give_to_member(DurableGroup& g, Position p, const model::MessagePtr& m, std::uint64_t number) {
  GroupDelivery d{static_cast<std::uint32_t>(shard_), g.log, 1, p, m, {}};
  if (!pick_for_group(g, hash_bytes(m->view().topic), true, d.member)) return false;
  g.out[p] = {0, d.member.client, number, 0, 0, m};
  ++g.loads[d.member.client.packed()].out;
  to_member(std::move(d));
  return true;
}

/// A member here, of a group that another node owns.
void Core::member_answered(DurableGroup& g, const GroupAnswer& a) {
  if (a.handle) {
    auto it = g.out.find(a.position);
    if (it == g.out.end() || it->second.member != a.member) return;
    const DurableGroup::Out out = std::move(it->second);
    g.out.erase(it);
    if (a.what == What::done) {
      g.acknowledged.push_back(a.position);
      answer_owner(g, What::done, a.position, out.number);
    } else if (a.what == What::unsure) {
      answer_owner(g, What::unsure, a.position, out.number);
    } else if (g.full || !out.message || !give_to_member(g, a.position, out.message, out.number)) {
      if (a.what != What::returned && !std::exchange(g.full, true)) g.told = false;
      answer_owner(g, a.what == What::returned ? What::returned : What::no_room, a.position, out.number);
    }
  } else if (a.what == What::joined || a.what == What::returned) {
    if (owned_elsewhere(g))
      answer_owner(g, What::joined);
    else
      claim_group(g.log);
  }
  say_room(g, What::room);
}

/// Of those who were refused, after there is room: `room` once, and `again` when the owner asks.
void Core::say_room(DurableGroup& g, What what) {
  if (!g.full || (what == What::room && g.told)) return;
  bool room = false;
  {
    Rcu::Guard guard(node_.index.rcu(), shard_);
    g.group->members.for_each([&](const Subscriber& s) {
      auto load = g.loads.find(s.client.packed());
      room |= !s.client.is_peer() && (load == g.loads.end() || load->second.has_room());
    });
  }
  g.told = room && what == What::room;
  if (!room) return;
  if (what == What::again) g.full = false;
  answer_owner(g, what);
}

}  // namespace sb::broker
