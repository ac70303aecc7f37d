// SPDX-License-Identifier: MIT
// A node that was buried and goes on: nothing of its earlier life reaches Redis. docs/adr/0016.
#include <utility>

#include "ports/errc.h"
#include "store/redis_sessions.h"

namespace sb::store {
namespace {

using ports::errc;

/// Whoever waits for it is told that it was not done.
void refuse(SessionJob& job) {
  if (auto* claim = dynamic_cast<ClaimJob*>(&job)) {
    ClaimAnswer a;
    a.what = ClaimAnswer::What::refused;
    a.why = make_error_code(errc::unavailable);
    claim->done(*claim, std::move(a));
  } else if (auto* change = dynamic_cast<ChangeJob*>(&job)) {
    change->done(make_error_code(errc::stale_epoch));
  } else if (auto* end = dynamic_cast<EndJob*>(&job)) {
    end->done(make_error_code(errc::stale_epoch), 0, {});
  } else if (auto* take = dynamic_cast<TakeJob*>(&job)) {
    TakeAnswer a;
    a.failed = true;
    if (take->done) take->done(std::move(a));
  } else if (auto* taken = dynamic_cast<TakenJob*>(&job)) {
    if (taken->done) taken->done();
  } else if (auto* read = dynamic_cast<ReadJob*>(&job)) {
    read->done(make_error_code(errc::unavailable));
  }
}

}  // namespace

void RedisSessions::end_life() {
  ++lives_;
  std::vector<std::unique_ptr<SessionJob>> unanswered;
  for (auto& [id, s] : sessions_) {
    s->owned.reset();
    if (s->row) s->row->end_life(unanswered);
  }
  absl::erase_if(sessions_, [](auto& s) { return !s.second->row; });
  to_check_.clear();
  settling_.clear();
  firing_.clear();  // they are given again, by somebody who lives
  unfired_.clear();
  wills_.end_life();
  for (auto& job : unanswered) refuse(*job);
}

}  // namespace sb::store
