// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/flat_hash_map.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "broker/rcu.h"
#include "model/subscription.h"

namespace sb::broker {

/// Names a connected client on this node: where its channel lives. The generation tells a slot's tenants apart.
struct ClientKey {
  std::uint16_t shard = 0;
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;  ///< from 1
  friend bool operator==(const ClientKey&, const ClientKey&) = default;

  /// Another node stands in the index as a client of this shard: all of its subscribers are one.
  static constexpr std::uint16_t kPeers = 0xFFFF;
  static ClientKey of_peer(std::uint32_t number) { return {kPeers, number, 1}; }
  bool is_peer() const { return shard == kPeers; }

  /// 16 bits shard, 24 bits slot, 24 bits generation; never 0.
  std::uint64_t packed() const {
    return static_cast<std::uint64_t>(shard) << 48 | static_cast<std::uint64_t>(slot & 0xFFFFFF) << 24 |
           (generation & 0xFFFFFF);
  }
  static ClientKey unpack(std::uint64_t v) {
    return {static_cast<std::uint16_t>(v >> 48), static_cast<std::uint32_t>(v >> 24 & 0xFFFFFF),
            static_cast<std::uint32_t>(v & 0xFFFFFF)};
  }
};

/// One subscription as the router needs it.
struct Subscriber {
  ClientKey client;
  std::uint32_t subscription_id = 0;  ///< 0 = none
  std::uint8_t qos = 0;
  bool no_local = false;
  bool retain_as_published = false;
  bool logged = false;      ///< QoS > 0 reaches the client through the log of its filter
  bool restricted = false;  ///< not every topic that matches may be received: rights are asked per message
};

/// The connected subscribers of one filter. Readers walk it under Rcu::Guard; one writer at a time (the index's mutex).
/// Adding is O(1) amortised; removing too, by a side index that large lists have. 8 bytes empty, 64 with one
/// subscriber.
class ReceiverList {
 public:
  ReceiverList() = default;
  ReceiverList(const ReceiverList&) = delete;
  ReceiverList& operator=(const ReceiverList&) = delete;
  ~ReceiverList() { Block::free(block_.load(std::memory_order_relaxed)); }

  struct Entry {
    std::atomic<std::uint64_t> key{0};  ///< ClientKey::packed, 0 = removed
    std::uint32_t subscription_id = 0;
    std::uint8_t options = 0;            ///< qos | no_local << 2 | rap << 3 | logged << 4 | restricted << 5
    std::atomic<std::uint16_t> load{0};  ///< deliveries under way (shared groups, least in flight)
  };

  // --- readers
  template <class F>
  void for_each(F f) const {
    Block* b = block_.load(std::memory_order_acquire);
    if (!b) return;
    // The size is read each time: an entry that is found removed may have been replaced by one behind it.
    for (std::uint32_t i = 0; i < b->size.load(std::memory_order_acquire); ++i) {
      std::uint64_t key = b->entries()[i].key.load(std::memory_order_acquire);
      if (key) f(subscriber(b->entries()[i], key));
    }
  }
  std::uint32_t slots() const {
    Block* b = block_.load(std::memory_order_acquire);
    return b ? b->size.load(std::memory_order_acquire) : 0;
  }
  /// The entry at `i`, null when it was removed.
  Entry* at(std::uint32_t i) const {
    Block* b = block_.load(std::memory_order_acquire);
    if (!b || i >= b->size.load(std::memory_order_acquire)) return nullptr;
    Entry& e = b->entries()[i];
    return e.key.load(std::memory_order_acquire) ? &e : nullptr;
  }
  bool empty() const { return !block_.load(std::memory_order_acquire); }
  static Subscriber subscriber(const Entry& e, std::uint64_t key) {
    Subscriber s;
    s.client = ClientKey::unpack(key);
    s.subscription_id = e.subscription_id;
    s.qos = e.options & 3;
    s.no_local = e.options & 4;
    s.retain_as_published = e.options & 8;
    s.logged = e.options & 16;
    s.restricted = e.options & 32;
    return s;
  }

  // --- writer
  /// Takes the place of the client's entry when it has one; a reader sees the old one, the new one or both, never none.
  void add(const Subscriber& s, Rcu& rcu);
  bool remove(ClientKey client, Rcu& rcu);
  std::uint32_t size() const {
    Block* b = block_.load(std::memory_order_relaxed);
    return b ? b->live : 0;
  }

 private:
  using Places = absl::flat_hash_map<std::uint64_t, std::uint32_t>;  ///< key → place
  /// The entries stand behind it in memory.
  struct Block {
    std::atomic<std::uint32_t> size{0};
    std::uint32_t capacity = 0;
    std::uint32_t live = 0;         ///< writer's
    std::unique_ptr<Places> where;  ///< writer's; large lists only
    Entry* entries() { return reinterpret_cast<Entry*>(this + 1); }
    static Block* make(std::uint32_t capacity);
    static void free(Block* b);
  };
  void rebuild(std::uint32_t capacity, Rcu& rcu);
  static std::uint32_t find(Block& b, std::uint64_t key);

  std::atomic<Block*> block_{nullptr};
};

}  // namespace sb::broker
