// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/message.h"
#include "model/session_record.h"

namespace sb::ports {

/// Another node, as long as this process runs: a name keeps its number, also when the node comes back.
using PeerNumber = std::uint16_t;

/// When a client connected, by the clock of its node. Finer than WallTime, since of two connections of a client the
/// later one stays; at the same microsecond the one to the node whose name is greater.
using ConnectTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;

/// Messages for other nodes, gathered by one shard in one turn. Owns their bytes.
class PeerBatch {
 public:
  struct Item {
    model::MessageView message;  ///< in the batch; `id` is not passed on
    /// "" = for whoever is subscribed there; else `$share/name/filter`: for one member of that group.
    std::string_view group;
    std::uint8_t hops = 0;  ///< nodes that found no member of the group, and sent it on
    std::uint32_t peers_at = 0, peers = 0;
  };

  void add(const model::MessageView& m, const PeerNumber* to, std::size_t peers, std::string_view group = {},
           std::uint8_t hops = 0) {
    Item i;
    i.message = m;
    i.message.topic = keep(m.topic);
    i.message.properties = keep(m.properties);
    i.message.payload = keep(m.payload);
    i.group = keep(group);
    i.hops = hops;
    i.peers_at = static_cast<std::uint32_t>(peers_.size());
    i.peers = static_cast<std::uint32_t>(peers);
    peers_.insert(peers_.end(), to, to + peers);
    items_.push_back(i);
  }
  const std::vector<Item>& items() const { return items_; }
  const PeerNumber* peers_of(const Item& i) const { return peers_.data() + i.peers_at; }
  std::size_t bytes() const { return bytes_; }

 private:
  static constexpr std::size_t kChunk = 16 * 1024;
  std::string_view keep(std::string_view s) {
    if (s.empty()) return {};
    if (s.size() > left_) {
      left_ = s.size() > kChunk ? s.size() : kChunk;
      chunks_.push_back(std::make_unique<char[]>(left_));
      at_ = chunks_.back().get();
    }
    std::string_view kept(at_, s.copy(at_, s.size()));
    at_ += s.size();
    left_ -= s.size();
    bytes_ += s.size();
    return kept;
  }
  std::vector<Item> items_;
  std::vector<PeerNumber> peers_;
  std::vector<std::unique_ptr<char[]>> chunks_;
  char* at_ = nullptr;
  std::size_t left_ = 0, bytes_ = 0;
};

/// What a node wants to hear of a filter, for its connected sessions.
enum class Interest : std::uint8_t {
  none,
  live,    ///< every message that matches
  logged,  ///< QoS > 0 comes through the filter's log: QoS 0 as it is published, and notices of what was appended
  group,   ///< `$share/...`: it has members
  owner,   ///< the same, and its log is handed out by that node
};

/// What the owner of a shared group with a log and the nodes of its members tell each other. Notes between two nodes
/// arrive in order and once, unless one of them dies, or Redis forgets more than is kept for repairs.
struct GroupNote {
  enum class What : std::uint8_t {
    hand,    ///< owner: a message for a member there
    ask,     ///< owner: does the node take again?
    stored,  ///< owner: so many (`number`) of the node's `done` are in the group's record
    answer,  ///< to the owner: see broker::GroupAnswer, whose value is in `answer`
  };
  std::string filter;       ///< with `$share/group/`
  std::uint64_t epoch = 0;  ///< of the owner
  What what = What::hand;
  std::uint8_t answer = 0;
  std::uint32_t members = 0;  ///< answer: that the node has
  std::uint64_t number = 0;   ///< hand, and the answers to it: counts the hand-outs of an owner
  model::Position position;   ///< of the message, offset 0 = none
  model::MessagePtr message;  ///< hand
};

/// The other nodes of the cluster, as a shard sees them. Answers come once, on the thread that asked, in any order: a
/// node that is slow holds up what is for it, and nothing else.
class Peers {
 public:
  template <class T>
  using Done = std::function<void(result<T>)>;

  virtual ~Peers() = default;
  /// Everything that other nodes have told of their subscriptions until a quarter of a second ago is known here. Who
  /// has been told that a subscription works, although this node has not answered, relies on it: a QoS > 0 message that
  /// came when it was not so is not acknowledged before it is. PROTOCOLS: routes and SUBACK.
  virtual bool fresh() const { return true; }
  /// The stores know messages by LogStore::Origin, since a packet id and its message are not stored in one piece.
  virtual bool numbers_publishes() const { return false; }
  /// `done` (may be null): at the write concern each of the nodes will get every message, or is none any more.
  /// errc::unavailable: who got what is unknown.
  virtual void send(std::unique_ptr<PeerBatch> batch, Done<void> done) = 0;

  struct Change {
    std::string filter;
    Interest before, after;  ///< of one subscription; the node wants what any of its subscriptions wants
  };
  /// `done` (may be null): every node that can acknowledge a message knows it. PROTOCOLS: routes and SUBACK.
  virtual void change(std::vector<Change> changes, Done<void> done) = 0;

  /// This node has claimed the client's session with `epoch`; `node` had it before. `released`: the client is no longer
  /// connected there, or nobody knows within a fifth of a second. SessionStore::kAnyNode, or one that is no member: all
  /// are told, and nobody is waited for.
  virtual void kick(std::string_view node, std::string_view client_id, std::uint64_t epoch,
                    std::function<void()> released) = 0;
  /// The client has connected here: a connection of its that another node has from before, with a volatile session,
  /// ends. Volatile sessions have no record that could tell who owns them, and need no store to begin.
  virtual void connected(std::string_view client_id, ConnectTime since) = 0;

  // --- shared groups that have a log
  /// The same on all nodes: who owns a group is found by it.
  virtual std::uint64_t own_id() const = 0;
  virtual std::uint64_t id_of(PeerNumber peer) const = 0;
  /// To a node that is no member any more it is dropped.
  virtual void tell(PeerNumber peer, GroupNote note) = 0;
  /// Asks all other nodes what they have of a group that this one owns with `epoch`; who owned it before does so no
  /// more. `done`: the answers that came within two seconds; who has not answered has stopped to hand out by then,
  /// since it is not fresh.
  using GroupReplies = std::vector<std::pair<PeerNumber, std::string>>;
  virtual void ask_group(std::string_view filter, std::uint64_t epoch, std::function<void(GroupReplies)> done) = 0;
};

}  // namespace sb::ports
