// SPDX-License-Identifier: MIT
// What Redis answers to the batches of a record.
#include <algorithm>

#include "base/log.h"
#include "ports/errc.h"
#include "store/redis_session_piece.h"

namespace sb::store {

using ports::errc;
using redis::Batch;
using redis::Outcome;
using redis::Refusal;
using redis::Reply;

bool read_record(Reply::View flat, RecordHead& head, SessionImage& image) {
  for (auto it = flat.begin(); it != flat.end(); ++it) {
    const std::string_view field = (*it).text();
    if (++it == flat.end() || field.empty()) return false;
    const std::string_view value = (*it).text();
    switch (field[0]) {
      case 'e':
        head.epoch = number_of(value);
        break;
      case 'n':
        head.number = number_of(value);
        break;
      case 'o':
        head.owner = value;
        break;
      case 'x':
      case 'f':
      case 'k':
        break;
      default:
        head.alive |= field == "t";
        if (!image.take(field, value)) return false;
    }
  }
  return image.complete();
}

redis::Target::Taken SessionRow::answered(Batch& b, Outcome& o) {
  auto& p = static_cast<Piece&>(b);
  auto taken = Taken::yes;
  if (p.life != rows_.life()) {
    if (!o.done() && !o.refused_as(Refusal::other)) return Taken::repair;
  } else if (!o.done()) {
    if (!o.refused_as(Refusal::other)) return Taken::repair;
    // Nothing that would pass.
    log::error("session record refused client={} error=\"{}\"", log::name(session_.client_id), o.text());
    if (!p.has_answer) p.why = make_error_code(errc::unavailable);
    p.claim.what = ClaimAnswer::What::refused;
    p.claim.why = p.why;
    p.take.failed = true;
  } else if (sent_ == Sent::whole) {
    taken = whole_answered(o.value());
  } else if (sent_ == Sent::mark) {
    taken = mark_answered(p, o.value());
  } else if (sent_ == Sent::itself && !p.ends) {
    switch (p.kind) {
      case Piece::Kind::claim:
        taken = claim_answered(p, o.value());
        break;
      case Piece::Kind::change:
        taken = change_answered(p, o.value());
        break;
      case Piece::Kind::take:
        taken = take_answered(p, o.value());
        break;
      case Piece::Kind::end:
        if (o.value().text() == "stale" && !p.has_answer) p.why = make_error_code(errc::stale_epoch);
        break;
      default:
        break;
    }
  }
  if (taken == Taken::yes) {
    p.has_answer = true;
    p.fields.clear();
  }
  return taken;
}

redis::Target::Taken SessionRow::whole_answered(Reply::View r) {
  if (r[0].text() == "lost") {
    lose();
    return Taken::yes;
  }
  log::warn("session record written anew client={}", log::name(session_.client_id));
  rows_.rewritten(session_);
  const auto node = r[1].text();
  if (!node.empty() && node != rows_.node())
    rows_.displaced(session_, node, static_cast<std::uint64_t>(r[2].integer().value_or(0)));
  return Taken::yes;
}

redis::Target::Taken SessionRow::mark_answered(Piece& p, Reply::View r) {
  const auto what = r.text();
  if (what == "done" || what == "seen") return Taken::yes;
  if (what != "stale") return Taken::repair;
  if (session_.owned && session_.owned->epoch == p.epoch) lose();
  return Taken::yes;
}

redis::Target::Taken SessionRow::change_answered(Piece& p, Reply::View r) {
  const auto what = r.text();
  if (what == "done" || what == "seen") return Taken::yes;
  const bool mine = session_.owned && session_.owned->epoch == p.epoch;
  if (what != "stale" && mine) return Taken::repair;  // Redis does not have what it had
  p.why = make_error_code(what == "stale" ? errc::stale_epoch : errc::no_session);
  if (mine) lose();
  return Taken::yes;
}

/// The owner that the script asks for is known now, or about to be: the same again. False: it did not ask.
bool SessionRow::again_with_owners(Piece& p, Reply::View r) {
  if (r[0].text() != "who") return false;
  for (std::size_t i = 1; i < r.size(); ++i) rows_.met(r[i].text());
  put_back(p);
  return true;
}

/// Nothing was changed by this batch: its job is the next one again.
void SessionRow::put_back(Piece& p) {
  jobs_.push_front(std::move(p.jobs.front()));
  p.jobs.clear();
  ready();
}

redis::Target::Taken SessionRow::claim_answered(Piece& p, Reply::View r) {
  if (again_with_owners(p, r)) return Taken::yes;
  auto& job = static_cast<ClaimJob&>(*p.jobs.front());
  ClaimAnswer& a = p.claim;
  if (r[0].text() == "absent") {
    put_back(p);
    begin_create(job);
    return Taken::yes;
  }
  if (r[0].text() == "soon") {
    a.what = ClaimAnswer::What::soon;
    return Taken::yes;
  }
  p.before_claim = std::move(session_.owned);
  if (r[0].text() == "none") return Taken::yes;
  a.what = ClaimAnswer::What::claimed;
  a.epoch = p.epoch = static_cast<std::uint64_t>(r[1].integer().value_or(0));
  std::string_view x = r[3].text();
  std::string_view words[3];
  for (auto& w : words) {
    const auto space = std::min(x.find(' '), x.size());
    w = x.substr(0, space);
    x.remove_prefix(std::min(space + 1, x.size()));
  }
  a.present = words[0] == "1";
  a.previous_node = x;
  a.will = read_fired(words[1], r[4].text());
  a.ended = number_of(words[2]);
  for (auto chunk : r[6])
    for (auto& f : filters_of_chunk(chunk.text())) a.ended_filters.push_back(std::move(f));
  if (!job.claim.durable && !a.present) {
    p.ends = a.ended != 0;
    if (p.ends) repeats_.push_back(p.number);
    return Taken::yes;
  }
  RecordHead head;
  auto owned = std::make_unique<OwnedSession>();
  if (!read_record(r[5], head, owned->image)) {
    log::error("session record corrupt client={}", log::name(session_.client_id));
    a.what = ClaimAnswer::What::refused;
    a.why = make_error_code(errc::unavailable);
    return Taken::yes;
  }
  owned->epoch = a.epoch;
  owned->nonce = job.nonce;
  owned->number = p.number;
  a.record = owned->image.record();
  a.record.client_id = session_.client_id;
  a.record.epoch = a.epoch;
  session_.owned = std::move(owned);
  return Taken::yes;
}

redis::Target::Taken SessionRow::take_answered(Piece& p, Reply::View r) {
  if (p.has_answer || again_with_owners(p, r)) return Taken::yes;
  TakeAnswer& a = p.take;
  auto time = [](std::string_view word) { return WallTime(Millis(static_cast<std::int64_t>(number_of(word)))); };
  auto again = [&](std::string_view word) {
    if (word != "-") a.again = time(word);
  };
  const auto what = r[0].text();
  a.gone = what == "gone";
  if (what == "later") {
    again(r[1].text());
    a.over = number_of(r[2].text());
  }
  if (what != "taken") return Taken::yes;
  a.ended = r[1].integer() == 1;
  const Reply::View wills = r[2];
  for (std::size_t i = 0; i + 1 < wills.size(); i += 2)
    if (auto w = decode_will(wills[i + 1].text())) a.wills.push_back({std::string(wills[i].text()), std::move(*w)});
  a.incarnation = number_of(r[3].text());
  for (auto chunk : r[4])
    for (auto& f : filters_of_chunk(chunk.text())) a.filters.push_back(std::move(f));
  again(r[5].text());
  a.since = time(r[6].text());
  a.over = number_of(r[7].text());
  OwnedSession* owned = session_.owned.get();
  if (owned && !a.ended && a.over == 0 && !owned->image.connected()) {
    // Its will went, and nothing else: what a failover forgets of the rest is still to be written again.
    ports::SessionChange fired;
    fired.will = model::WillRecord{};
    RecordFields redis_knows;
    owned->image.apply(std::move(fired), redis_knows);
  } else {
    session_.owned.reset();  // it is not as the image says any more
  }
  return Taken::yes;
}

/// Another node owns the session: what was not confirmed is not stored.
void SessionRow::lose() {
  if (!session_.owned) return;
  const std::uint64_t epoch = session_.owned->epoch;
  session_.owned.reset();
  rewrite_ = false;
  for (Piece* p : open_)
    if (p->kind == Piece::Kind::change && p->epoch == epoch) p->why = make_error_code(errc::stale_epoch);
  rows_.lost(session_, epoch);
}

}  // namespace sb::store
