// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/time.h"
#include "io/tls.h"
#include "model/limits.h"
#include "redis/url.h"
#include "redis/writer.h"
#include "store/embedded.h"
#include "store/log_peers.h"
#include "store/service.h"

namespace sb::store {

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
  Millis hold{10'000};                  ///< that answers are held back while Redis is away, then they are refusals
  Millis wait{5'000};                   ///< for Redis, when the store is opened
  Seconds origin_age{7 * 24 * 3600};    ///< that the numbers of a publisher are remembered behind its last message
};

/// Opens the stores of a node in Redis. They live on `loop`, which this runs on the calling thread until Redis has
/// answered, or `wait` is over. Returns what is wrong and what to do, "" when they are open. `later`: Redis cannot be
/// reached, or is busy with its start; it may be asked again. `peers`: the other nodes, null = there are none, and the
/// logs that there are have been announced then. `logs`: what hears from them; may be null.
std::string open_redis(io::EventLoop& loop, const RedisOptions& options, OnLog on_log, Backend& out, bool& later,
                       LogPeers* peers = nullptr, LogsOfPeers** logs = nullptr);

}  // namespace sb::store
