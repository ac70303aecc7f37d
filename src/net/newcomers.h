// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/btree_map.h>

#include <cstdint>

namespace sb::net {

class Connection;

/// The connections of a shard that have not sent a complete CONNECT, in the order in which they came. Those that wait
/// for us to work on their TLS handshake stand apart: that is not their fault. Each has a number from add() until
/// remove(), 0 = none. Owner: one shard.
class Newcomers {
 public:
  static constexpr std::uint32_t kHandshakesPerTurn = 4;  ///< one costs about a millisecond

  std::uint32_t add(Connection* c) {
    if (++last_ == 0) ++last_;
    half_open_.emplace(last_, c);
    return last_;
  }
  void remove(std::uint32_t number) {
    half_open_.erase(number);
    waiting_.erase(number);
    if (auto it = keeping_.find(number); it != keeping_.end()) {
      bytes_ -= it->second.bytes;
      keeping_.erase(it);
    }
  }
  std::size_t half_open() const { return half_open_.size(); }
  Connection* oldest() const { return half_open_.empty() ? nullptr : half_open_.begin()->second; }

  /// So many bytes of a packet that is not complete are kept for it.
  void keeps(std::uint32_t number, Connection* c, std::size_t bytes) {
    Kept& k = keeping_.try_emplace(number, Kept{c, 0}).first->second;
    bytes_ += bytes - k.bytes;
    k.bytes = bytes;
  }
  std::size_t bytes() const { return bytes_; }
  /// The oldest of those for which something is kept.
  Connection* oldest_keeping() const { return keeping_.empty() ? nullptr : keeping_.begin()->second.connection; }

  /// True when a step of its handshake may be taken in this turn; otherwise next() will name it.
  bool may_handshake(std::uint32_t number, Connection* c) {
    if (steps_ < kHandshakesPerTurn) {
      if (waiting_.erase(number)) half_open_.emplace(number, c);
      return ++steps_, true;
    }
    half_open_.erase(number);
    waiting_.emplace(number, c);
    return false;
  }
  /// The next that waits, if this turn has time for it.
  Connection* next() {
    if (waiting_.empty() || steps_ >= kHandshakesPerTurn) return nullptr;
    auto [number, c] = *waiting_.begin();
    waiting_.erase(waiting_.begin());
    half_open_.emplace(number, c);
    return c;
  }
  bool has_waiting() const { return !waiting_.empty(); }
  void new_turn() { steps_ = 0; }

 private:
  struct Kept {
    Connection* connection;
    std::size_t bytes;
  };
  absl::btree_map<std::uint32_t, Connection*> half_open_, waiting_;
  absl::btree_map<std::uint32_t, Kept> keeping_;
  std::size_t bytes_ = 0;
  std::uint32_t last_ = 0, steps_ = 0;
};

}  // namespace sb::net
