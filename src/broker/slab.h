// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "broker/route.h"
#include "channel/fanout.h"
#include "io/mailbox.h"
#include "model/message.h"

namespace sb::broker {

class Core;

/// What one shard hands to the others in one turn: the bytes of its messages once, and for each message who is to have
/// it. Belongs to the shard that fills it, which uses it again when every reader is done: nothing is freed across
/// threads.
class Slab {
 public:
  struct Item {
    model::MessageView message;    ///< views into this slab
    channel::EncodedFrame frame;   ///< as it came, when it can go out as it is
    bool v5 = false;               ///< version of `frame`
    const Route* route = nullptr;  ///< kept alive by `routes`
    std::uint64_t shards = 0;      ///< bit n: shard n has receivers on the route
    SharedGroup* group = nullptr;  ///< for one member only: its group (kept alive by `groups`) and who it is
    Subscriber member;
    std::uint8_t hops = 0;  ///< shards that it was sent on from, since the member there had no room
  };

  explicit Slab(std::size_t shards) : tasks_(std::make_unique<Arrival[]>(shards)) {
    for (std::size_t i = 0; i < shards; ++i) tasks_[i].slab = this;
  }

  bool in_use() const { return readers_.load(std::memory_order_acquire) != 0; }
  std::vector<Item>& items() { return items_; }
  const std::vector<Item>& items() const { return items_; }

  /// A copy of `b` that lives as long as the slab is in use.
  std::string_view keep(std::string_view b) {
    if (b.empty()) return {};
    if (chunks_.empty() || used_ + b.size() > chunks_[chunk_].size) next_chunk(b.size());
    char* at = chunks_[chunk_].bytes.get() + used_;
    std::memcpy(at, b.data(), b.size());
    used_ += b.size();
    bytes_ += b.size();
    return {at, b.size()};
  }
  void keep(boost::intrusive_ptr<const Route> r) { routes_.push_back(std::move(r)); }
  void keep(SharedGroupPtr g) { groups_.push_back(std::move(g)); }
  const Route* last_route() const { return routes_.empty() ? nullptr : routes_.back().get(); }

  /// Owner, before it is filled.
  void reset() {
    items_.clear();
    routes_.clear();
    groups_.clear();
    chunk_ = 0;
    used_ = 0;
    std::erase_if(chunks_, [](const Chunk& c) { return c.size > kChunk; });
    if (chunks_.size() > kChunksKept) chunks_.resize(kChunksKept);
    bytes_ = 0;
  }
  std::size_t bytes() const { return bytes_; }
  void set_readers(std::uint32_t n) { readers_.store(n, std::memory_order_release); }
  void done() { readers_.fetch_sub(1, std::memory_order_acq_rel); }

  /// The task that hands this slab to shard n.
  struct Arrival final : io::Task {
    Slab* slab = nullptr;
    Core* to = nullptr;
    void run() override;
    void drop() override {}  // it belongs to the slab
  };
  Arrival& arrival(std::size_t shard) { return tasks_[shard]; }

 private:
  static constexpr std::size_t kChunk = 128 * 1024;  // bytes
  static constexpr std::size_t kChunksKept = 4;
  struct Chunk {
    std::unique_ptr<char[]> bytes;
    std::size_t size;
  };
  void next_chunk(std::size_t n) {
    if (!chunks_.empty()) ++chunk_;
    if (chunk_ == chunks_.size() || chunks_[chunk_].size < n) {
      std::size_t size = std::max(n, kChunk);
      chunks_.insert(chunks_.begin() + static_cast<std::ptrdiff_t>(chunk_),
                     Chunk{std::make_unique<char[]>(size), size});
    }
    used_ = 0;
  }

  std::vector<Item> items_;
  std::vector<boost::intrusive_ptr<const Route>> routes_;
  std::vector<SharedGroupPtr> groups_;
  std::vector<Chunk> chunks_;
  std::size_t chunk_ = 0, used_ = 0, bytes_ = 0;
  std::atomic<std::uint32_t> readers_{0};
  std::unique_ptr<Arrival[]> tasks_;
};

}  // namespace sb::broker
