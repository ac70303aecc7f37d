// SPDX-License-Identifier: MIT
// Sessions leave: their state goes to the store, what they had of shared groups to other members.
#include <algorithm>

#include "broker/core.h"
#include "model/topic.h"
#include "ports/errc.h"

namespace sb::broker {

using channel::Ending;
using model::OutboundState;
using mqtt::PacketId;
using session::InFlight;
using session::Session;

void Core::closed(Channel& c, std::unique_ptr<Session> s, Ending how) {
  std::uint32_t slot = c.slot;
  if (slot == kNoSlot) return;
  c.slot = kNoSlot;
  ClientKey k = key(slot);
  std::uint64_t directory_key = clients_[slot].directory_key;
  std::vector<std::function<void()>> released;
  bool waits = false, stale = false;
  if (auto& e = clients_[slot].extra) {
    released = std::move(e->released);
    waits = e->waits;
    stale = e->stale;
    if (e->given_up) *e->given_up = true;
  }
  free_slot(slot);
  if (waits) {  // the one before it is still leaving: who comes after it waits for that too
    leaving_[k.packed()] = std::move(released);
    return;
  }
  if (s) {
    counters.connections.sub();
    leave_subscriptions(c, *s, k);
    return_to_groups(*s, k);
    if (s->durable && (stale || s->expiry == 0)) unsure_of_group_messages(*s, k);
    pass_on_group_messages(*s, k);
    if (s->durable && stale) {  // the record, and the will in it, are another node's
      for (auto& sub : s->subscriptions()) leave_group(sub);
      s->durable = false;
      c.take_will();
    }
    if (s->durable) {
      leaving_[k.packed()] = std::move(released);
      leave_durable(c, *s, how, k);  // its groups are told of what it has taken
    }
    for (auto& sub : s->subscriptions()) leave_group(sub);
    if (s->durable) return has_many(*s) ? bury(std::move(s), k) : void();
    end_volatile(c, *s, how);
    if (has_many(*s)) bury(std::move(s), k);
  }
  if (directory_key) node_.directory.release(directory_key, k);
  for (auto& f : released) f();
}

void Core::end_volatile(Channel& c, Session& s, Ending how) {
  if (s.has_waiting()) counters.dropped_session_end.add(s.queue().size());
  auto will = c.take_will();
  if (!will) return;
  Told told;
  if (stores_.peers) told = [this, id = s.client_id, epoch = s.epoch] { stores_.sessions->forget_will(id, epoch); };
  if (how != Ending::disconnected) return publish_will(*will, s.rights, s.subject(), true, std::move(told));
  if (told) told();
}

void Core::leave_subscriptions(Channel& c, Session& s, ClientKey k) {
  counters.subscriptions.sub(s.subscriptions().size());
  const bool many = has_many(s);
  for (auto& sub : s.subscriptions()) {
    if (sub.cursor) feeds_.remove_reader(sub.cursor->log, &c);
    if (sub.cursor || sub.holds_group) stores_.logs->away(sub.filter, s.member());
    if (!many || model::is_shared(sub.filter)) unindex(sub, k);
  }
}

/// Nobody finds the client of a session that has ended, since its slot has another generation; so what a large one has
/// in the index can go bit by bit.
void Core::bury(std::unique_ptr<Session> s, ClientKey k) {
  auto& subs = s->subscriptions();
  for (std::size_t n = 0; n < kFiltersPerTurn && !subs.empty(); ++n) {
    unindex(subs.back(), k);
    s->remove(std::string(subs.back().filter));
  }
  if (subs.empty()) return;
  loop_.post_fn([this, s = std::move(s), k]() mutable { bury(std::move(s), k); });
}

/// QoS 1 messages of a shared group that the client has not acknowledged, and what has not been sent to it at all, go
/// to other members; QoS 2 under way stays with it [MQTT5 4.8.2]. What nobody else takes waits for a durable session's
/// return.
void Core::pass_on_group_messages(Session& s, ClientKey k) {
  auto taken = [&](std::uint32_t group, const model::MessagePtr& m) {
    auto it = groups_.find(group);
    if (it == groups_.end()) return false;
    SharedGroupPtr g = it->second.first;
    channel::Fanout f(m, wall, scratch_);
    return deliver_group(*g, f, hash_bytes(m->view().topic), &k);
  };
  std::vector<PacketId> gone;
  s.window.for_each([&](PacketId id, InFlight& e) {
    if (!e.group || e.handle || e.state != OutboundState::sent_qos1 || !e.message) return;
    if (taken(e.group, e.message))
      gone.push_back(id);
    else if (!s.durable)
      counters.dropped_no_member.add();
  });
  for (PacketId id : gone) {
    if (s.window.find(id)->in_record) s.set_done(id);
    s.window.erase(id);
  }
  if (!s.has_waiting()) return;
  session::Queue rest;
  for (auto& w : s.queue().items()) {
    if (!w.group)
      rest.offer(std::move(w), UINT32_MAX, SIZE_MAX, false);
    else if (!taken(w.group, w.message))
      counters.dropped_no_member.add();
  }
  s.queue() = std::move(rest);
}

/// One member less here, if the subscription is a shared one.
void Core::leave_group(session::Subscription& sub) {
  auto it = groups_.find(std::exchange(sub.group, 0));
  if (it != groups_.end() && --it->second.second == 0) groups_.erase(it);
}

void Core::leave_durable(Channel& c, Session& s, Ending how, ClientKey k) {
  std::string client_id = s.client_id;
  std::uint64_t directory_key = Directory::key(client_id);
  auto done = [this, k, directory_key](auto&&...) {
    node_.directory.release(directory_key, k);
    run_released(k.packed());
  };
  std::unique_ptr<model::WillRecord> will;
  if (how != Ending::disconnected) will = c.take_will();
  if (s.expiry == 0) {  // changed at DISCONNECT: the session ends now
    if (will) publish_will(*will, s.rights, s.subject(), true);
    stores_.sessions->end(client_id, s.epoch, done);
    return;
  }
  Saved w = unsaved(s, k);
  ports::SessionChange& change = w.change;
  change.expiry = s.expiry;
  WallTime expires = s.expiry == 0xFFFFFFFF ? kNoExpiry : wall + Seconds(s.expiry);
  change.left = {expires, kNoExpiry};
  if (will && will->delay > 0) {
    change.left->will_due = std::min(expires, wall + Seconds(will->delay));
  } else {
    if (will) {  // one that is refused with this change stays in the record, and is due when the store is back
      publish_will(*will, s.rights, s.subject(), stores_.peers != nullptr);
      change.left->will_due = wall;
    }
    change.will = model::WillRecord{};
  }
  save(s, k, std::move(w), done);
}

}  // namespace sb::broker
