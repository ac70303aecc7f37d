// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/admin_listener.h"
#include "app/back_ends.h"
#include "app/broker.h"
#include "app/bus_link.h"
#include "app/cluster_control.h"
#include "app/cluster_node.h"
#include "app/drain.h"
#include "app/memory_watch.h"
#include "app/node_control.h"
#include "app/redis_login.h"
#include "auth/acl_file.h"
#include "auth/asked_rights.h"
#include "auth/login.h"
#include "auth/scram.h"
#include "broker/sys_topics.h"
#include "io/loop_threads.h"
#include "net/acceptor.h"
#include "net/shard.h"
#include "store/service.h"

namespace sb::app {

/// A broker's parts, put together from a configuration. Lives on the main thread.
class BrokerNode {
 public:
  explicit BrokerNode(const config::Config& c);
  ~BrokerNode();

  /// Opens the listeners and starts the threads; what went wrong, "" = nothing. `ends`: whether this process is to
  /// end while it waits for a store.
  std::string start(const std::function<bool()>& ends);
  /// "listening mqtt 127.0.0.1:1883", one per listener, that of the API first.
  std::vector<std::string> listening() const;
  /// Takes over what can be taken over; says the rest in the log.
  void reload(const config::Config& next);
  /// No new connections, DISCONNECT to all as `node.drain_rate` says or faster, their output written out as far as they
  /// take it; then the threads end.
  void drain();

 private:
  class SysTimer;
  struct Listener {
    std::string key;  ///< "listeners.mqtt", for messages
    std::string kind;
    std::unique_ptr<net::Acceptor> acceptor;
  };
  std::string load_users(const config::Config& c);
  std::string load_tokens(const config::Config& c);
  std::string load_certificate_map(const config::Config& c);
  std::string load_rights(const config::Config& c);
  std::string load_bans(const config::Config& c);
  void set_events(const config::Config& c);
  /// Has every shard ask for rights again; `replaced` is held until all have.
  void rights_changed(const std::shared_ptr<const void>& replaced);
  std::string open_store(const std::function<bool()>& ends);
  void make_shards();
  std::string open_listeners();
  std::string open_admin();
  void join_control();
  std::string listener_options(const config::Config& c, const config::ListenerConfig& l, net::ListenerOptions& o) const;
  bool shares_store_thread() const;
  void leave_cluster();
  void stop();

  config::Config config_;
  broker::Node node_;
  std::shared_ptr<net::Gate> gate_;
  BackEnds back_ends_;
  RedisLogin redis_login_;
  std::unique_ptr<auth::Login> login_ = std::make_unique<auth::Login>(&back_ends_.rights());
  auth::AclAuthorizer acl_{nullptr};
  auth::AskedRights asked_rights_{back_ends_.rights()};
  auth::ScramAuthenticator scram_{nullptr};
  std::unique_ptr<ClusterNode> cluster_;  ///< with Redis; the stores tell it what they do
  std::unique_ptr<store::Service> store_;
  std::vector<std::pair<std::string, ports::LogId>> found_logs_;  ///< when the store was opened, until there are shards
  std::vector<Listener> listeners_;  ///< before the shards: their connections refer to them
  std::vector<std::unique_ptr<net::Shard>> shards_;
  std::vector<std::unique_ptr<store::ShardStores>> shard_stores_;
  std::vector<std::unique_ptr<cluster::ShardPeers>> peers_;
  std::unique_ptr<MemoryWatch> memory_watch_;
  std::unique_ptr<SysTimer> sys_timer_;
  std::unique_ptr<Drain> drain_;
  std::unique_ptr<NodeControl> control_;
  std::unique_ptr<BusLink> bus_link_;  ///< with Redis
  std::unique_ptr<ClusterControl> cluster_control_;
  AdminListener admin_;
  std::unique_ptr<io::LoopThreads> threads_;  ///< of the shards, and of the store
  bool running_ = false;
};

}  // namespace sb::app
