// SPDX-License-Identifier: MIT
// Members of shared groups that have a log: what the group hands out is delivered, and the group is told how it ends.
// Both directions are gathered per turn and shard.
#include <algorithm>

#include "broker/core.h"
#include "model/topic.h"

namespace sb::broker {

using model::OutboundState;
using mqtt::PacketId;
using session::InFlight;
using session::Session;
using What = GroupAnswer::What;

Core::Extra::Refused* Core::has_refused(std::uint32_t slot, ports::LogId log) {
  if (!clients_[slot].extra) return nullptr;
  auto& refused = clients_[slot].extra->refused;
  auto it = std::find_if(refused.begin(), refused.end(), [log](auto& r) { return r.log == log; });
  return it == refused.end() ? nullptr : &*it;
}

/// The group asks a member that said it has room.
bool Core::takes_again(Channel& c, ports::LogId log) {
  Extra::Refused* before = has_refused(c.slot, log);
  if (!before) return true;
  if (!c.up() || !c.unhindered()) {
    before->told = false;
    return false;
  }
  auto& refused = extra(c.slot).refused;
  refused.erase(refused.begin() + (before - refused.data()));
  tidy(c.slot);
  return true;
}

void Core::take_from_group(const GroupDelivery& d) {
  auto answer = [&](What what) { answer_group(d.owner, {d.log, d.handle, what, d.member.client, d.position}); };
  Channel* c = find(d.member.client);
  if (!c) return d.handle ? answer(What::gone) : void();
  if (!d.handle) {
    if (takes_again(*c, d.log)) answer(What::again);
    return;
  }
  if (has_refused(c->slot, d.log)) return answer(What::no_room);
  if (!c->up() || !c->unhindered()) {
    extra(c->slot).refused.push_back({d.owner, d.log});
    return answer(What::no_room);
  }
  const model::MessageView& m = d.message->view();
  if (!may_receive(c->session(), m.topic)) return answer(What::gone);  // it has just lost the right
  const std::uint8_t qos = std::min(m.qos, d.member.qos);
  const bool retain = m.retain && d.member.retain_as_published;
  std::span<const std::uint32_t> ids;
  if (d.member.subscription_id) ids = {&d.member.subscription_id, 1};
  if (qos == 0) {
    channel::Fanout f(d.message, wall, scratch_);
    c->deliver(f, 0, retain, ids);
    return answer(What::done);
  }
  if (!c->fits(m, qos, ids)) {
    counters.dropped_too_large.add();
    return answer(What::done);
  }
  Session& s = c->session();
  InFlight e;
  e.state = qos == 1 ? OutboundState::sent_qos1 : OutboundState::sent_qos2;
  e.message = d.message;
  if (qos == 2 && !s.durable) {  // what is sent to a volatile session ends with it [MQTT-4.8.2-5]
    c->deliver_stored(d.message, retain, ids, std::move(e));
    return answer(What::done);
  }
  e.handle = d.handle;
  e.group = d.owner;
  e.log = d.log;
  e.position = d.position;
  if (qos == 1) {
    c->deliver_stored(d.message, retain, ids, std::move(e));
    return;
  }
  e.unsent = true;
  s.window.push(std::move(e));
  s.save_soon = true;
  pump(*c);
}

void Core::answer_group(std::uint32_t owner, const GroupAnswer& a) {
  if (owner == shard_)
    group_answer(a);
  else
    group_mail_[owner].answers.push_back(a);
}

void Core::flush_group_mail() {
  for (std::size_t shard = 0; shard < group_mail_.size(); ++shard) {
    GroupMail& mail = group_mail_[shard];
    if (mail.deliveries.empty() && mail.answers.empty()) continue;
    on_shard(shard, [mail = std::exchange(mail, {})](Core& to) {
      for (auto& a : mail.answers) to.group_answer(a);
      for (auto& d : mail.deliveries) to.take_from_group(d);
    });
  }
}

/// It has room again, or is up only now.
void Core::tell_groups_of_room(Channel& c) {
  if (!c.unhindered()) return;
  std::vector<Extra::Refused> waiting;
  for (auto& r : extra(c.slot).refused)
    if (!std::exchange(r.told, true)) waiting.push_back(r);
  for (auto& r : waiting) answer_group(r.owner, {r.log, 0, What::room, key(c.slot)});
}

/// A member is there: its group may have something for it.
void Core::tell_group_of_member(Channel& c, const session::Subscription& sub) {
  auto it = groups_.find(sub.group);
  if (it == groups_.end()) return;
  if (ports::LogId log = it->second.first->log.load(std::memory_order_acquire))
    answer_group(static_cast<std::uint32_t>(node_.group_owner(sub.filter)), {log, 0, What::joined, key(c.slot)});
}

/// The session is not this node's any more, or over: whether it has taken these the group's record says.
void Core::unsure_of_group_messages(Session& s, ClientKey k) {
  std::vector<std::pair<std::uint32_t, GroupAnswer>> answers;
  s.window.for_each([&](PacketId, InFlight& e) {
    if (e.handle && e.state == OutboundState::sent_qos2 && !e.saved)
      answers.emplace_back(e.group, GroupAnswer{e.log, e.handle, What::unsure, k, e.position});
  });
  for (auto& [owner, a] : answers) answer_group(owner, a);
}

/// The session leaves its connection: what it has not acknowledged of QoS 1 goes back.
void Core::return_to_groups(Session& s, ClientKey k) {
  std::vector<std::pair<std::uint32_t, GroupAnswer>> answers;
  std::vector<PacketId> gone;
  s.window.for_each([&](PacketId id, InFlight& e) {
    if (!e.handle || e.state != OutboundState::sent_qos1) return;
    answers.emplace_back(e.group, GroupAnswer{e.log, e.handle, What::returned, k, e.position});
    gone.push_back(id);
  });
  for (PacketId id : gone) s.window.erase(id);
  for (auto& sub : s.subscriptions())  // the group need not remember the member
    if (auto g = groups_.find(sub.group); g != groups_.end())
      if (ports::LogId log = g->second.first->log.load(std::memory_order_acquire))
        answers.emplace_back(node_.group_owner(sub.filter), GroupAnswer{log, 0, What::returned, k});
  for (auto& [owner, a] : answers) answer_group(owner, a);
}

}  // namespace sb::broker
