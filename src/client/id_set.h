// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "mqtt/protocol.h"

namespace sb::client {

/// A set of packet ids: inbound QoS 2 whose PUBREL is awaited. Takes 1 KB when first used, and 64 bytes more
/// for each run of 512 ids that it has seen.
class IdSet {
 public:
  /// False when it was there already.
  bool insert(mqtt::PacketId id) {
    if (!pages_) pages_ = std::make_unique<Pages>();
    auto& page = (*pages_)[id / kPageBits];
    if (!page) page = std::make_unique<Page>();
    std::uint64_t& word = (*page)[id % kPageBits / 64];
    std::uint64_t bit = 1ull << id % 64;
    if (word & bit) return false;
    word |= bit;
    return true;
  }
  /// False when it was not there.
  bool erase(mqtt::PacketId id) {
    if (!pages_ || !(*pages_)[id / kPageBits]) return false;
    std::uint64_t& word = (*(*pages_)[id / kPageBits])[id % kPageBits / 64];
    std::uint64_t bit = 1ull << id % 64;
    bool was = word & bit;
    word &= ~bit;
    return was;
  }
  void clear() { pages_.reset(); }

 private:
  static constexpr std::size_t kPageBits = 512;
  using Page = std::array<std::uint64_t, kPageBits / 64>;
  using Pages = std::array<std::unique_ptr<Page>, 65536 / kPageBits>;
  std::unique_ptr<Pages> pages_;
};

}  // namespace sb::client
