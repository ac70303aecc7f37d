// SPDX-License-Identifier: MIT
#include "auth/rights_keeper.h"

#include <algorithm>

namespace sb::auth {

using mqtt::Reason;

namespace {

constexpr Seconds kLeastTime{4};

}  // namespace

void RightsKeeper::set(std::shared_ptr<RightsSource> source, Options options) {
  std::lock_guard lock(mutex_);
  source_.swap(source);
  options_ = options;
}

bool RightsKeeper::on() const {
  std::lock_guard lock(mutex_);
  return source_ != nullptr;
}

std::size_t RightsKeeper::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

std::shared_ptr<const void> RightsKeeper::take_changes() {
  std::lock_guard lock(mutex_);
  if (replaced_.empty()) return nullptr;
  return std::make_shared<std::vector<DocumentRights::Ptr>>(std::exchange(replaced_, {}));
}

void RightsKeeper::open(const ports::Subject& who, Done done) {
  std::shared_ptr<RightsSource> source;
  {
    std::lock_guard lock(mutex_);
    source = source_;
  }
  if (!source) return done(Reason::server_unavailable, nullptr);
  std::string client_id(who.client_id), username(who.username);
  source->ask(who, [this, source, client_id, username, done = std::move(done)](RightsSource::Answer a) {
    if (!ok(a.reason)) return done(a.reason, nullptr);
    done(a.reason, keep(client_id, username, std::move(a.rules), a.ttl));
  });
}

void RightsKeeper::ask(const ports::Subject& who, std::function<void(ports::RightsPtr)> done) {
  std::shared_ptr<RightsSource> source;
  {
    std::lock_guard lock(mutex_);
    source = source_;
  }
  if (!source) return done(DocumentRights::nothing());
  source->ask(who, [source, done = std::move(done)](const RightsSource::Answer& a) {
    done(ok(a.reason) ? a.rules : DocumentRights::nothing());
  });
}

ports::RightsPtr RightsKeeper::keep(const std::string& client_id, const std::string& username,
                                    DocumentRights::Ptr rules, Seconds ttl) {
  std::lock_guard lock(mutex_);
  if (entries_.size() >= sweep_at_) sweep();
  const Id id = ++next_id_;
  Entry& e = entries_[id];
  e.rights.reset(new LiveRights(std::move(rules)));
  e.client_id = client_id;
  e.username = username;
  good_for(e, ttl, clock_.mono());
  set_due(id, e);
  return e.rights;
}

void RightsKeeper::good_for(Entry& e, Seconds ttl, MonoTime now) const {
  // Not less than a few ticks: or rights end because their renewal came late.
  const Millis time = std::max(ttl.count() > 0 ? ttl : options_.ttl, kLeastTime);
  e.good_until = now + time;
  e.ask_at = now + time / 2;
  e.ended = false;
}

/// When something is to be done for it: asking, ending, or nothing before the answer that is under way.
void RightsKeeper::set_due(Id id, Entry& e) {
  if (e.due != kNever) due_.erase({e.due, id});
  e.due = std::min(e.ended ? kNever : e.good_until, e.asking ? kNever : e.ask_at);
  if (e.due != kNever) due_.insert({e.due, id});
}

void RightsKeeper::forget(Id id, Entry& e) {
  if (e.due != kNever) due_.erase({e.due, id});
  entries_.erase(id);
}

/// Forgets those who have left: nobody but the keeper has their rights, and so nobody can get them again.
void RightsKeeper::sweep() {
  for (auto it = entries_.begin(); it != entries_.end();) {
    auto at = it++;
    if (at->second.rights->use_count() == 1) forget(at->first, at->second);
  }
  sweep_at_ = 1024 + 2 * entries_.size();
}

void RightsKeeper::replace(Entry& e, DocumentRights::Ptr rules) {
  if (!e.rights->rules().same_as(*rules)) replaced_.push_back(e.rights->replace(std::move(rules)));
}

void RightsKeeper::end(Entry& e) {
  e.ended = true;
  replace(e, DocumentRights::nothing());
  if (ended_log_.pass())
    log::warn("rights could not be renewed in time and ended client={} user={} and_before_it={}",
              log::name(e.client_id), log::name(e.username), ended_log_.suppressed());
}

void RightsKeeper::tick() {
  const MonoTime now = clock_.mono();
  Question q;
  std::shared_ptr<RightsSource> source;
  while (take_question(now, q, source))
    source->ask({q.client_id, q.username},
                [this, source, id = q.id](RightsSource::Answer a) { answered(id, std::move(a)); });
}

/// Ends what is due to end, up to the next one that is to be asked for.
bool RightsKeeper::take_question(MonoTime now, Question& q, std::shared_ptr<RightsSource>& source) {
  std::lock_guard lock(mutex_);
  while (!due_.empty() && due_.begin()->first <= now) {
    const Id id = due_.begin()->second;
    Entry& e = entries_.find(id)->second;
    if (e.rights->use_count() == 1) {
      forget(id, e);
      continue;
    }
    if (!e.ended && e.good_until <= now) end(e);
    const bool ask = source_ && !e.asking && e.ask_at <= now && questions_ < options_.questions;
    if (ask) {
      e.asking = true;
      ++questions_;
      q = {id, e.client_id, e.username};
      source = source_;
    } else if (!e.asking && e.ask_at <= now) {
      e.ask_at = now + Seconds(1);  // its turn comes with one of the next ticks
    }
    set_due(id, e);
    if (ask) return true;
  }
  return false;
}

void RightsKeeper::answered(Id id, RightsSource::Answer a) {
  std::lock_guard lock(mutex_);
  --questions_;
  auto it = entries_.find(id);
  if (it == entries_.end()) return;
  Entry& e = it->second;
  const MonoTime now = clock_.mono();
  e.asking = false;
  if (ok(a.reason)) {
    replace(e, std::move(a.rules));
    good_for(e, a.ttl, now);
  } else if (a.reason == Reason::server_unavailable || a.reason == Reason::server_busy) {
    e.ask_at = now + options_.retry;
  } else {
    replace(e, DocumentRights::nothing());
    good_for(e, Seconds(0), now);
  }
  set_due(id, e);
}

}  // namespace sb::auth
