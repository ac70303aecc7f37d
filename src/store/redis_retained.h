// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/btree_map.h>

#include <array>
#include <atomic>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash_map.h"
#include "ports/retained_store.h"
#include "redis/writer.h"
#include "store/node_life.h"
#include "store/redis_keys.h"
#include "store/redis_retained_rows.h"

namespace sb::store {

/// What every node knows of a retained message without reading it.
struct RetainedEntry {
  std::uint64_t cost = 0;  ///< bytes that it counts for, rounded up
  WallTime expires = kNoExpiry;
  WallTime stamp{};          ///< when the entry was written
  std::string text() const;  ///< as in Redis
  static std::optional<RetainedEntry> of(std::string_view text);
};

/// What the retained messages of a node tell the other nodes of the cluster. Owner: the store thread.
class RetainedPeers {
 public:
  virtual ~RetainedPeers() = default;
  /// This node has set the message of the topic, or cleared it (nothing), confirmed. `known`: every node that answers
  /// subscribers has heard of it (RedisRetained::peer_set); the publisher's acknowledgement waits for that.
  virtual void retained_set(std::string_view topic, const std::optional<RetainedEntry>& entry,
                            std::function<void()> known) = 0;
};

/// Retained messages in Redis: `sb:{r:TOPIC}`, and the topics that have one in `sb:{rt:NN}`, 64 hashes that are read at
/// the start, so that nobody has to walk over all keys of Redis. In memory are the topics with their sizes, and a cache
/// of messages, bounded in bytes. Owner: the store thread, but for count().
class RedisRetained final : public ports::RetainedStore, RetainedRow::Owner, io::Timer {
 public:
  struct Options {
    std::size_t limit = SIZE_MAX, bytes = SIZE_MAX;  ///< of all nodes: messages, and bytes with their topics
    std::size_t cache_bytes = 16u << 20;
  };
  /// All of them live longer. `peers` null: there are none.
  RedisRetained(redis::Writer& writer, const RedisKeys& keys, const NodeLife& life, Options options,
                RetainedPeers* peers = nullptr);
  ~RedisRetained() override;
  /// To be among Options::scripts of the writer.
  static std::vector<std::shared_ptr<const redis::Script>> scripts();

  void set(model::MessagePtr m, Done<void> done) override;
  void match(std::string_view filter, std::string resume, std::size_t max, WallTime now, Done<Page> done) override;
  std::size_t count() const override { return count_.load(std::memory_order_relaxed); }

  /// Another node has set the message of the topic, or cleared it.
  void peer_set(std::string_view topic, const std::optional<RetainedEntry>& entry);
  /// What other nodes said may have been missed: the topics are read again, and what is cached is forgotten.
  void read_topics();
  /// The topics were read.
  bool loaded() const { return loaded_; }
  std::size_t cached_bytes() const { return cached_bytes_; }

 private:
  /// One page, until all of its messages are there.
  struct Reading {
    struct Slot {
      std::string topic;
      WallTime stamp;
      std::uint64_t changes;
      model::MessagePtr message;
    };
    std::vector<Slot> slots;
    std::string resume;
    WallTime now;
    std::size_t waits = 1;
    bool failed = false;
    Done<Page> done;
  };
  struct Loading;
  using Topics = absl::btree_map<std::string, RetainedEntry>;
  void on_timer() override;
  void idle(const std::string& topic) override { rows_.erase(rows_.find(topic)); }
  void came_again(const std::string& topic, const model::MessageView& m) override;
  void begin_load();
  void load(const std::shared_ptr<Loading>& l, std::size_t shard, std::string cursor);
  void load_again();
  void end_load(Loading& l);
  RetainedTopicsRow& topics_row(std::string_view topic);
  RetainedRow& row(std::string_view topic);
  void put(std::string_view topic, const RetainedEntry& e);
  void erase(std::string_view topic);
  void is_gone(const std::string& topic, WallTime stamp, WallTime now);
  void walk(std::string_view filter, const std::string& resume, std::size_t max, Reading& r);
  void fetch(const std::shared_ptr<Reading>& r);
  void fetched(Reading& r, std::size_t i, redis::Outcome& o);
  void remove_gone();
  void look_for_expired();
  void keep(const std::string& topic, const model::MessagePtr& m);
  void uncache(std::string_view topic);
  model::MessagePtr known(const std::string& topic);

  redis::Writer& writer_;
  const RedisKeys& keys_;
  const NodeLife& life_;
  const Options options_;
  RetainedPeers* const peers_;
  RetainedRow::Source source_;
  Topics topics_;
  std::uint64_t bytes_ = 0;
  std::atomic<std::size_t> count_{0};
  std::array<std::unique_ptr<RetainedTopicsRow>, RedisKeys::kShards> topics_rows_;
  StringMap<std::unique_ptr<RetainedRow>> rows_;
  /// Topics whose message is gone, until their entry in Redis may go.
  struct Gone {
    MonoTime at;
    std::string topic;
    WallTime stamp;  ///< of the entry
  };
  std::deque<Gone> gone_;
  std::string looked_;  ///< up to this topic, for messages that have expired
  bool loaded_ = false;
  std::shared_ptr<Loading> loading_;
  std::vector<std::function<void()>> for_load_;  ///< what waits until the topics were read
  struct Cached {
    std::string topic;
    model::MessagePtr message;
  };
  std::list<Cached> cached_;  ///< last used first
  StringMap<std::list<Cached>::iterator> cache_;
  std::size_t cached_bytes_ = 0;
  std::array<std::uint64_t, RedisKeys::kShards> changes_{};  ///< messages that were set or cleared, here or elsewhere
  std::shared_ptr<RedisRetained*> self_;
};

}  // namespace sb::store
