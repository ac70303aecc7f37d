// SPDX-License-Identifier: MIT
#pragma once
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
#include "store/redis_session_image.h"

namespace sb::store {

/// Who is connected to a node with a will, for those who survive it: the hash `sb:{n:NODE}:wills`, client id →
///
///     node-epoch holder, a line's end, and the will of a volatile session (as in a record); nothing of a durable one,
///     whose record has it
///
/// `holder` is - or who is firing it, `epoch/nonce/node`. A will of a durable session is found without its entry as
/// well, only later, by the schedule. Owner: the store thread.
class RedisWills {
 public:
  /// An entry of a dead node, taken by this one.
  struct Taken {
    std::string client_id;
    std::optional<StoredWill> will;  ///< of a volatile session
  };
  RedisWills(redis::Writer& writer, const RedisKeys& keys, const NodeLife& life);
  ~RedisWills();
  static std::vector<std::shared_ptr<const redis::Script>> scripts();

  /// The client is connected here; `will` as encode_will() has it, "" for a durable session. `confirmed` may be null.
  void keep(std::string_view client_id, std::string will, std::function<void()> confirmed);
  /// It is no more, and its will is dealt with.
  void forget(std::string_view client_id);
  /// What that node left with this epoch and those before: each entry is given to one node only; again when that one
  /// died before done(). A part of them; empty: there are no more. Nothing when Redis does not answer.
  void take(std::string node, std::uint64_t epoch, std::function<void(std::optional<std::vector<Taken>>)> done);
  /// The entry of a dead node is dealt with.
  void done(std::string_view node, std::string_view client_id);

 private:
  class Row;
  struct Paging;
  Row& row(std::string_view node);
  void read_page(const std::shared_ptr<Paging>& p);
  void end_page(const std::shared_ptr<Paging>& p);
  void taken(const std::shared_ptr<Paging>& p, redis::Outcome& page);

  redis::Writer& writer_;
  const RedisKeys& keys_;
  const NodeLife& life_;
  StringMap<std::unique_ptr<Row>> rows_;
  std::uint64_t nonce_;
  std::shared_ptr<RedisWills*> self_;
};

}  // namespace sb::store
