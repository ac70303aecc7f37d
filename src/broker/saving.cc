// SPDX-License-Identifier: MIT
// What durable sessions tell their store. A record is always whole: what lies at or before a cursor and is not under
// way is done. QoS 1 is told lazily (tick), QoS 2 before each step of its handshake. PROTOCOLS: QoS 2.
#include "base/log.h"
#include "broker/core.h"
#include "ports/errc.h"

namespace sb::broker {

using channel::Ending;
using model::OutboundState;
using mqtt::PacketId;
using mqtt::Reason;
using session::InFlight;
using session::Session;

void Core::touch(std::uint32_t slot) {
  Client& cl = clients_[slot];
  if (cl.dirty) return;
  cl.dirty = 1;
  dirty_.push_back(slot);
}

void Core::moved(Channel& c, session::Cursor& cursor) {
  c.session().set_moved(cursor);
  touch(c.slot);
}

void Core::tick() {
  feeds_.retry();
  keep_late();
  end_rights();
  tick_groups();
  std::vector<std::uint32_t> slots;
  slots.swap(dirty_);
  for (std::uint32_t slot : slots) {
    clients_[slot].dirty = 0;
    Channel* c = clients_[slot].channel;
    if (!c || !c->up()) continue;
    if (c->session().durable) save(*c);  // the slot may have another tenant
    if (auto& e = clients_[slot].extra; e && (e->resend || e->scans)) pump(*c);
  }
}

Core::Saved Core::unsaved(Session& s, ClientKey k) {
  Saved w;
  w.progress = s.take_progress();
  for (auto& p : w.progress) w.change.cursors.push_back({p.filter, p.next, std::move(p.passed)});
  w.done = s.take_done();
  w.change.outbound_removed = w.done;
  s.window.for_each([&](PacketId id, InFlight& e) {
    if (e.saved) return;
    if (e.handle && e.state == OutboundState::sent_qos1) return;  // the group's, until it is acknowledged
    e.set_saved();
    if (e.handle) {
      for (auto& sub : s.subscriptions())
        if (auto g = groups_.find(sub.group); g != groups_.end() && g->second.first->log.load() == e.log)
          w.change.group_taken.emplace_back(sub.filter, e.handle);
      w.taken.push_back({id, e.group, {e.log, e.handle, GroupAnswer::What::done, k, e.position}});
    }
    if (e.unsent) w.unsent.push_back(id);
    model::OutboundRecord r;
    r.sequence = s.window.sequence_of(id);
    r.packet_id = id;
    r.state = e.state == OutboundState::received ? OutboundState::released : e.state;
    if (r.state != OutboundState::released) {
      session::Cursor* reader = e.log ? s.reader_of(e.log) : nullptr;
      r.position = e.position;
      if (reader)
        r.filter = s.of(*reader).filter;
      else
        r.message = e.message;
    }
    w.change.outbound_set.push_back(std::move(r));
  });
  return w;
}

void Core::save(Channel& c) {
  Session& s = c.session();
  Saved w = unsaved(s, key(c.slot));
  if (w.progress.empty() && w.done.empty() && w.change.outbound_set.empty()) return;
  save(s, key(c.slot), std::move(w), [](auto&&...) {});
}

void Core::save(Session& s, ClientKey k, Saved w, OnSaved done) {
  ports::SessionChange change = std::move(w.change);
  stores_.sessions->change(s.client_id, s.epoch, std::move(change),
                           [this, k, w = std::move(w), member = s.member(), done = std::move(done)](result<void> r) {
                             // Logs are trimmed behind what the record says, so not before it says so.
                             if (r) {
                               for (auto& p : w.progress) stores_.logs->release(p.filter, member, p.low);
                               leave_logs(k, member, w.left);
                             } else {  // they are the record's still, or another node's
                               for (auto& filter : w.left) stores_.logs->away(filter, member);
                             }
                             Channel* c = find(k);
                             if (c && !c->up()) c = nullptr;
                             const bool later =
                                 !r && (r.error() == ports::errc::unavailable || r.error() == ports::errc::quota);
                             if (c && later) {
                               c->session().forget_saved(w.done);
                               touch(k.slot);
                             } else {
                               answer_taken(c, w, r.has_value());
                               if (c && r)
                                 send_unsent(*c, w.unsent);
                               else if (c)
                                 store_failed(k, r.error());
                             }
                             done(r, w);
                           });
}

/// What the group gave away is the session's own now. Whether it is after a refusal only the store can say: it may have
/// what it refused, now or when the same was asked before.
void Core::answer_taken(Channel* c, const Saved& w, bool stored) {
  for (Saved::Taken t : w.taken) {
    if (!stored) t.answer.what = GroupAnswer::What::unsure;
    InFlight* e = c ? c->session().window.find(t.id) : nullptr;
    if (stored && e && e->handle == t.answer.handle && e->log == t.answer.log) {
      e->handle = 0;
      e->group = 0;
      e->log = 0;
    }
    answer_group(t.owner, t.answer);
  }
}

/// The ids of these QoS 2 deliveries are stored: a restart would send them again as the same ones. Now they go out.
void Core::send_unsent(Channel& c, const std::vector<PacketId>& ids) {
  for (PacketId id : ids) {
    Session& s = c.session();
    InFlight* e = s.window.find(id);
    if (!e || !e->unsent || !e->message) continue;
    e->unsent = false;
    const model::MessageView& m = e->message->view();
    if (!may_receive(s, m.topic)) {
      give_up(c, id, *e);
      continue;
    }
    Wanted want = wanted_by(s, m);
    std::string gap;
    if (session::Cursor* reader = e->log ? s.reader_of(e->log) : nullptr; reader && reader->lost) {
      gap = gap_property(*reader);
      if (c.fits(m, 2, want.ids, gap))
        reader->lost = 0;
      else
        gap.clear();
    }
    if (c.send_in_flight(m, id, 2, want.retain_as_published && m.retain, false, want.ids, gap)) continue;
    counters.dropped_too_large.add();  // a subscription identifier more than when it was looked at
    give_up(c, id, *e);
  }
}

/// A step that a client waits for could not be stored: its connection ends, and says why.
void Core::store_failed(ClientKey k, const error_code& why) {
  Channel* c = find(k);
  if (!c || !c->up()) return;
  bool stale = why == ports::errc::stale_epoch || why == ports::errc::no_session;
  if (stale) {
    extra(k.slot).stale = true;
    return c->shut_down(Reason::session_taken_over, Ending::taken_over);
  }
  log::warn("session not stored client={} error=\"{}\"", log::name(c->session().client_id), why.message());
  c->shut_down(Reason::quota_exceeded);
}

bool Core::release_outbound(Channel& c, PacketId id, InFlight& e) {
  Session& s = c.session();
  if (!s.durable) return false;
  e.set_saved();
  ports::SessionChange change;
  model::OutboundRecord r;
  r.sequence = s.window.sequence_of(id);
  r.packet_id = id;
  r.state = OutboundState::released;
  change.outbound_set.push_back(std::move(r));
  stores_.sessions->change(s.client_id, s.epoch, std::move(change), [this, k = key(c.slot), id](result<void> done) {
    if (!done) return store_failed(k, done.error());
    if (Channel* channel = find(k)) channel->outbound_released(id);
  });
  return true;
}

bool Core::release_inbound(Channel& c, PacketId id) {
  Session& s = c.session();
  if (!s.durable) return false;
  ports::SessionChange change;
  change.inbound_removed.push_back(id);
  stores_.sessions->change(s.client_id, s.epoch, std::move(change), [this, k = key(c.slot), id](result<void> done) {
    if (!done) return store_failed(k, done.error());
    if (Channel* channel = find(k)) channel->inbound_released(id);
  });
  return true;
}

void Core::delivered(Channel& c, PacketId id, InFlight& e) {
  Session& s = c.session();
  if (e.group && !e.handle && node_.shared_strategy == SharedStrategy::least_inflight) {
    auto it = groups_.find(e.group);
    if (it != groups_.end()) {
      Rcu::Guard guard(node_.index.rcu(), shard_);
      it->second.first->done(key(c.slot));
    }
  }
  if (e.handle) return answer_group(e.group, {e.log, e.handle, GroupAnswer::What::done, key(c.slot), e.position});
  if (!s.durable) return;
  if (e.in_record) s.set_done(id);
  if (session::Cursor* reader = e.log ? s.reader_of(e.log) : nullptr) s.set_moved(*reader);
  touch(c.slot);
}

/// Ends a delivery that cannot be made.
void Core::give_up(Channel& c, PacketId id, InFlight& e) {
  delivered(c, id, e);
  c.session().window.erase(id);
}

}  // namespace sb::broker
