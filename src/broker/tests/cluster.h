// SPDX-License-Identifier: MIT
#pragma once
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/tests/bench.h"

namespace sb::broker::testing {

/// Brokers that share their stores, with a bus that loses nothing: what the cluster is to the broker's logic.
class Cluster {
 public:
  explicit Cluster(std::size_t nodes = 2, std::size_t shards = 2) : owners_(stores_->sessions) {
    for (std::size_t n = 0; n < nodes; ++n) {
      wanted_.emplace_back();
      owners_.nodes.push_back(std::make_unique<Owned>(owners_, n));
      BenchOptions o;
      o.shards = shards;
      o.stores = stores_;
      o.peers = [this, n](std::size_t shard) { return std::make_unique<Link>(*this, n, shard); };
      o.sessions = owners_.nodes[n].get();
      benches_.push_back(std::make_unique<Bench>(o));
    }
  }
  ~Cluster() { stores_->nodes.clear(); }

  Bench& operator[](std::size_t n) { return *benches_[n]; }
  void settle() {
    for (int quiet = 0; quiet < 3; ++quiet)
      for (auto& b : benches_) b->settle();
  }
  /// The bus confirms nothing, and SUBACKs wait, until it is let go.
  void hold() { held_ = true; }
  void let_go() {
    held_ = false;
    for (auto& f : std::exchange(waiting_, {})) f();
    settle();
  }
  /// Node `n` hears nothing of what the others want, and knows that it does not, until it is heard again.
  void deafen(std::size_t n) { deaf_ = n; }
  void hear() {
    const std::size_t n = std::exchange(deaf_, kNobody);
    for (auto& f : std::exchange(unheard_, {})) f();
    for (std::size_t s = 0; s < benches_[n]->shards(); ++s) benches_[n]->core(s).loop().post_fn([] {});
    settle();
  }
  /// Node `n` is dead as far as the others know: it hears nobody, and nobody hears it.
  void kill(std::size_t n) {
    dead_.insert(n);
    deaf_ = n;
    for (std::size_t to = 0; to < benches_.size(); ++to) {
      if (to == n) continue;
      for (auto& [filter, counts] : wanted_[n])
        benches_[to]->node.peer_wants(static_cast<ports::PeerNumber>(n), filter, ports::Interest::none);
      benches_[to]->node.peer_gone(static_cast<ports::PeerNumber>(n));
    }
    settle();
  }
  bool hears(std::size_t from, std::size_t to) const {
    return from != to && !dead_.contains(from) && !dead_.contains(to);
  }
  void tick() {
    for (auto& b : benches_)
      for (std::size_t s = 0; s < b->shards(); ++s) b->core(s).loop().post_fn([&to = b->core(s)] { to.tick(); });
    settle();
  }
  std::function<bool(const ports::GroupNote&)> loses_notes;  ///< the bus loses those of which this is true
  bool loses_kicks = false;                                  ///< and the news of who is connected
  std::size_t silent = SIZE_MAX;                             ///< the node does not answer what it has of a group
  std::size_t notes = 0;
  /// The others publish these, should node `n` die: "client payload".
  std::vector<std::string> wills(std::size_t n) {
    std::vector<std::string> all;
    for (auto& [id, w] : owners_.wills[n]) all.push_back(id + " " + w.second);
    return all;
  }
  void forget_wills(std::size_t n) {
    owners_.wills[n].clear();
    for (std::size_t s = 0; s < benches_[n]->shards(); ++s) benches_[n]->core(s).keep_wills();
  }
  std::size_t changes(std::size_t n) { return owners_.changes[n]; }
  /// Node `n` learns that the others have buried it.
  void bury(std::size_t n) {
    for (std::size_t s = 0; s < benches_[n]->shards(); ++s) benches_[n]->core(s).buried([this] { ++let_go_of; });
    settle();
  }
  /// A second passes on node `n`.
  void tick(std::size_t n) {
    for (std::size_t s = 0; s < benches_[n]->shards(); ++s) benches_[n]->core(s).tick();
    settle();
  }
  std::size_t let_go_of = 0;  ///< shards that were buried and have no clients any more
  std::size_t sent = 0;       ///< messages on the bus, counted per receiver

