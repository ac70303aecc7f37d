// SPDX-License-Identifier: MIT
#pragma once
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

struct iovec;

namespace sb {

/// Bytes that several outputs share (a large payload). Immutable once shared; freed with its last user, on any thread.
class SharedBytes : public boost::intrusive_ref_counter<SharedBytes, boost::thread_safe_counter> {
 public:
  virtual ~SharedBytes() = default;
};
using SharedBytesPtr = boost::intrusive_ptr<const SharedBytes>;

/// The output of one connection: what was queued and not yet taken by the socket, in order.
///
/// Empty it holds no memory (an idle connection costs 32 bytes); otherwise a list of chunks from the thread's pool,
/// which recycles them, so that queueing allocates nothing in the steady state. Small pieces are copied together, large
/// ones may be shared. Owner: one shard.
class OutBuffer {
 public:
  OutBuffer() = default;
  OutBuffer(const OutBuffer&) = delete;
  OutBuffer& operator=(const OutBuffer&) = delete;
  OutBuffer(OutBuffer&& o) noexcept : head_(o.head_), tail_(o.tail_), size_(o.size_) {
    o.head_ = o.tail_ = nullptr;
    o.size_ = 0;
  }
  ~OutBuffer() { clear(); }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  /// Room for `n` bytes in one piece at the end. Valid until the next call; `commit` says how much was written.
  char* reserve(std::size_t n) {
    if (!tail_ || tail_->capacity - tail_->end < n) grow(n);
    return tail_->data + tail_->end;
  }
  void commit(std::size_t n) {
    tail_->end += static_cast<std::uint32_t>(n);
    size_ += n;
  }
  void append(std::string_view bytes) {
    if (bytes.empty()) return;  // there may be no bytes to point to
    std::memcpy(reserve(bytes.size()), bytes.data(), bytes.size());
    commit(bytes.size());
  }
  /// Queues `bytes`, which lie in `owner`, without copying them.
  void append_shared(SharedBytesPtr owner, std::string_view bytes);

  /// The queued bytes as at most `max` pieces, in order; returns how many pieces were filled in.
  int peek(iovec* pieces, int max) const;
  /// The first piece, empty when there is nothing.
  std::string_view front() const {
    return head_ ? std::string_view(head_->data + head_->begin, head_->end - head_->begin) : std::string_view();
  }
  /// Forgets the first `n` bytes: they were taken.
  void consume(std::size_t n);
  void clear();
  void swap(OutBuffer& o) noexcept {
    std::swap(head_, o.head_);
    std::swap(tail_, o.tail_);
    std::swap(size_, o.size_);
  }

 private:
  friend class ChunkPool;
  struct Chunk {
    Chunk* next = nullptr;
    char* data = nullptr;  ///< own bytes behind this header, or bytes of `owner`
    std::uint32_t begin = 0, end = 0, capacity = 0;
    std::uint32_t size_class = 0;
    SharedBytesPtr owner;
  };
  void grow(std::size_t n);
  void link(Chunk* c);
  void pop_front();

  Chunk* head_ = nullptr;
  Chunk* tail_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace sb
