// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash_map.h"
#include "redis/writer.h"
#include "store/node_life.h"
#include "store/redis_keys.h"

namespace sb::store {

/// When each durable session has to be looked at next: `sb:{x:NN}`, sorted by time. An entry says no more than that:
/// what is due is said by the record. So one that is too early costs a look, and its writes may be repeated; and no
/// record is made before its entry is there. Only who has looked sets an entry to a later time, or removes it, and only
/// when nobody has touched it meanwhile. Owner: the store thread.
class RedisSchedule {
 public:
  using Done = std::function<void()>;
  struct Entry {
    std::string client_id;
    WallTime when;
  };

  RedisSchedule(redis::Writer& writer, const RedisKeys& keys, const NodeLife& life);
  ~RedisSchedule();

  /// An entry for a record that is to be made.
  void add(std::string_view client_id, WallTime when, Done confirmed);
  /// Not later than `when`. `confirmed` may be null.
  void lower(std::string_view client_id, WallTime when, Done confirmed);
  /// `e` was looked at: next at `to`, or never again.
  void looked(const Entry& e, std::optional<WallTime> to, Done confirmed);

  /// Entries that are due, by time, at most `max` of a shard: of shards where this node knows of some, and now and
  /// then of the others. Each is given once until looked(). `done` once, also when Redis does not answer.
  void due(WallTime now, std::size_t max, std::function<void(std::vector<Entry>)> done);
  /// Asks how many there are; `done` when that is known.
  void count(std::function<void(std::uint64_t)> done);

  static std::shared_ptr<const redis::Script> script();

 private:
  class Row;
  struct Shard {
    std::unique_ptr<Row> row;
    WallTime next = WallTime::min();  ///< nothing that this node knows of is due before
    MonoTime asked = MonoTime::min();
    bool asking = false;
  };
  Shard& shard_of(std::string_view client_id, Row*& row);
  bool wants(std::size_t shard, WallTime now) const;
  void take(std::size_t shard, WallTime now, std::size_t max, redis::Reply::View found, std::vector<Entry>& to);

  redis::Writer& writer_;
  const RedisKeys& keys_;
  const NodeLife& life_;
  std::array<Shard, RedisKeys::kShards> shards_;
  StringSet looking_;  ///< given by due(), until the entry has moved
  std::shared_ptr<RedisSchedule*> self_;
};

}  // namespace sb::store
