// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <cstdint>
#include <cstring>
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
  /// A message in one cache line, since every one that the other core reads has to come over from this one.
  struct Item {
    const char* bytes = nullptr;   ///< in this slab: the frame, or topic, properties and payload
    const Route* route = nullptr;  ///< kept alive by `routes`; null: see ForMember
    std::uint32_t frame_size = 0;  ///< of the frame as it came, when it can go out as it is; 0 = none
    std::uint32_t id_at = 0;       ///< in the frame, see channel::EncodedFrame
    std::uint32_t topic_at = 0, properties_at = 0, payload_at = 0;
    std::uint32_t properties_size = 0, payload_size = 0;
    std::uint16_t topic_size = 0;
    std::uint8_t qos : 2 = 0, retain : 1 = 0;
    std::uint8_t v5 : 1 = 0;  ///< version of the frame
    WallTime expires_at = kNoExpiry;
    std::uint64_t publisher = 0;

    model::MessageView message() const {
      model::MessageView m;
      m.topic = {bytes + topic_at, topic_size};
      m.properties = {bytes + properties_at, properties_size};
      m.payload = {bytes + payload_at, payload_size};
      m.expires_at = expires_at;
      m.qos = qos;
      m.retain = retain;
      m.publisher = publisher;
      return m;
    }
    channel::EncodedFrame frame() const { return {bytes, frame_size, id_at}; }
  };
  static_assert(sizeof(Item) == 64);
  /// A message of a shared group, for one member.
  struct ForMember {
    Item item;
    SharedGroup* group = nullptr;  ///< kept alive by `groups`
    Subscriber member;
    std::uint8_t hops = 0;  ///< shards that it was sent on from, since the member there had no room
  };

  explicit Slab(std::size_t shards) : tasks_(std::make_unique<Arrival[]>(shards)) {
    for (std::size_t i = 0; i < shards; ++i) tasks_[i].slab = this;
  }

  bool in_use() const { return readers_.load(std::memory_order_acquire) != 0; }
  const std::vector<Item>& items() const { return items_; }
  const std::vector<ForMember>& for_members() const { return for_members_; }
  void add(const Item& i) { items_.push_back(i); }
  void add(const ForMember& i) { for_members_.push_back(i); }

  /// `n` bytes that live as long as the slab is in use.
  char* room(std::size_t n) {
    if (chunks_.empty() || used_ + n > chunks_[chunk_].size) next_chunk(n);
    char* at = chunks_[chunk_].bytes.get() + used_;
    used_ += n;
    bytes_ += n;
    return at;
  }
  /// A copy of `b` there.
  std::string_view keep(std::string_view b) {
    char* at = room(b.size());
    std::memcpy(at, b.data(), b.size());
    return {at, b.size()};
  }
  void keep(boost::intrusive_ptr<const Route> r) { routes_.push_back(std::move(r)); }
  void keep(SharedGroupPtr g) { groups_.push_back(std::move(g)); }
  const Route* last_route() const { return routes_.empty() ? nullptr : routes_.back().get(); }

  /// The same, of a message; `frame`: as it came, where it can go out as it is.
  Item keep(const model::MessageView& m, bool v5, const channel::EncodedFrame& frame);

  /// Owner, before it is filled.
  void reset() {
    items_.clear();
    for_members_.clear();
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
  std::vector<ForMember> for_members_;
  std::vector<boost::intrusive_ptr<const Route>> routes_;
  std::vector<SharedGroupPtr> groups_;
  std::vector<Chunk> chunks_;
  std::size_t chunk_ = 0, used_ = 0, bytes_ = 0;
  std::atomic<std::uint32_t> readers_{0};
  std::unique_ptr<Arrival[]> tasks_;
};

}  // namespace sb::broker
