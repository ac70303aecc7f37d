// SPDX-License-Identifier: MIT
#include "store/redis_session_row.h"

#include <fmt/format.h>

#include <algorithm>

#include "ports/errc.h"
#include "redis/writer.h"
#include "store/redis_session_piece.h"
#include "store/redis_session_scripts.h"

namespace sb::store {

using ports::errc;
using redis::Batch;
using redis::Outcome;
using redis::Reply;
using redis::Words;

namespace {

constexpr std::uint64_t kAskOthers = ~std::uint64_t{0};  // instead of a number of reconnections

}  // namespace

StoredSession::~StoredSession() = default;

SessionRow::SessionRow(redis::Writer& writer, SessionRows& rows, StoredSession& session, std::string key)
    : Target(writer, std::move(key)), rows_(rows), session_(session), self_(std::make_shared<SessionRow*>(this)) {
  if (session.owned) set_first_number(session.owned->number + 1);
}

SessionRow::~SessionRow() { *self_ = nullptr; }

bool SessionRow::will_end() const {
  const auto* last = jobs_.empty() ? nullptr : dynamic_cast<const ClaimJob*>(jobs_.back().get());
  return last && last->claim.clean && !last->claim.durable;
}

void SessionRow::give(std::unique_ptr<SessionJob> job) {
  jobs_.push_back(std::move(job));
  ready();
}

void SessionRow::check() { repair(); }

void SessionRow::end_life(std::vector<std::unique_ptr<SessionJob>>& unanswered) {
  *self_ = nullptr;  // what is being read is for nobody
  self_ = std::make_shared<SessionRow*>(this);
  busy_ = rewrite_ = false;
  covered_ = 0;
  auto take = [&](auto& from) {
    for (auto& job : from) unanswered.push_back(std::move(job));
    from.clear();
  };
  for (Piece* p : open_) take(p->jobs);
  take(jobs_);
  if (unused()) rows_.unused(session_, false);
}

std::string SessionRow::mark(std::uint64_t nonce) const {
  return fmt::format("{} {} {}", rows_.node_epoch(), nonce, rows_.node());
}

// ---------------------------------------------------------------- batches

std::unique_ptr<Batch> SessionRow::next() {
  std::unique_ptr<Piece> p;
  if (rewrite_ && session_.owned) {
    p = std::make_unique<Piece>(Piece::Kind::change);
    p->epoch = session_.owned->epoch;
    p->before = std::exchange(session_.owned->number, last_number() + 1);
  } else if (busy_ || jobs_.empty()) {
    return nullptr;
  } else {
    SessionJob* job = jobs_.front().get();
    auto take = [&](Piece::Kind kind) {
      p = std::make_unique<Piece>(kind);
      p->jobs.push_back(std::move(jobs_.front()));
      jobs_.pop_front();
    };
    auto* change = dynamic_cast<ChangeJob*>(job);
    auto* end = dynamic_cast<EndJob*>(job);
    const bool taken = dynamic_cast<TakenJob*>(job) != nullptr;
    const std::uint64_t epoch = change ? change->epoch : end ? end->epoch : 0;
    const bool owned = session_.owned && (taken || session_.owned->epoch == epoch);
    if (dynamic_cast<ClaimJob*>(job)) {
      take(Piece::Kind::claim);
    } else if (dynamic_cast<TakeJob*>(job)) {
      take(Piece::Kind::take);
    } else if (dynamic_cast<FiredJob*>(job)) {
      take(Piece::Kind::fired);
    } else if (auto* r = dynamic_cast<ReadJob*>(job)) {
      if (open_.empty()) read(*r);
      return nullptr;
    } else if (end && owned) {
      p = next_end();
    } else if (owned) {
      p = next_changes();
    } else if (taken) {
      take(Piece::Kind::taken);
    } else {
      if (open_.empty()) load(epoch);
      return nullptr;
    }
  }
  if (p->kind != Piece::Kind::claim && p->kind != Piece::Kind::change) {
    std::erase_if(repeats_, [this](std::uint64_t number) { return number <= dropped(); });
    repeats_.push_back(last_number() + 1);
  }
  p->life = rows_.life();
  p->bytes = sizeof(Piece) + 64;
  for (auto& [field, value] : p->fields) p->bytes += field.size() + (value ? value->size() : 0) + 64;
  open_.push_back(p.get());
  return p;
}

/// All changes that wait, as one.
std::unique_ptr<SessionRow::Piece> SessionRow::next_changes() {
  OwnedSession& owned = *session_.owned;
  auto p = std::make_unique<Piece>(Piece::Kind::change);
  p->epoch = owned.epoch;
  while (!jobs_.empty()) {
    if (auto* c = dynamic_cast<ChangeJob*>(jobs_.front().get())) {
      if (c->epoch != owned.epoch) break;
      owned.image.apply(std::move(c->change), p->fields);
    } else if (auto* t = dynamic_cast<TakenJob*>(jobs_.front().get())) {
      for (auto id : t->packet_ids) owned.image.erase_outbound(id, p->fields);
    } else {
      break;
    }
    p->jobs.push_back(std::move(jobs_.front()));
    jobs_.pop_front();
  }
  p->before = std::exchange(owned.number, last_number() + 1);
  return p;
}

std::unique_ptr<SessionRow::Piece> SessionRow::next_end() {
  auto p = std::make_unique<Piece>(Piece::Kind::end);
  p->epoch = session_.owned->epoch;
  p->incarnation = session_.owned->image.incarnation();
  p->filters = session_.owned->image.filters();
  p->jobs.push_back(std::move(jobs_.front()));
  jobs_.pop_front();
  session_.owned.reset();
  return p;
}

// ---------------------------------------------------------------- commands

void SessionRow::encode(const Batch& b, Sending how, Words& out) {
  auto& p = static_cast<const Piece&>(b);
  const bool ends = p.ends || p.kind == Piece::Kind::end;
  const bool numbered = !ends && (p.kind == Piece::Kind::change || (p.kind == Piece::Kind::claim && p.has_answer));
  sent_ = Sent::itself;
  if (p.life != rows_.life()) {
    sent_ = Sent::nothing;
    out.add("EXISTS").add(key());
    return;
  }
  if (numbered) {
    const bool mine = session_.owned && session_.owned->epoch == p.epoch;
    if (mine && rewrite_) {
      encode_whole(out);
    } else if (!mine && how.again && p.has_answer) {
      sent_ = Sent::nothing;  // a session that is another one by now
      out.add("EXISTS").add(key());
    } else if (p.has_answer || b.number <= covered_) {
      sent_ = Sent::mark;
      encode_change(p, out);
    } else {
      encode_change(p, out);
    }
    return;
  }
  if (ends) {
    out.add("EVALSHA").add(SessionScripts::end()->sha).add("1").add(key()).number(p.epoch);
    return;
  }
  if (p.jobs.empty()) {  // it asked for something that it was not told yet
    sent_ = Sent::nothing;
    out.add("EXISTS").add(key());
    return;
  }
  switch (p.kind) {
    case Piece::Kind::claim:
      return encode_claim(p, out);
    case Piece::Kind::take:
      return encode_take(p, out);
    case Piece::Kind::fired:
      out.add("EVALSHA").add(SessionScripts::fired()->sha).add("1").add(key());
      out.add(static_cast<const FiredJob&>(*p.jobs.front()).number);
      return;
    case Piece::Kind::taken:
      out.add("HDEL").add(key());
      for (auto id : static_cast<const TakenJob&>(*p.jobs.front()).packet_ids) out.keep(fmt::format("q{}", id));
      return;
    case Piece::Kind::end:
    case Piece::Kind::change:
      return;
  }
}

void SessionRow::encode_claim(const Piece& p, Words& out) {
  auto& job = static_cast<const ClaimJob&>(*p.jobs.front());
  auto& c = job.claim;
  out.add("EVALSHA").add(SessionScripts::claim()->sha).add("1").add(key());
  out.keep(std::to_string(c.now.time_since_epoch().count())).add(rows_.node()).number(rows_.node_epoch());
  out.number(job.nonce).add(c.clean ? "1" : "0").add(c.durable ? "1" : "0").add(job.create ? "1" : "0");
  out.number(p.number).add(c.username).number(c.expiry).keep(encode_will(c.username, c.will)).number(c.will.delay);
  out.number(static_cast<std::uint64_t>(rows_.turn().count()));
  // Redis may have forgotten the record, or its end, while the claim was under way: the others are to be asked first.
  out.add(!c.clean && job.reconnections != writer().reconnections() ? "1" : "0");
  rows_.add_known(out);
}

void SessionRow::encode_take(const Piece& p, Words& out) const {
  auto& job = static_cast<const TakeJob&>(*p.jobs.front());
  out.add("EVALSHA").add(SessionScripts::take()->sha).add("1").add(key());
  out.keep(std::to_string(job.now.time_since_epoch().count())).add(rows_.node()).number(rows_.node_epoch());
  out.number(job.nonce).add(session_.owned ? "0" : "1");
  rows_.add_known(out);
}

void SessionRow::encode_change(const Piece& p, Words& out) const {
  out.add("EVALSHA").add(SessionScripts::change()->sha).add("1").add(key());
  out.number(p.epoch).number(p.number).number(p.before);
  std::size_t removed = 0;
  if (sent_ == Sent::itself)
    for (auto& [field, value] : p.fields) removed += !value;
  out.number(removed);
  if (sent_ != Sent::itself) return;
  for (auto& [field, value] : p.fields)
    if (!value) out.add(field);
  for (auto& [field, value] : p.fields)
    if (value) out.add(field).add(*value);
}

void SessionRow::encode_whole(Words& out) {
  const OwnedSession& owned = *session_.owned;
  sent_ = Sent::whole;
  rewrite_ = false;
  covered_ = owned.number;
  out.add("EVALSHA").add(SessionScripts::restore()->sha).add("1").add(key());
  out.add(rows_.node()).number(rows_.node_epoch()).number(owned.nonce).number(owned.epoch).number(owned.number);
  for (auto& [field, value] : owned.image.all()) out.keep(field).keep(*value);
}

// ---------------------------------------------------------------- at the write concern

void SessionRow::confirmed(Batch& b) {
  auto& p = static_cast<Piece&>(b);
  open_.remove(&p);
  auto jobs = std::exchange(p.jobs, {});
  if (p.life != rows_.life()) jobs.clear();  // all were told when that life ended
  if (p.kind == Piece::Kind::fired || p.kind == Piece::Kind::taken || p.kind == Piece::Kind::take) {
    // Their commands need them, should they be repeated.
    p.jobs = std::move(jobs);
  }
  b.bytes = sizeof(Piece);
  if (!jobs_.empty()) ready();
  switch (p.kind) {
    case Piece::Kind::claim:
      p.before_claim.reset();
      if (!jobs.empty()) {
        auto& claim = static_cast<ClaimJob&>(*jobs.front());
        claim.done(claim, std::move(p.claim));
      }
      break;
    case Piece::Kind::change:
      for (auto& job : jobs) {
        if (auto* c = dynamic_cast<ChangeJob*>(job.get()))
          c->done(p.why ? result<void>(p.why) : result<void>());
        else if (p.why)  // another node owns the record now, and has the packet ids in it
          give(std::move(job));
        else
          static_cast<TakenJob&>(*job).done();
      }
      break;
    case Piece::Kind::end:
      if (jobs.empty()) break;
      static_cast<EndJob&>(*jobs.front())
          .done(p.why ? result<void>(p.why) : result<void>(), p.why ? 0 : p.incarnation, std::move(p.filters));
      break;
    case Piece::Kind::take:
      if (!p.jobs.empty())
        if (auto done = std::exchange(static_cast<TakeJob&>(*p.jobs.front()).done, nullptr)) done(std::move(p.take));
      break;
    case Piece::Kind::taken:
      if (p.jobs.empty()) break;
      if (auto done = std::exchange(static_cast<TakenJob&>(*p.jobs.front()).done, nullptr)) done();
      break;
    case Piece::Kind::fired:
      break;
  }
}

// ---------------------------------------------------------------- repair

void SessionRow::encode_last(Words& out) { out.add("HMGET").add(key()).add("e").add("n").add("o").add("t"); }

std::optional<std::uint64_t> SessionRow::last(Outcome& o) {
  if (!o.done()) return std::nullopt;
  const Reply::View r = o.value();
  covered_ = 0;
  rewrite_ = false;
  const auto epoch = static_cast<std::uint64_t>(r[0].integer().value_or(0));
  const auto n = static_cast<std::uint64_t>(r[1].integer().value_or(0));
  const auto is_owners = [&](const OwnedSession& s) {
    return epoch == s.epoch && r[2].text() == mark(s.nonce) && !r[3].is_nil();
  };
  if (session_.owned && !is_owners(*session_.owned)) unclaim();
  const OwnedSession* owned = session_.owned.get();
  if (!owned) return before_repeats();
  const bool claiming =
      std::any_of(open_.begin(), open_.end(), [](auto* p) { return p->kind == Piece::Kind::claim && !p->has_answer; });
  const bool mine = is_owners(*owned);
  if (mine) {
    std::uint64_t answered = owned->number;
    for (auto* p : open_)
      if (p->kind == Piece::Kind::change && p->epoch == owned->epoch && !p->has_answer) answered = p->before;
    rewrite_ = n < answered;
  } else if (epoch < owned->epoch) {
    rewrite_ = true;
  } else if (!claiming) {
    lose();
    return last_number();
  }
  if (rewrite_) ready();
  if (unused()) rows_.unused(session_, false);
  return rewrite_ || claiming ? before_repeats() : std::max(n, before_repeats());
}

/// A claim that Redis has forgotten, and nobody was told of, is made anew: the owner before may have gone on without
/// it.
void SessionRow::unclaim() {
  const auto it = std::ranges::find_if(open_, [this](auto* p) {
    return p->kind == Piece::Kind::claim && p->epoch == session_.owned->epoch && !p->jobs.empty();
  });
  if (it == open_.end()) return;
  Piece& p = **it;
  session_.owned = std::move(p.before_claim);
  p.has_answer = false;
  p.epoch = 0;
  p.claim = {};
  static_cast<ClaimJob&>(*p.jobs.front()).reconnections = kAskOthers;
}

/// What lies up to there need not be sent again, even if Redis has forgotten it: what changes were, the whole record
/// has.
std::uint64_t SessionRow::before_repeats() {
  std::erase_if(repeats_, [this](std::uint64_t number) { return number <= dropped(); });
  std::uint64_t first = last_number() + 1;
  if (!open_.empty()) first = std::min(first, open_.front()->number);
  if (!repeats_.empty()) first = std::min(first, repeats_.front());
  return std::max(first - 1, dropped());
}

void SessionRow::on_idle() {
  if (unused()) rows_.unused(session_, true);
}

// ---------------------------------------------------------------- what is no write

/// The front job goes on when there is an entry in the schedule.
void SessionRow::begin_create(const ClaimJob& job) {
  busy_ = true;
  const error_code e = rows_.may_create(session_, job.claim.now, [self = self_] {
    SessionRow* row = *self;
    if (!row) return;
    row->busy_ = false;
    static_cast<ClaimJob&>(*row->jobs_.front()).create = true;
    row->ready();
  });
  if (!e) return;
  busy_ = false;
  auto refused = take_front<ClaimJob>();
  ClaimAnswer a;
  a.what = ClaimAnswer::What::refused;
  a.why = e;
  refused->done(*refused, std::move(a));
}

/// The record is not in memory; the front job needs it, if it is the one of `epoch`.
void SessionRow::load(std::uint64_t epoch) {
  busy_ = true;
  rows_.read(key(), {"HGETALL", key()}, [self = self_, epoch](Outcome& o) {
    if (*self) (*self)->loaded(epoch, o);
  });
}

void SessionRow::loaded(std::uint64_t epoch, Outcome& o) {
  busy_ = false;
  RecordHead head;
  auto owned = std::make_unique<OwnedSession>();
  if (!o.done() || !read_record(o.value(), head, owned->image)) return refuse_front(make_error_code(errc::unavailable));
  if (!head.alive) return refuse_front(make_error_code(errc::no_session));
  const std::uint64_t nonce = nonce_of(head.owner);
  if (head.epoch != epoch || head.owner != mark(nonce)) return refuse_front(make_error_code(errc::stale_epoch));
  owned->epoch = epoch;
  owned->nonce = nonce;
  owned->number = head.number;
  if (last_number() < head.number) set_first_number(head.number + 1);
  session_.owned = std::move(owned);
  ready();
}

void SessionRow::refuse_front(error_code why) {
  if (auto* end = dynamic_cast<EndJob*>(jobs_.front().get())) {
    auto job = take_front<EndJob>();
    end->done(why == errc::no_session ? result<void>() : result<void>(why), 0, {});
  } else {
    auto job = take_front<ChangeJob>();
    job->done(why);
  }
  if (!jobs_.empty()) ready();
  if (unused()) rows_.unused(session_, false);
}

void SessionRow::read(const ReadJob& job) {
  busy_ = true;
  rows_.read(key(), {"HGET", key(), fmt::format("q{}", job.packet_id)}, [self = self_](Outcome& o) {
    SessionRow* row = *self;
    if (!row) return;
    row->busy_ = false;
    auto j = row->take_front<ReadJob>();
    ports::SessionStore::Outbound out;
    if (o.done() && !o.value().is_nil()) out = embedded::decode_outbound(o.value().text());
    if (o.done())
      j->done(std::move(out));
    else
      j->done(make_error_code(errc::unavailable));
    if (!row->jobs_.empty()) row->ready();
    if (row->unused()) row->rows_.unused(row->session_, false);
  });
}

}  // namespace sb::store
