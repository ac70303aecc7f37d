// SPDX-License-Identifier: MIT
#include "broker/receiver_list.h"

#include <algorithm>

namespace sb::broker {
namespace {
constexpr std::uint32_t kIndexFrom = 32;
constexpr std::uint32_t kNone = 0xFFFFFFFF;

std::uint8_t options_of(const Subscriber& s) {
  return static_cast<std::uint8_t>(s.qos | s.no_local << 2 | s.retain_as_published << 3 | s.logged << 4);
}
}  // namespace

ReceiverList::~ReceiverList() { delete block_.load(std::memory_order_relaxed); }

void ReceiverList::add(const Subscriber& s, Rcu& rcu) {
  Block* b = block_.load(std::memory_order_relaxed);
  if (!b || b->size.load(std::memory_order_relaxed) == b->capacity) {
    rebuild(std::max(1u, live_ * 2), rcu);
    b = block_.load(std::memory_order_relaxed);
  }
  std::uint32_t i = b->size.load(std::memory_order_relaxed);
  std::uint64_t key = s.client.packed();
  b->entries[i].subscription_id = s.subscription_id;
  b->entries[i].options = options_of(s);
  b->entries[i].key.store(key, std::memory_order_relaxed);
  b->size.store(i + 1, std::memory_order_release);
  ++live_;
  if (where_)
    where_->emplace(key, i);
  else if (live_ >= kIndexFrom) {
    where_ = std::make_unique<absl::flat_hash_map<std::uint64_t, std::uint32_t>>();
    for (std::uint32_t k = 0; k <= i; ++k)
      if (auto v = b->entries[k].key.load(std::memory_order_relaxed)) where_->emplace(v, k);
  }
}

std::uint32_t ReceiverList::find(std::uint64_t key) const {
  if (where_) {
    auto it = where_->find(key);
    return it == where_->end() ? kNone : it->second;
  }
  const Block* b = block_.load(std::memory_order_relaxed);
  if (!b) return kNone;
  for (std::uint32_t i = 0; i < b->size.load(std::memory_order_relaxed); ++i)
    if (b->entries[i].key.load(std::memory_order_relaxed) == key) return i;
  return kNone;
}

bool ReceiverList::remove(ClientKey client, Rcu& rcu) {
  std::uint64_t key = client.packed();
  std::uint32_t i = find(key);
  if (i == kNone) return false;
  Block* b = block_.load(std::memory_order_relaxed);
  b->entries[i].key.store(0, std::memory_order_relaxed);
  --live_;
  if (where_) where_->erase(key);
  std::uint32_t size = b->size.load(std::memory_order_relaxed);
  if (live_ == 0 || (size > 16 && live_ < size / 2)) rebuild(live_ + live_ / 4, rcu);
  return true;
}

/// A new block with the live entries; the old one is freed when nobody reads it any more.
void ReceiverList::rebuild(std::uint32_t capacity, Rcu& rcu) {
  Block* old = block_.load(std::memory_order_relaxed);
  Block* b = nullptr;
  if (capacity > 0) {
    b = new Block;
    b->capacity = std::max(capacity, live_);
    b->entries = std::make_unique<Entry[]>(b->capacity);
    std::uint32_t n = 0;
    for (std::uint32_t i = 0; old && i < old->size.load(std::memory_order_relaxed); ++i) {
      const Entry& from = old->entries[i];
      std::uint64_t key = from.key.load(std::memory_order_relaxed);
      if (!key) continue;
      Entry& to = b->entries[n];
      to.subscription_id = from.subscription_id;
      to.options = from.options;
      to.load.store(from.load.load(std::memory_order_relaxed), std::memory_order_relaxed);
      to.key.store(key, std::memory_order_relaxed);
      if (where_) (*where_)[key] = n;
      ++n;
    }
    b->size.store(n, std::memory_order_relaxed);
  }
  if (live_ < kIndexFrom / 2) where_.reset();
  block_.store(b, std::memory_order_release);
  if (old) rcu.retire([old] { delete old; });
}

}  // namespace sb::broker
