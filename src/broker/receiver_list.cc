// SPDX-License-Identifier: MIT
#include "broker/receiver_list.h"

#include <algorithm>
#include <new>

namespace sb::broker {
namespace {
constexpr std::uint32_t kIndexFrom = 32;
constexpr std::uint32_t kNone = 0xFFFFFFFF;

std::uint8_t options_of(const Subscriber& s) {
  return static_cast<std::uint8_t>(s.qos | s.no_local << 2 | s.retain_as_published << 3 | s.logged << 4 |
                                   s.restricted << 5);
}
}  // namespace

ReceiverList::Block* ReceiverList::Block::make(std::uint32_t capacity) {
  static_assert(sizeof(Block) % alignof(Entry) == 0);
  void* p = ::operator new(sizeof(Block) + capacity * sizeof(Entry));
  auto* b = new (p) Block;
  b->capacity = capacity;
  std::uninitialized_default_construct_n(b->entries(), capacity);
  return b;
}

void ReceiverList::Block::free(Block* b) {
  if (!b) return;
  b->~Block();
  ::operator delete(b);
}

void ReceiverList::add(const Subscriber& s, Rcu& rcu) {
  Block* b = block_.load(std::memory_order_relaxed);
  if (!b || b->size.load(std::memory_order_relaxed) == b->capacity) {
    rebuild(std::max(1u, size() * 2), rcu);
    b = block_.load(std::memory_order_relaxed);
  }
  std::uint32_t i = b->size.load(std::memory_order_relaxed);
  std::uint64_t key = s.client.packed();
  std::uint32_t before = find(*b, key);
  Entry& e = b->entries()[i];
  e.subscription_id = s.subscription_id;
  e.options = options_of(s);
  e.key.store(key, std::memory_order_relaxed);
  if (before != kNone)
    e.load.store(b->entries()[before].load.load(std::memory_order_relaxed), std::memory_order_relaxed);
  b->size.store(i + 1, std::memory_order_release);
  if (before != kNone)  // a reader that does not find the old one any more finds the new one
    b->entries()[before].key.store(0, std::memory_order_release);
  else
    ++b->live;
  if (b->where) {
    (*b->where)[key] = i;
  } else if (b->live >= kIndexFrom) {
    b->where = std::make_unique<Places>();
    for (std::uint32_t k = 0; k <= i; ++k)
      if (auto v = b->entries()[k].key.load(std::memory_order_relaxed)) b->where->emplace(v, k);
  }
}

std::uint32_t ReceiverList::find(Block& b, std::uint64_t key) {
  if (b.where) {
    auto it = b.where->find(key);
    return it == b.where->end() ? kNone : it->second;
  }
  for (std::uint32_t i = 0; i < b.size.load(std::memory_order_relaxed); ++i)
    if (b.entries()[i].key.load(std::memory_order_relaxed) == key) return i;
  return kNone;
}

bool ReceiverList::remove(ClientKey client, Rcu& rcu) {
  Block* b = block_.load(std::memory_order_relaxed);
  if (!b) return false;
  std::uint64_t key = client.packed();
  std::uint32_t i = find(*b, key);
  if (i == kNone) return false;
  b->entries()[i].key.store(0, std::memory_order_relaxed);
  --b->live;
  if (b->where) b->where->erase(key);
  std::uint32_t size = b->size.load(std::memory_order_relaxed);
  if (b->live == 0 || (size > 16 && b->live < size / 2)) rebuild(b->live + b->live / 4, rcu);
  return true;
}

/// A new block with the live entries, none for capacity 0; the old one is freed when nobody reads it any more.
void ReceiverList::rebuild(std::uint32_t capacity, Rcu& rcu) {
  Block* old = block_.load(std::memory_order_relaxed);
  Block* b = nullptr;
  if (capacity > 0) {
    b = Block::make(std::max(capacity, old ? old->live : 0));
    if (old && old->live >= kIndexFrom / 2) b->where = std::move(old->where);
    std::uint32_t n = 0;
    for (std::uint32_t i = 0; old && i < old->size.load(std::memory_order_relaxed); ++i) {
      Entry& from = old->entries()[i];
      std::uint64_t key = from.key.load(std::memory_order_relaxed);
      if (!key) continue;
      Entry& to = b->entries()[n];
      to.subscription_id = from.subscription_id;
      to.options = from.options;
      to.load.store(from.load.load(std::memory_order_relaxed), std::memory_order_relaxed);
      to.key.store(key, std::memory_order_relaxed);
      if (b->where) (*b->where)[key] = n;
      ++n;
    }
    b->size.store(n, std::memory_order_relaxed);
    b->live = n;
  }
  block_.store(b, std::memory_order_release);
  if (old) rcu.retire([old] { Block::free(old); });
}

}  // namespace sb::broker
