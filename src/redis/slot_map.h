// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "redis/reply.h"
#include "redis/url.h"

namespace sb::redis {

inline constexpr std::size_t kSlots = 16384;

/// The slot of a cluster that a key is in: CRC16 of it, or of what stands in its first braces, if anything does.
std::uint16_t key_slot(std::string_view key);

/// Which primary has which slots of a cluster.
class SlotMap {
 public:
  SlotMap() { owner_.fill(kNobody); }

  /// Takes a reply to CLUSTER SLOTS, `host` being who gave it: a server that does not know its own address says none.
  /// False, and nothing has changed, when it is no such reply or names nobody.
  bool take(Reply::View slots, const std::string& host);
  void move(std::uint16_t slot, const Endpoint& to);

  /// Null: nobody has it.
  const Endpoint* owner(std::uint16_t slot) const {
    return slot < kSlots && owner_[slot] != kNobody ? &nodes_[owner_[slot]] : nullptr;
  }
  bool has(const Endpoint& e) const;
  const std::vector<Endpoint>& primaries() const { return nodes_; }
  bool operator==(const SlotMap&) const = default;

 private:
  static constexpr std::uint16_t kNobody = 0xFFFF;
  std::uint16_t index_of(const Endpoint& e);
  std::vector<Endpoint> nodes_;
  std::array<std::uint16_t, kSlots> owner_;
};

}  // namespace sb::redis
