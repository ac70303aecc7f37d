// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "cluster/cluster.h"
#include "ports/peers.h"
#include "store/outbox.h"

namespace sb::cluster {

/// The other nodes as one shard sees them: what is asked within a turn of the shard goes to the store thread in one
/// piece, and answers come back so. One per shard; must outlive the store thread.
class ShardPeers final : public ports::Peers {
 public:
  /// `store`: the loop of the cluster.
  ShardPeers(Cluster& cluster, io::EventLoop& store, io::EventLoop& shard)
      : cluster_(cluster), requests_(shard, store), answers_(store, shard) {}

  bool fresh() const override { return cluster_.fresh(); }
  bool numbers_publishes() const override { return true; }
  void send(std::unique_ptr<ports::PeerBatch> batch, Done<void> done) override;
  void change(std::vector<Change> changes, Done<void> done) override;
  void kick(std::string_view node, std::string_view client_id, std::uint64_t epoch,
            std::function<void()> released) override;
  void connected(std::string_view client_id, ports::ConnectTime since) override;
  std::uint64_t own_id() const override { return cluster_.own_id(); }
  std::uint64_t id_of(ports::PeerNumber peer) const override { return cluster_.id_of(peer); }
  void tell(ports::PeerNumber peer, ports::GroupNote note) override;
  void ask_group(std::string_view filter, std::uint64_t epoch, std::function<void(GroupReplies)> done) override;

 private:
  Done<void> back(Done<void> done);

  Cluster& cluster_;
  store::Outbox requests_, answers_;
};

}  // namespace sb::cluster
