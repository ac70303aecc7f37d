// SPDX-License-Identifier: MIT
#include "store/memory_sessions.h"

#include <algorithm>

#include "ports/errc.h"

namespace sb::store {

using model::OutboundRecord;
using model::SessionRecord;
using ports::errc;
using ports::SessionChange;

void apply(SessionRecord& r, SessionChange& c) {
  if (c.subscriptions) r.subscriptions = std::move(*c.subscriptions);
  if (c.next_order) r.next_order = *c.next_order;
  for (auto& [filter, position] : c.cursors)
    for (auto& s : r.subscriptions)
      if (s.filter == filter && s.logged) s.next = position;
  if (c.outbound) r.outbound = std::move(*c.outbound);
  for (auto& o : c.outbound_set) {
    auto same = [&](const OutboundRecord& x) { return x.packet_id == o.packet_id; };
    auto it = std::find_if(r.outbound.begin(), r.outbound.end(), same);
    if (it == r.outbound.end())
      r.outbound.push_back(std::move(o));
    else
      *it = std::move(o);
  }
  for (auto id : c.outbound_removed)
    std::erase_if(r.outbound, [&](const OutboundRecord& x) { return x.packet_id == id; });
  for (auto id : c.inbound_added) {
    auto same = [&](const model::InboundRecord& x) { return x.packet_id == id; };
    if (std::none_of(r.inbound.begin(), r.inbound.end(), same)) r.inbound.push_back({id});
  }
  for (auto id : c.inbound_removed)
    std::erase_if(r.inbound, [&](const model::InboundRecord& x) { return x.packet_id == id; });
  if (c.will) r.will = std::move(*c.will);
  if (c.expiry) r.expiry = *c.expiry;
  if (c.left) {
    r.connected = false;
    r.expires_at = c.left->expires_at;
    r.will_due = c.left->will_due;
  }
}

void MemorySessions::forget(StringMap<SessionRecord>::iterator it) {
  std::string member = it->second.client_id + '#' + std::to_string(it->second.incarnation);
  for (auto& s : it->second.subscriptions)
    logs_.leave(s.filter, member);  // also where the record does not know yet that it joined
  unschedule(it->second);
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
  bool over = it != records_.end() && (c.clean || (!it->second.connected && it->second.expires_at <= c.now));
  if (it != records_.end()) {
    SessionRecord& r = it->second;
    // The will of a session that ends, or whose delay has passed, is published; one that still waits is cancelled by
    // the client's return [MQTT-3.1.3-9].
    if (r.will.message && (over || r.will_due <= c.now)) answer.will = r.will;
  }
  if (over) {
    forget(it);
    it = records_.end();
  }
  answer.present = it != records_.end();
  if (!answer.present && !c.durable) return done(std::move(answer));
  if (!answer.present) {
    if (records_.size() >= limit_) return done(make_error_code(errc::quota));
    it = records_.try_emplace(c.client_id).first;
    it->second.client_id = c.client_id;
    it->second.incarnation = next_incarnation_++;
    count_.store(records_.size(), std::memory_order_release);
  }
  SessionRecord& r = it->second;
  unschedule(r);
  r.username = c.username;
  r.epoch = next_epoch_++;
  r.expiry = c.expiry;
  r.connected = true;
  r.will = std::move(c.will);
  r.will_due = r.expires_at = kNoExpiry;
  answer.record = r;
  done(std::move(answer));
}

void MemorySessions::change(std::string_view client_id, std::uint64_t epoch, SessionChange c, Done<void> done) {
  auto it = records_.find(client_id);
  if (it == records_.end()) return done(make_error_code(errc::no_session));
  if (it->second.epoch != epoch) return done(make_error_code(errc::stale_epoch));
  unschedule(it->second);
  apply(it->second, c);
  if (!it->second.connected) schedule(it->second);
  done({});
}

void MemorySessions::end(std::string_view client_id, std::uint64_t epoch, Done<void> done) {
  auto it = records_.find(client_id);
  if (it == records_.end()) return done({});
  if (it->second.epoch != epoch) return done(make_error_code(errc::stale_epoch));
  forget(it);
  done({});
}

void MemorySessions::take_due(WallTime now, Done<std::vector<Due>> done) {
  std::vector<Due> all;
  while (!due_.empty() && due_.begin()->first <= now) {
    std::string client_id = due_.begin()->second;
    due_.erase(due_.begin());
    auto it = records_.find(client_id);
    if (it == records_.end() || it->second.connected) continue;
    SessionRecord& r = it->second;
    Due d;
    d.client_id = client_id;
    d.ended = r.expires_at <= now;
    if (r.will.message && (d.ended || r.will_due <= now)) {
      d.will = std::move(r.will);
      r.will = {};
    }
    if (d.ended)
      forget(it);
    else
      schedule(r);
    if (d.will.message || d.ended) all.push_back(std::move(d));
  }
  done(std::move(all));
}

}  // namespace sb::store
