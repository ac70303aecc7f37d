// SPDX-License-Identifier: MIT
#include "store/redis_sessions.h"

#include <algorithm>
#include <random>

#include "base/log.h"
#include "ports/errc.h"
#include "store/redis_session_scripts.h"

namespace sb::store {

using ports::errc;
using ports::SessionChange;

namespace {

constexpr Millis kTick{100};
constexpr Millis kDurableWaits{5000}, kVolatileWaits{1000};  ///< a claim, for its answer
constexpr Millis kReadWaits{30000};
constexpr std::size_t kMet = 32;  ///< owners that are remembered
constexpr std::size_t kChecksATick = 500;
constexpr Millis kRecount{60'000};
constexpr std::size_t kToEnd = 100'000;  ///< sessions that are to be ended when Redis is back
constexpr std::uint32_t kForever = 0xFFFFFFFF;
constexpr std::uint64_t kOfRecord = 0;  ///< in place of a connection: of the session that is connected

std::string member_of(const std::string& client_id, std::uint64_t incarnation) {
  return client_id + '#' + std::to_string(incarnation);
}

}  // namespace

RedisSessions::RedisSessions(redis::Writer& writer, const RedisKeys& keys, NodeLife& life, ports::LogStore& logs,
                             std::size_t limit, SessionWatcher* watcher)
    : writer_(writer),
      keys_(keys),
      life_(life),
      logs_(logs),
      limit_(limit),
      watcher_(watcher),
      call_(writer.client()),
      schedule_(writer, keys, life),
      wills_(writer, keys, life),
      next_nonce_(std::random_device{}() % 1'000'000 * std::uint64_t{1'000'000} + 1) {
  writer_.loop().timers().set(*this, writer_.loop().now() + kTick);
  recount();
}

/// What other nodes make and end is not told here.
void RedisSessions::recount() {
  next_count_ = writer_.loop().now() + kRecount;
  schedule_.count([this, before = count_.load(std::memory_order_relaxed)](std::uint64_t n) {
    counted_ = true;
    count(static_cast<std::int64_t>(n) - before);
  });
}

RedisSessions::~RedisSessions() { writer_.loop().timers().cancel(*this); }

std::vector<std::shared_ptr<const redis::Script>> RedisSessions::scripts() {
  auto all = SessionScripts::all();
  for (auto& s : RedisWills::scripts()) all.push_back(s);
  all.push_back(RedisSchedule::script());
  return all;
}

// ---------------------------------------------------------------- what is in memory

StoredSession& RedisSessions::session(std::string_view client_id) {
  auto it = sessions_.find(client_id);
  if (it != sessions_.end()) return *it->second;
  auto s = std::make_unique<StoredSession>(client_id);
  StoredSession& to = *s;
  sessions_.emplace(std::string_view(to.client_id), std::move(s));
  return to;
}

SessionRow& RedisSessions::row(StoredSession& s) {
  SessionRows& rows = *this;
  if (!s.row) {
    s.row = std::make_unique<SessionRow>(writer_, rows, s, keys_.session(s.client_id));
    ++stats_.rows;
  }
  return *s.row;
}

void RedisSessions::give(std::string_view client_id, std::unique_ptr<SessionJob> job) {
  row(session(client_id)).give(std::move(job));
}

void RedisSessions::unused(StoredSession& s, bool now) {
  if (now)
    drop_unused(s);
  else
    unused_.push_back(s.client_id);
}

/// Sessions that nobody is connected to are not kept in memory.
void RedisSessions::drop_unused(StoredSession& s) {
  if (s.row) --stats_.rows;
  s.row.reset();
  if (s.owned && s.owned->image.connected()) return;
  sessions_.erase(sessions_.find(s.client_id));
}

void RedisSessions::count(std::int64_t by) {
  const auto n = count_.fetch_add(by, std::memory_order_relaxed) + by;
  any_.store(n > 0 || !counted_ || !unfired_.empty() || life_.share().of > 1, std::memory_order_release);
}

/// Other nodes make records too, and this one hears of it late.
bool RedisSessions::any() const { return any_.load(std::memory_order_acquire); }

RedisSessions::Stats RedisSessions::stats() const {
  Stats s = stats_;
  for (auto& [id, session] : sessions_) s.owned += session->owned != nullptr;
  return s;
}

std::size_t RedisSessions::owned_bytes() const {
  std::size_t n = sessions_.capacity() * (sizeof(Sessions::value_type) + 1);
  for (auto& [id, s] : sessions_) {
    n += sizeof(StoredSession) + (s->client_id.size() > 15 ? s->client_id.capacity() + 1 : 0);
    if (s->owned) n += sizeof(OwnedSession) + s->owned->image.heap_bytes();
  }
  return n;
}

bool RedisSessions::away() {
  const MonoTime now = writer_.loop().now();
  if (now - kTick >= away_asked_) {
    away_asked_ = now;
    away_ = !writer_.trouble().empty();
  }
  return away_ || life_.epoch() == 0 || !writer_.has_room();
}

/// How long an entry of a connected session may stand before it is looked at again.
Millis RedisSessions::look_again(std::uint32_t expiry) { return Seconds(std::clamp<std::uint32_t>(expiry, 300, 3600)); }

void RedisSessions::leave_logs(const std::string& client_id, std::uint64_t incarnation,
                               const std::vector<std::string>& filters) {
  const std::string member = member_of(client_id, incarnation);
  for (auto& f : filters) logs_.leave(f, member);
}

ports::SessionStore::Will RedisSessions::register_will(const std::string& client_id, FiredWill&& w) {
  const std::uint64_t id = next_will_++;
  firing_[id] = {client_id, std::move(w.number), {}, {}};
  return {id, std::move(w.will.username), std::move(w.will.record)};
}

// ---------------------------------------------------------------- requests

/// While Redis may still lack what it was told before a failover, the other nodes are asked first: a record that is not
/// repaired yet would be taken for no session, or its packet ids for none. Nobody need be asked where there is nobody.
void RedisSessions::claim(Claim c, std::optional<MonoTime> until, Done<Claimed> done) {
  const bool doubted = writer_.doubted_at() >= writer_.loop().now() - doubt_;
  if (doubted && life_.share().of > 1 && !c.clean && !c.client_id.starts_with('\0') && !away())
    ask_others(std::move(c), until, std::move(done));
  else
    claim_now(std::move(c), until, std::move(done));
}

void RedisSessions::claim_now(Claim c, std::optional<MonoTime> until, Done<Claimed> done) {
  const bool gone = away();
  // What only ends a session is done when Redis is back; its will is given by take_due() then.
  if (gone && (c.durable || !c.clean || !writer_.has_room() || life_.epoch() == 0))
    return done(make_error_code(errc::unavailable));
  if (gone) {
    const auto known = sessions_.find(c.client_id);
    const bool will_end = known != sessions_.end() && known->second->row && known->second->row->will_end();
    if (will_end) return done(Claimed{});
    if (to_end_ >= kToEnd) return done(make_error_code(errc::unavailable));
    ++to_end_;
  }
  if (c.durable && c.will.message) wills_.keep(c.client_id, kOfRecord, {}, nullptr);
  if (!until) until = writer_.loop().now() + (c.durable ? kDurableWaits : kVolatileWaits);
  auto w = std::make_shared<Waiting>(Waiting{std::move(done), *until, c.durable, c.expiry});
  if (gone)
    std::exchange(w->done, nullptr)(Claimed{});
  else
    waiting_.push_back(w);
  auto job = std::make_unique<ClaimJob>();
  const std::string client_id = c.client_id;
  job->claim = std::move(c);
  job->nonce = next_nonce_++;
  job->reconnections = writer_.reconnections();
  job->done = [this, w, gone](ClaimJob& asked, ClaimAnswer&& a) {
    to_end_ -= gone;
    claimed(*w, std::move(asked.claim), std::move(a));
  };
  give(client_id, std::move(job));
}

/// Those that came too soon after another node's.
void RedisSessions::claim_again() {
  const MonoTime now = writer_.loop().now();
  for (auto& [c, w] : std::exchange(soon_, {})) {
    if (c.given_up && *c.given_up)
      w.done(make_error_code(errc::unavailable));
    else if (now >= w.until)
      too_late(w);
    else
      claim(std::move(c), w.until, std::move(w.done));
  }
}

void RedisSessions::too_late(Waiting& w) {
  auto done = std::exchange(w.done, nullptr);
  if (w.durable)
    done(make_error_code(errc::unavailable));
  else
    done(Claimed{});
}

void RedisSessions::claimed(Waiting& w, Claim&& c, ClaimAnswer&& a) {
  if (a.what == ClaimAnswer::What::soon) {
    if (!w.done && !c.clean) return;
    if (!w.done) w = {[](auto) {}, writer_.loop().now() + kDurableWaits, w.durable, w.expiry};  // it ends what is there
    soon_.emplace_back(std::move(c), std::exchange(w, {nullptr, w.until, w.durable, w.expiry}));
    return;
  }
  auto done = std::exchange(w.done, nullptr);
  const std::string& client_id = c.client_id;
  const bool group = client_id.starts_with('\0');
  if (a.what == ClaimAnswer::What::refused) {
    if (done) done(a.why);
    return;
  }
  Claimed answer;
  answer.record = std::move(a.record);
  if (a.what == ClaimAnswer::What::claimed) {
    const bool kept = w.durable || a.present;
    answer.present = a.present;
    answer.record.epoch = a.epoch;
    answer.previous_node = std::move(a.previous_node);
    if (!group) count((kept && !a.present ? 1 : 0) - (a.ended ? 1 : 0));
    if (a.ended) leave_logs(client_id, a.ended, a.ended_filters);
    if (a.will) {
      // Should this node die before it was published, the schedule leads the next one to it.
      schedule_.lower(client_id, writer_.loop().wall() + Seconds(30), nullptr);
      answer.will = register_will(client_id, std::move(*a.will));
    }
    if (!done && answer.will.record.message) {
      unfired_.push_back({client_id, std::move(answer.will), false});
      count(0);
    }
    if (!done && !answer.previous_node.empty() && !group && watcher_)  // nobody else will tell it
      watcher_->on_displaced(answer.previous_node, client_id, a.epoch - 1);
    if (!done && kept) {  // nobody waits for it any more
      SessionChange left;
      left.will = model::WillRecord{};
      left.left = {w.expiry == kForever ? kNoExpiry : writer_.loop().wall() + Seconds(w.expiry), kNoExpiry};
      if (w.durable)
        change(client_id, a.epoch, std::move(left), [](auto) {});
      else
        end(client_id, a.epoch, [](auto) {});
    }
  }
  if (done) done(std::move(answer));
}

void RedisSessions::change(std::string_view client_id, std::uint64_t epoch, SessionChange c, Done<void> done) {
  if (!writer_.has_room() && !c.left) return done(make_error_code(errc::unavailable));
  auto job = std::make_unique<ChangeJob>();
  job->epoch = epoch;
  // In the record of the member first, then out of the group's: a crash in between leaves it in both.
  auto taken = std::exchange(c.group_taken, {});
  std::size_t waits = 1;
  WallTime due = kNoExpiry;
  if (c.left || (c.will && !c.will->message)) wills_.forget(client_id, kOfRecord);
  if (c.left) {
    due = std::min(c.left->expires_at, c.left->will_due);
    waits += due != kNoExpiry;
  }
  job->change = std::move(c);
  if (waits == 1 && taken.empty()) {
    job->done = std::move(done);
    return give(client_id, std::move(job));
  }
  struct Both {
    std::size_t waits;
    result<void> r;
    Done<void> done;
    void one() {
      if (--waits == 0) done(r);
    }
  };
  auto both = std::make_shared<Both>(Both{waits, {}, std::move(done)});
  job->done = [this, both, taken = std::move(taken)](result<void> r) {
    both->r = r;
    StringMap<std::vector<std::uint16_t>> groups;
    if (r)
      for (auto& [filter, id] : taken) groups[group_session(filter)].push_back(id);
    both->waits += groups.size();
    for (auto& [group, ids] : groups) {
      auto t = std::make_unique<TakenJob>();
      t->packet_ids = std::move(ids);
      t->done = [both] { both->one(); };
      give(group, std::move(t));
    }
    both->one();
  };
  if (waits > 1) schedule_.lower(client_id, due, [both] { both->one(); });
  give(client_id, std::move(job));
}

void RedisSessions::end(std::string_view client_id, std::uint64_t epoch, Done<void> done) {
  auto job = std::make_unique<EndJob>();
  job->epoch = epoch;
  job->done = [this, id = std::string(client_id), done = std::move(done)](result<void> r, std::uint64_t incarnation,
                                                                          std::vector<std::string> filters) {
    if (incarnation) {
      wills_.forget(id, kOfRecord);
      if (!id.starts_with('\0')) count(-1);
      leave_logs(id, incarnation, filters);
      // The entry goes when its time has come: who makes the next session relies on it, and may be at it.
      schedule_.lower(id, writer_.loop().wall() + Seconds(90), nullptr);
    }
    done(r);
  };
  give(client_id, std::move(job));
}

void RedisSessions::outbound(std::string_view client_id, std::uint16_t packet_id, Done<Outbound> done) {
  auto job = std::make_unique<ReadJob>();
  job->packet_id = packet_id;
  job->done = std::move(done);
  give(client_id, std::move(job));
}

void RedisSessions::fired(std::uint64_t will) {
  auto it = firing_.find(will);
  if (it == firing_.end()) return;
  if (!it->second.node.empty()) {
    wills_.done(it->second.node, {it->second.client_id, {}, it->second.mark});
    firing_.erase(it);
    return;
  }
  auto job = std::make_unique<FiredJob>();
  job->number = std::move(it->second.number);
  const std::string client_id = std::move(it->second.client_id);
  firing_.erase(it);
  give(client_id, std::move(job));
}

// ---------------------------------------------------------------- for the rows

void RedisSessions::met(std::string_view owner) {
  std::erase(met_, owner);
  met_.emplace_front(owner);
  if (met_.size() > kMet) met_.pop_back();
}

void RedisSessions::add_known(redis::Words& out) {
  for (auto& owner : met_) {
    std::uint64_t epoch = 0;
    const auto space = owner.find(' ');
    for (char c : std::string_view(owner).substr(0, space)) epoch = epoch * 10 + static_cast<std::uint64_t>(c - '0');
    const auto died = life_.died(std::string_view(owner).substr(space + 1), epoch);
    out.add(owner);
    if (died)
      out.keep(std::to_string(died->time_since_epoch().count()));
    else
      out.add("-");
  }
}

error_code RedisSessions::may_create(const StoredSession& s, WallTime now, std::function<void()> done) {
  const auto n = count_.load(std::memory_order_relaxed);
  const bool full = n >= 0 && static_cast<std::size_t>(n) >= limit_;
  if (full && !s.client_id.starts_with('\0')) return make_error_code(errc::quota);
  schedule_.add(s.client_id, now + look_again(0), std::move(done));
  return {};
}

void RedisSessions::read(const std::string& key, std::vector<std::string> words,
                         std::function<void(redis::Outcome&)> done) {
  writer_.client().call(std::move(words), key, kReadWaits, std::move(done), redis::kControl);
}

void RedisSessions::lost(const StoredSession& s, std::uint64_t epoch) {
  ++stats_.lost;
  wills_.forget(s.client_id, kOfRecord);
  if (watcher_) watcher_->on_lost(s.client_id, epoch);
}

void RedisSessions::displaced(const StoredSession& s, std::string_view node, std::uint64_t epoch) {
  ++stats_.displaced;
  if (watcher_) watcher_->on_displaced(node, s.client_id, epoch);
}

void RedisSessions::rewritten(const StoredSession& s) {
  ++stats_.rewritten;
  keep_entry(s);
}

/// Redis may have forgotten its entry in the schedule: without one nobody finds the session when this node dies.
void RedisSessions::keep_entry(const StoredSession& s) {
  schedule_.lower(s.client_id, writer_.loop().wall() + look_again(0), nullptr);
}

// ---------------------------------------------------------------- now and then

void RedisSessions::on_timer() {
  const MonoTime now = writer_.loop().now();
  writer_.loop().timers().set(*this, now + kTick);
  for (auto& id : std::exchange(unused_, {})) {
    auto it = sessions_.find(id);
    if (it != sessions_.end() && (!it->second->row || it->second->row->unused())) drop_unused(*it->second);
  }
  // Deadlines are not in the order of the requests; the queue is short, unless Redis is away.
  std::vector<std::shared_ptr<Waiting>> late;
  std::erase_if(waiting_, [&](auto& w) {
    if (w->done && w->until > now) return false;
    if (w->done) late.push_back(w);
    return true;
  });
  for (auto& w : late)
    if (w->done) too_late(*w);
  claim_again();
  if (counted_ && now >= next_count_ && life_.share().of > 1 && !away()) recount();
  check_some();
  if (!writer_.repairing())
    for (auto& [id, settled] : std::exchange(settling_, {})) settle_here(id, std::move(settled));
  for (auto& look : std::exchange(unseen_, {})) look();
}

void RedisSessions::check_records() {
  ++check_round_;
  to_check_.clear();
  for (auto& [id, s] : sessions_)
    if (s->owned) to_check_.push_back(s->client_id);
}

void RedisSessions::check_some() {
  for (std::size_t n = 0; n < kChecksATick && !to_check_.empty(); ++n) {
    auto it = sessions_.find(to_check_.back());
    to_check_.pop_back();
    if (it == sessions_.end() || !it->second->owned) continue;
    if (std::exchange(it->second->checked, check_round_) == check_round_) continue;
    row(*it->second).check();
    keep_entry(*it->second);  // which may lie on another primary than the record
  }
}

}  // namespace sb::store
