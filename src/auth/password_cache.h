// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstring>
#include <deque>
#include <unordered_map>
#include <utility>

#include "auth/scram_keys.h"
#include "base/time.h"

namespace sb::auth {

/// Which checks of passwords came out right a short while ago. It knows them by a MAC only, and is not told apart from
/// random bytes without the MAC's key. Threads: the owner locks.
class PasswordCache {
 public:
  /// MAC of what was checked.
  using Key = decltype(Secret::bytes);
  /// A MAC is as random as a hash can be.
  struct KeyHash {
    std::size_t operator()(const Key& key) const {
      std::size_t hash;
      std::memcpy(&hash, key.data(), sizeof hash);
      return hash;
    }
  };

  /// Keeps at most `size` entries, the newest, for `lifetime` each.
  PasswordCache(std::size_t size, Millis lifetime) : size_(size), lifetime_(lifetime) {}

  bool has(const Key& key, MonoTime now) const {
    auto it = until_.find(key);
    return it != until_.end() && now < it->second;
  }

  /// An entry that is there keeps its time: a password is looked at anew now and then, however often it is used.
  void add(const Key& key, MonoTime now) {
    while (!oldest_.empty() && (oldest_.front().second <= now || oldest_.size() >= size_)) {
      until_.erase(oldest_.front().first);
      oldest_.pop_front();
    }
    if (size_ == 0 || !until_.emplace(key, now + lifetime_).second) return;
    oldest_.emplace_back(key, now + lifetime_);
  }

  void clear() {
    until_.clear();
    oldest_.clear();
  }
  std::size_t size() const { return until_.size(); }

 private:
  std::size_t size_;
  Millis lifetime_;
  std::unordered_map<Key, MonoTime, KeyHash> until_;
  std::deque<std::pair<Key, MonoTime>> oldest_;  ///< the same entries, in the order in which they end
};

}  // namespace sb::auth
