// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "broker/subscription_index.h"
#include "channel/host.h"

namespace sb::broker {

/// One client that a topic leads to; overlapping subscriptions of a client are one receiver [MQTT-3.3.4-2].
struct Receiver {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  std::uint32_t ids_at = 0;  ///< first of its subscription identifiers in Route::ids
  std::uint16_t id_count = 0;
  std::uint8_t qos = 0;  ///< highest of its subscriptions
  bool retain_as_published : 1 = false;
  bool no_local : 1 = false;     ///< all of its subscriptions say so
  bool mixed_local : 1 = false;  ///< some say so: what its own messages get has to be worked out
  bool logged : 1 = false;       ///< QoS > 0 comes through a log
  bool restricted : 1 = false;   ///< whether it may receive the topic has to be asked
};

/// What the router knows of a topic: the flat list of receivers, ordered by shard, the logs and the shared groups.
/// Belongs to the shard that built it; the receivers' shards read it while a slab holds it.
struct Route final : channel::TopicMemo {
  /// Of the index, at which it was built or last found unchanged. The shards of receivers read it too.
  std::atomic<std::uint64_t> version{0};
  std::vector<Receiver> receivers;
  std::vector<std::uint32_t> first;  ///< shard → its first receiver; one more than shards
  std::vector<std::uint32_t> ids;
  std::vector<std::uint64_t> logs;
  std::vector<RoutedGroup> groups;
  std::uint64_t remote_shards = 0;  ///< bit n: shard n has receivers (other than the owner)
  std::uint64_t topic_hash = 0;

  std::span<const Receiver> of_shard(std::size_t shard) const {
    return {receivers.data() + first[shard], first[shard + 1] - first[shard]};
  }
  std::span<const std::uint32_t> ids_of(const Receiver& r) const { return {ids.data() + r.ids_at, r.id_count}; }
  bool nobody() const { return receivers.empty() && logs.empty() && groups.empty(); }
};
using RoutePtr = boost::intrusive_ptr<Route>;

/// Routes of the topics that a shard has lately seen: bounded, each checked against the index before use.
class RouteCache {
 public:
  RouteCache(const SubscriptionIndex& index, std::size_t shard, std::size_t shards, std::size_t capacity)
      : index_(index), shard_(shard), shards_(shards), capacity_(capacity) {}

  /// The up-to-date route of a topic.
  RoutePtr get(std::string_view topic);
  /// Makes `r` up to date: itself when nothing that matters has changed, else another one.
  void refresh(RoutePtr& r);
  bool fresh(const Route& r) const { return r.version.load(std::memory_order_relaxed) == index_.version(); }
  std::size_t size() const { return routes_.size(); }

 private:
  RoutePtr build(std::string_view topic);
  void merge(Route& r);
  const SubscriptionIndex& index_;
  const std::size_t shard_, shards_, capacity_;
  StringMap<RoutePtr> routes_;
  Matches matches_;  // kept for its memory
};

}  // namespace sb::broker
