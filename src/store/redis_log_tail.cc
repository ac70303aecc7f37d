// SPDX-License-Identifier: MIT
#include "store/redis_log_tail.h"

#include <algorithm>
#include <memory>

namespace sb::store {

using model::Position;
using ports::StoredMessage;

namespace {

Position last_of(const AppendedRun& run) { return {run.first.generation, run.first.offset + run.messages.size() - 1}; }

std::size_t bytes_of(const AppendedRun& run) {
  std::size_t bytes = sizeof run;
  for (auto& m : run.messages) bytes += m->footprint();
  return bytes;
}

}  // namespace

void LogTail::start(Position head) {
  if (watches_.empty()) return;
  runs_ = true;
  at_ = head;
  overflowed_ = false;
}

bool LogTail::listen(std::uint64_t attachment) {
  for (Watch& w : watches_)
    if (w.attachment == attachment) return w.from = at_, true;
  return false;
}

void LogTail::detach(ports::LogWatcher* w) {
  std::erase_if(watches_, [w](const Watch& x) { return x.watcher == w; });
  left();
}

void LogTail::detach(std::uint64_t attachment) {
  std::erase_if(watches_, [attachment](const Watch& x) { return x.attachment == attachment; });
  left();
}

void LogTail::left() {
  if (!watches_.empty()) return;
  runs_ = false;
  waiting_.clear();
  waiting_bytes_ = 0;
}

void LogTail::add(const AppendedRun& run) {
  if (run.messages.empty() || (runs_ && last_of(run) <= at_) || watches_.empty()) return;
  // Behind the one that was told last there is nothing but this.
  if (runs_ && follows(run)) {
    tell(run);
    return drain();
  }
  if (!waiting_.try_emplace(run.first, run).second) return;
  waiting_bytes_ += bytes_of(run);
  while (waiting_bytes_ > kWaitingBytes && waiting_.size() > 1) {
    waiting_bytes_ -= bytes_of(waiting_.rbegin()->second);
    waiting_.erase(std::prev(waiting_.end()));
    overflowed_ = true;
  }
}

void LogTail::add_page(const std::vector<StoredMessage>& messages, Position upto) {
  if (!runs_) return;
  for (auto& m : messages)
    if (m.position > at_) tell(m);
  at_ = std::max(at_, upto);  // what a bound took away is told by who reads there
  overflowed_ = false;
  drain();
}

bool LogTail::follows(const AppendedRun& run) const { return run.previous <= at_; }

void LogTail::drain() {
  while (!waiting_.empty()) {
    auto first = waiting_.begin();
    if (!follows(first->second)) return;
    const AppendedRun run = std::move(first->second);
    waiting_bytes_ -= bytes_of(run);
    waiting_.erase(first);
    tell(run);
  }
}

void LogTail::tell(const AppendedRun& run) {
  for (std::size_t i = 0; i < run.messages.size(); ++i) {
    StoredMessage m{{run.first.generation, run.first.offset + i}, run.messages[i]};
    if (m.position <= at_) continue;
    std::vector<Position> known = run.known;
    for (Position& p : known) p.offset += i;
    if (const auto identity = m.message->view().identity) memory_.saw(log_, identity, m.position, known);
    if (!known.empty()) m.known = std::make_shared<std::vector<Position>>(std::move(known));
    tell(m);
  }
}

void LogTail::tell(const StoredMessage& m) {
  // Where a bound took something away watchers see a hole; who reads there is told how much it was.
  const Position previous =
      m.position.offset > at_.offset + 1 ? Position{m.position.generation, m.position.offset - 1} : at_;
  at_ = m.position;
  for (std::size_t i = 0; i < watches_.size(); ++i)
    if (watches_[i].from < m.position) watches_[i].watcher->on_appended(log_, previous, m);
}

}  // namespace sb::store
