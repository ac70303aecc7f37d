// SPDX-License-Identifier: MIT
#pragma once
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/bans.h"
#include "base/hash_map.h"
#include "base/time.h"
#include "broker/directory.h"
#include "broker/events.h"
#include "broker/subscription_index.h"
#include "model/limits.h"
#include "mqtt/reason.h"
#include "ports/authenticator.h"
#include "ports/authorizer.h"
#include "ports/log_store.h"
#include "ports/peers.h"

namespace sb::broker {

class Core;

/// What the shards of a node share. Set up before they run; the parts are safe for all threads.
struct Node {
  SubscriptionIndex index;
  Directory directory;
  std::vector<Core*> cores;  ///< by shard number
  ports::Authenticator* authenticator = nullptr;
  ports::EnhancedAuthenticator* enhanced = nullptr;
  ports::Authorizer* authorizer = nullptr;
  std::atomic<SharedStrategy> shared_strategy{SharedStrategy::round_robin};
  model::Limits limits;
  std::string name;
  auth::Bans bans;
  EventOptions events;
  bool stores_in_memory = false;
  Millis hold{10'000};                     ///< that an acknowledgement waits for fresh routes; then it is refused
  std::atomic<bool> memory_full{false};    ///< limits.memory
  std::atomic<bool> shutting_down{false};  ///< or draining: no session begins

  /// Any thread: the store says that the log of a filter began, or ended (0).
  void log_changed(std::string_view filter, ports::LogId log);
  /// Any thread: what another node wants of a filter, from now on.
  void peer_wants(ports::PeerNumber peer, std::string_view filter, ports::Interest what);
  /// Any thread: another node has claimed the client's session with `epoch`. `released` is called on any thread, once
  /// the client is not connected here.
  void kick(std::string_view client_id, std::uint64_t epoch, std::function<void()> released);
  /// Any thread: the life of another node is over.
  void peer_gone(ports::PeerNumber peer);
  /// Any thread.
  void group_note(ports::PeerNumber from, ports::GroupNote note);
  /// Any thread: see ports::Peers::ask_group. `answer`: on any thread.
  void group_asked(std::string_view filter, std::uint64_t epoch, std::function<void(std::string)> answer);
  /// Any thread: what this node has of a session goes to the store, unless the client came in after `before` (an epoch:
  /// ms since 1970) or later. `released` is called on any thread: true when the store has it,
  /// false when the client has only just come in and stays for a moment, after which it may be asked again.
  void let_go(std::string_view client_id, std::uint64_t before, std::function<void(bool)> released);
  /// Any thread: the client has connected to another node. `wins_ties`: at the same microsecond it is that node's.
  void connected_elsewhere(std::string_view client_id, ports::ConnectTime since, bool wins_ties);
  /// Any thread.
  std::function<ports::ConnectTime()> connect_clock = [] {
    return std::chrono::time_point_cast<ports::ConnectTime::duration>(std::chrono::system_clock::now());
  };
  /// Any thread: ends the connection that the client has on this node. `done` is called on any thread, with whether
  /// there was one.
  void disconnect(std::string_view client_id, mqtt::Reason reason, std::function<void(bool)> done);
  /// The shard that hands out the messages of a shared group with durable members.
  std::size_t group_owner(std::string_view filter) const { return hash_bytes(filter) % cores.size(); }
};

}  // namespace sb::broker
