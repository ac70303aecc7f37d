// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/flat_hash_map.h>

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

#include "base/hash_map.h"
#include "broker/receiver_list.h"

namespace sb::broker {

/// Which connection of this node has which client id (promise 6 within the node). Striped: a stripe's mutex is held for
/// one look-up, only when a client comes or goes. Keeps a hash of the id, 24 bytes a client; whoever acts on an answer
/// compares the id itself.
class Directory {
 public:
  static std::uint64_t key(std::string_view client_id);

  /// The client id is `mine` from now on; answers whose it was.
  std::optional<ClientKey> claim(std::uint64_t key, ClientKey mine) {
    Stripe& s = stripe(key);
    std::lock_guard lock(s.mutex);
    auto [it, is_new] = s.owners.try_emplace(key, mine.packed());
    if (is_new) return std::nullopt;
    ClientKey before = ClientKey::unpack(it->second);
    it->second = mine.packed();
    return before;
  }
  /// Forgets the client id unless it is somebody else's by now.
  void release(std::uint64_t key, ClientKey mine) {
    Stripe& s = stripe(key);
    std::lock_guard lock(s.mutex);
    auto it = s.owners.find(key);
    if (it != s.owners.end() && it->second == mine.packed()) s.owners.erase(it);
  }
  std::optional<ClientKey> find(std::uint64_t key) {
    Stripe& s = stripe(key);
    std::lock_guard lock(s.mutex);
    auto it = s.owners.find(key);
    if (it == s.owners.end()) return std::nullopt;
    return ClientKey::unpack(it->second);
  }

 private:
  struct alignas(64) Stripe {
    std::mutex mutex;
    absl::flat_hash_map<std::uint64_t, std::uint64_t> owners;
  };
  Stripe& stripe(std::uint64_t key) { return stripes_[key >> 58]; }
  std::array<Stripe, 64> stripes_;
};

inline std::uint64_t Directory::key(std::string_view client_id) { return hash_bytes(client_id); }

}  // namespace sb::broker
