// SPDX-License-Identifier: MIT
#include "app/cluster_node.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/peer_messages.h"
#include "base/log.h"
#include "broker/core.h"
#include "store/redis_logs.h"

namespace sb::app {
namespace {

constexpr Millis kLook{250};  // between two looks at how the node is
constexpr const char* kLetGo = "let go";
constexpr Millis kPoll{50};        // until the retained topics are known
constexpr Millis kLoad{5000};      // for one attempt to read the list of logs
constexpr Seconds kUnheardOf{30};  // a node that nobody has heard of for so long is no more
constexpr std::size_t kEnds = 10'000;

}  // namespace

ClusterNode::ClusterNode(broker::Node& node, cluster::Options options)
    : node_(node), options_(std::move(options)), left_behind_(node) {}

store::RedisCluster ClusterNode::make(io::EventLoop& loop, redis::Writer& writer, const store::RedisKeys& keys) {
  loop_ = &loop;
  cluster::Receiver& receiver = *this;
  struct Owned {
    Owned(io::EventLoop& l, redis::Writer& w, const store::RedisKeys& k, const cluster::Options& o,
          cluster::Receiver& r)
        : cluster(l, w, k, o, r), watch(l, w.client()), guarantee(w, watch) {}
    cluster::Cluster cluster;
    redis::ReplicationWatch watch;
    store::RedisGuarantee guarantee;
  };
  auto owned = std::make_shared<Owned>(loop, writer, keys, options_, receiver);
  cluster_ = &owned->cluster;
  watch_ = &owned->watch;
  guarantee_ = &owned->guarantee;
  return {this, cluster_, this, this, std::move(owned)};
}

void ClusterNode::join(const store::RedisStores& stores) {
  stores_ = stores;
  left_behind_.open(*loop_, *cluster_, *stores.sessions);
  cluster_->set_logs(stores.logs);
  cluster_->start();
  watch_->start();
  guarantee_->start();
  look();
}

// ---------------------------------------------------------------- from other nodes

std::size_t ClusterNode::lanes() const { return std::max<std::size_t>(node_.cores.size(), 1); }

void ClusterNode::messages(std::size_t lane, std::shared_ptr<const ports::PeerBatch> batch) {
  if (lane >= node_.cores.size()) return;  // it has no clients yet
  broker::Core* core = node_.cores[lane];
  core->loop().post_fn([core, batch = std::move(batch)] { core->receive(*batch); });
}

void ClusterNode::peer_wants(ports::PeerNumber peer, std::string_view filter, ports::Interest what) {
  node_.peer_wants(peer, filter, what);
}

void ClusterNode::kick(std::string_view client_id, std::uint64_t epoch, std::function<void()> released) {
  node_.kick(client_id, epoch, std::move(released));
}

void ClusterNode::let_go_asked(std::string_view body, std::function<void(std::string)> answer) {
  const auto number = [&body] {
    std::uint64_t n = 0;
    for (; !body.empty() && body[0] >= '0' && body[0] <= '9'; body.remove_prefix(1))
      n = n * 10 + static_cast<std::uint64_t>(body[0] - '0');
    if (!body.empty()) body.remove_prefix(1);
    return n;
  };
  const std::uint64_t before = number(), mark = number();
  if (!body.empty()) let_go_here(before, mark, std::string(body), std::move(answer));
}

/// The client is ended here, and what Redis may have forgotten of its session is there again.
void ClusterNode::let_go_here(std::uint64_t before, std::uint64_t mark, const std::string& client_id,
                              std::function<void(std::string)> answer) {
  node_.let_go(client_id, before, [this, before, mark, client_id, answer = std::move(answer)](bool gone) {
    loop_->post_fn([this, before, mark, client_id, answer, gone] {
      if (gone) return stores_.sessions->settle(client_id, mark, [answer] { answer(""); });
      again_.push_back([this, before, mark, client_id, answer] { let_go_here(before, mark, client_id, answer); });
    });
  });
}

void ClusterNode::connected_elsewhere(std::string_view client_id, ports::ConnectTime since, bool wins_ties) {
  node_.connected_elsewhere(client_id, since, wins_ties);
}

void ClusterNode::peer_retained(std::string_view topic, std::string_view entry) {
  stores_.retained->peer_set(topic, store::RetainedEntry::of(entry));
}

// ---------------------------------------------------------------- becoming a member

void ClusterNode::load(std::function<void()> done) {
  // One that is under way is begun anew: whoever waits for it may be waiting to come in.
  loaded_ = [before = std::move(loaded_), done = std::move(done)] {
    if (before) before();
    done();
  };
  logs_known_ = false;
  stores_.retained->read_topics();
  stores_.sessions->check_records();
  try_to_load();
}

void ClusterNode::try_to_load() {
  if (!loaded_) return;
  if (!logs_known_ && !poll_.armed()) {
    stores_.logs->load(kLoad, [this](const std::string& why) {
      logs_known_ = why.empty();
      if (!why.empty()) log::warn("waiting for redis: the list of logs is not known: {}", why);
      loop_->timers().set(poll_, loop_->now() + kPoll);
    });
    return;
  }
  if (logs_known_ && stores_.retained->loaded() && stores_.sessions->counted() && sending_away_ == 0)
    return std::exchange(loaded_, nullptr)();
  loop_->timers().set(poll_, loop_->now() + kPoll);
}

void ClusterNode::joined(std::uint64_t epoch) {
  log::info("cluster joined node={} epoch={} members={}", options_.node, epoch, cluster_->members().size() + 1);
  joined_ = true;
  stores_.logs->compare_heads();
  // Whoever left in order leaves nothing but what could not be published while Redis was away: nobody looks for that.
  left_behind_.add(options_.node, epoch - 1, [] {});
  look();
}

/// Between a lease that ran out and this nothing was written. What waited to be is dropped here, before the node can be
/// a member again; and it is none before its shards have let go of their clients.
void ClusterNode::fenced() {
  log::warn("cluster node={} was given up by the others: its clients have to come again", options_.node);
  left_behind_.drop();
  stores_.sessions->end_life();
  for (broker::Core* core : node_.cores) {
    ++sending_away_;
    core->loop().post_fn(
        [this, core, store = loop_] { core->buried([this, store] { store->post_fn([this] { --sending_away_; }); }); });
  }
  look();
}

/// Sessions that the node has left are due by themselves: the stores ask died().
void ClusterNode::clean_up(const std::string& node, std::uint64_t epoch, std::function<void()> done) {
  log::warn("cluster node={} epoch={} is no more", node, epoch);
  stores_.logs->compare_heads();
  left_behind_.add(node, epoch, std::move(done));
}

// ---------------------------------------------------------------- questions of other nodes, and of operators

void ClusterNode::request(std::string_view kind, std::string_view body, std::function<void(std::string)> answer) {
  if (kind == kLetGo) return let_go_asked(body, std::move(answer));
  if (kind == "connected") return answer(left_behind_.connected(body));
  if (!on_request_) return answer(refusal_text("it starts"));
  on_request_(std::string(kind), std::string(body), std::move(answer));
}

void ClusterNode::look() {
  loop_->timers().set(look_, loop_->now() + kLook);
  for (auto& f : std::exchange(again_, {})) f();
  Seen seen;
  admin::ClusterStatus& c = seen.status.cluster;
  c.member = cluster_->is_member();
  c.fresh = cluster_->fresh();
  c.epoch = cluster_->epoch();
  c.routes = cluster_->own_routes();
  c.peer_routes = cluster_->peer_routes();
  for (auto& m : cluster_->members())
    c.members.push_back({m.node, m.detail, m.epoch, m.waiting, m.backlog - m.waiting});
  c.lost = cluster_->lost();
  const cluster::Stats& s = cluster_->stats();
  c.sent = s.messages_sent.get();
  c.received = s.messages_received.get();
  c.dropped = s.dropped_overflow.get() + s.dropped_malformed.get();
  c.gaps = s.gaps.get();
  const auto lag = stores_.logs->lag();
  seen.status.logs = {lag.logs, lag.messages, lag.bytes, lag.waiting, lag.oldest};
  for (auto& r : watch_->servers()) {
    auto& server = seen.status.redis.emplace_back(admin::RedisServer{r.address, r.role, r.problem, {}});
    for (auto& m : r.replicas) server.replicas.push_back({m.address, m.state, m.behind, m.seconds});
  }
  seen.status.acknowledged = guarantee_->means();
  seen.status.weak = guarantee_->weak();
  seen.others = cluster_->expected();
  seen.lease_until = cluster_->lease_until();
  seen.heard = cluster_->read_at();
  std::lock_guard lock(mutex_);
  seen_ = std::move(seen);
}

admin::SharedStatus ClusterNode::status() const {
  const MonoTime now = std::chrono::time_point_cast<Millis>(std::chrono::steady_clock::now());
  std::lock_guard lock(mutex_);
  admin::SharedStatus s = seen_.status;
  if (seen_.lease_until > now) s.cluster.lease = seen_.lease_until - now;
  if (seen_.heard != MonoTime::min()) s.cluster.heard = std::max(now - seen_.heard, Millis(0));
  s.cluster.fresh &= s.cluster.lease > Millis(0);
  return s;
}

std::vector<std::string> ClusterNode::others() const {
  std::lock_guard lock(mutex_);
  return seen_.others;
}

// ---------------------------------------------------------------- what the stores ask

std::optional<WallTime> ClusterNode::died(std::string_view node, std::uint64_t epoch) const {
  using Fate = cluster::Members::Fate;
  if (!joined_) return {};
  if (node == options_.node && (cluster_->epoch() == 0 || epoch >= cluster_->epoch())) return {};
  const Fate fate = node == options_.node ? Fate::over : cluster_->known().fate(node, epoch);
  if (fate == Fate::lives) {  // perhaps it was unheard of for a while
    ends_.erase({std::string(node), epoch});
    return {};
  }
  if (ends_.size() > kEnds) ends_.erase(ends_.begin());
  auto& [since, over] = ends_.try_emplace({std::string(node), epoch}, loop_->wall(), false).first->second;
  over |= fate == Fate::over || since + kUnheardOf <= loop_->wall();
  return over ? std::optional(since) : std::nullopt;
}

store::NodeLife::Share ClusterNode::share() const {
  Share s;
  for (auto& m : cluster_->members()) {
    s.index += m.node < options_.node;
    ++s.of;
  }
  return s;
}

void ClusterNode::let_go(const std::string& client_id, std::uint64_t mark, MonoTime until,
                         std::function<void(bool)> done) {
  ask_to_let_go(fmt::format("{} {} {}", loop_->wall().time_since_epoch().count(), mark, client_id), until,
                std::move(done));
}

/// Who comes in after this has been asked first stays, however often it is asked.
void ClusterNode::ask_to_let_go(const std::string& body, MonoTime until, std::function<void(bool)> done) {
  cluster_->ask("", kLetGo, body, [this, body, until, done = std::move(done)](auto answers) mutable {
    if (answers.missing.empty()) return done(true);
    if (loop_->now() >= until) return done(false);
    // In a moment: it may be that one of them is no member any more.
    again_.push_back([this, body, until, done = std::move(done)] { ask_to_let_go(body, until, done); });
  });
}

void ClusterNode::retained_set(std::string_view topic, const std::optional<store::RetainedEntry>& entry,
                               std::function<void()> known) {
  cluster_->retained_changed(topic, entry ? entry->text() : "", std::move(known));
}

void ClusterNode::on_lost(std::string_view client_id, std::uint64_t epoch) {
  if (client_id.starts_with('\0'))
    node_.group_asked(client_id.substr(1), epoch + 1, [](auto&&) {});
  else
    node_.kick(client_id, epoch + 1, [] {});
}

void ClusterNode::on_displaced(std::string_view node, std::string_view client_id, std::uint64_t epoch) {
  cluster_->kick(node, client_id, epoch + 1, [] {});
  if (node == ports::SessionStore::kAnyNode) node_.kick(client_id, epoch + 1, [] {});
}

void ClusterNode::on_wills_forgotten() {
  for (broker::Core* core : node_.cores) core->loop().post_fn([core] { core->keep_wills(); });
}

}  // namespace sb::app
