// SPDX-License-Identifier: MIT
#include "base/out_buffer.h"

#include <sys/uio.h>

#include <array>
#include <cstdlib>
#include <new>

namespace sb {

/// Recycles the chunks of one thread. A chunk may be freed by another thread than the one that made it; it then changes
/// pools, which is harmless. Kept per size class: at most kKept bytes, so that a burst does not stay in memory forever.
class ChunkPool {
 public:
  using Chunk = OutBuffer::Chunk;
  static constexpr std::array<std::uint32_t, 4> kSizes = {2048, 8192, 32768, 131072};  // bytes, with the header
  static constexpr std::uint32_t kNotPooled = 0xFF;
  static constexpr std::size_t kKept = 4 * 1024 * 1024;

  ~ChunkPool() {
    for (auto& list : free_)
      while (list.first) {
        Chunk* c = list.first;
        list.first = c->next;
        destroy(c);
      }
  }

  /// A chunk with at least `n` bytes of room, larger than the one before it when there was one.
  Chunk* get(std::size_t n, std::uint32_t after_class) {
    for (std::uint32_t k = after_class; k < kSizes.size(); ++k) {
      if (kSizes[k] - sizeof(Chunk) < n) continue;
      List& list = free_[k];
      if (Chunk* c = list.first) {
        list.first = c->next;
        list.bytes -= kSizes[k];
        c->next = nullptr;
        c->begin = c->end = 0;
        return c;
      }
      return make(kSizes[k], k);
    }
    return make(n + sizeof(Chunk), kNotPooled);
  }

  void put(Chunk* c) {
    if (c->size_class == kNotPooled || free_[c->size_class].bytes >= kKept) return destroy(c);
    List& list = free_[c->size_class];
    c->next = list.first;
    list.first = c;
    list.bytes += kSizes[c->size_class];
  }

  static Chunk* shared(SharedBytesPtr owner, std::string_view bytes) {
    auto* c = new (std::malloc(sizeof(Chunk))) Chunk;
    c->data = const_cast<char*>(bytes.data());
    c->end = c->capacity = static_cast<std::uint32_t>(bytes.size());
    c->size_class = kNotPooled;
    c->owner = std::move(owner);
    return c;
  }

  static ChunkPool& local() {
    thread_local ChunkPool pool;
    return pool;
  }

 private:
  struct List {
    Chunk* first = nullptr;
    std::size_t bytes = 0;
  };
  static Chunk* make(std::size_t total, std::uint32_t size_class) {
    void* p = std::malloc(total);
    if (!p) throw std::bad_alloc();
    auto* c = new (p) Chunk;
    c->data = static_cast<char*>(p) + sizeof(Chunk);
    c->capacity = static_cast<std::uint32_t>(total - sizeof(Chunk));
    c->size_class = size_class;
    return c;
  }
  static void destroy(Chunk* c) {
    c->~Chunk();
    std::free(c);
  }
  std::array<List, kSizes.size()> free_;
};

void OutBuffer::link(Chunk* c) {
  if (tail_)
    tail_->next = c;
  else
    head_ = c;
  tail_ = c;
}

void OutBuffer::grow(std::size_t n) {
  std::uint32_t next_class = 0;
  if (tail_ && tail_->size_class < ChunkPool::kSizes.size())
    next_class = std::min<std::uint32_t>(tail_->size_class + 1, ChunkPool::kSizes.size() - 1);
  link(ChunkPool::local().get(n, next_class));
}

void OutBuffer::append_shared(SharedBytesPtr owner, std::string_view bytes) {
  if (bytes.empty()) return;
  size_ += bytes.size();
  link(ChunkPool::shared(std::move(owner), bytes));
}

int OutBuffer::peek(iovec* pieces, int max) const {
  int n = 0;
  for (Chunk* c = head_; c && n < max; c = c->next)
    if (c->end > c->begin) pieces[n++] = {c->data + c->begin, c->end - c->begin};
  return n;
}

void OutBuffer::pop_front() {
  Chunk* c = head_;
  head_ = c->next;
  if (!head_) tail_ = nullptr;
  ChunkPool::local().put(c);
}

void OutBuffer::consume(std::size_t n) {
  size_ -= n;
  while (head_) {
    std::size_t have = head_->end - head_->begin;
    if (n < have) {
      head_->begin += static_cast<std::uint32_t>(n);
      return;
    }
    n -= have;
    pop_front();
    if (n == 0 && size_ != 0 && head_ && head_->begin != head_->end) return;
  }
}

void OutBuffer::clear() {
  while (head_) pop_front();
  size_ = 0;
}

}  // namespace sb
