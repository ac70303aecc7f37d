// SPDX-License-Identifier: MIT
#include "redis/tests/topologies.h"

#include <chrono>
#include <functional>
#include <stdexcept>
#include <thread>

#include "redis/slot_map.h"

namespace sb::redis::testing {
namespace {

void wait_until(const std::string& what, const std::function<bool()>& so) {
  for (int i = 0; i < 3000; ++i) {
    if (so()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  throw std::runtime_error("never came about: " + what);
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

void must(RedisServer& server, std::vector<std::string> words) {
  const std::string command = words.front() + " " + words.at(1);
  if (const std::string answer = server.ask(std::move(words)); answer != "OK")
    throw std::runtime_error(command + ": " + answer);
}

Url url_of(Url::Kind kind, const std::vector<std::unique_ptr<RedisServer>>& servers) {
  Url url;
  url.kind = kind;
  for (auto& s : servers) url.hosts.push_back(s->endpoint());
  return url;
}

}  // namespace

SentinelGroup::SentinelGroup(std::size_t replicas) {
  for (std::size_t i = 0; i <= replicas; ++i) {
    std::vector<std::string> options = {"--repl-diskless-sync-delay", "0"};
    if (i > 0) options.insert(options.end(), {"--replicaof", "127.0.0.1 " + std::to_string(servers[0]->port())});
    servers.push_back(std::make_unique<RedisServer>(options));
  }
  wait_until("replicas in step", [&] {
    const std::string info = servers[0]->ask({"INFO", "replication"});
    for (std::size_t i = 0; i < replicas; ++i)
      if (!has(info, "slave" + std::to_string(i) + ":ip=127.0.0.1,port=") || has(info, "state=wait_bgsave") ||
          has(info, "state=send_bulk"))
        return false;
    return true;
  });
  for (int i = 0; i < 3; ++i) {
    sentinels.push_back(std::make_unique<RedisServer>(std::vector<std::string>(), true));
    must(*sentinels[i], {"SENTINEL", "MONITOR", "main", "127.0.0.1", std::to_string(servers[0]->port()), "2"});
    must(*sentinels[i], {"SENTINEL", "SET", "main", "down-after-milliseconds", "1000", "failover-timeout", "5000"});
  }
  wait_until("Sentinels that know each other and the replicas", [&] {
    for (auto& s : sentinels) {
      const std::string known = "\n" + s->ask({"SENTINEL", "MASTER", "main"}) + "\n";
      if (!has(known, "\nnum-other-sentinels\n2\n") || !has(known, "\nnum-slaves\n" + std::to_string(replicas) + "\n"))
        return false;
    }
    return true;
  });
}

Url SentinelGroup::url() const {
  Url url = url_of(Url::Kind::sentinel, sentinels);
  url.primary = "main";
  return url;
}

ClusterNodes::ClusterNodes(std::size_t primaries, std::size_t replicas) : primaries_(primaries) {
  for (std::size_t i = 0; i < primaries + replicas; ++i) {
    nodes.push_back(std::make_unique<RedisServer>(std::vector<std::string>{
        "--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0"}));
    must(*nodes[i], {"CLUSTER", "SET-CONFIG-EPOCH", std::to_string(i + 1)});
    if (i < primaries) {
      must(*nodes[i], {"CLUSTER", "ADDSLOTSRANGE", std::to_string(kSlots * i / primaries),
                       std::to_string(kSlots * (i + 1) / primaries - 1)});
    }
    if (i > 0) must(*nodes[0], {"CLUSTER", "MEET", "127.0.0.1", std::to_string(nodes[i]->port())});
  }
  for (std::size_t i = primaries; i < nodes.size(); ++i) {
    wait_until("nodes that know each other", [&] { return has(nodes[i]->ask({"CLUSTER", "NODES"}), id(0)); });
    must(*nodes[i], {"CLUSTER", "REPLICATE", id(0)});
    wait_until("replicas in step", [&] { return has(nodes[i]->ask({"INFO"}), "master_link_status:up"); });
  }
  wait_until("a cluster", [&] {
    for (auto& n : nodes) {
      const std::string info = n->ask({"CLUSTER", "INFO"});
      if (!has(info, "cluster_state:ok") || !has(info, "cluster_known_nodes:" + std::to_string(nodes.size())))
        return false;
    }
    return true;
  });
}

Url ClusterNodes::url() const { return url_of(Url::Kind::cluster, nodes); }

std::size_t ClusterNodes::owner(std::uint16_t slot) const {
  std::size_t i = 0;
  while (slot >= kSlots * (i + 1) / primaries_) ++i;
  return i;
}

}  // namespace sb::redis::testing
