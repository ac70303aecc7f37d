// SPDX-License-Identifier: MIT
// Shared groups with durable members: the owner hands out what the log of the group holds.
#include "base/log.h"
#include "broker/core.h"
#include "model/topic.h"
#include "ports/errc.h"

namespace sb::broker {

using model::OutboundState;
using mqtt::PacketId;
using session::InFlight;
using session::Session;
using What = GroupAnswer::What;

void Node::log_changed(std::string_view filter, ports::LogId log) {
  auto shared = model::split_shared(filter);
  if (!shared) return index.set_log(filter, log);
  SharedGroupPtr g = index.set_shared_log(shared->group, shared->filter, log);
  if (cores.empty()) return;
  Core* owner = cores[group_owner(filter)];
  owner->loop().post_fn([owner, g, log, f = std::string(filter)] { owner->group_log(g, f, log); });
}

// ---------------------------------------------------------------- beginning and end

/// The log of a group that this shard owns began, or ended.
void Core::group_log(SharedGroupPtr g, const std::string& filter, ports::LogId log) {
  for (auto it = durable_groups_.begin(); it != durable_groups_.end(); ++it) {
    if (it->second->filter != filter) continue;
    feeds_.remove_reader(it->first, nullptr);
    if (it->second->announced) interests_.push_back({filter, ports::Interest::owner, ports::Interest::none});
    if (Session* s = it->second->session.get()) stores_.sessions->end(s->client_id, s->epoch, [](auto) {});
    durable_groups_.erase(it);
    group_logs_.erase(filter);
    break;
  }
  if (!log) return;
  auto d = std::make_unique<DurableGroup>();
  d->filter = filter;
  d->group = std::move(g);
  d->log = log;
  durable_groups_[log] = std::move(d);
  group_logs_[filter] = log;
  group_peers_changed(filter);
  claim_group(log);
}

/// Unless another node owns it, or is to.
void Core::claim_group(ports::LogId log) {
  DurableGroup& g = *durable_groups_[log];
  if (g.session || g.claiming) return;
  if (!may_own(g)) {
    if (!owned_elsewhere(g)) retry_groups_.insert(log);
    return;
  }
  g.claiming = true;
  ports::SessionStore::Claim claim;
  claim.client_id = ports::SessionStore::group_session(g.filter);
  claim.durable = true;
  claim.expiry = 0xFFFFFFFF;
  claim.now = wall;
  stores_.sessions->claim(std::move(claim), [this, log, life = burials_](result<ports::SessionStore::Claimed> claimed) {
    if (life != burials_) return;
    if (auto it = durable_groups_.find(log); it != durable_groups_.end()) it->second->claiming = false;
    if (claimed) return group_claimed(log, std::move(claimed->record));
    log::warn("shared group cannot be read error=\"{}\"", claimed.error().message());
    retry_groups_.insert(log);
  });
}

void Core::group_claimed(ports::LogId log, model::SessionRecord record) {
  auto it = durable_groups_.find(log);
  if (it == durable_groups_.end()) return stores_.sessions->end(record.client_id, record.epoch, [](auto) {});
  DurableGroup& g = *it->second;
  if (g.session || record.epoch <= g.owner_epoch)  // another node has claimed it behind this one, and may be gone again
    return void(retry_groups_.insert(log));
  g.owner_epoch = record.epoch;
  g.owner.reset();
  auto s = std::make_unique<Session>();
  s->client_id = record.client_id;
  s->durable = true;
  s->epoch = record.epoch;
  s->incarnation = record.incarnation;
  const bool is_new = record.subscriptions.empty();
  session::Subscription& sub = s->add(g.filter);
  session::Cursor& cursor = s->give_cursor(sub, log, is_new ? model::Position{} : record.subscriptions.front().next);
  if (!is_new) cursor.pass(record.subscriptions.front().passed);
  // Nobody has these any more: QoS 2 that a member took is in the member's record.
  for (auto& out : record.outbound) {
    InFlight e;
    e.state = OutboundState::sent_qos1;
    e.set_saved();
    e.log = log;
    e.position = out.position;
    e.message = out.message;
    s->window.restore(out.sequence, std::move(e));
    if (!stores_.peers) g.ready.push_back(out.packet_id);
  }
  g.session = std::move(s);
  if (is_new) {
    Saved w;
    w.change.subscriptions_set.push_back(record_of(sub));
    save_group(g, std::move(w));
  }
  if (stores_.peers)
    ask_nodes(g);
  else
    join_group(g);
}

void Core::join_group(DurableGroup& g) {
  std::ranges::stable_sort(g.ready, {}, [&](PacketId id) { return g.session->window.find(id)->position; });
  stores_.logs->join(g.filter, ports::kGroupMember, [this, log = g.log](result<ports::LogStore::Joined> joined) {
    auto it = durable_groups_.find(log);
    if (it == durable_groups_.end() || !it->second->owns()) return;
    // Without the log it read the group is over, or begins anew with the next one: group_log comes for either.
    if (!joined && joined.error() == ports::errc::no_log) return;
    if (joined && joined->log != log) return;
    if (!joined) return void(retry_groups_.insert(log));
    if (!std::exchange(it->second->joined, true)) feeds_.add_reader(log, nullptr);
    pump_group(log);
  });
}

// ---------------------------------------------------------------- handing out

void Core::pump_group(ports::LogId log) {
  auto it = durable_groups_.find(log);
  if (it == durable_groups_.end() || !it->second->owns() || !may_hand_out(log)) return;
  DurableGroup& g = *it->second;
  g.again = true;
  if (std::exchange(g.pumping, true)) return;
  while (std::exchange(g.again, false)) hand_out_group(g);
  g.pumping = false;
  if (std::exchange(g.session->save_soon, false)) save_group(g, unsaved(*g.session));
}

/// Gives messages to members until nobody takes more, or nothing is left.
void Core::hand_out_group(DurableGroup& g) {
  while (next_of_group(g)) {
    const PacketId id = g.ready.front();
    InFlight& e = *g.session->window.find(id);
    const model::MessageView& m = e.message->view();
    if (m.expired(wall)) {
      counters.dropped_expired.add();
      g.ready.pop_front();
      end_of_group(g, id);
      continue;
    }
    GroupDelivery d{static_cast<std::uint32_t>(shard_), g.log, id, e.position, e.message, {}};
    // QoS 2 stays on this node: the member's record and the group's are not written in one piece. ADR 17.
    if (!pick_for_group(g, hash_bytes(m.topic), m.qos == 2, d.member)) return;
    g.ready.pop_front();
    g.out[d.position] = {id, d.member.client, 0, group_ticks_, 0, nullptr};
    auto& load = g.loads[d.member.client.packed()];
    if (load.out++ == 0) load.heard = group_ticks_;
    if (d.member.client.is_peer())
      to_node(g, std::move(d));
    else
      to_member(std::move(d));
  }
}

void Core::to_member(GroupDelivery d) {
  if (d.member.client.shard == shard_)
    take_from_group(d);
  else
    group_mail_[d.member.client.shard].deliveries.push_back(std::move(d));
}

/// True when there is one at the front of g.ready whose message is here.
bool Core::next_of_group(DurableGroup& g) {
  Session& s = *g.session;
  for (;;) {
    while (!g.ready.empty()) {
      InFlight* e = s.window.find(g.ready.front());
      if (e && e->message) return true;
      if (e) return read_for_group(g, g.ready.front()), false;
      g.ready.pop_front();
    }
    if (s.window.kept() > DurableGroup::kMostKept || (s.window.full(65535) && !renumber_oldest(g))) return false;
    session::Cursor& cursor = g.cursor();
    LogFeeds::Next n = feeds_.next(g.log, cursor.next);
    counters.dropped_log_bound.add(n.lost);
    if (!n.skip && !n.message) return false;
    cursor.go_on(n.skip ? n.skip_to : n.message->position);
    group_moved(g);
    if (n.skip || cursor.has_had(*n.message) || had_before(g, *n.message)) continue;
    InFlight e;
    e.state = OutboundState::sent_qos1;
    e.log = g.log;
    e.position = n.message->position;
    e.message = n.message->message;
    // Of QoS 2 the store has to know before a member can make it its own.
    const auto out = g.out.find(e.position);
    const bool waits = e.message->view().qos == 2;
    e.unsent = waits && out == g.out.end();
    PacketId id = s.window.push(std::move(e));
    if (out != g.out.end())  // a member has it from an owner before
      out->second.id = id;
    else if (waits)
      s.save_soon = true;
    else
      g.set_ready(id);
  }
}

/// Ids are given out in a ring. A member that never acknowledges what it has would hold up all others when the ring is
/// once around: its message gets another id. (Answers name the position. Of QoS 2 the member's record names the id.)
bool Core::renumber_oldest(DurableGroup& g) {
  Session& s = *g.session;
  while (s.window.full(65535) && s.window.count() < 65535) {
    const PacketId id = s.window.oldest();
    InFlight e = *s.window.find(id);
    const auto out = g.out.find(e.position);
    if (out == g.out.end() || out->second.id != id || !e.message || e.message->view().qos == 2) return false;
    end_of_group(g, id);
    e.saved = e.in_record = false;
    e.moved = true;
    out->second.id = s.window.push(std::move(e));
  }
  return !s.window.full(65535);
}

/// What was under way when the broker stopped is in the log.
void Core::read_for_group(DurableGroup& g, PacketId id) {
  if (std::exchange(g.reading, true)) return;
  const model::Position at = g.session->window.find(id)->position;
  read_for_group(g, id, {at.generation, at.offset - 1});
}

/// As read_under_way(), which see.
void Core::read_for_group(DurableGroup& g, PacketId id, model::Position after) {
  stores_.logs->read(g.log, after, kUnderWayPage,
                     [this, log = g.log, id, epoch = g.session->epoch](result<ports::LogPage> page) {
                       auto it = durable_groups_.find(log);
                       if (it == durable_groups_.end() || !it->second->session) return;
                       DurableGroup& to = *it->second;
                       if (to.session->epoch != epoch) return;
                       bool later = !page, found = true;
                       if (page) {
                         take_messages(*to.session, log, page->messages);
                         if (InFlight* e = to.session->window.find(id); e && !e->message) {
                           const auto last = page->messages.empty() ? page->head : page->messages.back().position;
                           if (last < page->head && last.generation > e->position.generation)
                             return read_for_group(to, id, last);
                           later = may_come_again(*page, e->position, to.missing);
                           found = false;
                           if (!later) {
                             counters.dropped_log_bound.add();  // a bound of the log took it away
                             std::erase(to.ready, id);
                             end_of_group(to, id);
                           }
                         }
                       }
                       to.reading = false;
                       if (later) return void(retry_groups_.insert(log));
                       if (found) to.missing = kNever;
                       pump_group(log);
                     });
}

/// The next member that takes one, by the strategy; another node counts for as many as it has, unless `only_here`. The
/// group knows what its members have under way, so least in flight does not need the counts of volatile deliveries.
bool Core::pick_for_group(DurableGroup& g, std::uint64_t topic_hash, bool only_here, Subscriber& out) {
  SharedStrategy how = node_.shared_strategy.load(std::memory_order_relaxed);
  const bool least = how == SharedStrategy::least_inflight, in_turn = how == SharedStrategy::round_robin;
  if (least) how = SharedStrategy::round_robin;
  static const DurableGroup::Load kNone;
  auto load_of = [&](const Subscriber& s) -> const DurableGroup::Load& {
    auto load = g.loads.find(s.client.packed());
    return load == g.loads.end() ? kNone : load->second;
  };
  if (in_turn && !only_here && g.stay > 0 && load_of(g.stay_on).has_room()) {
    --g.stay;
    out = g.stay_on;
    return true;
  }
  bool found = false;
  double best = 0;
  Rcu::Guard guard(node_.index.rcu(), shard_);
  for (std::uint32_t i = 0, n = g.group->members.slots(); i < n; ++i, ++topic_hash) {
    Subscriber s;
    if (!g.group->pick(how, topic_hash, nullptr, s)) return false;
    if (s.client.is_peer() && (only_here || !stores_.peers)) continue;
    const DurableGroup::Load& load = load_of(s);
    if (!load.has_room()) continue;
    const double has = static_cast<double>(load.out) / std::max(load.members, 1u);
    if (found && has >= best) continue;
    found = true;
    best = has;
    out = s;
    if (!least || load.out == 0) break;
  }
  if (!found || only_here) return found;
  g.stay_on = out;
  g.stay = in_turn && out.client.is_peer() ? std::max(load_of(out).members, 1u) - 1 : 0;
  return true;
}

/// One is over: its number is free.
void Core::end_of_group(DurableGroup& g, PacketId id) {
  Session& s = *g.session;
  InFlight* e = s.window.find(id);
  if (!e) return;
  if (e->in_record) s.set_done(id);
  s.window.erase(id);
  group_moved(g);
}

void Core::count_for_member(DurableGroup& g, const GroupAnswer& a) {
  auto load = g.loads.find(a.member.packed());
  if (load == g.loads.end()) return;
  DurableGroup::Load& l = load->second;
  l.heard = group_ticks_;
  if (a.what == What::done && !l.full && l.out >= l.most) l.most = std::min(l.most * 2, DurableGroup::kMost);
  if (a.handle && l.out > 0) --l.out;
  if (a.what == What::no_room) l.full = true;
  if (a.what == What::again) l.full = false;
  if (a.what == What::gone && !l.gone) {
    l.full = l.gone = true;
    retry_groups_.insert(g.log);
  }
  if ((a.what == What::returned || a.what == What::unsure) && l.out == 0 && !a.member.is_peer()) g.loads.erase(load);
}

void Core::group_answer(const GroupAnswer& a) {
  auto it = durable_groups_.find(a.log);
  if (it == durable_groups_.end()) return;
  DurableGroup& g = *it->second;
  count_for_member(g, a);
  if (a.what == What::room) {
    GroupDelivery question{static_cast<std::uint32_t>(shard_), a.log, 0, {}, {}, {}};
    question.member.client = a.member;
    return a.member.is_peer() ? to_node(g, std::move(question)) : to_member(std::move(question));
  }
  if (!g.session) return member_answered(g, a);
  if (a.handle) member_settled(g, a);
  // Without a member here another node will claim it, perhaps before this one, which may be about to end, is asked.
  const bool left = a.what == What::returned && !a.handle && !a.member.is_peer();
  if (left && stores_.peers && g.owns() && local_members(g) == 0) save_group(g, unsaved(*g.session));
  pump_group(a.log);
}

/// A message comes back from a member, or is done.
void Core::member_settled(DurableGroup& g, const GroupAnswer& a) {
  PacketId id = 0;
  if (auto out = g.out.find(a.position);
      out != g.out.end() && (a.what == What::done || out->second.member == a.member)) {
    id = out->second.id;
    if (auto load = g.loads.find(out->second.member.packed()); load != g.loads.end())
      load->second.bytes -= std::min(load->second.bytes, out->second.bytes);
    g.out.erase(out);
    if (id == 0 && a.what == What::done) g.done.insert(a.position);
  } else if (a.what == What::done) {
    // It was taken back from a node that had it all the same.
    g.session->window.for_each([&](PacketId i, InFlight& e) { id = e.position == a.position ? i : id; });
    if (id == 0 && a.position > g.cursor().next) g.done.insert(a.position);
    std::erase(g.ready, id);
  }
  if (id == 0) return;
  if (a.what == What::unsure) return ask_taken(g.log, id);
  if (a.what == What::done)
    end_of_group(g, id);
  else if (g.session->window.find(id))
    g.set_ready(id);
}

/// A member that takes a message of QoS 2 takes it out of the group's record with the same write (group_taken).
void Core::ask_taken(ports::LogId log, PacketId id) {
  auto it = durable_groups_.find(log);
  if (it == durable_groups_.end() || !it->second->session) return;
  const Session& s = *it->second->session;
  stores_.sessions->outbound(s.client_id, id,
                             [this, log, id, epoch = s.epoch](result<ports::SessionStore::Outbound> out) {
                               auto found = durable_groups_.find(log);
                               if (found == durable_groups_.end() || !found->second->session) return;
                               DurableGroup& g = *found->second;
                               if (g.session->epoch != epoch) return;
                               if (!out) return unsure_.emplace_back(log, id), void();
                               if (*out && g.session->window.find(id))
                                 g.set_ready(id);
                               else
                                 end_of_group(g, id);
                               pump_group(log);
                             });
}

// ---------------------------------------------------------------- its record

void Core::group_moved(DurableGroup& g) {
  g.session->set_moved(g.cursor());
  if (!std::exchange(g.dirty, true)) dirty_groups_.push_back(g.log);
}

void Core::save_group(DurableGroup& g, Saved w) {
  const auto epoch = g.session->epoch;
  forget_passed(g);
  save(*g.session, ClientKey{}, std::move(w),
       [this, log = g.log, epoch, answered = g.answered](const result<void>& r, const Saved& saved) {
         auto it = durable_groups_.find(log);
         if (it == durable_groups_.end()) return;
         DurableGroup& to = *it->second;
         if (!to.session || to.session->epoch != epoch) return;
         if (!r && (r.error() == ports::errc::stale_epoch || r.error() == ports::errc::no_session)) {
           lose_group(to);
           return void(retry_groups_.insert(log));
         }
         if (r) tell_stored(to, answered);
         if (!r) {
           to.session->forget_saved(saved.done);
           to.session->save_soon |= !saved.unsent.empty();
           group_moved(to);
           return void(retry_groups_.insert(log));
         }
         for (PacketId id : saved.unsent)
           if (InFlight* e = to.session->window.find(id); e && e->unsent) {
             e->unsent = false;
             to.set_ready(id);
           }
         if (!saved.unsent.empty()) pump_group(log);
       });
}

/// About once a second.
void Core::tick_groups() {
  if (++group_ticks_ % kAudit == 0)
    for (auto& [log, g] : durable_groups_) audit_group(*g);
  for (auto [log, id] : std::exchange(unsure_, {})) ask_taken(log, id);
  for (ports::LogId log : std::exchange(retry_groups_, {})) {
    auto it = durable_groups_.find(log);
    if (it == durable_groups_.end()) continue;
    absl::erase_if(it->second->loads, [](auto& load) { return load.second.gone; });
    if (!it->second->session)
      claim_group(log);
    else if (!it->second->joined)
      join_group(*it->second);
    else
      pump_group(log);
  }
  for (ports::LogId log : std::exchange(dirty_groups_, {})) {
    auto it = durable_groups_.find(log);
    if (it == durable_groups_.end()) continue;
    it->second->dirty = false;
    if (!it->second->session) continue;
    save_group(*it->second, unsaved(*it->second->session));
  }
}

}  // namespace sb::broker
