// SPDX-License-Identifier: MIT
#include "store/memory_sessions.h"

#include <algorithm>

#include "ports/errc.h"

namespace sb::store {

using model::SessionRecord;
using ports::errc;
using ports::SessionChange;

SessionRecord MemorySessions::Stored::whole() const {
  SessionRecord r = record;
  for (auto& [filter, s] : subscriptions) r.subscriptions.push_back(s);
  for (auto& [id, o] : outbound) r.outbound.push_back(o);
  for (auto& [id, i] : inbound) r.inbound.push_back(i);
  std::sort(r.subscriptions.begin(), r.subscriptions.end(), [](auto& a, auto& b) { return a.order < b.order; });
  std::sort(r.outbound.begin(), r.outbound.end(), [](auto& a, auto& b) { return a.sequence < b.sequence; });
  return r;
}

void MemorySessions::Stored::apply(SessionChange& c) {
  SessionRecord& r = record;
  for (auto& filter : c.subscriptions_removed) subscriptions.erase(filter);
  for (auto& s : c.subscriptions_set) {
    std::string filter = s.filter;
    subscriptions[filter] = std::move(s);
  }
  if (c.next_order) r.next_order = *c.next_order;
  for (auto& cursor : c.cursors)
    if (auto it = subscriptions.find(cursor.filter); it != subscriptions.end() && it->second.logged)
      it->second.next = cursor.next;
  for (auto id : c.outbound_removed) outbound.erase(id);
  for (auto& o : c.outbound_set) outbound[o.packet_id] = std::move(o);
  for (auto id : c.inbound_removed) inbound.erase(id);
  for (auto& i : c.inbound_added) {
    inbound[i.packet_id] = i;
    r.next_publish = std::max(r.next_publish, i.publish + 1);
  }
  if (c.will) r.will = std::move(*c.will);
  if (c.expiry) r.expiry = *c.expiry;
  if (c.left) {
    r.connected = false;
    r.expires_at = c.left->expires_at;
    r.will_due = c.left->will_due;
  }
}

void MemorySessions::forget(StringMap<Stored>::iterator it) {
  const SessionRecord& r = it->second.record;
  std::string member = r.client_id + '#' + std::to_string(r.incarnation);
  for (auto& [filter, s] : it->second.subscriptions)
    logs_.leave(filter, member);  // also where the record does not know yet that it joined
  unschedule(r);
  records_.erase(it);
  count_.store(records_.size(), std::memory_order_release);
}

/// When something is to happen to a session that nobody is connected to.
WallTime MemorySessions::next_due(const SessionRecord& r) {
  return std::min(r.expires_at, r.will.message ? r.will_due : kNoExpiry);
}

void MemorySessions::schedule(const SessionRecord& r) {
  if (next_due(r) != kNoExpiry) due_.emplace(next_due(r), r.client_id);
}

void MemorySessions::unschedule(const SessionRecord& r) {
  if (next_due(r) != kNoExpiry) due_.erase({next_due(r), r.client_id});
}

void MemorySessions::claim(Claim c, Done<Claimed> done) {
  Claimed answer;
  auto it = records_.find(c.client_id);
  bool over =
      it != records_.end() && (c.clean || (!it->second.record.connected && it->second.record.expires_at <= c.now));
  if (it != records_.end()) {
    SessionRecord& r = it->second.record;
    // The will of a session that ends, or whose delay has passed, is published; one that still waits is cancelled by
    // the client's return [MQTT-3.1.3-9].
    if (r.will.message && (over || r.will_due <= c.now)) answer.will = {next_will_++, r.username, r.will};
  }
  if (over) {
    forget(it);
    it = records_.end();
  }
  answer.present = it != records_.end();
  if (!answer.present && !c.durable) {
    if (over) answer.record.epoch = next_epoch_++;
    return done(std::move(answer));
  }
  if (!answer.present) {
    if (records_.size() >= limit_ && !c.client_id.starts_with('\0')) return done(make_error_code(errc::quota));
    it = records_.try_emplace(c.client_id).first;
    it->second.record.client_id = c.client_id;
    it->second.record.incarnation = next_incarnation_++;
    count_.store(records_.size(), std::memory_order_release);
  }
  SessionRecord& r = it->second.record;
  unschedule(r);
  r.username = c.username;
  r.epoch = next_epoch_++;
  r.expiry = c.expiry;
  r.connected = true;
  r.will = std::move(c.will);
  r.will_due = r.expires_at = kNoExpiry;
  answer.record = it->second.whole();
  done(std::move(answer));
}

void MemorySessions::change(std::string_view client_id, std::uint64_t epoch, SessionChange c, Done<void> done) {
  auto it = records_.find(client_id);
  if (it == records_.end()) return done(make_error_code(errc::no_session));
  SessionRecord& r = it->second.record;
  if (r.epoch != epoch) return done(make_error_code(errc::stale_epoch));
  unschedule(r);
  it->second.apply(c);
  for (auto& [filter, id] : c.group_taken)
    if (auto group = records_.find(group_session(filter)); group != records_.end()) group->second.outbound.erase(id);
  if (!r.connected) schedule(r);
  done({});
}

void MemorySessions::end(std::string_view client_id, std::uint64_t epoch, Done<void> done) {
  auto it = records_.find(client_id);
  if (it == records_.end()) return done({});
  if (it->second.record.epoch != epoch) return done(make_error_code(errc::stale_epoch));
  forget(it);
  done({});
}

void MemorySessions::outbound(std::string_view client_id, std::uint16_t packet_id, Done<Outbound> done) {
  auto it = records_.find(client_id);
  if (it == records_.end()) return done(Outbound());
  auto out = it->second.outbound.find(packet_id);
  done(out == it->second.outbound.end() ? Outbound() : Outbound(out->second));
}

void MemorySessions::take_due(WallTime now, Done<std::vector<Due>> done) {
  std::vector<Due> all;
  while (!due_.empty() && due_.begin()->first <= now) {
    std::string client_id = due_.begin()->second;
    due_.erase(due_.begin());
    auto it = records_.find(client_id);
    if (it == records_.end() || it->second.record.connected) continue;
    SessionRecord& r = it->second.record;
    Due d;
    d.client_id = client_id;
    d.ended = r.expires_at <= now;
    if (r.will.message && (d.ended || r.will_due <= now)) {
      d.will = {next_will_++, r.username, std::move(r.will)};
      r.will = {};
    }
    if (d.ended)
      forget(it);
    else
      schedule(r);
    if (d.will.record.message || d.ended) all.push_back(std::move(d));
  }
  done(std::move(all));
}

}  // namespace sb::store
