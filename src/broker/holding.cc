// SPDX-License-Identifier: MIT
// Acknowledgements while this node may not know of a subscription that another node has confirmed: the messages go
// where the routes that are known lead, and are not acknowledged before the routes are fresh and the rest has them,
// too.
#include <algorithm>

#include "broker/core.h"
#include "ports/errc.h"

namespace sb::broker {
namespace {

constexpr Millis kLook{20};  // between two looks whether the routes are fresh

/// What is in `now` and not in `before`.
template <class Range>
auto added(const Range& now, const Range& before) {
  std::vector<std::remove_cv_t<typename Range::value_type>> out;
  for (auto& n : now)
    if (std::find(before.begin(), before.end(), n) == before.end()) out.push_back(n);
  return out;
}

}  // namespace

void Core::hold(const PendingPtr& p, model::MessagePtr m, Route& r, const ports::LogStore::Origin& origin) {
  ++p->waits;
  counters.held_acks.add();
  held_bytes_ += m->footprint();
  held_.push_back({p, std::move(m), RoutePtr(&r), now + node_.hold, origin});
  if (!held_wake_.armed()) loop_.timers().set(held_wake_, loop_.now() + kLook);
}

void Core::release_held() {
  const bool fresh = stores_.peers->fresh();
  while (!held_.empty() && (fresh || held_.front().until <= now)) {
    Held h = std::move(held_.front());
    held_.pop_front();
    held_bytes_ -= h.message->footprint();
    if (!fresh) {
      settle(h.pending, make_error_code(ports::errc::unavailable), mqtt::Reason::unspecified_error);
      continue;
    }
    // Groups got it when it came: one member is enough.
    const model::MessageView& m = h.message->view();
    const RoutePtr r = routes_.get(m.topic);
    if (r != h.route) {
      to_peers(added(r->peers_for(m.qos), h.route->peers_for(m.qos)), m, h.pending);
      for (auto log : added(r->logs, h.route->logs)) {
        appends_.push_back({log, h.message, h.origin});
        append_waiters_.push_back(h.pending);
        ++h.pending->waits;
      }
    }
    settle(h.pending, {}, mqtt::Reason::success);
  }
  if (!held_.empty()) loop_.timers().set(held_wake_, loop_.now() + kLook);
}

}  // namespace sb::broker
