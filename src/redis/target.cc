// SPDX-License-Identifier: MIT
#include "redis/target.h"

#include <algorithm>
#include <utility>

#include "redis/slot_map.h"
#include "redis/writer.h"

namespace sb::redis {

Target::Target(Writer& writer, std::string key) : writer_(writer), key_(std::move(key)), slot_(key_slot(key_)) {}

Target::~Target() {
  for (auto& b : batches_) writer_.release(*b);
  writer_.forget(*this);
  set_repairing(false);
}

void Target::ready() {
  wants_ = true;
  writer_.schedule(*this);
}

void Target::repair() {
  doubt_ = true;
  writer_.schedule(*this);
}

void Target::stop() {
  stopped_ = true;
  wants_ = false;
  for (auto& b : batches_) writer_.release(*b);
  writer_.forget(*this);
  batches_.clear();
  at_ = 0;
  set_repairing(false);
}

void Target::doubt() {
  doubt_ = true;
  set_repairing(true);
  writer_.doubted();
}

void Target::drop_first() {
  writer_.release(*batches_.front());
  dropped_ = batches_.front()->number;
  batches_.pop_front();
  --at_;
}

void Target::unneeded_up_to(std::uint64_t number) {
  unneeded_ = std::max(unneeded_, number);
  while (at_ > 0 && batches_.front()->number <= unneeded_ && batches_.front()->state == Batch::State::confirmed)
    drop_first();
}

void Target::set_repairing(bool repairing) {
  if (std::exchange(repairing_, repairing) == repairing) return;
  if (repairing)
    ++writer_.repairing_;
  else
    --writer_.repairing_;
}

void Target::see_whether_repaired() {
  if (repairing_ && !doubt_ && (at_ == batches_.size() || batches_[at_]->number > repair_to_)) set_repairing(false);
}

std::optional<std::uint64_t> Target::last(Outcome& outcome) {
  if (!outcome.done()) return std::nullopt;
  if (outcome.value().is_nil()) return 0;
  const auto n = outcome.value().integer();
  return n && *n >= 0 ? std::optional<std::uint64_t>(static_cast<std::uint64_t>(*n)) : std::nullopt;
}

void Target::resume(std::uint64_t has) {
  doubt_ = false;
  if (has < dropped_) {
    const std::uint64_t kept = batches_.empty() ? next_number_ : batches_.front()->number;
    const std::uint64_t enough = std::max(has, unneeded_), dropped = std::exchange(dropped_, has);  // told once
    gap_ = true;
    if (enough < dropped) {
      writer_.stats_.lost += dropped - enough;
      lost(enough, kept);
    }
  }
  // One that Redis has and has not answered goes again as well: its answer says where it is.
  at_ = 0;
  while (at_ < batches_.size() && batches_[at_]->number <= has && batches_[at_]->answered) ++at_;
  for (std::size_t i = 0; i < at_; ++i)
    if (batches_[i]->state == Batch::State::accepted) pipe_->unconfirmed_.push_back({this, batches_[i]->number});
  repair_to_ = last_number();
  see_whether_repaired();
}

/// What goes out next: what has to be repeated, then what is new.
Batch* Target::to_send() {
  if (at_ < batches_.size()) return batches_[at_].get();
  auto b = next();
  if (!b) {
    wants_ = false;
    return nullptr;
  }
  b->number = next_number_++;
  b->made = writer_.loop().now();
  batches_.push_back(std::move(b));
  writer_.sent_first(*batches_.back());
  return batches_.back().get();
}

// ---------------------------------------------------------------- Repeatable

struct Repeatable::Command final : Batch {
  std::vector<std::string> words;
  Done done;
};

Repeatable::Repeatable(Writer& writer, std::string key) : Target(writer, std::move(key)) {}
Repeatable::~Repeatable() = default;

void Repeatable::send(std::vector<std::string> words, Done done) {
  auto c = std::make_unique<Command>();
  c->bytes = sizeof(Command);
  for (auto& w : words) c->bytes += w.size() + sizeof w;
  c->words = std::move(words);
  c->done = std::move(done);
  waiting_.push_back(std::move(c));
  ready();
}

std::unique_ptr<Batch> Repeatable::next() {
  if (waiting_.empty()) return nullptr;
  auto c = std::move(waiting_.front());
  waiting_.pop_front();
  return c;
}

void Repeatable::encode(const Batch& b, Sending, Words& out) {
  for (auto& w : static_cast<const Command&>(b).words) out.add(w);
}

void Repeatable::confirmed(Batch& b) {
  if (auto done = std::exchange(static_cast<Command&>(b).done, nullptr)) done();
}

}  // namespace sb::redis
