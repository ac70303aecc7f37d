// SPDX-License-Identifier: MIT
#include "store/embedded_sessions.h"

#include <algorithm>

#include "store/embedded_encoding.h"

namespace sb::store::embedded {

using ports::errc;
using ports::SessionChange;

namespace {

constexpr std::uint32_t kForever = 0xFFFFFFFF;

std::string member_of(const model::SessionRecord& c) { return c.client_id + '#' + std::to_string(c.incarnation); }

std::string epoch_value(std::uint64_t epoch) {
  std::string value(1, kFormat);
  Writer(value).number(epoch);
  return value;
}

std::string packet_key(std::string prefix, char kind, std::uint16_t id) {
  prefix += kind;
  Writer(prefix).be(id, 2);
  return prefix;
}

/// Calls `f` with the rest of the key and the value of everything below `prefix`.
template <class F>
void each(EmbeddedEngine& engine, Family family, const std::string& prefix, F f) {
  std::string end = prefix + '\xFF';  // kinds are letters
  rocksdb::Slice below(end);
  auto it = engine.range(family, prefix, &below);
  for (; it->Valid() && view(it->key()).starts_with(prefix); it->Next())
    f(view(it->key()).substr(prefix.size()), view(it->value()));
  if (!it->status().ok()) engine.fail(it->status().ToString());
}

/// When something is to happen to a session that nobody is connected to.
WallTime next_due(const model::SessionRecord& c) {
  return std::min(c.expires_at, c.will.message ? c.will_due : kNoExpiry);
}

}  // namespace

EmbeddedSessions::EmbeddedSessions(EmbeddedEngine& engine, ports::LogStore& logs) : engine_(engine), logs_(logs) {
  engine.add(*this);
}

/// `now` as the store takes it. A clock that is behind what was seen before the start is wrong: time then goes on from
/// what was seen, until the clock is right again.
WallTime EmbeddedSessions::time(WallTime now) {
  if (!clock_read_) behind_ = std::max(Millis(0), seen_at_open_ - now);
  clock_read_ = true;
  if (now >= seen_at_open_) behind_ = Millis(0);
  engine_.seen = std::max(engine_.seen, now + behind_);
  return now + behind_;
}

// ---------------------------------------------------------------- keys

std::optional<EmbeddedSessions::Core> EmbeddedSessions::core(std::string_view client_id) {
  auto bytes = engine_.get(Family::sessions, session_prefix(client_id) + kCore);
  if (!bytes) return {};
  auto c = decode_core(*bytes);
  if (!c) {
    engine_.fail("the record of a session is corrupt");
    return {};
  }
  c->client_id = client_id;
  return c;
}

void EmbeddedSessions::put(const Core& c) {
  engine_.put(Family::sessions, session_prefix(c.client_id) + kCore, encode_core(c));
}

void EmbeddedSessions::read_whole(Core& c) {
  std::string prefix = session_prefix(c.client_id);
  bool corrupt = false;
  StringMap<std::size_t> logged;
  each(engine_, Family::sessions, prefix, [&](std::string_view key, std::string_view value) {
    if (key[0] != kSubscription) return;
    auto s = decode_subscription(value);
    if (!s) return void(corrupt = true);
    if (s->logged) logged[s->filter] = c.subscriptions.size();
    c.subscriptions.push_back(std::move(*s));
  });
  each(engine_, Family::progress, prefix, [&](std::string_view key, std::string_view value) {
    if (key[0] == kCursor) {
      auto it = logged.find(key.substr(1));
      auto p = decode_position(value);
      if (!p) return void(corrupt = true);
      if (it != logged.end()) c.subscriptions[it->second].next = *p;
    } else if (key[0] == kOutbound) {
      auto o = decode_outbound(value);
      if (!o) return void(corrupt = true);
      c.outbound.push_back(std::move(*o));
    } else if (key[0] == kInbound && key.size() == 3) {
      auto i = decode_inbound(value);
      if (!i) return void(corrupt = true);
      i->packet_id = static_cast<std::uint16_t>(get_be(key.data() + 1, 2));
      c.inbound.push_back(*i);
    } else if (key[0] == kPublish) {
      auto next = decode_publish(value);
      if (!next) return void(corrupt = true);
      c.next_publish = *next;
    }
  });
  if (corrupt) engine_.fail("the record of a session is corrupt");
  std::sort(c.subscriptions.begin(), c.subscriptions.end(), [](auto& a, auto& b) { return a.order < b.order; });
  std::sort(c.outbound.begin(), c.outbound.end(), [](auto& a, auto& b) { return a.sequence < b.sequence; });
}

void EmbeddedSessions::forget(const Core& c) {
  std::string prefix = session_prefix(c.client_id), member = member_of(c);
  std::vector<std::string> of_sessions, of_progress;
  each(engine_, Family::sessions, prefix, [&](std::string_view key, auto) { of_sessions.emplace_back(key); });
  each(engine_, Family::progress, prefix, [&](std::string_view key, auto) { of_progress.emplace_back(key); });
  for (auto& key : of_sessions) {
    if (key[0] == kSubscription) logs_.leave(key.substr(1), member);  // also where it does not know yet that it joined
    engine_.erase(Family::sessions, prefix + key);
  }
  for (auto& key : of_progress) engine_.erase(Family::progress, prefix + key);
  if (c.connected)
    disconnect(c);
  else
    unschedule(c);
  count(-1);
}

void EmbeddedSessions::schedule(const Core& c) {
  WallTime when = next_due(c);
  if (when == kNoExpiry) return;
  engine_.put(Family::due, due_key(when, c.client_id), {});
  next_due_ = std::min(next_due_, when);
}

void EmbeddedSessions::unschedule(const Core& c) {
  if (next_due(c) != kNoExpiry) engine_.erase(Family::due, due_key(next_due(c), c.client_id));
}

void EmbeddedSessions::connect(const Core& c) {
  engine_.put(Family::connected, c.client_id, epoch_value(c.epoch));
  connected_[c.client_id] = {c.epoch, engine_.write_now()};
}

void EmbeddedSessions::disconnect(const Core& c) {
  engine_.erase(Family::connected, c.client_id);
  connected_.erase(c.client_id);
}

void EmbeddedSessions::count(std::int64_t by) {
  engine_.counts.sessions += static_cast<std::uint64_t>(by);
  set_any();
}

void EmbeddedSessions::set_any() {
  any_.store(engine_.counts.sessions > 0 || !unfired_.empty(), std::memory_order_release);
}

/// The will of `c` leaves its record for a key of its own, until its publication is stored.
ports::SessionStore::Will EmbeddedSessions::fire(const Core& c) {
  Will w{engine_.number(), c.username, c.will};
  engine_.put(Family::wills, will_key(w.id).append(c.client_id), encode_core(c));
  return w;
}

// ---------------------------------------------------------------- requests

void EmbeddedSessions::claim(Claim c, Done<Claimed> done) {
  if (!engine_.up()) {
    const bool needs_store = c.durable || !c.clean || end_later_.size() >= engine_.options().limits.sessions;
    if (needs_store) return engine_.refuse(std::move(done));
    end_later_.try_emplace(std::move(c.client_id), Ends::with_will);
    return done(Claimed{});
  }
  WallTime now = time(c.now);
  Claimed answer;
  auto r = core(c.client_id);
  if (auto it = end_later_.find(c.client_id); it != end_later_.end()) {
    c.clean = true;
    if (r && it->second == Ends::without_will) r->will = {};
    end_later_.erase(it);
  }
  bool over = r && (c.clean || (!r->connected && r->expires_at <= now));
  // The will of a session that ends, or whose delay has passed, is published; one that still waits is cancelled by the
  // client's return [MQTT-3.1.3-9].
  if (r && r->will.message && (over || r->will_due <= now)) answer.will = fire(*r);
  if (over) {
    forget(*r);
    r.reset();
  }
  answer.present = r.has_value();
  if (!r && !c.durable) {
    if (over) answer.record.epoch = engine_.number();
    return engine_.answer<Claimed>(std::move(done), std::move(answer));
  }
  if (!r) {
    if (engine_.counts.sessions >= engine_.options().limits.sessions && !c.client_id.starts_with('\0'))
      return engine_.answer<Claimed>(std::move(done), make_error_code(errc::quota));
    r.emplace();
    r->client_id = c.client_id;
    r->incarnation = engine_.number();
    count(1);
  } else if (!r->connected) {
    unschedule(*r);
  }
  r->username = c.username;
  r->epoch = engine_.number();
  r->expiry = c.expiry;
  r->connected = true;
  r->will = std::move(c.will);
  r->will_due = r->expires_at = kNoExpiry;
  put(*r);
  connect(*r);
  if (answer.present) read_whole(*r);
  answer.record = std::move(*r);
  engine_.answer<Claimed>(std::move(done), std::move(answer));
}

EmbeddedSessions::Farewell EmbeddedSessions::farewell(std::uint64_t epoch, const SessionChange& c) {
  const bool no_will = c.will && !c.will->message && c.left->will_due == kNoExpiry;
  return {epoch, no_will, c.expiry, 0};
}

void EmbeddedSessions::change(std::string_view client_id, std::uint64_t epoch, SessionChange c, Done<void> done) {
  auto owner = connected_.find(client_id);
  bool owned = owner != connected_.end() && owner->second.epoch == epoch;
  if (!engine_.up()) {
    // Not stored, but known: when the store is back, this session counts as one that has left.
    if (owned && c.left) {
      farewells_[std::string(client_id)] = farewell(epoch, c);
      connected_.erase(owner);
    }
    return engine_.refuse(std::move(done));
  }
  if (owner != connected_.end() && !owned)
    return engine_.answer<void>(std::move(done), make_error_code(errc::stale_epoch));
  std::optional<Farewell> left;
  if (c.left) left = farewell(epoch, c);
  std::optional<Core> r;
  if (!owned || changes_core(c)) {
    r = core(client_id);
    if (!r) return engine_.answer<void>(std::move(done), make_error_code(errc::no_session));
    if (r->epoch != epoch) return engine_.answer<void>(std::move(done), make_error_code(errc::stale_epoch));
  }
  if (r && changes_core(c)) {
    if (!r->connected) unschedule(*r);
    if (c.next_order) r->next_order = *c.next_order;
    if (c.will) r->will = std::move(*c.will);
    if (c.expiry) r->expiry = *c.expiry;
    if (c.left) {
      auto in_time = [&](WallTime t) { return t == kNoExpiry ? t : t + behind_; };
      r->expires_at = in_time(c.left->expires_at);
      r->will_due = in_time(c.left->will_due);
      if (r->connected) disconnect(*r);
      r->connected = false;
    }
    if (!r->connected) schedule(*r);
    put(*r);
  }
  apply(std::string(client_id), c);
  if (left) {
    left->write = engine_.write_now();
    farewells_[std::string(client_id)] = *left;
  }
  engine_.answer<void>(std::move(done), {});
}

/// What has keys of its own.
void EmbeddedSessions::apply(const std::string& client_id, SessionChange& c) {
  std::string prefix = session_prefix(client_id);
  for (auto& filter : c.subscriptions_removed) {
    engine_.erase(Family::sessions, prefix + kSubscription + filter);
    engine_.erase(Family::progress, prefix + kCursor + filter);
  }
  for (auto& s : c.subscriptions_set) {
    engine_.put(Family::sessions, prefix + kSubscription + s.filter, encode(s));
    if (s.logged) engine_.put(Family::progress, prefix + kCursor + s.filter, encode(s.next));
  }
  // A cursor without a logged subscription is not looked at.
  for (auto& to : c.cursors) engine_.put(Family::progress, prefix + kCursor + to.filter, encode(to.next));
  for (auto id : c.outbound_removed) engine_.erase(Family::progress, packet_key(prefix, kOutbound, id));
  for (auto& o : c.outbound_set) engine_.put(Family::progress, packet_key(prefix, kOutbound, o.packet_id), encode(o));
  for (auto id : c.inbound_removed) engine_.erase(Family::progress, packet_key(prefix, kInbound, id));
  std::uint64_t publish = 0;
  for (auto& i : c.inbound_added) {
    engine_.put(Family::progress, packet_key(prefix, kInbound, i.packet_id), encode(i));
    publish = std::max(publish, i.publish);
  }
  if (publish > 0) engine_.put(Family::progress, prefix + kPublish, encode_publish(publish + 1));
  for (auto& [filter, id] : c.group_taken)
    engine_.erase(Family::progress, packet_key(session_prefix(group_session(filter)), kOutbound, id));
}

void EmbeddedSessions::end(std::string_view client_id, std::uint64_t epoch, Done<void> done) {
  if (!engine_.up()) {
    auto owner = connected_.find(client_id);
    if (owner != connected_.end() && owner->second.epoch == epoch) {
      end_later_.try_emplace(std::string(client_id), Ends::without_will);
      connected_.erase(owner);
    }
    return engine_.refuse(std::move(done));
  }
  auto r = core(client_id);
  if (!r) return engine_.answer<void>(std::move(done), {});
  if (r->epoch != epoch) return engine_.answer<void>(std::move(done), make_error_code(errc::stale_epoch));
  forget(*r);
  ending_.push_back({r->client_id, Ends::without_will, engine_.write_now()});
  engine_.answer<void>(std::move(done), {});
}

void EmbeddedSessions::outbound(std::string_view client_id, std::uint16_t packet_id, Done<Outbound> done) {
  if (!engine_.up()) return engine_.refuse(std::move(done));
  auto bytes = engine_.get(Family::progress, packet_key(session_prefix(client_id), kOutbound, packet_id));
  Outbound out = bytes ? decode_outbound(*bytes) : std::nullopt;
  if (bytes && !out) engine_.fail("the record of a session is corrupt");
  engine_.answer<Outbound>(std::move(done), std::move(out));
}

/// What was said while the store was away, and has not been done yet.
void EmbeddedSessions::on_tick() {
  std::erase_if(ending_, [&](auto& e) { return e.write <= engine_.safe(); });
  for (auto& [client_id, how] : std::exchange(end_later_, {})) {
    if (auto r = core(client_id)) {
      if (how == Ends::with_will && r->will.message) {
        const Will w = fire(*r);
        unfired_.push_back(will_key(w.id).append(client_id));
      }
      forget(*r);
    }
    ending_.push_back({client_id, how, engine_.write_now()});
  }
  absl::erase_if(farewells_, [&](auto& f) { return f.second.write > 0 && f.second.write <= engine_.safe(); });
  for (auto& [client_id, f] : farewells_) {
    if (f.write > 0) continue;
    if (auto r = core(client_id); r && take_leave(*r)) {
      disconnect(*r);
      schedule(*r);
      put(*r);
    }
    f.write = engine_.write_now();
  }
}

/// A session that the store believes connected left at the last time that the store knew of. False when its record says
/// that it has left.
bool EmbeddedSessions::take_leave(Core& c) {
  if (!c.connected) return false;
  c.connected = false;
  if (auto left = farewells_.find(c.client_id); left != farewells_.end() && left->second.epoch == c.epoch) {
    if (left->second.no_will) c.will = {};
    if (left->second.expiry) c.expiry = *left->second.expiry;
  }
  if (auto e = end_later_.find(c.client_id); e != end_later_.end() && e->second == Ends::without_will) c.will = {};
  c.expires_at = c.expiry == kForever ? kNoExpiry : engine_.seen + Seconds(c.expiry);
  c.will_due = engine_.seen + Seconds(c.will.delay);
  return true;
}

// ---------------------------------------------------------------- what is due

/// The first of the schedule; remembers when the next is due.
std::vector<std::pair<WallTime, std::string>> EmbeddedSessions::due_until(WallTime now) {
  std::vector<std::pair<WallTime, std::string>> due;
  // What was taken before lies before next_due_, so that the walk does not pass over it.
  auto it = engine_.range(Family::due, due_key(std::max(next_due_, WallTime{}), {}), nullptr);
  next_due_ = kNoExpiry;
  for (; it->Valid(); it->Next()) {
    Reader key(view(it->key()));
    WallTime when = key.time();
    if (when > now || due.size() == kDueAtOnce) {
      next_due_ = when;
      break;
    }
    due.emplace_back(when, key.rest());
  }
  if (!it->status().ok()) engine_.fail(it->status().ToString());
  return due;
}

void EmbeddedSessions::take_due(WallTime now, Done<std::vector<Due>> done) {
  if (!engine_.up()) return engine_.refuse(std::move(done));
  now = time(now);
  std::vector<Due> all;
  while (!unfired_.empty() && all.size() < kDueAtOnce) {
    const std::string key = std::move(unfired_.back());
    unfired_.pop_back();
    auto bytes = engine_.get(Family::wills, key);
    if (auto c = bytes ? decode_core(*bytes) : std::nullopt)
      all.push_back(
          {key.substr(kWillNumber), {get_be(key.data(), kWillNumber), c->username, std::move(c->will)}, false});
  }
  set_any();
  if (next_due_ > now) return engine_.answer<std::vector<Due>>(std::move(done), std::move(all));
  for (auto& [when, client_id] : due_until(now)) {
    engine_.erase(Family::due, due_key(when, client_id));
    auto r = core(client_id);
    if (!r || r->connected || next_due(*r) != when) continue;
    Due d;
    d.client_id = client_id;
    d.ended = r->expires_at <= now;
    if (r->will.message && (d.ended || r->will_due <= now)) {
      d.will = fire(*r);
      r->will = {};
    }
    if (d.ended) {
      forget(*r);
    } else {
      schedule(*r);
      put(*r);
    }
    if (d.will.record.message || d.ended) all.push_back(std::move(d));
  }
  engine_.answer<std::vector<Due>>(std::move(done), std::move(all));
}

void EmbeddedSessions::fired(std::uint64_t will) {
  if (!engine_.up()) return;
  auto it = engine_.range(Family::wills, will_key(will), nullptr);
  if (it->Valid() && view(it->key()).starts_with(will_key(will))) engine_.erase(Family::wills, view(it->key()));
}

// ---------------------------------------------------------------- opening

std::string EmbeddedSessions::load() {
  next_due_ = WallTime::min();
  seen_at_open_ = engine_.seen;
  clock_read_ = false;
  behind_ = Millis(0);
  for (auto& e : std::exchange(ending_, {})) end_later_.try_emplace(std::move(e.client_id), e.how);
  std::string error = load_wills();
  if (error.empty()) error = find_lost();
  if (error.empty()) farewells_.clear();
  set_any();
  return error;
}

std::string EmbeddedSessions::load_wills() {
  unfired_.clear();
  std::unique_ptr<rocksdb::Iterator> it(engine_.db().NewIterator({}, engine_.family(Family::wills)));
  for (it->SeekToFirst(); it->Valid(); it->Next()) unfired_.push_back(it->key().ToString());
  std::reverse(unfired_.begin(), unfired_.end());  // the oldest first
  return it->status().ok() ? std::string() : it->status().ToString();
}

/// Sessions that the store believes connected and that are not: after a start all of them; after a failure those whose
/// claim was not answered, or that have left since.
std::string EmbeddedSessions::find_lost() {
  StringMap<Owner> still = std::move(connected_);
  connected_.clear();
  rocksdb::WriteBatch batch;
  rocksdb::Status s;
  auto& db = engine_.db();
  auto write = [&] {
    if (s.ok()) s = engine_.database().write({}, batch);
    batch.Clear();
  };
  std::unique_ptr<rocksdb::Iterator> it(db.NewIterator({}, engine_.family(Family::connected)));
  for (it->SeekToFirst(); it->Valid() && s.ok(); it->Next()) {
    std::string client_id = it->key().ToString();
    auto c = core(client_id);
    auto owner = still.find(client_id);
    if (c && owner != still.end() && owner->second.epoch == c->epoch && owner->second.write <= engine_.safe()) {
      connected_[client_id] = owner->second;
      continue;
    }
    batch.Delete(engine_.family(Family::connected), client_id).PermitUncheckedError();
    if (c && take_leave(*c)) {
      batch.Put(engine_.family(Family::sessions), session_prefix(client_id) + kCore, encode_core(*c))
          .PermitUncheckedError();
      if (WallTime when = next_due(*c); when != kNoExpiry)
        batch.Put(engine_.family(Family::due), due_key(when, client_id), {}).PermitUncheckedError();
    }
    if (batch.GetDataSize() > 256 * 1024) write();
  }
  if (!it->status().ok()) s = it->status();
  if (batch.Count() > 0) write();
  if (s.ok()) return {};
  connected_ = std::move(still);  // the next attempt needs it
  return s.ToString();
}

}  // namespace sb::store::embedded
