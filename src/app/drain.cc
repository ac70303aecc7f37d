// SPDX-License-Identifier: MIT
#include "app/drain.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace sb::app {

Drain::Drain(broker::Node& node, std::vector<net::Shard*> shards, std::vector<Listener> listeners)
    : node_(node), shards_(std::move(shards)), listeners_(std::move(listeners)), loop_(shards_.front()->loop()) {}

std::size_t Drain::connections() const {
  std::size_t n = 0;
  for (auto* s : shards_) n += s->load();
  return n;
}

void Drain::begin(double rate) {
  rate_ = rate;
  if (on()) return;
  on_ = true;
  node_.shutting_down = true;
  for (auto& l : listeners_) l.acceptor->close();
  due_ = 0;
  last_ = loop_.now() - kStep;
  on_timer();
}

std::string Drain::end() {
  if (!on()) return {};
  std::string why;
  auto failed = [&](const Listener& l, const error_code& e) {
    if (e && why.empty())
      why = fmt::format("{}: cannot listen on {} again: {}", l.key, l.acceptor->address(), e.message());
  };
  for (auto& l : listeners_) failed(l, l.acceptor->reopen());
  if (why.empty()) {
    node_.shutting_down = false;
    for (auto& l : listeners_) failed(l, l.acceptor->resume());
  }
  if (!why.empty()) {
    node_.shutting_down = true;
    for (auto& l : listeners_) l.acceptor->close();
    return why;
  }
  on_ = false;
  loop_.timers().cancel(*this);
  return {};
}

/// Every shard ends its share; who is on the way from a listener to a shard counts already.
void Drain::on_timer() {
  const MonoTime now = loop_.now();
  due_ = std::min(due_ + rate_ * static_cast<double>((now - last_).count()) / 1000, std::max(1.0, rate_ * kBurst));
  last_ = now;
  const std::size_t all = connections();
  loop_.timers().set(*this, now + (all > 0 ? kStep : kLook));
  if (all == 0) return;
  std::size_t left = static_cast<std::size_t>(std::min(due_, static_cast<double>(all)));
  due_ -= std::floor(due_);
  for (auto* s : shards_) {
    const double share = static_cast<double>(s->load()) / static_cast<double>(all);
    const std::size_t n = std::min(left, static_cast<std::size_t>(std::ceil(share * static_cast<double>(left))));
    if (n == 0) continue;
    left -= n;
    s->loop().post_fn([s, n] { s->shut_down_some(mqtt::Reason::server_shutting_down, n); });
  }
}

}  // namespace sb::app
