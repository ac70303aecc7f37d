// SPDX-License-Identifier: MIT
#include "redis/writer_pipe.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "redis/replication.h"
#include "redis/writer.h"

namespace sb::redis {
namespace {

constexpr Millis kPatience{100}, kMostPatience{500};  // WAIT holds up what is behind it

/// A key in the slot of another one.
std::string beside(const std::string& key, const std::string& prefix) {
  const auto open = key.find('{');
  const auto close = open == std::string::npos ? open : key.find('}', open);
  const bool tagged = close != std::string::npos && close > open + 1;
  return prefix + "touch:{" + (tagged ? key.substr(open + 1, close - open - 1) : key) + "}";
}

}  // namespace

WriterPipe::WriterPipe(Writer& writer, Endpoint to)
    : writer_(writer), endpoint_(std::move(to)), down_since_(writer.loop().now()), patience_(kPatience) {}

void WriterPipe::set_connection(Connection* c) {
  if (connection_ || c) writer_.reconnected();
  if (c)
    down_since_ = kNever;
  else if (down_since_ == kNever)
    down_since_ = writer_.loop().now();
  connection_ = c;
  unconfirmed_.clear();
  touch_ = true;
  alone_ = asks_history_ = false;
  history_.clear();
  refusal_.clear();
  if (c) return ask_history();
  auto targets = std::exchange(targets_, {});
  give_back();
  for (Target* t : targets) {
    if (!t->batches_.empty()) t->doubt();
    writer_.schedule(*t);
  }
}

/// Somebody else may be primary of them now.
void WriterPipe::give_back() {
  for (Target* t : std::exchange(ready_, {})) {
    t->queued_ = false;
    writer_.schedule(*t);
  }
}

void WriterPipe::add(Target& t) { ready_.push_back(&t); }

void WriterPipe::forget(Target& t) {
  targets_.erase(&t);
  if (t.queued_) std::erase(ready_, &t);
  for (auto& f : flights_)
    if (f.target == &t) f.target = nullptr;
  for (auto& u : unconfirmed_)
    if (u.target == &t) u.target = nullptr;
}

void WriterPipe::flush() {
  if (!connection_ || under_way_ > 0 || writer_.held()) return;
  flushed_bytes_ = 0;
  concern_met_ = writer_.options_.concern != WriterOptions::Concern::replica;
  waits_ = false;
  for (std::size_t n = ready_.size(); n > 0 && connection_ && flights_.size() < kCommands && flushed_bytes_ < kBytes;
       --n) {
    Target& t = *ready_.front();
    ready_.pop_front();
    t.queued_ = false;
    if (!send(t)) break;
  }
  if (!connection_) return;
  if (!concern_met_) send_wait();
  if (under_way_ > 0) ++writer_.stats_.flushes;
}

/// False when the connection takes no more.
bool WriterPipe::send(Target& t) {
  if (t.stopped_) return true;
  words_.clear();
  if (t.doubt_) {
    t.encode_last(words_);
    if (!words_.empty()) return send_question(t);
    t.resume(0);
  }
  if (t.at_ == t.batches_.size() && !writer_.takes(t)) {
    writer_.schedule_later(t);
    return true;
  }
  Batch* b = t.to_send();
  if (!b) {
    writer_.see_whether_idle(t);  // it was not when its last batch was forgotten, since it waited here
    return true;
  }
  const bool again = b->state != Batch::State::waiting;
  t.encode(*b, {again, t.gap_}, words_);
  if (!command(t, b, words_)) return false;
  writer_.stats_.batches += !again;
  writer_.stats_.repeated += again;
  if (b->state == Batch::State::waiting) b->state = Batch::State::sent;
  return true;
}

bool WriterPipe::send_question(Target& t) {
  if (!command(t, nullptr, words_)) return false;
  ++writer_.stats_.repairs;
  return true;
}

bool WriterPipe::command(Target& t, Batch* b, const Words& words) {
  targets_.insert(&t);
  const std::size_t size = encoded_size(words.args());
  if (connection_->command(words.args(), *this, flights_.size())) {
    if (!t.batches_.empty() && t.batches_.front()->state != Batch::State::waiting) t.doubt();
    writer_.schedule_later(t);
    return false;
  }
  t.under_way_ = true;
  flights_.push_back({&t, b});
  ++under_way_;
  flushed_bytes_ += size;
  if (touch_key_.empty() || touch_) touch_key_ = beside(t.key(), writer_.options_.prefix);
  return true;
}

/// Behind all writes of the flush. It covers what earlier ones could not confirm.
void WriterPipe::send_wait() {
  const bool wanted = !unconfirmed_.empty() || std::any_of(flights_.begin(), flights_.end(),
                                                           [](const Flight& f) { return f.batch && f.batch->concern; });
  if (!wanted) return;
  if (alone_ && writer_.options_.degrade) {
    concern_met_ = true;
    if (flights_.empty()) ++writer_.stats_.degraded, confirm_all();
    return;
  }
  // A write of this connection's own, for what was written on another one; in its slot somebody writes all the time.
  if ((touch_ || !unconfirmed_.empty()) && !touch_key_.empty() &&
      !connection_->command({"SET", touch_key_, "1", "PX", "60000"}, *this, kTouch))
    ++under_way_;
  const std::string replicas = std::to_string(writer_.options_.replicas), ms = std::to_string(patience_.count());
  if (connection_->command({"WAIT", replicas, ms}, *this, kWait)) return;
  waits_since_ = writer_.loop().now();
  waits_ = true;
  ++under_way_;
}

void WriterPipe::on_outcome(Outcome& outcome, std::uint64_t tag) {
  if (tag == kReplicas) return replicas_answered(outcome);
  if (tag == kHistory) return history_answered(outcome);
  if (outcome.kind == Outcome::Kind::refused) refused(outcome);
  if (tag == kTouch) {
    if (outcome.done()) touch_ = false;
  } else if (tag == kWait) {
    wait_answered(outcome);
  } else {
    Flight& f = flights_[tag];
    if (f.target) {
      f.target->under_way_ = false;
      if (f.batch) {
        batch_answered(f, outcome);
      } else {
        const bool answered = outcome.done() || outcome.kind == Outcome::Kind::refused;
        if (const auto has = answered ? f.target->last(outcome) : std::nullopt) f.target->resume(*has);
      }
    }
  }
  if (--under_way_ == 0) end_flush();
}

void WriterPipe::batch_answered(Flight& f, Outcome& outcome) {
  Target& t = *f.target;
  if (outcome.kind == Outcome::Kind::unknown || outcome.kind == Outcome::Kind::not_sent) {
    t.doubt();
    return;
  }
  const auto taken = t.answered(*f.batch, outcome);
  if (!f.target || t.stopped_) return;
  if (taken == Target::Taken::repair) {
    t.doubt();
    return;
  }
  if (taken == Target::Taken::over) {
    std::vector<std::unique_ptr<Batch>> rest;
    for (auto& b : t.batches_)
      if (b->state != Batch::State::confirmed) {
        writer_.release(*b);
        rest.push_back(std::move(b));
      }
    std::erase(t.batches_, nullptr);
    t.stop();
    return t.over(std::move(rest));
  }
  f.batch->answered = true;
  t.gap_ = false;
  ++t.at_;
  t.see_whether_repaired();
  const bool first = f.batch->state != Batch::State::confirmed;
  if (f.batch->concern) {
    if (first) f.batch->state = Batch::State::accepted;
    unconfirmed_.push_back({&t, f.batch->number});
    return;
  }
  const auto gone = std::move(t.batches_[t.at_ - 1]);
  t.batches_.erase(t.batches_.begin() + static_cast<std::ptrdiff_t>(--t.at_));
  t.confirmed(*gone);
}

void WriterPipe::wait_answered(const Outcome& outcome) {
  const auto n = outcome.done() ? outcome.value().integer() : std::nullopt;
  concern_met_ = n && *n >= static_cast<std::int64_t>(writer_.options_.replicas);
  // Each WAIT is for what was written last: where replicas are further behind than it is patient, none would succeed.
  const auto took = std::chrono::ceil<Millis>(writer_.loop().now() - waits_since_);
  patience_ = std::clamp(concern_met_ ? 4 * took : 2 * patience_, kPatience, kMostPatience);
  if (concern_met_ || !outcome.done()) return;
  ++writer_.stats_.unreplicated;
  refusal_ = fmt::format("{} of {} replicas confirm", *n, writer_.options_.replicas);
  if (!asks_replicas_ && connection_) asks_replicas_ = !connection_->command({"INFO", "replication"}, *this, kReplicas);
}

void WriterPipe::replicas_answered(const Outcome& outcome) {
  asks_replicas_ = false;
  if (outcome.done()) alone_ = parse_replication(outcome.value().text()).followers() == 0;
  if (alone_ && writer_.options_.degrade) flush();
}

/// There and back between two looks at who is primary: the connection may survive that, and what was written on it does
/// not. PROTOCOLS 1.
void WriterPipe::ask_history() {
  next_look_ = writer_.loop().now() + kLook;
  if (!asks_history_) asks_history_ = !connection_->command({"INFO", "replication"}, *this, kHistory);
}

void WriterPipe::history_answered(const Outcome& outcome) {
  asks_history_ = false;
  if (!outcome.done() || !connection_) return;
  std::string now = parse_replication(outcome.value().text()).history;
  if (!history_.empty() && history_ != now)
    return connection_->renew(make_error_code(errc::wrong_role), "it was a replica meanwhile");
  history_ = std::move(now);
}

void WriterPipe::refused(const Outcome& outcome) { refusal_ = outcome.text(); }

void WriterPipe::end_flush() {
  if (concern_met_ && connection_) {
    if (alone_ && !waits_ && writer_.options_.concern == WriterOptions::Concern::replica) ++writer_.stats_.degraded;
    confirm_all();
  }
  // Nothing was sent meanwhile, since a flush begins at the end of the turn; but targets may have gone.
  for (auto& f : std::exchange(flights_, {})) {
    if (!f.target) continue;
    Target& t = *f.target;
    if (t.doubt_)
      writer_.schedule_later(t);
    else if (t.at_ < t.batches_.size() || t.wants_)
      writer_.schedule(t);
  }
}

void WriterPipe::confirm_all() {
  while (!unconfirmed_.empty()) {
    const Unconfirmed u = unconfirmed_.front();
    unconfirmed_.pop_front();
    if (!u.target) continue;
    Target& t = *u.target;
    const auto at = std::lower_bound(t.batches_.begin(), t.batches_.end(), u.number,
                                     [](const auto& b, std::uint64_t n) { return b->number < n; });
    if (at == t.batches_.end() || (*at)->number != u.number) continue;
    if (static_cast<std::size_t>(at - t.batches_.begin()) >= t.at_) continue;  // it goes again
    writer_.confirmed(t, **at);
  }
}

std::string WriterPipe::trouble(MonoTime since) const {
  if (down_since_ < since && writer_.client_.topology().is_primary(endpoint_))
    return fmt::format("no connection to Redis at {}", endpoint_.text());
  // What goes once more, and has been confirmed, troubles nobody.
  const bool late = std::any_of(targets_.begin(), targets_.end(), [&](const Target* t) {
    if (t->at_ == t->batches_.size()) return false;
    const Batch& b = *t->batches_[t->at_];
    return b.state != Batch::State::confirmed && b.made < since;
  });
  const auto oldest = std::ranges::find_if(unconfirmed_, [](auto& u) { return u.target != nullptr; });
  const auto unconfirmed = [&](const Unconfirmed& u) {
    const auto& b = u.target->batches_;
    return std::any_of(b.begin(), b.end(), [&](auto& i) { return i->number == u.number && i->made < since; });
  };
  if (!late && (oldest == unconfirmed_.end() || !unconfirmed(*oldest))) return {};
  return fmt::format("Redis at {}: {}", endpoint_.text(), refusal_.empty() ? "no answer" : refusal_);
}

void WriterPipe::tick() {
  if (!connection_) {
    if (writer_.client_.topology().is_primary(endpoint_)) writer_.client_.reach(endpoint_, kWrites);
    return give_back();
  }
  if (writer_.loop().now() >= next_look_) ask_history();
  if (alone_ && !asks_replicas_) asks_replicas_ = !connection_->command({"INFO", "replication"}, *this, kReplicas);
  if (!unconfirmed_.empty()) flush();
}

}  // namespace sb::redis
