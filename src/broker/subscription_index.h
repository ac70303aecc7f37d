// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <atomic>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash_map.h"
#include "broker/rcu.h"
#include "broker/receiver_list.h"

namespace sb::broker {

/// How a shared group picks the member for a message.
enum class SharedStrategy : std::uint8_t { round_robin, random, hash, least_inflight };

/// The members of `$share/group/filter` that are connected, and the log of the group's durable side when there is one.
/// Shared by the routes that lead to it; readers as for ReceiverList.
class SharedGroup : public boost::intrusive_ref_counter<SharedGroup, boost::thread_safe_counter> {
 public:
  SharedGroup(std::string group, std::string of, std::uint32_t number)
      : name(std::move(group)), filter(std::move(of)), key(number) {}
  const std::string name, filter;
  const std::uint32_t key;  ///< unique on this node
  ReceiverList members;
  /// ports::LogId of the log through which QoS > 0 goes, while durable sessions hold one; 0 = none.
  std::atomic<std::uint64_t> log{0};

  /// The member for the next message, nothing when there is none; `not_this` is left out when there is another.
  /// Under Rcu::Guard.
  bool pick(SharedStrategy how, std::uint64_t topic_hash, const ClientKey* not_this, Subscriber& out);
  /// A delivery to the member was acknowledged (least in flight).
  void done(ClientKey member);

 private:
  std::uint32_t start_at(SharedStrategy how, std::uint64_t topic_hash, std::uint32_t n);
  std::atomic<std::uint32_t> turn_{0};
};
using SharedGroupPtr = boost::intrusive_ptr<SharedGroup>;

/// A group at the end of a route. `logged` as it was when the route was built, with the log among its logs.
struct RoutedGroup {
  SharedGroupPtr group;
  bool logged = false;
};

/// What a topic leads to, gathered from all filters that match it.
struct Matches {
  std::vector<Subscriber> subscribers;  ///< one entry per subscription: a client may stand there several times
  std::vector<std::uint64_t> logs;      ///< ports::LogId
  std::vector<RoutedGroup> groups;
  std::uint32_t lists = 0;  ///< filters that gave subscribers
  void clear() {
    subscribers.clear();
    logs.clear();
    groups.clear();
    lists = 0;
  }
};

/// All filters of the connected sessions and all logs of this node: a tree by levels. Any thread reads without waiting;
/// changes take a mutex among themselves and are seen by every thread before the call returns.
class SubscriptionIndex {
 public:
  SubscriptionIndex();
  ~SubscriptionIndex();
  SubscriptionIndex(const SubscriptionIndex&) = delete;
  SubscriptionIndex& operator=(const SubscriptionIndex&) = delete;

  // --- any thread, changes
  void add(std::string_view filter, const Subscriber& s);
  bool remove(std::string_view filter, ClientKey client);
  SharedGroupPtr add_shared(std::string_view group, std::string_view filter, const Subscriber& s);
  bool remove_shared(std::string_view group, std::string_view filter, ClientKey client);
  void set_log(std::string_view filter, std::uint64_t log);  ///< 0 = none any more
  SharedGroupPtr set_shared_log(std::string_view group, std::string_view filter, std::uint64_t log);

  // --- reader `reader` (a shard's number)
  void match(std::size_t reader, std::string_view topic, Matches& out) const;
  /// Counts the changes. What was found at one version holds at a later one unless changed() says otherwise.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
  /// True when a filter that matches `topic` may have changed in (since, until].
  bool changed(std::size_t reader, std::string_view topic, std::uint64_t since, std::uint64_t until) const;
  Rcu& rcu() const { return rcu_; }

  /// Filters present; for statistics and tests.
  std::size_t nodes() const { return nodes_.load(std::memory_order_relaxed); }

 private:
  struct Node;
  struct Table;
  struct Change {
    std::uint64_t version;
    std::string filter;
  };
  static constexpr std::size_t kRecent = 64;  ///< changes that changed() can look back on

  Node* find(std::string_view filter) const;
  Node* find_or_make(std::string_view filter);
  Node* child(const Node* n, std::string_view level) const;
  Node* add_child(Node* n, std::string_view level);
  void prune(Node* n);
  SharedGroupPtr find_or_make_group(Node* n, std::string_view group, std::string_view filter);
  void drop_idle_group(Node* n, const SharedGroupPtr& g);
  void note(std::string_view filter);
  void collect(const Node* n, Matches& out) const;
  void walk(const Node* n, std::string_view rest, bool last, Matches& out) const;
  static void destroy(Node* n);

  mutable Rcu rcu_;
  Node* root_;
  std::mutex writers_;
  std::atomic<std::uint64_t> version_{1};
  std::array<std::atomic<Change*>, kRecent> recent_{};
  std::atomic<std::size_t> nodes_{0};
  std::uint32_t next_group_ = 1;
};

}  // namespace sb::broker
