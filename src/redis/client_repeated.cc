// SPDX-License-Identifier: MIT
#include "redis/client_repeated.h"

#include <algorithm>
#include <utility>

namespace sb::redis {
namespace {

constexpr Millis kPause{30};     // before the next attempt
constexpr Millis kAnswer{1000};  // at least: a command that is late takes its connection with it

/// Whether the same command may be done a little later, or elsewhere.
bool passes(const Outcome& o) {
  if (o.kind != Outcome::Kind::refused) return o.why != errc::pipeline_full;
  switch (o.refusal) {
    case Refusal::moved:
    case Refusal::ask:
    case Refusal::try_again:
    case Refusal::cluster_down:
    case Refusal::primary_down:
    case Refusal::read_only:
    case Refusal::loading:
    case Refusal::busy:
    case Refusal::no_script:
    case Refusal::unblocked:
      return true;
    default:
      return false;
  }
}

}  // namespace

Client::Repeated::Repeated(Client& client, std::vector<std::string> words, std::uint16_t slot, Millis within,
                           std::function<void(Outcome&)> done, unsigned lane)
    : client_(client),
      loop_(client.loop_),
      words_(std::move(words)),
      slot_(slot),
      lane_(lane),
      end_(loop_.now() + within),
      done_(std::move(done)) {}

void Client::Repeated::start(Self self) {
  self_ = self;
  attempt();
}

void Client::Repeated::attempt() {
  const Millis left = std::max(end_ - loop_.now(), kAnswer);
  const std::vector<std::string_view> views(words_.begin(), words_.end());
  const Args command{std::span<const std::string_view>(views)};
  const auto asked = std::exchange(asked_, std::nullopt);
  const error_code e = asked ? client_.ask(*asked, command, *this, 0, left, lane_)
                             : client_.command(slot_, command, *this, 0, left, lane_);
  if (!e) return;
  Outcome o{Outcome::Kind::not_sent, Refusal::other, nullptr, e};
  again(o);
}

void Client::Repeated::on_outcome(Outcome& outcome, std::uint64_t) {
  if (outcome.done()) return finish(outcome);
  if (outcome.refused_as(Refusal::ask)) {
    asked_ = redirect_of(outcome.value().text());
    if (asked_ && client_.reach(asked_->to, lane_)) return attempt();
  }
  again(outcome);
}

void Client::Repeated::again(Outcome& last) {
  const MonoTime next = loop_.now() + kPause;
  if (client_.ending_ || next >= end_ || !passes(last)) return finish(last);
  loop_.timers().set(*this, next);
}

void Client::Repeated::finish(Outcome& outcome) {
  auto done = std::move(done_);
  const auto self = std::move(*self_);  // until the end of this call
  client_.repeated_.erase(self_);
  done(outcome);
}

void Client::Repeated::give_up() {
  Outcome o{Outcome::Kind::not_sent, Refusal::other, nullptr, make_error_code(errc::closed)};
  finish(o);
}

}  // namespace sb::redis
