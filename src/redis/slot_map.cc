// SPDX-License-Identifier: MIT
#include "redis/slot_map.h"

#include <algorithm>
#include <utility>

namespace sb::redis {
namespace {

/// CRC-16/XMODEM, as the specification of the cluster has it.
constexpr std::array<std::uint16_t, 256> kCrcTable = [] {
  std::array<std::uint16_t, 256> table{};
  for (unsigned i = 0; i < 256; ++i) {
    unsigned crc = i << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0);
    table[i] = static_cast<std::uint16_t>(crc);
  }
  return table;
}();

std::string_view hashed_part(std::string_view key) {
  const std::size_t open = key.find('{');
  if (open == key.npos) return key;
  const std::size_t close = key.find('}', open + 1);
  if (close == key.npos || close == open + 1) return key;
  return key.substr(open + 1, close - open - 1);
}

}  // namespace

std::uint16_t key_slot(std::string_view key) {
  std::uint16_t crc = 0;
  for (unsigned char c : hashed_part(key))
    crc = static_cast<std::uint16_t>(crc << 8 ^ kCrcTable[(crc >> 8 ^ c) & 0xFF]);
  return crc % kSlots;
}

std::uint16_t SlotMap::index_of(const Endpoint& e) {
  const auto index = std::find(nodes_.begin(), nodes_.end(), e) - nodes_.begin();
  if (static_cast<std::size_t>(index) == nodes_.size()) nodes_.push_back(e);
  return static_cast<std::uint16_t>(index);
}

bool SlotMap::take(Reply::View slots, const std::string& host) {
  SlotMap next;
  for (Reply::View range : slots) {
    const auto first = range[0].integer(), last = range[1].integer(), port = range[2][1].integer();
    if (!first || !last || !port || *first < 0 || *last < *first || *last >= static_cast<std::int64_t>(kSlots) ||
        *port < 1 || *port > 65535)
      return false;
    const std::string_view named = range[2][0].text();
    const auto owner = next.index_of(
        {named.empty() || named == "?" ? host : std::string(named), static_cast<std::uint16_t>(*port), ""});
    std::fill(next.owner_.begin() + *first, next.owner_.begin() + *last + 1, owner);
  }
  if (next.nodes_.empty()) return false;
  *this = std::move(next);
  return true;
}

void SlotMap::move(std::uint16_t slot, const Endpoint& to) {
  if (slot < kSlots) owner_[slot] = index_of(to);
}

bool SlotMap::has(const Endpoint& e) const { return std::find(nodes_.begin(), nodes_.end(), e) != nodes_.end(); }

}  // namespace sb::redis
