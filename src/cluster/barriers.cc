// SPDX-License-Identifier: MIT
#include "cluster/barriers.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sb::cluster {

void Barriers::written(ports::PeerNumber peer, std::uint64_t number, MonoTime now) {
  const auto it = peers_.find(peer);
  if (it == peers_.end() || it->second.written >= number) return;
  it->second.written = number;
  it->second.written_at = now;
}

void Barriers::answered(ports::PeerNumber peer, std::uint64_t number) {
  const auto it = peers_.find(peer);
  if (it == peers_.end()) return;
  it->second.answered = std::max(it->second.answered, std::min(number, last_));
}

bool Barriers::answered(std::uint64_t number) const {
  return std::all_of(peers_.begin(), peers_.end(), [&](auto& p) { return p.second.answered >= number; });
}

MonoTime Barriers::over_at(const Barrier& b) const {
  MonoTime at = b.since + kTime;
  for (auto& [number, p] : peers_) {
    if (p.answered >= b.number) continue;
    at = std::max(at, p.written >= b.number ? p.written_at + kTime / 2 : b.since + kWithoutRedis);
  }
  return std::min(at, b.since + kWithoutRedis);
}

std::vector<Barriers::Done> Barriers::run(MonoTime now) {
  std::vector<Done> out;
  while (!open_.empty()) {
    Barrier& b = open_.front();
    if (!answered(b.number)) {
      if (now < over_at(b)) break;
      stats_.late_barriers.add();
    }
    std::move(b.done.begin(), b.done.end(), std::back_inserter(out));
    open_.pop_front();
  }
  return out;
}

MonoTime Barriers::next() const { return open_.empty() ? kNever : over_at(open_.front()); }

}  // namespace sb::cluster
