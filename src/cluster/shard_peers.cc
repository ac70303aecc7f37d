// SPDX-License-Identifier: MIT
#include "cluster/shard_peers.h"

#include <string>
#include <utility>

namespace sb::cluster {

/// An answer for the shard.
ports::Peers::Done<void> ShardPeers::back(Done<void> done) {
  if (!done) return nullptr;
  return [this, done = std::move(done)](result<void> r) mutable {
    answers_.add([done = std::move(done), r = std::move(r)] { done(r); });
  };
}

void ShardPeers::send(std::unique_ptr<ports::PeerBatch> batch, Done<void> done) {
  requests_.add([this, batch = std::move(batch), done = std::move(done)]() mutable {
    cluster_.send(*batch, back(std::move(done)));
  });
}

void ShardPeers::change(std::vector<Change> changes, Done<void> done) {
  requests_.add([this, changes = std::move(changes), done = std::move(done)]() mutable {
    cluster_.change(changes, back(std::move(done)));
  });
}

void ShardPeers::kick(std::string_view node, std::string_view client_id, std::uint64_t epoch,
                      std::function<void()> released) {
  requests_.add(
      [this, node = std::string(node), id = std::string(client_id), epoch, released = std::move(released)]() mutable {
        cluster_.kick(node, id, epoch, [this, released = std::move(released)]() mutable {
          answers_.add([released = std::move(released)] { released(); });
        });
      });
}

void ShardPeers::connected(std::string_view client_id, ports::ConnectTime since) {
  requests_.add([this, id = std::string(client_id), since] { cluster_.connected(id, since); });
}

void ShardPeers::tell(ports::PeerNumber peer, ports::GroupNote note) {
  requests_.add([this, peer, note = std::move(note)] { cluster_.tell(peer, note); });
}

void ShardPeers::ask_group(std::string_view filter, std::uint64_t epoch, std::function<void(GroupReplies)> done) {
  requests_.add([this, filter = std::string(filter), epoch, done = std::move(done)]() mutable {
    cluster_.ask_group(filter, epoch, [this, done = std::move(done)](GroupReplies replies) mutable {
      answers_.add([done = std::move(done), replies = std::move(replies)]() mutable { done(std::move(replies)); });
    });
  });
}

}  // namespace sb::cluster
