// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"

namespace sb::store {

/// What the stores in Redis have to know of the cluster. Owner: the store thread.
class NodeLife {
 public:
  virtual ~NodeLife() = default;
  /// Of this node.
  virtual std::string_view name() const = 0;
  /// Counts the starts of this node, confirmed; 0 = it has none, or none any more: it may own nothing.
  virtual std::uint64_t epoch() const = 0;
  /// Since when this run of that node is over for good; nothing = it lives, as far as anybody knows. The answer never
  /// goes back to nothing.
  virtual std::optional<WallTime> died(std::string_view node, std::uint64_t epoch) const = 0;

  /// Which part of the work that any node can do is this node's.
  struct Share {
    std::size_t index = 0, of = 1;  ///< the index-th of so many nodes that live
  };
  virtual Share share() const = 0;

  /// All other nodes end what they have of this client, and have Redis told of it, the Redis in which they find the
  /// `mark` (RedisKeys::session_mark); `done(false)`: one of them that lives has not said so by `until`.
  virtual void let_go(const std::string& client_id, std::uint64_t mark, MonoTime until,
                      std::function<void(bool)> done) = 0;
};

}  // namespace sb::store
