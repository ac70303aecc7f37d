// SPDX-License-Identifier: MIT
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cluster/cluster.h"
#include "cluster/scripts.h"
#include "redis/tests/redis_server.h"

namespace sb::cluster::testing {

using ports::Interest;

/// A node of a cluster without clients: notes what comes, does what it is told. It has a loop of its own, and stands
/// still while that does not turn.
class Node final : public Receiver, public store::LogsOfPeers {
 public:
  Node(const redis::Url& url, Options o, redis::WriterOptions w = {})
      : name(o.node),
        writer(loop, url, options_of(url), std::move(w)),
        cluster(loop, writer, store::RedisKeys(), std::move(o), *this) {
    cluster.set_logs(this);
    writer.start();
    cluster.start();
  }

  struct Got {
    std::string topic, payload, group;
    unsigned qos, hops;
  };
  std::vector<Got> got;
  /// Who wants what, by the names that payloads have: node number here → filter → interest.
  std::map<ports::PeerNumber, std::map<std::string, Interest>> wants;
  std::vector<std::string> log;     ///< of what happens to the node, and notices
  std::vector<std::string> heads;   ///< that were to be compared
  std::vector<std::string> others;  ///< as it was last told
  unsigned joins = 0, fences = 0, gone = 0, compares = 0, loads = 0;
  std::vector<std::pair<std::string, std::uint64_t>> cleaned;
  std::vector<std::shared_ptr<const ports::PeerBatch>> held;  ///< batches, while `hold`
  std::vector<std::function<void()>> cleaning;                ///< clean-ups under way, while not `cleans`
  bool hold = false, answers_kicks = true, cleans = true;

  // --- what a shard would do
  /// To all members, or to one.
  void publish(const std::string& topic, const std::string& payload, std::uint8_t qos = 1,
               std::function<void(bool)> done = nullptr, const std::string& to = "") {
    model::MessageView m;
    m.topic = topic;
    m.payload = payload;
    m.qos = qos;
    m.publisher = 7;
    std::vector<ports::PeerNumber> peers;
    for (ports::PeerNumber n = 0; n < 16; ++n) peers.push_back(n);
    if (!to.empty()) peers = {number(to)};
    ports::PeerBatch b;
    b.add(m, peers.data(), peers.size());
    ports::Peers::Done<void> answer;
    if (done) answer = [done](const result<void>& r) { done(r.has_value()); };
    cluster.send(b, std::move(answer));
  }
  void want(const std::string& filter, Interest before, Interest after, std::function<void()> known = nullptr) {
    ports::Peers::Done<void> done;
    if (known) done = [known](const result<void>&) { known(); };
    cluster.change({{filter, before, after}}, std::move(done));
  }
  /// What the node believes that another one wants, by its name.
  std::map<std::string, Interest> wanted_by(const std::string& node) { return wants[number(node)]; }
  ports::PeerNumber number(const std::string& node) {
    for (auto& i : cluster.members())
      if (i.node == node) return i.number;
    return 99;
  }
  std::vector<std::string> payloads() const {
    std::vector<std::string> out;
    for (auto& g : got) out.push_back(g.payload);
    return out;
  }

