// SPDX-License-Identifier: MIT
// Shards that ask the cluster from their own loops, and nodes on threads of their own.
#include <thread>

#include "cluster/shard_peers.h"
#include "cluster/tests/nodes.h"

namespace sb::cluster::testing {
namespace {

using redis::testing::RedisServer;
using ::testing::ElementsAre;

struct Shards : ::testing::Test {
  void SetUp() override { NEEDS_REDIS(); }
  RedisServer server;
  Nodes nodes{url_of(server)};
};

std::unique_ptr<ports::PeerBatch> batch(const std::string& topic, const std::string& payload, std::uint8_t qos) {
  model::MessageView m;
  m.topic = topic;
  m.payload = payload;
  m.qos = qos;
  m.publisher = 3;
  auto b = std::make_unique<ports::PeerBatch>();
  const ports::PeerNumber all[] = {0, 1, 2};
  b->add(m, all, 3);
  return b;
}

TEST_F(Shards, AnswersComeToTheShardThatAsked) {
  nodes.three();
  io::EventLoop shard;
  ShardPeers peers(nodes[0].cluster, nodes[0].loop, shard);
  int sent = 0, changed = 0, released = 0;
  peers.send(batch("t", "1", 1), [&](const result<void>& r) { sent += r.has_value(); });
  peers.send(batch("t", "0", 0), nullptr);
  peers.change({{"f", Interest::none, Interest::live}}, [&](const result<void>&) { ++changed; });
  peers.change({{"f", Interest::live, Interest::none}}, nullptr);
  peers.kick("c", "client", 5, [&] { ++released; });
  peers.connected("client", ports::ConnectTime(std::chrono::microseconds(9)));
  nodes.run_for(Millis(300));
  EXPECT_EQ(sent + changed + released, 0) << "not on another thread's turn";
  shard.run_once(Millis(0));
  EXPECT_EQ(sent, 1);
  EXPECT_EQ(changed, 1);
  EXPECT_EQ(released, 1);
  EXPECT_THAT(nodes[1].log, ElementsAre("connected client 9"));
  EXPECT_THAT(nodes[2].log, ElementsAre("kick client 5", "connected client 9"));
  EXPECT_EQ(nodes[2].got.size(), 2u);
  EXPECT_TRUE(peers.fresh());
}

TEST_F(Shards, NodesOnThreadsOfTheirOwn) {
  nodes.three();
  constexpr int kEach = 20000;
  struct Shard {
    io::EventLoop loop;
    std::unique_ptr<ShardPeers> peers;
    int sent = 0, done = 0;
  };
  std::vector<std::unique_ptr<Shard>> shards;
  std::vector<std::thread> threads;
  for (std::size_t n = 0; n < 3; ++n) {
    auto& s = *shards.emplace_back(std::make_unique<Shard>());
    s.peers = std::make_unique<ShardPeers>(nodes[n].cluster, nodes[n].loop, s.loop);
    threads.emplace_back([&loop = nodes[n].loop] { loop.run(); });
  }
  for (std::size_t n = 0; n < 3; ++n)
    threads.emplace_back([&s = *shards[n]] {
      while (s.done < kEach) {
        for (int i = 0; i < 20 && s.sent < kEach && s.sent - s.done < 2000; ++i)
          s.peers->send(batch("t", std::to_string(s.sent++), 1),
                        [&s](const result<void>& r) { s.done += r.has_value(); });
        s.loop.run_once(Millis(1));
      }
    });
  for (std::size_t i = 3; i < 6; ++i) threads[i].join();
  for (std::size_t n = 0; n < 3; ++n) {  // what is confirmed may not have been read yet
    auto have = std::make_shared<std::atomic<std::size_t>>(0);
    for (int i = 0; i < 1000 && *have < 2 * kEach; ++i) {
      nodes[n].loop.post_fn([have, node = &nodes[n]] { *have = node->got.size(); });
      std::this_thread::sleep_for(Millis(10));
    }
  }
  for (std::size_t n = 0; n < 3; ++n) nodes[n].loop.stop();
  for (std::size_t i = 0; i < 3; ++i) threads[i].join();
  for (auto& n : nodes.nodes) {
    std::map<std::string, int> times;
    for (auto& g : n->got) ++times[g.payload];
    EXPECT_EQ(n->got.size(), 2u * kEach);
    EXPECT_EQ(times.size(), std::size_t{kEach});
  }
}

}  // namespace
}  // namespace sb::cluster::testing
