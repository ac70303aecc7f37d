// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <mutex>

#include "auth/bans.h"
#include "base/ip.h"

namespace sb::net {

/// Who may be connected at all, by address. Shared by the listeners of a node; threads: any.
class Gate {
 public:
  /// `per_address`: connections at once, 0 = no bound. `bans` may be null.
  Gate(std::uint32_t per_address, auth::Bans* bans) : per_address_(per_address), bans_(bans) {}

  enum class Verdict : std::uint8_t { in, too_many, banned };
  /// `in`: counted, until leave(). Without an address (a Unix socket) everybody is let in.
  Verdict enter(const Ip& from, WallTime now) {
    if (!from) return Verdict::in;
    if (bans_ && bans_->address(from, now)) return Verdict::banned;
    if (!per_address_) return Verdict::in;
    std::lock_guard lock(mutex_);
    std::uint32_t& n = counts_[from];
    if (n >= per_address_) return Verdict::too_many;
    ++n;
    return Verdict::in;
  }
  void leave(const Ip& from) {
    if (!per_address_ || !from) return;
    std::lock_guard lock(mutex_);
    auto it = counts_.find(from);
    if (it != counts_.end() && --it->second == 0) counts_.erase(it);
  }

 private:
  const std::uint32_t per_address_;
  auth::Bans* const bans_;
  std::mutex mutex_;
  absl::flat_hash_map<Ip, std::uint32_t> counts_;
};

}  // namespace sb::net