  // --- Receiver
  std::size_t lanes() const override { return 2; }
  void messages(std::size_t, std::shared_ptr<const ports::PeerBatch> batch) override {
    for (auto& i : batch->items())
      got.push_back(
          {std::string(i.message.topic), std::string(i.message.payload), std::string(i.group), i.message.qos, i.hops});
    if (hold) held.push_back(std::move(batch));
  }
  void peer_wants(ports::PeerNumber peer, std::string_view filter, Interest what) override {
    if (what == Interest::none)
      wants[peer].erase(std::string(filter));
    else
      wants[peer][std::string(filter)] = what;
  }
  void kick(std::string_view id, std::uint64_t epoch, std::function<void()> released) override {
    log.push_back("kick " + std::string(id) + " " + std::to_string(epoch));
    if (answers_kicks) released();
  }
  void peer_gone(ports::PeerNumber) override { ++gone; }
  void group_note(ports::PeerNumber, ports::GroupNote n) override {
    log.push_back("note " + n.filter + " " + std::to_string(n.epoch) + " " + std::to_string(n.number) +
                  (n.message ? " " + std::string(n.message->view().payload) : ""));
  }
  void group_asked(std::string_view filter, std::uint64_t epoch, std::function<void(std::string)> answer) override {
    answer(name + " has of " + std::string(filter) + " " + std::to_string(epoch));
  }
  void connected_elsewhere(std::string_view id, ports::ConnectTime since, bool wins) override {
    log.push_back("connected " + std::string(id) + " " + std::to_string(since.time_since_epoch().count()) +
                  (wins ? " wins" : ""));
  }
  void peer_retained(std::string_view topic, std::string_view entry) override {
    log.push_back("retained " + std::string(topic) + " " + std::string(entry));
  }
  void request(std::string_view kind, std::string_view body, std::function<void(std::string)> answer) override {
    log.push_back("request " + std::string(kind) + " " + std::string(body));
    if (kind == "echo") answer(name + ":" + std::string(body));
  }
  void load(std::function<void()> done) override { ++loads, done(); }
  void joined(std::uint64_t) override {
    ++joins;
    members_changed();
  }
  void fenced() override { ++fences; }
  void members_changed() override { others = cluster.expected(); }
  void clean_up(const std::string& node, std::uint64_t epoch, std::function<void()> done) override {
    cleaned.emplace_back(node, epoch);
    if (!cleans) return cleaning.push_back(std::move(done));
    done();
  }
  // --- LogsOfPeers
  void peer_log_began(std::string_view filter, std::uint64_t i) override {
    log.push_back("log began " + std::string(filter) + " " + std::to_string(i));
  }
  void peer_log_ended(std::string_view filter, std::uint64_t i) override {
    log.push_back("log ended " + std::string(filter) + " " + std::to_string(i));
  }
  void peer_appended(std::string_view filter, const store::AppendedRun& run) override {
    for (auto& m : run.messages)
      log.push_back("appended " + std::string(filter) + " " + std::string(m->view().payload));
  }
  void compare_heads() override { ++compares; }
  void compare_head(std::string_view filter) override { heads.emplace_back(filter); }

  static redis::Options options_of(const redis::Url& url) {
    redis::Options o = redis::Options::of(url);
    o.scripts = Scripts::get().all();
    o.pause_min = Millis(10);
    return o;
  }
  const std::string name;
  io::EventLoop loop;
  redis::Writer writer;
  Cluster cluster;
};

/// Nodes on one thread: each turns in its turn.
class Nodes {
 public:
  explicit Nodes(redis::Url to) : url(std::move(to)) {}
  Node& add(const std::string& name, Options o = {}, redis::WriterOptions w = {}) {
    o.node = name;
    o.detail = "here";
    if (lease != Millis(0)) o.lease = lease;
    return *nodes.emplace_back(std::make_unique<Node>(url, std::move(o), w));
  }
  /// As if the process were killed.
  void kill(const std::string& name) {
    std::erase_if(nodes, [&](auto& n) { return n->name == name; });
  }
  void pause(const std::string& name) { paused.insert(name); }
  void go_on(const std::string& name) { paused.erase(name); }
  void turn() {
    for (std::size_t i = 0; i < nodes.size(); ++i)
      if (!paused.contains(nodes[i]->name)) turn(*nodes[i], Millis(i == 0 ? 1 : 0));
  }
  static void turn(Node& n, Millis wait) {
    n.loop.run_once(wait);
    EXPECT_EQ(n.others, n.cluster.expected()) << n.name << " has told of every change";
  }
  /// Turns until it is so; false when it does not become so for a very long time.
  bool until(const std::function<bool()>& so, Seconds limit = Seconds(60)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!so()) {
      if (std::chrono::steady_clock::now() > end) return false;
      turn();
    }
    return true;
  }
  void run_for(Millis time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) turn();
  }
  /// Three nodes that are in, and fresh.
  void three(Options o = {}, redis::WriterOptions w = {}) {
    for (auto name : {"a", "b", "c"}) add(name, o, w);
    EXPECT_TRUE(until([this] {
      return all_in() && std::all_of(nodes.begin(), nodes.end(), [](auto& n) { return n->cluster.fresh(); });
    }));
  }
  bool all_in() {
    for (auto& n : nodes)
      if (!n->cluster.is_member() || n->cluster.members().size() + 1 != nodes.size()) return false;
    return true;
  }
  Node& operator[](std::size_t i) { return *nodes[i]; }

  redis::Url url;
  Millis lease{0};
  std::vector<std::unique_ptr<Node>> nodes;
  std::set<std::string> paused;
};

inline redis::Url url_of(const redis::testing::RedisServer& s) {
  redis::Url url;
  url.hosts = {s.endpoint()};
  return url;
}

}  // namespace sb::cluster::testing
