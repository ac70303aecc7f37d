// SPDX-License-Identifier: MIT
#include "auth/breaker.h"

#include <utility>

namespace sb::auth {

std::optional<Breaker::Permit> Breaker::ask(MonoTime now) {
  if (open_) {
    if (probing_ || now < probe_at_) return std::nullopt;
    probing_ = true;
  }
  return Permit(period_);
}

bool Breaker::succeeded(Permit p) {
  if (p.period_ != period_) return false;
  failures_ = 0;
  probing_ = false;
  return std::exchange(open_, false);
}

bool Breaker::failed(Permit p, MonoTime now) {
  if (p.period_ != period_) return false;
  if (!open_ && ++failures_ < options_.failures) return false;
  ++period_;
  failures_ = 0;
  probing_ = false;
  probe_at_ = now + options_.retry_after;
  return !std::exchange(open_, true);
}

void Breaker::cancelled(Permit p) {
  if (p.period_ == period_) probing_ = false;
}

}  // namespace sb::auth
