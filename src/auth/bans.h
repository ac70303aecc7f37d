// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

#include "auth/ban_file.h"

namespace sb::auth {

/// When the broker bans by itself. Times in seconds.
struct BanRules {
  std::uint32_t flapping = 0, flapping_window = 60;  ///< connects of one client id from one address, 0 = off
  std::uint32_t failures = 0, failures_window = 60;  ///< refused logins from one address, 0 = off
  std::uint32_t time = 300;
};

/// Who is banned now: by the file, and by what they did. A client id that flaps is banned together with its address, so
/// that nobody can have somebody else's client id banned. Threads: any.
class Bans {
 public:
  void replace(std::shared_ptr<const BanFile> file);
  void set_rules(const BanRules& rules);

  bool address(const Ip& a, WallTime now);
  bool client(std::string_view id, const Ip& from, WallTime now);
  bool user(std::string_view name, WallTime now);

  /// A client came in. True when that was once too often: it is banned from now on.
  bool connected(std::string_view id, const Ip& from, WallTime now);
  /// A login was refused. True when that was once too often: the address is banned from now on.
  bool failed(const Ip& from, WallTime now);

 private:
  /// Beyond, nobody new is counted until windows end: an attacker with many addresses costs no more memory than this.
  static constexpr std::size_t kTracked = 100'000;
  struct Count {
    std::uint32_t n = 0;
    WallTime window_ends{}, banned_until{};
  };
  template <class Key>
  using Counts = absl::flat_hash_map<Key, Count>;

  template <class Key>
  bool count(Counts<Key>& counts, const Key& key, std::uint32_t bound, std::uint32_t window, WallTime now);
  template <class Key>
  static bool banned(const Counts<Key>& counts, const Key& key, WallTime now) {
    auto it = counts.find(key);
    return it != counts.end() && now < it->second.banned_until;
  }
  void note_idle() {
    idle_.store((!file_ || file_->size() == 0) && pairs_.empty() && addresses_.empty(), std::memory_order_relaxed);
  }
  static std::uint64_t pair(std::string_view id, const Ip& from) { return absl::HashOf(hash_bytes(id), from); }

  std::atomic<bool> idle_{true};  ///< there is nothing to look up
  std::atomic<bool> counts_connects_{false}, counts_failures_{false};
  std::mutex mutex_;  ///< for the rest
  BanRules rules_;
  std::shared_ptr<const BanFile> file_;
  Counts<std::uint64_t> pairs_;  ///< hashes of client id and address
  Counts<Ip> addresses_;
};

}  // namespace sb::auth
