// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "broker/subscription_index.h"
#include "channel/host.h"
#include "ports/peers.h"

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
  /// `live`: bytes of all routes of the shard; this one's are among them while it lives.
  explicit Route(std::size_t& live) : live_(live) {}
  ~Route() override { live_ -= counted_; }
  std::size_t bytes() const { return counted_; }
  /// It will not change any more.
  void count() {
    counted_ = sizeof(Route) + topic.capacity() + receivers.capacity() * sizeof(Receiver) +
               (first.capacity() + ids.capacity()) * sizeof(std::uint32_t) + logs.capacity() * sizeof(logs[0]) +
               groups.capacity() * sizeof(groups[0]) + peers.capacity() * sizeof(peers[0]);
    live_ += counted_;
  }
  /// Of the index, at which it was built or last found unchanged. The shards of receivers read it too.
  std::atomic<std::uint64_t> version{0};
  std::vector<Receiver> receivers;
  std::vector<std::uint32_t> first;  ///< shard → its first receiver; one more than shards
  std::vector<std::uint32_t> ids;
  std::vector<std::uint64_t> logs;
  std::vector<RoutedGroup> groups;
  /// Other nodes with subscribers: first those that want every message, then those that have QoS > 0 from logs.
  std::vector<ports::PeerNumber> peers;
  std::size_t live_peers = 0;       ///< of `peers`
  std::uint64_t remote_shards = 0;  ///< bit n: shard n has receivers (other than the owner)
  std::uint64_t topic_hash = 0;

  std::span<const Receiver> of_shard(std::size_t shard) const {
    return {receivers.data() + first[shard], first[shard + 1] - first[shard]};
  }
  /// The nodes that a message is to be sent to.
  std::span<const ports::PeerNumber> peers_for(std::uint8_t qos) const {
    return {peers.data(), qos > 0 ? live_peers : peers.size()};
  }
  std::span<const std::uint32_t> ids_of(const Receiver& r) const { return {ids.data() + r.ids_at, r.id_count}; }
  bool nobody() const { return receivers.empty() && logs.empty() && groups.empty(); }

 private:
  std::size_t& live_;
  std::size_t counted_ = 0;
};
using RoutePtr = boost::intrusive_ptr<Route>;

/// Routes of the topics that a shard has lately seen: bounded, each checked against the index before use.
class RouteCache {
 public:
  static constexpr std::size_t kBytes = 64 * 1024 * 1024;  ///< of the routes in it
  /// Of all routes, also those that connections remember: beyond, large ones are not remembered.
  static constexpr std::size_t kLiveBytes = 4 * kBytes;
  static constexpr std::size_t kLarge = 64 * 1024;

  RouteCache(const SubscriptionIndex& index, std::size_t shard, std::size_t shards, std::size_t capacity)
      : index_(index), shard_(shard), shards_(shards), capacity_(capacity) {}

  /// The up-to-date route of a topic.
  RoutePtr get(std::string_view topic);
  /// Makes `r` up to date: itself when nothing that matters has changed, else another one.
  void refresh(RoutePtr& r);
  bool fresh(const Route& r) const { return r.version.load(std::memory_order_relaxed) == index_.version(); }
  std::size_t size() const { return routes_.size(); }
  std::size_t bytes() const { return bytes_; }
  std::size_t live_bytes() const { return live_; }

 private:
  RoutePtr build(std::string_view topic);
  void merge(Route& r);
  void keep(const RoutePtr& r);
  void forget(StringMap<RoutePtr>::iterator it) {
    bytes_ -= it->second->bytes();
    routes_.erase(it);
  }
  const SubscriptionIndex& index_;
  const std::size_t shard_, shards_, capacity_;
  std::size_t live_ = 0, bytes_ = 0;
  StringMap<RoutePtr> routes_;
  Matches matches_;  // kept for its memory
};

}  // namespace sb::broker
