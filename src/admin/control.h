// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "model/client_info.h"

/// What an operator can ask of a node, or of all nodes, whoever carries it there.
namespace sb::admin {

/// A node that has not gathered what its shards say by then is silent. Other nodes are waited for a little longer: what
/// they are asked and say travels over Redis.
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

/// A node that answered that it cannot.
struct Refusal {
  std::string node, why;
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
  std::vector<Refusal> refused;
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

/// What a node is among others.
struct ClusterStatus {
  struct Member {
    std::string node;
    std::string version;
    std::uint64_t epoch = 0;
    std::size_t waiting = 0;  ///< bytes for it that Redis does not have yet
    std::size_t unread = 0;   ///< that it may not have read; it tells so about every megabyte
  };
  std::string name;
  bool member = false;
  bool fresh = false;  ///< it knows what the others want, so that it acknowledges QoS 1 and 2
  std::uint64_t epoch = 0;
  Millis lease{0};                       ///< that is left of it
  Millis heard{-1};                      ///< since it had read all that the others had written; below 0: it never had
  std::size_t routes = 0;                ///< filters that its clients want
  std::size_t peer_routes = 0;           ///< that other nodes' clients want
  std::vector<Member> members;           ///< the others, as it sees them
  std::vector<std::string> lost;         ///< who was one within the last hour, and went without a goodbye
  std::uint64_t sent = 0, received = 0;  ///< messages over the bus, since the start
  std::uint64_t dropped = 0;             ///< messages for nodes that did not read, and what could not be read here
  std::uint64_t gaps = 0;                ///< times that something was missing
};

/// The logs of durable sessions, as far as this node knows.
struct LogsStatus {
  std::size_t logs = 0;
  std::uint64_t messages = 0, bytes = 0;  ///< that are kept for somebody who has not had them
  std::size_t waiting = 0;                ///< bytes of messages from here that Redis does not have yet
  Millis oldest{0};                       ///< for how long the oldest request waits for an answer
};

/// A primary of Redis that this node uses.
struct RedisServer {
  struct Replica {
    std::string address, state;
    std::uint64_t behind = 0;   ///< bytes
    std::uint64_t seconds = 0;  ///< since the primary heard of it
  };
  std::string address, role;
  std::string problem;  ///< why it does not answer, "" = it does
  std::vector<Replica> replicas;
};

/// What is there only with Redis.
struct SharedStatus {
  ClusterStatus cluster;
  LogsStatus logs;
  std::vector<RedisServer> redis;
  std::string acknowledged;       ///< what an acknowledgement means, in words
  std::vector<std::string> weak;  ///< what makes it worth less at present, each with its remedy
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
  std::optional<SharedStatus> shared;
};

/// A page of the clients that are connected.
struct ClientQuery {
  static constexpr std::size_t kMostClients = 1000;
  std::size_t limit = 100;  ///< 1 to kMostClients
  std::string after;        ///< ClientPage::next of the page before, "" = from the start
  std::string filter;       ///< part of the client id, the user name or the address; "" = everybody
};

/// Clients that are connected to one node while all pages are asked for are on one of them; others may be.
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
  /// Nodes come one after the other: of all pages in the answer only the last may have a `next`. Silent are those that
  /// were asked for this page; the next one goes on behind them.
  virtual void clients(const Where& where, const ClientQuery& query, Done<ClientPage> done) = 0;
  /// Ends the connection of a client, wherever it is: DISCONNECT 0x98, with its will. Answers who had it.
  virtual void kick(const Where& where, const std::string& client_id, Done<bool> done) = 0;
  /// No new connections, and those that are there end at `node.drain_rate`; what is durable is saved. Or the reverse.
  virtual void drain(const Where& where, bool on, Done<DrainState> done) = 0;
};

}  // namespace sb::admin
