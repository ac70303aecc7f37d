// SPDX-License-Identifier: MIT
#include "redis/replication.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>

#include "redis/tests/redis_server.h"

namespace sb::redis {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::RedisServer;

TEST(Replication, IsReadFromInfo) {
  const auto primary = parse_replication(
      "# Replication\r\nrole:master\r\nconnected_slaves:2\r\n"
      "slave0:ip=127.0.0.1,port=6380,state=online,offset=140,lag=1\r\n"
      "slave1:ip=::1,port=6381,state=wait_bgsave,offset=0,lag=0\r\n"
      "slave_read_repl_offset:7\r\nmaster_failover_state:no-failover\r\nmaster_replid:8ab0\r\n"
      "master_replid2:0000\r\nmaster_repl_offset:154\r\n");
  EXPECT_EQ(primary.role, "primary");
  EXPECT_EQ(primary.history, "8ab0");
  EXPECT_THAT(primary.replicas, ElementsAre(Replication::Replica{"127.0.0.1:6380", "online", 14, 1},
                                            Replication::Replica{"[::1]:6381", "wait_bgsave", 154, 0}));
  EXPECT_EQ(parse_replication("role:slave\nmaster_host:x\n").role, "replica");
  EXPECT_EQ(parse_replication(""), Replication());
  EXPECT_EQ(parse_replication("role").role, "");
  const auto odd = parse_replication("role:master\nslave0:\nslave1:=,,offset=9,x\nmaster_repl_offset:5\n");
  ASSERT_EQ(odd.replicas.size(), 2u) << "whatever it says, nothing is read behind its end";
  EXPECT_EQ(odd.replicas[1].behind, 0u);
}

TEST(Replication, IsWatched) {
  NEEDS_REDIS();
  RedisServer primary({"--repl-diskless-sync-delay", "0"});
  RedisServer replica({"--replicaof", "127.0.0.1 " + std::to_string(primary.port())});
  Url url;
  url.hosts = {primary.endpoint()};
  io::EventLoop loop;
  Options options = Options::of(url);
  options.pause_min = Millis(10);
  Client client(loop, url, options);
  client.start();
  ReplicationWatch watch(loop, client);
  watch.start();
  auto until = [&](const std::function<bool(const Replication&)>& so) {
    const auto end = std::chrono::steady_clock::now() + Seconds(30);
    while (watch.servers().size() != 1 || !so(watch.servers()[0])) {
      if (std::chrono::steady_clock::now() > end) return false;
      loop.run_once(Millis(10));
    }
    return true;
  };
  EXPECT_TRUE(until([&](auto& s) { return s.replicas.size() == 1 && s.replicas[0].state == "online"; }));
  EXPECT_EQ(watch.servers()[0].address, primary.endpoint().text());
  EXPECT_EQ(watch.servers()[0].role, "primary");
  EXPECT_EQ(watch.servers()[0].replicas[0].address, replica.endpoint().text());
  EXPECT_EQ(watch.servers()[0].problem, "");

  primary.pause();
  EXPECT_TRUE(until([](auto& s) { return !s.problem.empty(); })) << "it does not answer";
  EXPECT_THAT(watch.servers()[0].replicas, IsEmpty()) << "what was true before is not said of now";
  primary.resume();
  EXPECT_TRUE(until([](auto& s) { return s.problem.empty() && s.replicas.size() == 1; }));
}

}  // namespace
}  // namespace sb::redis
