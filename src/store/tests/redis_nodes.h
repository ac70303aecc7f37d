// SPDX-License-Identifier: MIT
#pragma once
#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ports/errc.h"
#include "redis/tests/topologies.h"
#include "session/session.h"
#include "store/redis.h"
#include "store/redis_engine.h"
#include "store/redis_logs.h"

/// Nodes of a cluster, as far as their logs go, on one thread.
namespace sb::store::test {

using model::Position;
using ports::LogId;

inline RedisOptions options_of(const redis::testing::RedisServer& s) {
  RedisOptions o;
  o.url.hosts = {s.endpoint()};
  return o;
}

class Cluster;

/// One node: stores in Redis, and what it tells the others.
class Node final : LogPeers, NodeLife {
 public:
  Node(Cluster& cluster, const std::string& name, RedisOptions o, bool alone);
  ~Node() override { backend.engine->stop(); }
  ports::LogStore& logs() { return *backend.logs; }
  RedisEngine& engine() { return static_cast<RedisEngine&>(*backend.engine); }

  std::map<std::string, LogId> announced;
  LogsOfPeers* of_peers = nullptr;
  io::EventLoop loop;
  Backend backend;

 private:
  void log_began(std::string_view filter, std::uint64_t incarnation, std::function<void()> known) override;
  void log_ended(std::string_view filter, std::uint64_t incarnation) override;
  void appended(std::string_view filter, const AppendedRun& run) override;
  // --- NodeLife
  std::string_view name() const override { return name_; }
  std::uint64_t epoch() const override { return 1; }
  std::optional<WallTime> died(std::string_view, std::uint64_t) const override { return {}; }
  Share share() const override { return {}; }
  void let_go(const std::string&, std::uint64_t, MonoTime, std::function<void(bool)> done) override { done(true); }
  Cluster& cluster_;
  std::string name_;
};

class Cluster {
 public:
  /// What becomes of notices between the nodes.
  double loses = 0, delays = 0;

  Node& add(const std::string& name, const RedisOptions& o, bool alone = false) {
    nodes.push_back(std::make_unique<Node>(*this, name, o, alone));
    return *nodes.back();
  }
  bool until(const std::function<bool()>& so, Seconds limit = Seconds(60)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!so()) {
      if (std::chrono::steady_clock::now() > end) return false;
      turn();
    }
    return true;
  }
  void turn() {
    for (auto& n : nodes) n->loop.run_once(Millis(1));
    auto late = std::exchange(late_, {});
    for (auto& f : late) f();
  }
  void run_for(Millis time) {
    until([end = std::chrono::steady_clock::now() + time] { return std::chrono::steady_clock::now() > end; });
  }
  /// To all nodes but one.
  void tell(const Node* from, const std::function<void(LogsOfPeers&)>& what, bool notice = false);

  std::vector<std::unique_ptr<Node>> nodes;
  std::mt19937 random{7};

 private:
  std::vector<std::function<void()>> late_;
};

inline Node::Node(Cluster& cluster, const std::string& name, RedisOptions o, bool alone) : cluster_(cluster) {
  o.node = name;
  name_ = name;
  bool later = false;
  RedisStores stores;
  const std::string why = open_redis(
      loop, o,
      [this](std::string_view f, LogId id) {
        if (id)
          announced[std::string(f)] = id;
        else
          announced.erase(std::string(f));
      },
      backend, later,
      alone ? MakeCluster() : [this](redis::Writer&, const RedisKeys&) { return RedisCluster{this, this}; }, &stores);
  if (!why.empty()) throw std::runtime_error(why);
  of_peers = stores.logs;
  loop.set_turn(backend.engine.get());
  backend.engine->start(loop);
}

inline void Node::log_began(std::string_view filter, std::uint64_t incarnation, std::function<void()> known) {
  cluster_.tell(this, [f = std::string(filter), incarnation](LogsOfPeers& o) { o.peer_log_began(f, incarnation); });
  known();
}
inline void Node::log_ended(std::string_view filter, std::uint64_t incarnation) {
  cluster_.tell(this, [f = std::string(filter), incarnation](LogsOfPeers& o) { o.peer_log_ended(f, incarnation); });
}
inline void Node::appended(std::string_view filter, const AppendedRun& run) {
  cluster_.tell(
      this, [f = std::string(filter), run](LogsOfPeers& o) { o.peer_appended(f, run); }, true);
}

