// SPDX-License-Identifier: MIT
#include "session/window.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace sb::session {

PacketId Window::push(InFlight entry) {
  assert(span_ < 65535);
  if (span_ == capacity_) grow();
  PacketId id = id_of(first_ + span_);
  kept_ += footprint(entry.message);
  at(span_) = std::move(entry);
  ++span_;
  ++count_;
  return id;
}

bool Window::restore(std::uint64_t sequence, InFlight entry) {
  if (span_ == 0) first_ = sequence;
  if (sequence < first_ + span_ || sequence - first_ >= 65535) return false;
  auto i = static_cast<std::uint32_t>(sequence - first_);
  while (span_ <= i) {
    if (span_ == capacity_) grow();
    at(span_++) = InFlight{};
  }
  kept_ += footprint(entry.message);
  at(i) = std::move(entry);
  ++count_;
  return true;
}

InFlight* Window::find(PacketId id) {
  if (id == 0) return nullptr;
  std::uint32_t i = offset_of(id);
  if (i >= span_) return nullptr;
  InFlight& e = at(i);
  return e.state == OutboundState{} ? nullptr : &e;
}

void Window::erase(PacketId id) {
  InFlight* e = find(id);
  if (!e) return;
  forget(*e);
  *e = InFlight{};
  --count_;
  drop_free_front();
}

void Window::drop_free_front() {
  while (span_ > 0 && at(0).state == OutboundState{}) {
    begin_ = (begin_ + 1) & (capacity_ - 1);
    ++first_;
    --span_;
  }
  if (span_ == 0 && capacity_ > 64) {  // a burst is over: give its memory back
    ring_.reset();
    capacity_ = begin_ = 0;
  }
}

void Window::grow() {
  std::uint32_t wider = std::max(8u, capacity_ * 2);
  auto ring = std::make_unique<InFlight[]>(wider);
  for (std::uint32_t i = 0; i < span_; ++i) ring[i] = std::move(at(i));
  ring_ = std::move(ring);
  capacity_ = wider;
  begin_ = 0;
}

void Window::clear() {
  ring_.reset();
  capacity_ = begin_ = span_ = count_ = 0;
  kept_ = 0;
}

}  // namespace sb::session
