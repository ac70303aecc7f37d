// SPDX-License-Identifier: MIT
#include "session/session.h"

#include <algorithm>

namespace sb::session {

const Subscription* Session::find_exact(std::string_view filter) const {
  if (by_filter_) {
    auto it = by_filter_->find(filter);
    return it == by_filter_->end() ? nullptr : &subscriptions_[it->second];
  }
  for (auto& s : subscriptions_)
    if (s.filter == filter) return &s;
  return nullptr;
}

Subscription* Session::find(std::string_view filter) { return const_cast<Subscription*>(find_exact(filter)); }

Subscription& Session::add(std::string filter) {
  if (by_filter_) by_filter_->emplace(filter, static_cast<std::uint32_t>(subscriptions_.size()));
  wildcards_ += model::has_wildcard(filter);
  Subscription& s = subscriptions_.emplace_back();
  s.filter = std::move(filter);
  s.order = next_order_++;
  if (!by_filter_ && subscriptions_.size() > kIndexFrom) {
    by_filter_ = std::make_unique<StringMap<std::uint32_t>>();
    for (std::uint32_t i = 0; i < subscriptions_.size(); ++i) by_filter_->emplace(subscriptions_[i].filter, i);
  }
  return s;
}

void Session::remove(std::string_view filter) {
  Subscription* s = find(filter);
  if (!s) return;
  if (s->cursor) drop_cursor(*s);
  wildcards_ -= model::has_wildcard(filter);
  auto at = static_cast<std::uint32_t>(s - subscriptions_.data());
  if (by_filter_) {
    by_filter_->erase(filter);
    if (at + 1 != subscriptions_.size()) (*by_filter_)[subscriptions_.back().filter] = at;
  }
  if (at + 1 != subscriptions_.size()) {
    *s = std::move(subscriptions_.back());
    if (s->cursor) s->cursor->at = at;
  }
  subscriptions_.pop_back();
  if (subscriptions_.empty()) by_filter_.reset();
}

// ---------------------------------------------------------------- reading

void Cursor::go_on(model::Position p) {
  constexpr std::size_t kGenerations = 4;
  const model::Position before = std::exchange(next, p);
  if (before.generation == p.generation || before.offset == 0) return;
  if (!passed) passed = std::make_unique<std::vector<model::Position>>();
  if (passed->size() == kGenerations) passed->erase(passed->begin());
  passed->push_back(before);
}

bool Cursor::has_had(const ports::StoredMessage& m) const {
  if (!m.known || !passed) return false;
  for (auto& known : *m.known)
    for (auto& p : *passed)
      if (p.generation == known.generation && p.offset >= known.offset) return true;
  return false;
}

Cursor& Session::give_cursor(Subscription& s, std::uint64_t log, model::Position next) {
  s.cursor = std::make_unique<Cursor>();
  s.cursor->at = static_cast<std::uint32_t>(&s - subscriptions_.data());
  s.cursor->next = next;
  bind(*s.cursor, log);
  return *s.cursor;
}

void Session::bind(Cursor& c, std::uint64_t log) {
  c.log = log;
  if (log && durable_ && durable_->by_log) durable_->by_log->emplace(log, &c);
}

void Session::drop_cursor(Subscription& s) {
  if (durable_ && durable_->by_log) durable_->by_log->erase(s.cursor->log);
  s.cursor.reset();
}

Cursor* Session::reader_of(std::uint64_t log) {
  if (durable_ && durable_->by_log) {
    auto it = durable_->by_log->find(log);
    return it == durable_->by_log->end() ? nullptr : it->second;
  }
  if (subscriptions_.size() > kIndexFrom) {
    durable_state().by_log = std::make_unique<absl::flat_hash_map<std::uint64_t, Cursor*>>();
    for (auto& s : subscriptions_)
      if (s.cursor && s.cursor->log) durable_->by_log->emplace(s.cursor->log, s.cursor.get());
    return reader_of(log);
  }
  for (auto& s : subscriptions_)
    if (s.cursor && s.cursor->log == log) return s.cursor.get();
  return nullptr;
}

void Session::set_ready(Cursor& c) {
  if (std::exchange(c.ready, true)) return;
  durable_state().ready.push_back(c.log);
}

Cursor* Session::take_ready() {
  Cursor* c = reader_of(durable_->ready.front());
  durable_->ready.pop_front();
  if (c) c->ready = false;
  return c;
}

// ---------------------------------------------------------------- what the store does not know yet

void Session::set_moved(Cursor& c) {
  if (std::exchange(c.moved, true)) return;
  durable_state().moved.push_back(c.log);
}

std::vector<Session::Progress> Session::take_progress() {
  std::vector<Progress> all;
  if (!durable_ || durable_->moved.empty()) return all;
  absl::flat_hash_map<std::uint64_t, std::size_t> index;
  for (std::uint64_t log : std::exchange(durable_->moved, {})) {
    Cursor* c = reader_of(log);
    if (!c || !c->moved) continue;
    c->moved = false;
    index.emplace(log, all.size());
    all.push_back({of(*c).filter, c->next, c->next, c->passed ? *c->passed : std::vector<model::Position>()});
  }
  window.for_each([&](PacketId, InFlight& e) {
    if (!e.log || e.state == OutboundState::released) return;
    auto it = index.find(e.log);
    if (it == index.end()) return;
    model::Position& low = all[it->second].low;
    if (e.position <= low) low = {e.position.generation, e.position.offset - 1};
  });
  return all;
}

void Session::forget_saved(const std::vector<PacketId>& done) {
  if (!done.empty()) durable_state().done.insert(durable_->done.end(), done.begin(), done.end());
  for (auto& s : subscriptions_)
    if (s.cursor) set_moved(*s.cursor);
  window.for_each([](PacketId, InFlight& e) { e.saved = false; });
}

// ---------------------------------------------------------------- overlapping filters

bool Session::responsible(const Subscription& s, std::string_view topic, model::Position at) const {
  bool wanted = !s.cursor->draining, others = false;  // one that drains delivers what somebody still subscribes to
  for_each_matching(topic, [&](const Subscription& other) {
    if (&other == &s || !other.cursor) return;
    wanted |= !other.cursor->draining;
    others |= other.order < s.order && !other.cursor->draining;
    for (auto& [filter, upto] : other.cursor->covers) others |= filter == s.filter && at <= upto;
  });
  return wanted && !others;
}

}  // namespace sb::session
