// SPDX-License-Identifier: MIT
#include "auth/bans.h"

#include <algorithm>

namespace sb::auth {

void Bans::replace(std::shared_ptr<const BanFile> file) {
  std::lock_guard lock(mutex_);
  file_.swap(file);
  note_idle();
}

void Bans::set_rules(const BanRules& rules) {
  std::lock_guard lock(mutex_);
  rules_ = rules;
  counts_connects_ = rules.flapping > 0;
  counts_failures_ = rules.failures > 0;
  if (!rules.flapping) pairs_.clear();
  if (!rules.failures) addresses_.clear();
  note_idle();
}

bool Bans::address(const Ip& a, WallTime now) {
  if (idle_.load(std::memory_order_relaxed) || !a) return false;
  std::lock_guard lock(mutex_);
  return (file_ && file_->has_address(a, now)) || banned(addresses_, a, now);
}

bool Bans::client(std::string_view id, const Ip& from, WallTime now) {
  if (idle_.load(std::memory_order_relaxed)) return false;
  std::lock_guard lock(mutex_);
  return (file_ && file_->has_client(id, now)) || banned(pairs_, pair(id, from), now);
}

bool Bans::user(std::string_view name, WallTime now) {
  if (idle_.load(std::memory_order_relaxed) || name.empty()) return false;
  std::lock_guard lock(mutex_);
  return file_ && file_->has_user(name, now);
}

bool Bans::connected(std::string_view id, const Ip& from, WallTime now) {
  if (!counts_connects_.load(std::memory_order_relaxed)) return false;
  std::lock_guard lock(mutex_);
  return count(pairs_, pair(id, from), rules_.flapping, rules_.flapping_window, now);
}

bool Bans::failed(const Ip& from, WallTime now) {
  if (!counts_failures_.load(std::memory_order_relaxed) || !from) return false;
  std::lock_guard lock(mutex_);
  return count(addresses_, from, rules_.failures, rules_.failures_window, now);
}

template <class Key>
bool Bans::count(Counts<Key>& counts, const Key& key, std::uint32_t bound, std::uint32_t window, WallTime now) {
  if (!bound) return false;
  if (counts.size() >= kTracked && !counts.contains(key)) {
    absl::erase_if(counts, [&](auto& c) { return c.second.window_ends <= now && c.second.banned_until <= now; });
    if (counts.size() >= kTracked) return false;
  }
  Count& c = counts[key];
  if (now >= c.window_ends) {
    c.n = 0;
    c.window_ends = now + Seconds(window);
  }
  const bool over = ++c.n >= bound && now >= c.banned_until;
  if (over) c.banned_until = now + Seconds(rules_.time);
  note_idle();
  return over;
}

}  // namespace sb::auth
