// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "redis/tests/redis_server.h"

namespace sb::redis::testing {

/// A primary with replicas, and three Sentinels that watch over them as the group `main`.
class SentinelGroup {
 public:
  explicit SentinelGroup(std::size_t replicas);
  std::vector<std::unique_ptr<RedisServer>> servers;  ///< the first one begins as primary
  std::vector<std::unique_ptr<RedisServer>> sentinels;
  Url url() const;
};

/// A cluster whose first nodes are primaries with equal shares of the slots; each further one is a replica of the
/// first.
class ClusterNodes {
 public:
  ClusterNodes(std::size_t primaries, std::size_t replicas);
  std::vector<std::unique_ptr<RedisServer>> nodes;
  Url url() const;
  std::string id(std::size_t node) { return nodes[node]->ask({"CLUSTER", "MYID"}); }
  /// The primary that has the slot in the beginning.
  std::size_t owner(std::uint16_t slot) const;

 private:
  std::size_t primaries_;
};

}  // namespace sb::redis::testing
