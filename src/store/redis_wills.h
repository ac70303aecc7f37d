// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/flat_hash_map.h>

#include <cstdint>
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
/// `holder` is - or who is firing it, `epoch/nonce/node`. What comes from a life of the node that is over is refused by
/// Redis. A will of a durable session is found without its entry as well, only later, by the schedule. Owner: the
/// store thread.
class RedisWills {
 public:
  /// An entry of a dead node, taken by this one.
  struct Taken {
    std::string client_id;
    std::optional<StoredWill> will;  ///< of a volatile session
    std::string mark;                ///< for done()
  };
  struct Found {
    std::vector<Taken> taken;
    bool more = false;  ///< entries are left, although some may be in the hands of others
  };
  RedisWills(redis::Writer& writer, const RedisKeys& keys, const NodeLife& life);
  ~RedisWills();
  static std::vector<std::shared_ptr<const redis::Script>> scripts();

  /// The client is connected here, by `connection`; `will` as encode_will() has it, "" for a durable session. Both
  /// callbacks may be null.
  void keep(std::string_view client_id, std::uint64_t connection, std::string will, std::function<void()> confirmed);
  /// It is no more, and its will is dealt with, unless it is kept for another connection by now.
  void forget(std::string_view client_id, std::uint64_t connection);
  /// What that node left with this epoch and those before: each entry is given to one node only; again when that one
  /// died before done(). A part of them. Nothing when Redis does not answer.
  void take(std::string node, std::uint64_t epoch, std::function<void(std::optional<Found>)> done);
  /// The entry of a dead node is dealt with.
  void done(std::string_view node, const Taken& entry);
  /// Asks whether Redis has as many entries of this node as it should have; `fewer` if not.
  void check(std::function<void()> fewer);
  /// An entry without a will is written anew, if there should be one.
  void keep_again(std::string_view client_id);
  /// This node was buried: its entries are others' now, and what it took of others is given again.
  void end_life();

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
  absl::flat_hash_map<std::uint64_t, std::uint64_t> kept_;  ///< hash of the client id → connection
  std::uint64_t nonce_;
  std::shared_ptr<RedisWills*> self_;
};

}  // namespace sb::store
