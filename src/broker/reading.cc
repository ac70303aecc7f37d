// SPDX-License-Identifier: MIT
// Durable sessions read their logs: cursors, catch-up, QoS 2 towards the client. PROTOCOLS: delivery, QoS 2.
#include <algorithm>

#include "broker/core.h"
#include "model/topic.h"
#include "mqtt/encoder.h"

namespace sb::broker {

using model::OutboundRecord;
using model::OutboundState;
using mqtt::PacketId;
using session::InFlight;
using session::Session;
using session::Subscription;

void Core::feed_ready(const std::vector<Channel*>& readers) {
  for (Channel* c : readers)
    if (c->up()) pump(*c);
}

/// A store may answer at once, and so ask for another round in the middle of one.
void Core::pump(Channel& c) {
  Client& cl = clients_[c.slot];
  cl.pump_again = 1;
  if (cl.pumping) return;
  cl.pumping = 1;
  while (c.slot != kNoSlot && cl.pump_again) {
    cl.pump_again = 0;
    pump_once(c);
  }
  if (c.slot != kNoSlot) cl.pumping = 0;
}

void Core::pump_once(Channel& c) {
  Client& cl = clients_[c.slot];
  if (cl.extra && !cl.extra->scans.empty()) scan_retained(c);
  Session& s = c.session();
  if (!s.durable) return;
  if (cl.extra && cl.extra->resend) {
    resend(c);
    if (clients_[c.slot].extra && clients_[c.slot].extra->resend) return;
  }
  std::vector<OutboundRecord> to_store;
  std::vector<std::string> done;
  for (auto& sub : s.subscriptions())
    if (sub.cursor) read_log(c, sub, to_store);
  for (auto& sub : s.subscriptions())
    if (drained(s, sub)) done.push_back(sub.filter);
  for (auto& filter : done) {
    leave_log(c, s, *s.find(filter));
    counters.subscriptions.sub();
    s.remove(filter);
  }
  if (!done.empty()) save_subscriptions(s, [](bool) {});
  if (!to_store.empty()) send_stored(c, std::move(to_store));
}

/// True when an unsubscribed one has delivered what it owed, and the others have passed over what it answers for.
bool Core::drained(Session& s, const Subscription& sub) {
  if (!sub.cursor || !sub.cursor->draining || sub.cursor->next < sub.cursor->drain_to) return false;
  for (auto& [filter, upto] : sub.cursor->covers)
    if (auto* other = s.find(filter); other && other->cursor && other->cursor->next < upto) return false;
  return true;
}

void Core::read_log(Channel& c, Subscription& sub, std::vector<OutboundRecord>& to_store) {
  session::Cursor& cursor = *sub.cursor;
  while (c.has_room()) {
    if (cursor.draining && cursor.next >= cursor.drain_to) return;
    LogFeeds::Next n = feeds_.next(cursor.log, cursor.next);
    if (n.lost) {  // a bound took them away (promise 4: counted, and told to the client)
      cursor.lost += n.lost;
      counters.dropped_log_bound.add(n.lost);
    }
    if (n.skip) {
      cursor.next = n.skip_to;
      continue;
    }
    if (!n.message) return;
    cursor.next = n.message->position;
    hand_out(c, sub, *n.message, to_store);
    Client& cl = clients_[c.slot];
    if (!cl.dirty) {
      cl.dirty = 1;
      dirty_.push_back(c.slot);
    }
  }
}

/// What the matching subscriptions of a session together want of a message: QoS, flags and identifiers are taken over
/// all of them [MQTT-3.3.4-2] [MQTT-3.3.4-3].
Core::Wanted Core::wanted_by(const Session& s, const model::MessageView& m) {
  Wanted w;
  bool own = m.publisher == model::publisher_of(s.client_id);
  for (auto& sub : s.subscriptions()) {
    if (own && sub.options.no_local) continue;  // [MQTT-3.8.3-3]
    if (s.subscriptions().size() > 1) {         // a single one is the one whose log it came from
      bool draining = sub.cursor && sub.cursor->draining;
      if (draining || model::is_shared(sub.filter) || !model::matches(sub.filter, m.topic)) continue;
    }
    w.at_all = true;
    w.qos = std::max<std::uint8_t>(w.qos, sub.options.qos);
    w.retain_as_published |= sub.options.retain_as_published;
    if (sub.subscription_id) w.ids.push_back(sub.subscription_id);
  }
  return w;
}

/// What tells a version 5 client how many messages a bound took away in front of this one; "" = none.
std::string Core::gap_property(const session::Cursor& cursor) {
  if (cursor.lost == 0) return {};
  mqtt::PropertyWriter w;
  w.pair("gap", std::to_string(cursor.lost));
  return std::string(w.bytes());
}

/// Delivers one message of a log, if it is this subscription's to deliver. False when it was passed over.
bool Core::hand_out(Channel& c, Subscription& sub, const ports::StoredMessage& stored,
                    std::vector<OutboundRecord>& to_store) {
  Session& s = c.session();
  const model::MessageView& m = stored.message->view();
  if (m.expired(wall)) {
    counters.dropped_expired.add();
    return false;
  }
  if (!s.responsible(sub, m.topic, stored.position)) return false;
  Wanted want = wanted_by(s, m);
  if (!want.at_all) return false;
  const std::uint8_t qos = std::min(m.qos, want.qos);
  const bool retain = want.retain_as_published && m.retain;
  const auto& ids = want.ids;
  if (qos == 0) {  // an overlapping subscription wants it, the one whose log this is does not (No Local)
    channel::Fanout f(stored.message, wall, scratch_);
    return c.deliver(f, 0, retain, ids) == channel::Delivered::sent;
  }
  std::string gap = gap_property(*sub.cursor);
  if (!c.fits(m, qos, ids, gap)) {
    counters.dropped_too_large.add();
    return false;
  }
  InFlight e;
  e.state = qos == 1 ? OutboundState::sent_qos1 : OutboundState::sent_qos2;
  e.log = sub.cursor->log;
  e.position = stored.position;
  e.message = stored.message;
  if (qos == 1) {
    sub.cursor->lost = 0;
    return c.deliver_stored(stored.message, retain, ids, std::move(e), gap);
  }
  // QoS 2: the packet id is stored with the position before PUBLISH, so that a restart sends it again as the same one.
  PacketId id = s.window.push(std::move(e));
  OutboundRecord r;
  r.packet_id = id;
  r.state = OutboundState::sent_qos2;
  r.filter = sub.filter;
  r.position = stored.position;
  to_store.push_back(std::move(r));
  return true;
}

void Core::send_stored(Channel& c, std::vector<OutboundRecord> to_store) {
  Session& s = c.session();
  std::vector<PacketId> sends;
  for (auto& r : to_store) sends.push_back(r.packet_id);
  ports::SessionChange change;
  change.outbound_set = std::move(to_store);
  stores_.sessions->change(
      s.client_id, s.epoch, std::move(change), [this, k = key(c.slot), sends = std::move(sends)](result<void> done) {
        Channel* channel = find(k);
        if (!channel || !channel->up()) return;
        if (!done) return channel->shut_down(mqtt::Reason::session_taken_over, channel::Ending::taken_over);
        for (PacketId id : sends) {
          InFlight* e = channel->session().window.find(id);
          if (!e || e->state != OutboundState::sent_qos2 || !e->message) continue;
          const model::MessageView& m = e->message->view();
          Wanted want = wanted_by(channel->session(), m);
          std::string gap;
          for (auto& sub : channel->session().subscriptions()) {
            if (!sub.cursor || sub.cursor->log != e->log || sub.cursor->lost == 0) continue;
            if (std::string told = gap_property(*sub.cursor); channel->fits(m, 2, want.ids, told)) {
              gap = std::move(told);
              sub.cursor->lost = 0;
            }
          }
          channel->send_in_flight(m, id, 2, want.retain_as_published && m.retain, false, want.ids, gap);
        }
      });
}

bool Core::release_outbound(Channel& c, PacketId id, InFlight&) {
  Session& s = c.session();
  if (!s.durable) return false;
  ports::SessionChange change;
  OutboundRecord r;
  r.packet_id = id;
  r.state = OutboundState::released;
  change.outbound_set.push_back(std::move(r));
  stores_.sessions->change(s.client_id, s.epoch, std::move(change), [this, k = key(c.slot), id](result<void> done) {
    Channel* channel = find(k);
    if (channel && done) channel->outbound_released(id);
  });
  return true;
}

bool Core::release_inbound(Channel& c, PacketId id) {
  Session& s = c.session();
  if (!s.durable) return false;
  ports::SessionChange change;
  change.inbound_removed.push_back(id);
  stores_.sessions->change(s.client_id, s.epoch, std::move(change), [this, k = key(c.slot), id](result<void> done) {
    Channel* channel = find(k);
    if (channel && done) channel->inbound_released(id);
  });
  return true;
}

void Core::delivered(Channel& c, PacketId id, InFlight& e) {
  Session& s = c.session();
  if (e.group && node_.shared_strategy == SharedStrategy::least_inflight) {
    auto it = groups_.find(e.group);
    if (it != groups_.end()) {
      Rcu::Guard guard(node_.index.rcu(), shard_);
      it->second.first->done(key(c.slot));
    }
  }
  if (s.durable && e.state != OutboundState::sent_qos1) {
    ports::SessionChange change;
    change.outbound_removed.push_back(id);
    stores_.sessions->change(s.client_id, s.epoch, std::move(change), [](result<void>) {});
  }
}

/// Tells the store how far a connected session has got, so that logs can be trimmed behind it.
void Core::checkpoint(Channel& c) {
  Session& s = c.session();
  ports::SessionChange change;
  for (auto& sub : s.subscriptions()) {
    if (!sub.cursor) continue;
    stores_.logs->release(sub.filter, s.member(), s.low(*sub.cursor));
    change.cursors.emplace_back(sub.filter, sub.cursor->next);
  }
  stores_.sessions->change(s.client_id, s.epoch, std::move(change), [](result<void>) {});
}

}  // namespace sb::broker
