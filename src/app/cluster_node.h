// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "admin/control.h"
#include "app/left_behind.h"
#include "broker/node.h"
#include "cluster/cluster.h"
#include "cluster/shard_peers.h"
#include "redis/replication.h"
#include "store/redis.h"
#include "store/redis_guarantee.h"

namespace sb::app {

/// A broker among others over Redis: carries between the cluster, the stores and the shards. Everything is on the store
/// thread but what says otherwise.
class ClusterNode final : cluster::Receiver, store::NodeLife, store::RetainedPeers, store::SessionWatcher {
 public:
  ClusterNode(broker::Node& node, cluster::Options options);

  /// store::MakeCluster. Again, when the stores are opened again.
  store::RedisCluster make(io::EventLoop& loop, redis::Writer& writer, const store::RedisKeys& keys);
  /// Becomes a member of the cluster with these stores.
  void join(const store::RedisStores& stores);
  /// It is one, or was.
  bool joined() const { return joined_; }
  /// Says goodbye; `done` within about a second.
  void leave(std::function<void()> done) { cluster_->leave(std::move(done)); }
  cluster::Cluster& cluster() { return *cluster_; }

  /// What another node asks: kind, body, and whom to answer, on any thread.
  using OnRequest = std::function<void(std::string kind, std::string body, std::function<void(std::string)> answer)>;
  /// Before the store thread starts: what is called there for requests of other nodes.
  void set_requests(OnRequest f) { on_request_ = std::move(f); }
  /// Any thread: how it was a moment ago. It waits for nobody.
  admin::SharedStatus status() const;
  /// Any thread: the other nodes that should answer when they are asked (Cluster::expected).
  std::vector<std::string> others() const;

 private:
  // --- cluster::Receiver
  std::size_t lanes() const override;
  void messages(std::size_t lane, std::shared_ptr<const ports::PeerBatch> batch) override;
  void peer_wants(ports::PeerNumber peer, std::string_view filter, ports::Interest what) override;
  void peer_gone(ports::PeerNumber peer) override { node_.peer_gone(peer); }
  void group_note(ports::PeerNumber peer, ports::GroupNote note) override { node_.group_note(peer, std::move(note)); }
  void group_asked(std::string_view filter, std::uint64_t epoch, std::function<void(std::string)> answer) override {
    node_.group_asked(filter, epoch, std::move(answer));
  }
  void kick(std::string_view client_id, std::uint64_t epoch, std::function<void()> released) override;
  void connected_elsewhere(std::string_view client_id, ports::ConnectTime since, bool wins_ties) override;
  void peer_retained(std::string_view topic, std::string_view entry) override;
  void request(std::string_view kind, std::string_view body, std::function<void(std::string)> answer) override;
  void load(std::function<void()> done) override;
  void joined(std::uint64_t epoch) override;
  void fenced() override;
  void members_changed() override { look(); }
  void clean_up(const std::string& node, std::uint64_t epoch, std::function<void()> done) override;
  // --- store::NodeLife
  std::string_view name() const override { return options_.node; }
  std::uint64_t epoch() const override { return cluster_->epoch(); }
  std::optional<WallTime> died(std::string_view node, std::uint64_t epoch) const override;
  Share share() const override;
  void let_go(const std::string& client_id, std::uint64_t mark, MonoTime until,
              std::function<void(bool)> done) override;
  // --- store::RetainedPeers
  void retained_set(std::string_view topic, const std::optional<store::RetainedEntry>& entry,
                    std::function<void()> known) override;
  // --- store::SessionWatcher
  void on_lost(std::string_view client_id, std::uint64_t epoch) override;
  void on_displaced(std::string_view node, std::string_view client_id, std::uint64_t epoch) override;
  void on_wills_forgotten() override;

  void let_go_asked(std::string_view body, std::function<void(std::string)> answer);
  void let_go_here(std::uint64_t before, std::uint64_t mark, const std::string& client_id,
                   std::function<void(std::string)> answer);
  void ask_to_let_go(const std::string& body, MonoTime until, std::function<void(bool)> done);
  void try_to_load();
  void look();

  broker::Node& node_;
  const cluster::Options options_;
  io::EventLoop* loop_ = nullptr;
  store::RedisStores stores_;
  std::function<void()> loaded_;  ///< to be called when what lies in Redis is known
  bool logs_known_ = false, joined_ = false;
  std::size_t sending_away_ = 0;  ///< shards whose clients of an earlier life of the node may not be gone yet
  LeftBehind left_behind_;
  struct Poll final : io::Timer {
    explicit Poll(ClusterNode& n) : node(n) {}
    void on_timer() override { node.try_to_load(); }
    ClusterNode& node;
  } poll_{*this};
  /// Lives of nodes that are over, or of which nobody has heard: since when that is known here.
  mutable std::map<std::pair<std::string, std::uint64_t>, std::pair<WallTime, bool>, std::less<>> ends_;
  cluster::Cluster* cluster_ = nullptr;       ///< the stores have it
  redis::ReplicationWatch* watch_ = nullptr;  ///< and these
  store::RedisGuarantee* guarantee_ = nullptr;
  OnRequest on_request_;
  std::vector<std::function<void()>> again_;  ///< to be asked once more with the next look
  struct Look final : io::Timer {
    explicit Look(ClusterNode& n) : node(n) {}
    void on_timer() override { node.look(); }
    ClusterNode& node;
  } look_{*this};
  struct Seen {
    admin::SharedStatus status;  ///< without what depends on the time
    std::vector<std::string> others;
    MonoTime lease_until = MonoTime::min(), heard = MonoTime::min();
  };
  mutable std::mutex mutex_;
  Seen seen_;  ///< under mutex_
};

}  // namespace sb::app
