// SPDX-License-Identifier: MIT
#include "redis/pipeline.h"

#include <algorithm>
#include <utility>

namespace sb::redis {

bool Pipeline::has_room(Args command) const {
  return waiting_.empty() || (waiting_.size() < bounds_.commands && bytes_ + encoded_size(command) <= bounds_.bytes);
}

void Pipeline::add(Args command, Handler& handler, std::uint64_t tag, MonoTime deadline) {
  const std::size_t before = output_.size();
  encode(output_, command);
  const std::size_t bytes = output_.size() - before;
  waiting_.push_back({&handler, tag, deadline, added_, bytes});
  added_ += bytes;
  bytes_ += bytes;
  earliest_ = std::min(earliest_, deadline);
}

bool Pipeline::answer(Reply& reply, Answered& to) {
  // What was not written cannot be answered.
  if (waiting_.empty() || waiting_.front().begin >= sent_) return false;
  const Entry& e = waiting_.front();
  to.handler = e.handler;
  to.tag = e.tag;
  const Reply::View value = reply.root();
  to.outcome = {value.is_error() ? Outcome::Kind::refused : Outcome::Kind::done, Refusal::other, &reply, {}};
  if (value.is_error()) to.outcome.refusal = classify(value.text());
  bytes_ -= e.bytes;
  waiting_.pop_front();
  if (waiting_.empty()) earliest_ = kNever;
  return true;
}

void Pipeline::fail(error_code why) {
  const std::uint64_t sent = sent_;
  auto failed = std::exchange(waiting_, {});
  clear();
  for (const Entry& e : failed) {
    Outcome o{e.begin < sent ? Outcome::Kind::unknown : Outcome::Kind::not_sent, Refusal::other, nullptr, why};
    e.handler->on_outcome(o, e.tag);
  }
}

void Pipeline::clear() {
  output_.clear();
  waiting_.clear();
  bytes_ = 0;
  added_ = sent_ = 0;
  earliest_ = kNever;
}

bool Pipeline::expired(MonoTime now) {
  if (now < earliest_) return false;
  earliest_ = kNever;
  for (const Entry& e : waiting_) earliest_ = std::min(earliest_, e.deadline);
  return earliest_ <= now;
}

}  // namespace sb::redis
