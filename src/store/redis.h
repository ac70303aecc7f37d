// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/time.h"
#include "io/tls.h"
#include "model/limits.h"
#include "redis/url.h"
#include "redis/writer.h"
#include "store/embedded.h"
#include "store/log_peers.h"
#include "store/node_life.h"
#include "store/redis_keys.h"
#include "store/redis_retained.h"
#include "store/redis_sessions.h"
#include "store/service.h"

namespace sb::store {

class RedisLogs;

struct RedisOptions {
  redis::Url url;
  std::shared_ptr<const io::TlsContext> tls;  ///< with rediss:// only
  std::string prefix = "sb:";                 ///< of all keys
  std::string cluster = "default";
  std::string node = "node";  ///< unique in the cluster
  std::uint64_t epoch = 0;    ///< of the node: higher with each of its starts; 0 = from the clock
  model::Limits limits;

  using Concern = redis::WriterOptions::Concern;
  Concern concern = Concern::primary;
  unsigned replicas = 1;                ///< that have to confirm, with Concern::replica
  bool degrade = true;                  ///< goes on without any replica, counted and visible; false: waits for one
  std::size_t redo_bytes = 512u << 20;  ///< of what may have to be written again
  Seconds keep{30};                     ///< for which that may be
  Millis hold{10'000};                  ///< that answers are held back while Redis is away, then they are refusals
  Millis wait{5'000};                   ///< for Redis, when the store is opened
  std::vector<std::shared_ptr<const redis::Script>> scripts;  ///< further ones, of the cluster
  Seconds origin_age{7 * 24 * 3600};  ///< that the numbers of a publisher are remembered behind its last message
  /// That a member of a log has to be without a record until it is none: it is stored in front of the record.
  Seconds suspected{300};
};

/// What the stores of a node know of the others, and tell them. It outlives the stores.
struct RedisCluster {
  NodeLife* life = nullptr;
  LogPeers* logs = nullptr;
  RetainedPeers* retained = nullptr;
  SessionWatcher* sessions = nullptr;
  std::shared_ptr<void> owned;  ///< goes after the stores and before the writer
};
/// What the others tell the stores.
struct RedisStores {
  RedisLogs* logs = nullptr;
  RedisSessions* sessions = nullptr;
  RedisRetained* retained = nullptr;
  redis::Writer* writer = nullptr;
};
/// Makes the cluster, which writes through the same writer.
using MakeCluster = std::function<RedisCluster(redis::Writer& writer, const RedisKeys& keys)>;

/// Opens the stores of a node in Redis. They live on `loop`, which this runs on the calling thread until Redis has
/// answered, or `wait` is over. Returns what is wrong and what to do, "" when they are open. `later`: Redis cannot be
/// reached, or is busy with its start; it may be asked again. Without a cluster the node has Redis to itself, and
/// what lies there is known when this returns; with one, the cluster has it loaded when the node is a member.
std::string open_redis(io::EventLoop& loop, const RedisOptions& options, OnLog on_log, Backend& out, bool& later,
                       const MakeCluster& make_cluster = nullptr, RedisStores* stores = nullptr);

}  // namespace sb::store
