// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "ports/peers.h"

namespace sb::cluster {

/// The node that a cluster is the transport of: what comes from the other nodes, and what becomes of this one. All
/// calls are on the store thread.
class Receiver {
 public:
  /// Into how many rows messages are put: one per shard. Those of one publisher on one topic stay in one row.
  virtual std::size_t lanes() const = 0;
  /// For the clients here, and never for other nodes. The bus reads on while what it handed out is not too much: it is
  /// handed back by its end.
  virtual void messages(std::size_t lane, std::shared_ptr<const ports::PeerBatch> batch) = 0;
  /// From the return on, every message that matches goes there.
  virtual void peer_wants(ports::PeerNumber peer, std::string_view filter, ports::Interest what) = 0;
  /// The life of the node as a member is over; it may come back.
  virtual void peer_gone(ports::PeerNumber peer) = 0;
  virtual void group_note(ports::PeerNumber peer, ports::GroupNote note) = 0;
  /// See ports::Peers::ask_group. `answer`: on any thread, once, or never.
  virtual void group_asked(std::string_view filter, std::uint64_t epoch, std::function<void(std::string)> answer) = 0;
  /// `released`: on any thread, once.
  virtual void kick(std::string_view client_id, std::uint64_t epoch, std::function<void()> released) = 0;
  virtual void connected_elsewhere(std::string_view client_id, ports::ConnectTime since, bool wins_ties) = 0;
  /// Another node has set the retained message of a topic, or cleared it (""): what all nodes know of it.
  virtual void peer_retained(std::string_view topic, std::string_view entry) = 0;
  /// Management. `answer`: on any thread, once, or never.
  virtual void request(std::string_view kind, std::string_view body, std::function<void(std::string)> answer) = 0;

  /// All members tell this node from now on what changes. What lies in Redis for all (which logs there are, retained
  /// topics) is read now, completely; `done` when it is known.
  virtual void load(std::function<void()> done) = 0;
  /// The node is in: it knows what the others want, and its listeners may open.
  virtual void joined(std::uint64_t epoch) = 0;
  /// The others have buried this node; it comes back by itself with a new epoch. Its clients have to go, all of them,
  /// and come again: durable sessions may be claimed and their wills fired, clients may have connected elsewhere
  /// without a word to this node, and messages for them were not sent here any more.
  virtual void fenced() = 0;
  /// Cluster::members() or expected() are others than before.
  virtual void members_changed() = 0;
  /// See Membership::Listener.
  virtual void clean_up(const std::string& node, std::uint64_t epoch, std::function<void()> done) = 0;

 protected:
  ~Receiver() = default;
};

}  // namespace sb::cluster
