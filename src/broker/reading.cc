// SPDX-License-Identifier: MIT
// Durable sessions read their logs: cursors, catch-up, QoS 2 towards the client. PROTOCOLS: delivery, QoS 2.
#include <algorithm>

#include "broker/core.h"
#include "model/topic.h"
#include "mqtt/encoder.h"

namespace sb::broker {

using model::OutboundState;
using mqtt::PacketId;
using session::InFlight;
using session::Session;
using session::Subscription;

void Core::feed_ready(ports::LogId log, const std::vector<Channel*>& readers) {
  for (Channel* c : readers) {
    if (!c) {  // the group that reads it
      pump_group(log);
      continue;
    }
    if (!c->up()) continue;
    if (session::Cursor* cursor = c->session().reader_of(log)) c->session().set_ready(*cursor);
    pump(*c);
  }
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
  if (cl.extra && cl.extra->unsubscribing) go_on_to_unsubscribe(c);
  if (cl.extra && cl.extra->scans) scan_retained(c);
  if (cl.extra && !cl.extra->refused.empty()) tell_groups_of_room(c);
  Session& s = c.session();
  if (!s.durable) return;
  if (cl.extra && cl.extra->resend) {
    resend(c);
    if (clients_[c.slot].extra && clients_[c.slot].extra->resend) return;
  }
  if (s.draining == 0 || read_owed(c)) {
    while (s.has_ready() && c.has_room()) {
      session::Cursor* cursor = s.take_ready();
      if (cursor && !read_log(c, *cursor)) s.set_ready(*cursor);
    }
    if (s.draining) end_drained(c);
  }
  if (std::exchange(s.save_soon, false)) save(c);
}

/// What unsubscribed ones owe is older than what the others have, and goes first, that of the oldest before all. True
/// when all of it is out.
bool Core::read_owed(Channel& c) {
  std::vector<std::pair<std::uint64_t, session::Cursor*>> owing;
  for (auto& sub : c.session().subscriptions())
    if (sub.cursor && sub.cursor->draining) owing.emplace_back(sub.order, sub.cursor.get());
  std::sort(owing.begin(), owing.end());
  return std::all_of(owing.begin(), owing.end(), [&](auto& o) {
    read_log(c, *o.second);
    return o.second->next >= o.second->drain_to;
  });
}

/// Subscriptions that are no more, and owe nothing more, go.
void Core::end_drained(Channel& c) {
  Session& s = c.session();
  std::vector<std::string> done;
  for (auto& sub : s.subscriptions())
    if (drained(s, sub)) done.push_back(sub.filter);
  if (done.empty()) return;
  std::vector<std::string> left;
  for (auto& filter : done) {
    --s.draining;
    remove_subscription(c, *s.find(filter), left);
  }
  Saved w = unsaved(s, key(c.slot));
  w.left = std::move(left);
  w.change.subscriptions_removed = std::move(done);
  save(s, key(c.slot), std::move(w), [](auto&&...) {});
}

/// True when an unsubscribed one has delivered what it owed, and the others have passed over what it answers for.
bool Core::drained(Session& s, const Subscription& sub) {
  if (!sub.cursor || !sub.cursor->draining || sub.cursor->anew) return false;
  if (sub.cursor->next < sub.cursor->drain_to) return false;
  if (owes_unread(s, sub.cursor->log)) return false;
  for (auto& [filter, upto] : sub.cursor->covers)
    if (auto* other = s.find(filter); other && other->cursor && other->cursor->next < upto) return false;
  return true;
}

/// Delivers what the log has; false when the client has no more room.
bool Core::read_log(Channel& c, session::Cursor& cursor) {
  while (c.has_room()) {
    if (cursor.draining && cursor.next >= cursor.drain_to) return true;
    LogFeeds::Next n = feeds_.next(cursor.log, cursor.next);
    if (n.lost) {  // a bound took them away (promise 4: counted, and told to the client)
      cursor.lost += n.lost;
      counters.dropped_log_bound.add(n.lost);
    }
    if (!n.skip && !n.message) return true;
    cursor.go_on(n.skip ? n.skip_to : n.message->position);
    moved(c, cursor);
    if (n.message && !cursor.has_had(*n.message)) hand_out(c, c.session().of(cursor), *n.message);
  }
  return false;
}

/// What the matching subscriptions of a session together want of a message: QoS, flags and identifiers are taken over
/// all of them [MQTT-3.3.4-2] [MQTT-3.3.4-3].
Core::Wanted Core::wanted_by(const Session& s, const model::MessageView& m, bool of_its_log) {
  Wanted w;
  bool own = m.publisher == model::publisher_of(s.client_id);
  auto add = [&](const Subscription& sub) {
    if (own && sub.options.no_local) return;  // [MQTT-3.8.3-3]
    if (sub.cursor && sub.cursor->draining) return;
    w.at_all = true;
    w.qos = std::max<std::uint8_t>(w.qos, sub.options.qos);
    w.retain_as_published |= sub.options.retain_as_published;
    if (sub.subscription_id) w.ids.push_back(sub.subscription_id);
  };
  if (of_its_log && s.subscriptions().size() == 1)  // the one whose log it came from
    add(s.subscriptions().front());
  else
    s.for_each_matching(m.topic, add);
  return w;
}

/// What tells a version 5 client how many messages a bound took away in front of this one; "" = none.
std::string Core::gap_property(const session::Cursor& cursor) {
  if (cursor.lost == 0) return {};
  mqtt::PropertyWriter w;
  w.pair("gap", std::to_string(cursor.lost));
  return std::string(w.bytes());
}

/// Delivers one message of a log, if it is this subscription's to deliver.
void Core::hand_out(Channel& c, Subscription& sub, const ports::StoredMessage& stored) {
  Session& s = c.session();
  const model::MessageView& m = stored.message->view();
  if (m.expired(wall)) return counters.dropped_expired.add();
  if (!s.responsible(sub, m.topic, stored.position)) return;
  if (s.restricted && !may_receive(s, m.topic)) return;
  Wanted want = wanted_by(s, m, !sub.cursor->draining);
  if (!want.at_all) return;
  const std::uint8_t qos = std::min(m.qos, want.qos);
  const bool retain = want.retain_as_published && m.retain;
  if (qos == 0) {  // its QoS was lowered, or another one wants it and this one does not (No Local)
    channel::Fanout f(stored.message, wall, scratch_);
    c.deliver(f, 0, retain, want.ids);
    return;
  }
  std::string gap = gap_property(*sub.cursor);
  if (!c.fits(m, qos, want.ids, gap)) return counters.dropped_too_large.add();
  InFlight e;
  e.state = qos == 1 ? OutboundState::sent_qos1 : OutboundState::sent_qos2;
  e.log = sub.cursor->log;
  e.position = stored.position;
  e.message = stored.message;
  if (qos == 1) {
    sub.cursor->lost = 0;
    c.deliver_stored(stored.message, retain, want.ids, std::move(e), gap);
    return;
  }
  e.unsent = true;  // send_unsent goes on
  s.window.push(std::move(e));
  s.save_soon = true;
}

}  // namespace sb::broker
