// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/time.h"
#include "model/client_info.h"

/// What an operator can ask of a node, or of all nodes, whoever carries it there.
namespace sb::admin {

/// Nodes that do not answer within that time are named as silent.
inline constexpr Millis kDeadline{500};

/// Whom something is asked of: one node by its name, or all.
struct Where {
  std::string node;  ///< "" = all
  bool all() const { return node.empty(); }
};

enum class Problem : std::uint8_t {
  none,
  unknown_node,  ///< there is no node of that name
  bad_cursor,    ///< ClientQuery::after is not from an earlier page, or from before a restart
};

/// What came of a question: the answers of those that answered, in any order.
template <class T>
struct Answers {
  struct Of {
    std::string node;
    T value;
  };
  std::vector<Of> nodes;
  std::vector<std::string> silent;  ///< nodes that did not answer in time
  Problem problem = Problem::none;  ///< with one, nobody was asked
};

enum class NodeState : std::uint8_t {
  serving,
  draining,  ///< takes no connections; those that it has are sent away
  drained,   ///< takes no connections, and has none
};
const char* to_string(NodeState s);

struct ListenerStatus {
  std::string kind;     ///< "mqtt"
  std::string address;  ///< "127.0.0.1:1883"
  bool open = false;
  std::size_t connections = 0;
};

struct NodeStatus {
  std::string version;
  Seconds uptime{0};
  NodeState state = NodeState::serving;
  std::string store;          ///< "embedded"
  std::string store_problem;  ///< why the store refuses everything at present, "" = it does not
  bool memory_full = false;
  std::size_t memory = 0;  ///< bytes, resident
  std::size_t shards = 0;
  std::size_t connections = 0;  ///< of all kinds; with those that have not sent CONNECT
  std::size_t clients = 0;
  std::size_t subscriptions = 0;
  std::size_t retained = 0;
  std::uint64_t messages_received = 0, messages_sent = 0;  ///< PUBLISH, since the start
  std::vector<ListenerStatus> listeners;
};

/// A page of the clients that are connected.
struct ClientQuery {
  static constexpr std::size_t kMostClients = 1000;
  std::size_t limit = 100;  ///< 1 to kMostClients
  std::string after;        ///< ClientPage::next of the page before, "" = from the start
  std::string filter;       ///< part of the client id, the user name or the address; "" = everybody
};

/// Clients that are connected while all pages are asked for are on one of them; others may be.
struct ClientPage {
  std::vector<model::ClientInfo> clients;  ///< fewer than the limit where looking took too long: not the last page then
  std::string next;                        ///< visible ASCII; "" = this was the last page
};

struct DrainState {
  NodeState state = NodeState::serving;
  std::size_t connections = 0;  ///< that are still there
  std::string problem;          ///< why it could not be done, "" = it is
};

/// Carries it out. Every call answers once, at once or later, on the control thread; so do all implementations call it.
class Control {
 public:
  template <class T>
  using Done = std::function<void(Answers<T>)>;

  virtual ~Control() = default;
  /// The name of this node.
  virtual const std::string& node() const = 0;
  virtual void status(const Where& where, Done<NodeStatus> done) = 0;
  /// Nodes come one after the other: of all pages in the answer only the last may have a `next`.
  virtual void clients(const Where& where, const ClientQuery& query, Done<ClientPage> done) = 0;
  /// Ends the connection of a client, wherever it is: DISCONNECT 0x98, with its will. Answers who had it.
  virtual void kick(const Where& where, const std::string& client_id, Done<bool> done) = 0;
  /// No new connections, and those that are there end at `node.drain_rate`; what is durable is saved. Or the reverse.
  virtual void drain(const Where& where, bool on, Done<DrainState> done) = 0;
};

}  // namespace sb::admin