 private:
  struct Link;
  /// Who had a session connected last.
  struct Owners {
    explicit Owners(ports::SessionStore& s) : to(s) {}
    ports::SessionStore& to;
    std::map<std::string, std::size_t> last;
    std::map<std::size_t, std::size_t> changes;  ///< that each node asked for
    /// Of volatile sessions, by node and client: connection and payload.
    std::map<std::size_t, std::map<std::string, std::pair<std::uint64_t, std::string>>> wills;
    std::vector<std::unique_ptr<ports::SessionStore>> nodes;
  };
  struct Owned final : ports::SessionStore {
    Owned(Owners& o, std::size_t n) : owners(o), node(n) {}
    bool any() const override { return true; }
    void claim(Claim c, Done<Claimed> done) override {
      std::string id = c.client_id;
      owners.to.claim(std::move(c), [this, id, done = std::move(done)](result<Claimed> claimed) {
        auto [it, is_new] = owners.last.try_emplace(id, node);
        if (claimed && !is_new && it->second != node) claimed->previous_node = std::to_string(it->second);
        it->second = node;
        done(std::move(claimed));
      });
    }
    void change(std::string_view id, std::uint64_t epoch, ports::SessionChange c, Done<void> done) override {
      ++owners.changes[node];
      owners.to.change(id, epoch, std::move(c), std::move(done));
    }
    void end(std::string_view id, std::uint64_t epoch, Done<void> done) override {
      owners.to.end(id, epoch, std::move(done));
    }
    void outbound(std::string_view id, std::uint16_t packet, Done<Outbound> done) override {
      owners.to.outbound(id, packet, std::move(done));
    }
    void take_due(WallTime now, Done<std::vector<Due>> done) override { owners.to.take_due(now, std::move(done)); }
    void fired(std::uint64_t will) override { owners.to.fired(will); }
    void keep_will(std::string_view id, std::string_view, model::WillRecord will, std::uint64_t connection) override {
      owners.wills[node][std::string(id)] = {connection, std::string(will.message->view().payload)};
    }
    void forget_will(std::string_view id, std::uint64_t connection) override {
      auto& wills = owners.wills[node];
      if (auto it = wills.find(std::string(id)); it != wills.end() && it->second.first == connection) wills.erase(it);
    }
    Owners& owners;
    const std::size_t node;
  };
  struct Link final : ports::Peers {
    Link(Cluster& c, std::size_t n, std::size_t s) : cluster(c), node(n), shard(s) {}
    void send(std::unique_ptr<ports::PeerBatch> batch, Done<void> done) override {
      std::shared_ptr<ports::PeerBatch> all = std::move(batch);
      for (std::size_t n = 0; n < cluster.benches_.size(); ++n) {
        auto part = std::make_shared<ports::PeerBatch>();
        for (auto& item : all->items())
          for (std::size_t i = 0; i < item.peers; ++i)
            if (all->peers_of(item)[i] == n) part->add(item.message, nullptr, 0, item.group, item.hops);
        cluster.sent += part->items().size();
        EXPECT_TRUE(part->items().empty() || n != node) << "no echo";
        Core& to = cluster[n].core(node % cluster[n].shards());
        if (!part->items().empty()) to.loop().post_fn([&to, part] { to.receive(*part); });
      }
      if (done) answer([done = std::move(done)] { done({}); });
    }
    void change(std::vector<Change> changes, Done<void> done) override {
      for (auto& c : changes) {
        auto& counts = cluster.wanted_[node][c.filter];
        --counts[static_cast<std::size_t>(c.before)];
        ++counts[static_cast<std::size_t>(c.after)];
        auto what = ports::Interest::none;
        for (auto i : {ports::Interest::logged, ports::Interest::live, ports::Interest::group, ports::Interest::owner})
          if (counts[static_cast<std::size_t>(i)] > 0 &&
              (i != ports::Interest::owner || what == ports::Interest::group))
            what = i;
        for (std::size_t n = 0; n < cluster.benches_.size(); ++n) {
          if (!cluster.hears(node, n)) continue;
          auto tell = [&to = cluster[n].node, peer = static_cast<ports::PeerNumber>(node), f = c.filter, what] {
            to.peer_wants(peer, f, what);
          };
          if (n == cluster.deaf_)
            cluster.unheard_.push_back(tell);
          else
            tell();
        }
      }
      if (done) answer([done = std::move(done)] { done({}); });
    }
    void kick(std::string_view name, std::string_view id, std::uint64_t epoch, std::function<void()> done) override {
      Core& mine = cluster[node].core(shard);
      if (cluster.loses_kicks) return mine.loop().post_fn([done = std::move(done)] { done(); });
      cluster[std::stoul(std::string(name))].node.kick(
          id, epoch, [&mine, done = std::move(done)] { mine.loop().post_fn([done] { done(); }); });
    }
    void connected(std::string_view id, ports::ConnectTime since) override {
      for (std::size_t n = 0; n < cluster.benches_.size() && !cluster.loses_kicks; ++n)
        if (n != node) cluster[n].node.connected_elsewhere(id, since, node < n);
    }
    bool fresh() const override { return node != cluster.deaf_; }
    std::uint64_t own_id() const override { return node; }
    std::uint64_t id_of(ports::PeerNumber peer) const override { return peer; }
    void tell(ports::PeerNumber peer, ports::GroupNote note) override {
      if (!cluster.hears(node, peer)) return;
      if (cluster.loses_notes && cluster.loses_notes(note)) return;
      ++cluster.notes;
      cluster[peer].node.group_note(static_cast<ports::PeerNumber>(node), std::move(note));
    }
    void ask_group(std::string_view filter, std::uint64_t epoch, std::function<void(GroupReplies)> done) override {
      struct Asked {
        GroupReplies replies;
        std::size_t waits = 1;
      };
      auto asked = std::make_shared<Asked>();
      Core& mine = cluster[node].core(shard);
      auto one = [asked, &mine, done = std::move(done)] {
        if (--asked->waits == 0) mine.loop().post_fn([asked, done] { done(std::move(asked->replies)); });
      };
      for (std::size_t n = 0; n < cluster.benches_.size(); ++n) {
        if (!cluster.hears(node, n) || n == cluster.silent) continue;
        ++asked->waits;
        cluster[n].node.group_asked(filter, epoch, [asked, one, n](std::string s) {
          asked->replies.emplace_back(static_cast<ports::PeerNumber>(n), std::move(s));
          one();
        });
      }
      one();
    }
    void answer(std::function<void()> f) {
      Core& mine = cluster[node].core(shard);
      auto later = [&mine, f = std::move(f)] { mine.loop().post_fn([f] { f(); }); };
      if (cluster.held_)
        cluster.waiting_.push_back(later);
      else
        later();
    }
    Cluster& cluster;
    const std::size_t node, shard;
  };

  std::shared_ptr<BenchStores> stores_ = std::make_shared<BenchStores>(unhurried());
  Owners owners_;
  std::vector<std::map<std::string, std::map<std::size_t, int>>> wanted_;
  std::vector<std::unique_ptr<Bench>> benches_;
  std::vector<std::function<void()>> waiting_;
  bool held_ = false;
  static constexpr std::size_t kNobody = SIZE_MAX;
  std::size_t deaf_ = kNobody;
  std::set<std::size_t> dead_;
  std::vector<std::function<void()>> unheard_;
};

}  // namespace sb::broker::testing
