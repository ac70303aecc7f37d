// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <deque>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "auth/scram_keys.h"
#include "base/time.h"

namespace sb::auth {

/// A MAC over what a client showed: what is remembered, and compared, instead of a password.
using ShownKey = decltype(Secret::bytes);
/// A MAC is as random as a hash can be.
struct ShownKeyHash {
  std::size_t operator()(const ShownKey& key) const {
    std::size_t hash;
    std::memcpy(&hash, key.data(), sizeof hash);
    return hash;
  }
};

/// Makes keys under a secret of this process: without it they are not told apart from random bytes. Threads: any.
class ShownKeys {
 public:
  ShownKeys() : secret_(random_bytes(32)) {}
  ~ShownKeys() { wipe(secret_); }
  ShownKeys(const ShownKeys&) = delete;
  ShownKeys& operator=(const ShownKeys&) = delete;

  /// `parts` with their lengths, so that no two lists make the same text.
  ShownKey key(std::initializer_list<std::string_view> parts) const {
    std::size_t size = 0;
    for (auto p : parts) size += p.size() + 24;
    std::string text;
    text.reserve(size);  // so that it has one place to be wiped at
    for (auto p : parts) text.append(std::to_string(p.size())).append(":").append(p);
    const Secret mac = hmac_sha256(secret_, text);
    wipe(text);
    return mac.bytes;
  }

 private:
  std::string secret_;
};

/// What came of the checks of a short while ago, by the MAC of what was checked. Threads: the owner locks.
template <class Answer>
class AnswerCache {
 public:
  /// Keeps at most `size` answers, the newest, for `lifetime` each.
  AnswerCache(std::size_t size, Millis lifetime) : size_(size), lifetime_(lifetime) {}

  /// Null when there is none. Good until the next add().
  const Answer* find(const ShownKey& key, MonoTime now) const {
    auto it = entries_.find(key);
    return it != entries_.end() && now < it->second.until ? &it->second.answer : nullptr;
  }
  bool has(const ShownKey& key, MonoTime now) const { return find(key, now) != nullptr; }

  /// An answer that is there keeps its time: a password is looked at anew now and then, however often it is used.
  void add(const ShownKey& key, MonoTime now, Answer answer = {}) { add(key, now, std::move(answer), lifetime_); }
  void add(const ShownKey& key, MonoTime now, Answer answer, Millis lifetime) {
    if (size_ == 0 || lifetime <= Millis(0)) return;
    if (auto it = entries_.find(key); it != entries_.end()) {
      if (it->second.until <= now) it->second = {now + lifetime, std::move(answer)};
      return;
    }
    while (!oldest_.empty() && (oldest_.size() >= size_ || entries_.find(oldest_.front())->second.until <= now)) {
      entries_.erase(oldest_.front());
      oldest_.pop_front();
    }
    entries_.emplace(key, Entry{now + lifetime, std::move(answer)});
    oldest_.push_back(key);
  }

  void clear() {
    entries_.clear();
    oldest_.clear();
  }
  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    MonoTime until;
    Answer answer;
  };
  std::size_t size_;
  Millis lifetime_;
  std::unordered_map<ShownKey, Entry, ShownKeyHash> entries_;
  std::deque<ShownKey> oldest_;  ///< the same entries, in the order in which they came
};

/// Of answers of which only "right" is remembered.
struct Right {};
using PasswordCache = AnswerCache<Right>;

}  // namespace sb::auth
