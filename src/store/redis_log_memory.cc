// SPDX-License-Identifier: MIT
#include "store/redis_log_memory.h"

#include <algorithm>

namespace sb::store {

using model::Position;

void LogMemory::recall(std::uint64_t writer, std::uint64_t number, Position first, std::size_t messages,
                       std::vector<Position>& known) {
  const auto add = [&known](Position p) {
    if (std::find(known.begin(), known.end(), p) == known.end()) known.push_back(p);
  };
  for (auto& [now, before] : moved_)
    if (now == first) add(before);
  for (auto& s : latest_) {
    if (s.writer != writer || s.number != number || s.messages != messages) continue;
    if (s.first.generation == first.generation) continue;
    const std::pair moved(first, s.first);
    if (std::find(moved_.begin(), moved_.end(), moved) == moved_.end()) {
      if (moved_.size() == kMoved) moved_.erase(moved_.begin());
      moved_.push_back(moved);
    }
    add(s.first);
  }
}

void LogMemory::saw(std::uint64_t writer, std::uint64_t number, Position first, std::size_t messages,
                    std::vector<Position>& known) {
  recall(writer, number, first, messages, known);
  std::size_t of_writer = 0;
  auto oldest = latest_.end();
  for (auto s = latest_.begin(); s != latest_.end(); ++s) {
    if (s->writer != writer) continue;
    if (s->number == number && s->first == first) return;
    ++of_writer;
    if (oldest == latest_.end() || s->number < oldest->number) oldest = s;
  }
  if (of_writer == kOfWriter) {
    if (oldest->number > number) return;
    latest_.erase(oldest);
  } else if (latest_.size() == kOfWriter * kWriters) {
    latest_.erase(latest_.begin());
  }
  latest_.push_back({writer, number, first, messages});
}

}  // namespace sb::store