inline void Cluster::tell(const Node* from, const std::function<void(LogsOfPeers&)>& what, bool notice) {
  std::uniform_real_distribution<double> chance(0, 1);
  for (auto& n : nodes) {
    if (n.get() == from || !n->of_peers) continue;
    if (notice && chance(random) < loses) continue;
    if (notice && chance(random) < delays)
      late_.push_back([what, to = n->of_peers] { what(*to); });
    else
      what(*n->of_peers);
  }
}

inline model::MessagePtr message(const std::string& payload, std::uint8_t qos = 1) {
  model::MessageView v;
  v.topic = "t";
  v.payload = payload;
  v.qos = qos;
  return model::Message::copy(v);
}

/// A session that reads a log through one node: its notices and, where they lack something, pages. It checks that no
/// position has two messages, and that what it gets is in the order of positions.
class Reader final : ports::LogWatcher {
 public:
  Reader(Cluster& cluster, Node& node, std::string filter, const std::string& member)
      : cluster_(cluster), node_(&node) {
    node.logs().join(filter, member, [this](result<ports::LogStore::Joined> j) {
      ASSERT_TRUE(j);
      log = j->log;
      cursor.next = j->head;
    });
    EXPECT_TRUE(cluster.until([this] { return log != 0; }));
    bool attached = false;
    node.logs().attach(log, this, [&](result<Position> head) { attached = head.has_value(); });
    EXPECT_TRUE(cluster.until([&] { return attached; }));
  }
  ~Reader() { node_->logs().detach(log, this); }

  /// Reads until nothing more is there.
  void catch_up() {
    for (bool more = true; more;) {
      bool back = false;
      node_->logs().read(log, cursor.next, 256, [&](result<ports::LogPage> page) {
        back = true;
        more = page && !page->messages.empty();
        if (!page) return;
        lost += page->lost;
        for (auto& m : page->messages) take(m);
      });
      ASSERT_TRUE(cluster_.until([&] { return back; }));
    }
  }
  /// How often it got each payload.
  std::map<std::string, int> payloads;
  std::vector<std::string> in_order;
  std::size_t heard = 0;  ///< by notices, without those that it had had
  std::uint64_t lost = 0;
  session::Cursor cursor;
  LogId log = 0;

 private:
  void on_appended(LogId, Position previous, const ports::StoredMessage& m) override {
    if (previous > cursor.next) return;  // it reads on when it is told to
    if (m.position > cursor.next) take(m), ++heard;
  }
  void take(const ports::StoredMessage& m) {
    ASSERT_GT(m.position, cursor.next);
    const std::string payload(m.message->view().payload);
    const auto [at, is_new] = at_.try_emplace(m.position, payload);
    ASSERT_TRUE(is_new) << "a position has two messages";
    cursor.go_on(m.position);
    if (cursor.has_had(m)) return;
    ++payloads[payload];
    in_order.push_back(payload);
  }
  Cluster& cluster_;
  Node* node_;
  std::map<Position, std::string> at_;
};

/// Publishes numbered messages into a log through one node, and counts what is acknowledged.
class Publisher {
 public:
  Publisher(Node& node, std::string name, LogId log) : node_(node), name_(std::move(name)), log_(log) {}
  void publish(int n = 1) {
    std::vector<ports::LogStore::Append> batch;
    std::vector<std::string> payloads;
    for (; n > 0; --n) {
      payloads.push_back(name_ + std::to_string(++made));
      batch.push_back({log_, message(payloads.back()), {}});
    }
    node_.logs().append(std::move(batch), [this, payloads](result<void> r) {
      ++answers;
      if (r)
        acknowledged.insert(acknowledged.end(), payloads.begin(), payloads.end());
      else
        refused += static_cast<int>(payloads.size());
    });
    ++asked;
  }
  bool done() const { return asked == answers; }
  std::vector<std::string> acknowledged;
  int made = 0, asked = 0, answers = 0, refused = 0;

 private:
  Node& node_;
  const std::string name_;
  const LogId log_;
};

/// Everything that was acknowledged was got once, and each publisher's in its order.
inline void expect_all_once(const Reader& r, const std::vector<const Publisher*>& publishers) {
  std::size_t expected = 0;
  for (auto* p : publishers) {
    std::set<std::string> mine(p->acknowledged.begin(), p->acknowledged.end());
    std::vector<std::string> got;
    for (auto& payload : r.in_order)
      if (mine.contains(payload)) got.push_back(payload);
    EXPECT_EQ(got.size(), p->acknowledged.size()) << "lost, or twice";
    EXPECT_TRUE(got == p->acknowledged) << "not in order";
    expected += p->acknowledged.size();
  }
  for (auto& [payload, times] : r.payloads) EXPECT_EQ(times, 1) << payload;
  EXPECT_GE(r.in_order.size(), expected);
}

}  // namespace sb::store::test
