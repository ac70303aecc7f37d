// SPDX-License-Identifier: MIT
#include "session/session.h"

#include "model/topic.h"

namespace sb::session {
namespace {
constexpr std::size_t kIndexFrom = 32;  // subscriptions, from which on a hash index pays
}

Subscription* Session::find(std::string_view filter) {
  if (by_filter_) {
    auto it = by_filter_->find(filter);
    return it == by_filter_->end() ? nullptr : &subscriptions_[it->second];
  }
  for (auto& s : subscriptions_)
    if (s.filter == filter) return &s;
  return nullptr;
}

Subscription& Session::add(std::string filter) {
  if (by_filter_) by_filter_->emplace(filter, static_cast<std::uint32_t>(subscriptions_.size()));
  Subscription& s = subscriptions_.emplace_back();
  s.filter = std::move(filter);
  s.order = next_order_++;
  if (!by_filter_ && subscriptions_.size() > kIndexFrom) {
    by_filter_ = std::make_unique<StringMap<std::uint32_t>>();
    for (std::uint32_t i = 0; i < subscriptions_.size(); ++i) by_filter_->emplace(subscriptions_[i].filter, i);
  }
  return s;
}

void Session::remove(std::string_view filter) {
  Subscription* s = find(filter);
  if (!s) return;
  auto at = static_cast<std::uint32_t>(s - subscriptions_.data());
  if (by_filter_) {
    by_filter_->erase(filter);
    if (at + 1 != subscriptions_.size()) (*by_filter_)[subscriptions_.back().filter] = at;
  }
  if (at + 1 != subscriptions_.size()) *s = std::move(subscriptions_.back());
  subscriptions_.pop_back();
  if (subscriptions_.empty()) by_filter_.reset();
}

bool Session::responsible(const Subscription& s, std::string_view topic, model::Position at) const {
  bool wanted = !s.cursor->draining;
  for (auto& other : subscriptions_) {
    if (&other == &s || !other.cursor) continue;
    if (s.cursor->draining) {  // it only delivers what somebody still subscribes to
      wanted |= !other.cursor->draining && model::matches(other.filter, topic);
      continue;
    }
    if (other.order > s.order || !model::matches(other.filter, topic)) continue;
    if (!other.cursor->draining) return false;
    for (auto& [filter, upto] : other.cursor->covers)
      if (filter == s.filter && at <= upto) return false;
  }
  return wanted;
}

model::Position Session::low(const Cursor& c) {
  model::Position low = c.next;
  window.for_each([&](PacketId, InFlight& e) {
    if (e.log == c.log && e.position.offset > 0 && e.position <= low && e.state != OutboundState::released)
      low = {e.position.generation, e.position.offset - 1};
  });
  return low;
}

}  // namespace sb::session
