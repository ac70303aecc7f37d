// SPDX-License-Identifier: MIT
#include "redis/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace sb::redis {
namespace {

constexpr Millis kTroubled{1000};    // without success, until it is said
constexpr std::size_t kShare = 166;  // a tick lets in this part of what is left of the redo ring: in 5 s most of it

}  // namespace

Writer::Writer(io::EventLoop& loop, const Url& url, Options options, WriterOptions w, Client::Listener* other)
    : loop_(loop), options_(std::move(w)), other_(other), client_(loop, url, std::move(options), this) {
  loop_.timers().set(*this, loop_.now() + kTick);
}

Writer::~Writer() { loop_.timers().cancel(*this); }

WriterPipe& Writer::pipe(const Endpoint& e) { return pipes_.try_emplace(e, *this, e).first->second; }

void Writer::on_up(Connection& c, unsigned lane) {
  if (lane == kWrites) {
    pipe(c.endpoint()).set_connection(&c);
    for (Target* t : std::exchange(later_, {})) scheduled_.push_back(t);
    run();
  }
  if (other_) other_->on_up(c, lane);
}

void Writer::on_down(Connection& c, unsigned lane) {
  if (lane == kWrites) pipe(c.endpoint()).set_connection(nullptr);
  if (other_) other_->on_down(c, lane);
}

// ---------------------------------------------------------------- whose turn it is

void Writer::schedule(Target& t) {
  if (t.queued_ || t.under_way_ || t.stopped_) return;
  t.queued_ = true;
  scheduled_.push_back(&t);
  schedule_run();
}

void Writer::schedule_run() {
  if (turn_end_) return;
  turn_end_ = true;
  if (loop_.in_turn())
    loop_.at_turn_end(this);
  else
    loop_.timers().set(*this, loop_.now());
}

void Writer::schedule_later(Target& t) {
  if (t.queued_ || t.under_way_ || t.stopped_) return;
  t.queued_ = true;
  later_.push_back(&t);
}

void Writer::on_end_of_turn() {
  turn_end_ = false;
  run();
}

void Writer::run() {
  for (std::size_t n = scheduled_.size(); n > 0; --n) {
    Target* t = scheduled_.front();
    scheduled_.pop_front();
    assign(*t);
  }
  for (auto& [e, p] : pipes_) p.flush();
}

/// Who is primary of the target now; what was sent to somebody else has to be asked for.
void Writer::assign(Target& t) {
  t.queued_ = false;
  const Endpoint* e = client_.topology().primary(t.slot());
  if (!e) {
    if (no_primary_since_ == kNever) no_primary_since_ = loop_.now();
    return schedule_later(t);
  }
  no_primary_since_ = kNever;
  client_.connection(t.slot(), kWrites);  // made when it is asked for first
  WriterPipe& p = pipe(*e);
  if (t.pipe_ != &p) {
    if (t.pipe_) t.pipe_->forget(t);
    if (t.pipe_ && !t.batches_.empty()) t.doubt();
    t.pipe_ = &p;
  }
  t.queued_ = true;
  p.add(t);
}

void Writer::forget(Target& t) {
  if (t.queued_) {
    std::erase(scheduled_, &t);
    std::erase(later_, &t);
  }
  if (t.pipe_) t.pipe_->forget(t);
  t.queued_ = t.under_way_ = false;
  if (t.aging_ > 0)
    for (auto& a : aging_)
      if (a.target == &t) a.target = nullptr;
  t.aging_ = 0;
}

// ---------------------------------------------------------------- the redo ring

bool Writer::takes(const Target& t) const {
  if (t.essential_ || stats_.kept_bytes < options_.redo_bytes / 2) return true;
  return has_room() && budget_ > 0;
}

void Writer::sent_first(Batch& b) {
  if (!b.concern) return;
  b.counted = b.bytes;
  stats_.kept_bytes += b.bytes;
  budget_ -= std::min(budget_, b.bytes);
}

void Writer::confirmed(Target& t, Batch& b) {
  const bool first = b.state != Batch::State::confirmed;
  b.state = Batch::State::confirmed;
  b.confirmed_at = loop_.now();
  aging_.push_back({&t, loop_.now()});
  ++t.aging_;
  if (!first) return;
  const Aging& mine = aging_.back();
  t.confirmed(b);
  if (mine.target != &t) return;  // it was stopped, and the batch with it
  stats_.kept_bytes -= b.counted - b.bytes;
  b.counted = b.bytes;
}

void Writer::release(Batch& b) { stats_.kept_bytes -= std::exchange(b.counted, 0); }

void Writer::age() {
  const MonoTime old = loop_.now() - options_.keep;
  while (!aging_.empty() && aging_.front().since <= old) {
    const Aging a = aging_.front();
    aging_.pop_front();
    if (!a.target) continue;
    Target& t = *a.target;
    if (t.doubt_) {  // nobody knows what Redis has: from when that is known on, as long again
      aging_.push_back({&t, loop_.now()});
      continue;
    }
    --t.aging_;
    drop_old(t, old);
  }
}

void Writer::drop_old(Target& t, MonoTime old) {
  while (t.at_ > 0) {
    const Batch& b = *t.batches_.front();
    if (b.state != Batch::State::confirmed || b.confirmed_at > old) return;
    t.drop_first();
  }
  see_whether_idle(t);
}

void Writer::see_whether_idle(Target& t) {
  if (t.dropped_ == 0 || !t.idle() || t.under_way_ || t.aging_ > 0) return;
  if (t.pipe_) t.pipe_->forget(t);
  t.on_idle();
}

void Writer::on_timer() {
  if (loop_.now() >= next_tick_) tick();
  loop_.timers().set(*this, next_tick_);
  turn_end_ = false;
  run();
}

void Writer::tick() {
  next_tick_ = loop_.now() + kTick;
  budget_ = (options_.redo_bytes - std::min(options_.redo_bytes, stats_.kept_bytes)) / kShare;
  age();
  for (Target* t : std::exchange(later_, {})) scheduled_.push_back(t);
  for (auto& [e, p] : pipes_) p.tick();
}

bool Writer::busy() const {
  return !scheduled_.empty() || !later_.empty() ||
         std::any_of(pipes_.begin(), pipes_.end(), [](auto& p) { return p.second.busy(); });
}

std::string Writer::trouble() const {
  const MonoTime since = loop_.now() - kTroubled;
  if (no_primary_since_ < since) return "nobody knows a primary of Redis";
  for (auto& [e, p] : pipes_)
    if (std::string why = p.trouble(since); !why.empty()) return why;
  return {};
}

}  // namespace sb::redis
