// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/flat_hash_map.h>
#include <absl/container/inlined_vector.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "ports/log_store.h"

namespace sb::store {

/// Where this node has met QoS 2 messages in logs. A failover can make Redis forget one that was read already, and it
/// comes again at another position, from a writer that does not know where it was: the one whose answer was lost, or
/// another one to which the publisher has gone meanwhile. docs/adr/0019. Owner: the store thread.
class LogMemory {
 public:
  /// The message lies at `p`. Adds to `known` where it lay in other generations.
  void saw(ports::LogId log, std::uint64_t identity, model::Position p, std::vector<model::Position>& known);

 private:
  static constexpr std::size_t kMessages = 64 * 1024, kPlaces = 4;
  using Key = std::pair<ports::LogId, std::uint64_t>;
  absl::flat_hash_map<Key, absl::InlinedVector<model::Position, 1>> places_;
  std::deque<Key> order_;  ///< as they were met first
};

}  // namespace sb::store
