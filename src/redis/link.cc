// SPDX-License-Identifier: MIT
#include "redis/link.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace sb::redis {

Link::Link(std::shared_ptr<const Options> options, LinkHost& host, std::uint32_t seed)
    : options_(std::move(options)), host_(host), random_(seed), pipeline_(options_->bounds) {}

void Link::start(MonoTime now) {
  if (state_ == State::idle) attempt(now);
}

void Link::stop() {
  if (state_ == State::idle) return;
  state_ = State::idle;
  host_.close();
  pipeline_.fail(make_error_code(errc::closed));
}

void Link::attempt(MonoTime now) {
  state_ = State::connecting;
  deadline_ = now + options_->connect_timeout;
  now_ = now;
  host_.open();
}

error_code Link::command(MonoTime now, Args command, Handler& handler, std::uint64_t tag, Millis timeout) {
  if (state_ != State::up) return make_error_code(errc::not_connected);
  if (!pipeline_.has_room(command)) return make_error_code(errc::pipeline_full);
  pipeline_.add(command, handler, tag, now + (timeout.count() > 0 ? timeout : options_->command_timeout));
  return {};
}

void Link::opened(MonoTime now) {
  if (state_ != State::connecting) return;
  state_ = State::handshake;
  now_ = heard_ = now;
  reloads_ = 0;
  steps_ = handshake_steps(*options_);
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    auto words = steps_[i].words;
    if (!steps_[i].text.empty()) words.push_back(steps_[i].text);
    pipeline_.add(std::span<const std::string_view>(words), *this, i, deadline_);
  }
}

void Link::received(MonoTime now, Reply& reply) {
  if (state_ != State::handshake && state_ != State::up) return;
  now_ = heard_ = now;
  Pipeline::Answered a;
  if (!pipeline_.answer(reply, a))
    return lost(now, make_error_code(errc::protocol_error), "unasked: " + std::string(reply.root().text()));
  // In front of whatever its user sends now, so that the same command finds it loaded.
  if (a.outcome.refused_as(Refusal::no_script)) load_scripts();
  if (state_ == State::up && a.outcome.kind == Outcome::Kind::refused) host_.on_link_refused(a.outcome);
  a.handler->on_outcome(a.outcome, a.tag);
}

void Link::lost(MonoTime now, error_code why, std::string detail) {
  if (state_ == State::idle || state_ == State::waiting) return;
  if (state_ == State::up && now - up_since_ >= options_->pause_max) attempts_ = 0;
  state_ = State::waiting;
  deadline_ = now + next_pause();
  host_.close();
  pipeline_.fail(why);
  if (state_ == State::waiting) host_.on_link_down(why, detail);  // else a handler has stopped it
}

void Link::tick(MonoTime now) {
  now_ = now;
  switch (state_) {
    case State::idle:
      return;
    case State::waiting:
      if (now >= deadline_) attempt(now);
      return;
    case State::connecting:
    case State::handshake:
      if (now >= deadline_) lost(now, make_error_code(errc::timed_out), "no connection");
      return;
    case State::up:
      if (pipeline_.expired(now)) return lost(now, make_error_code(errc::timed_out), "a command was not answered");
      if (pipeline_.empty() && now >= heard_ + options_->probe_after)
        pipeline_.add({"PING"}, *this, kProbe, now + options_->command_timeout);
  }
}

MonoTime Link::wake_at() const {
  switch (state_) {
    case State::idle:
      return kNever;
    case State::up:
      return pipeline_.empty() ? heard_ + options_->probe_after : pipeline_.earliest();
    default:
      return deadline_;
  }
}

void Link::on_outcome(Outcome& outcome, std::uint64_t tag) {
  if (tag == kReload) --reloads_;
  // A refused PING is a sign of life, too, and whoever needs a script that cannot be loaded hears of it.
  if (tag < kProbe && state_ == State::handshake) step_done(outcome, tag);
}

void Link::step_done(Outcome& outcome, std::size_t step) {
  std::string detail;
  if (error_code why = judge(steps_[step], *options_, outcome, detail); why) return lost(now_, why, std::move(detail));
  if (step + 1 < steps_.size()) return;
  state_ = State::up;
  up_since_ = now_;
  host_.on_link_up();
}

void Link::load_scripts() {
  if (state_ != State::up || reloads_ > 0) return;
  for (auto& script : options_->scripts) {
    pipeline_.add({"SCRIPT", "LOAD", script->source}, *this, kReload, now_ + options_->command_timeout);
    ++reloads_;
  }
}

/// Between half and all of the pause, so that those who were lost together do not come back together.
Millis Link::next_pause() {
  const auto pause = std::min(options_->pause_max, options_->pause_min * (1 << std::min(attempts_++, 16u)));
  return Millis(pause.count() - random_() % (pause.count() / 2 + 1));
}

}  // namespace sb::redis
