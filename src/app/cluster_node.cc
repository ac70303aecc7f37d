// SPDX-License-Identifier: MIT
#include "app/cluster_node.h"

#include <algorithm>

#include "base/log.h"
#include "store/redis_logs.h"

namespace sb::app {
namespace {

constexpr Millis kPoll{50};        // until the retained topics are known
constexpr Millis kLoad{5000};      // for one attempt to read the list of logs
constexpr Seconds kUnheardOf{30};  // a node that nobody has heard of for so long is no more
constexpr std::size_t kEnds = 10'000;

}  // namespace

ClusterNode::ClusterNode(broker::Node& node, cluster::Options options, std::function<void()> send_away)
    : node_(node), options_(std::move(options)), send_away_(std::move(send_away)) {}

store::RedisCluster ClusterNode::make(io::EventLoop& loop, redis::Writer& writer, const store::RedisKeys& keys) {
  loop_ = &loop;
  cluster::Receiver& receiver = *this;
  auto cluster = std::make_shared<cluster::Cluster>(loop, writer, keys, options_, receiver);
  cluster_ = cluster.get();
  return {this, cluster_, this, this, std::move(cluster)};
}

void ClusterNode::join(const store::RedisStores& stores) {
  stores_ = stores;
  cluster_->set_logs(stores.logs);
  cluster_->start();
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

void ClusterNode::connected_elsewhere(std::string_view client_id, ports::ConnectTime since, bool wins_ties) {
  node_.connected_elsewhere(client_id, since, wins_ties);
}

void ClusterNode::peer_retained(std::string_view topic, std::string_view entry) {
  stores_.retained->peer_set(topic, store::RetainedEntry::of(entry));
}

// ---------------------------------------------------------------- becoming a member

void ClusterNode::load(std::function<void()> done) {
  loaded_ = std::move(done);
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
  if (logs_known_ && stores_.retained->loaded() && stores_.sessions->counted())
    return std::exchange(loaded_, nullptr)();
  loop_->timers().set(poll_, loop_->now() + kPoll);
}

void ClusterNode::joined(std::uint64_t epoch) {
  log::info("cluster joined node={} epoch={} members={}", options_.node, epoch, cluster_->members().size() + 1);
  joined_ = true;
  stores_.logs->compare_heads();
}

void ClusterNode::fenced() {
  log::warn("cluster node={} was given up by the others: its clients have to come again", options_.node);
  node_.groups_lost();
  send_away_();
}

/// Sessions and wills that the node has left are due by themselves: Sessions ask died().
void ClusterNode::clean_up(const std::string& node, std::uint64_t epoch, std::function<void()> done) {
  log::warn("cluster node={} epoch={} is no more", node, epoch);
  stores_.logs->compare_heads();
  done();
}

// ---------------------------------------------------------------- what the stores ask

std::optional<WallTime> ClusterNode::died(std::string_view node, std::uint64_t epoch) const {
  using Fate = cluster::Members::Fate;
  if (!joined_) return {};
  if (node == options_.node && (cluster_->epoch() == 0 || epoch >= cluster_->epoch())) return {};
  const Fate fate = node == options_.node ? Fate::over : cluster_->known().fate(node, epoch);
  if (fate == Fate::lives) return {};
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
}

}  // namespace sb::app
