// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "io/event_loop.h"
#include "ports/peers.h"

namespace sb::cluster {

/// Bytes of messages that came from other nodes and that the shards have not let go of: the bus reads no further when
/// they are too many. Counted on any thread.
class HandedOut : public std::enable_shared_from_this<HandedOut> {
 public:
  static constexpr std::size_t kBytes = 32 << 20;

  /// `resume`: called on the loop's thread when there is room again, after room() had said that there is none.
  HandedOut(io::EventLoop& loop, std::function<void()> resume) : loop_(loop), resume_(std::move(resume)) {}

  /// The batch counts from here on until its last user lets go of it.
  std::shared_ptr<const ports::PeerBatch> add(std::unique_ptr<ports::PeerBatch> b) {
    const std::size_t n = b->bytes() + sizeof(ports::PeerBatch) + b->items().size() * sizeof(ports::PeerBatch::Item);
    bytes_.fetch_add(n, std::memory_order_relaxed);
    return {b.release(), [self = shared_from_this(), n](const ports::PeerBatch* done) {
              delete done;
              self->gone(n);
            }};
  }
  bool room() {
    if (bytes_.load(std::memory_order_seq_cst) < kBytes) return true;
    waiting_.store(true, std::memory_order_seq_cst);
    return bytes_.load(std::memory_order_seq_cst) < kBytes && waiting_.exchange(false);
  }
  /// Nobody is called any more. Loop's thread.
  void end() {
    resume_ = nullptr;
    waiting_.store(false, std::memory_order_seq_cst);
  }

 private:
  void gone(std::size_t n) {
    if (bytes_.fetch_sub(n, std::memory_order_seq_cst) - n >= kBytes / 2) return;
    if (!waiting_.load(std::memory_order_seq_cst) || !waiting_.exchange(false)) return;
    loop_.post_fn([self = shared_from_this()] {
      if (self->resume_) self->resume_();
    });
  }
  io::EventLoop& loop_;
  std::function<void()> resume_;
  std::atomic<std::size_t> bytes_{0};
  std::atomic<bool> waiting_{false};
};

}  // namespace sb::cluster
