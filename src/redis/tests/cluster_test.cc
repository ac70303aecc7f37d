// SPDX-License-Identifier: MIT
#include "redis/cluster.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <deque>

#include "redis/client.h"
#include "redis/tests/bench.h"
#include "redis/tests/listening_socket.h"
#include "redis/tests/topologies.h"

namespace sb::redis {
namespace {

using testing::ClusterNodes;
using testing::feed;
using testing::TestLoop;

TEST(SlotMap, KeysAreInTheSlotsOfTheSpecification) {
  const struct {
    std::string_view key;
    std::uint16_t slot;
  } cases[] = {{"123456789", 0x31C3}, {"foo", 12182}, {"", 0}};
  for (const auto& c : cases) EXPECT_EQ(key_slot(c.key), c.slot) << c.key;
  EXPECT_EQ(key_slot("{user1000}.following"), key_slot("user1000"));
  EXPECT_EQ(key_slot("foo{bar}{zap}"), key_slot("bar"));
  EXPECT_EQ(key_slot("foo{{bar}}zap"), key_slot("{bar"));
  EXPECT_NE(key_slot("foo{}{bar}"), key_slot("bar"));
  EXPECT_NE(key_slot("foo{bar"), key_slot("bar"));
}

TEST(SlotMap, TakesWhatIsWholeAndNothingElse) {
  const Endpoint a{"a", 1, ""}, b{"b", 2, ""};
  auto take = [](SlotMap& map, std::string_view wire) {
    ReplyReader reader;
    feed(reader, wire);
    return map.take(reader.next()->root(), "asked");
  };
  SlotMap map;
  EXPECT_EQ(map.owner(0), nullptr);
  const std::string a_range = "*3\r\n:0\r\n:99\r\n*2\r\n$1\r\na\r\n:1\r\n";
  const std::string b_range = "*4\r\n:100\r\n:16383\r\n*2\r\n$1\r\nb\r\n:2\r\n*2\r\n$1\r\na\r\n:1\r\n";
  ASSERT_TRUE(take(map, "*2\r\n" + a_range + b_range));
  EXPECT_EQ(*map.owner(0), a);
  EXPECT_EQ(*map.owner(99), a);
  EXPECT_EQ(*map.owner(100), b);
  EXPECT_EQ(*map.owner(16383), b);
  EXPECT_EQ(map.owner(16384), nullptr);
  map.move(50, b);
  EXPECT_EQ(*map.owner(50), b);

  for (std::string wire :
       {std::string("*0\r\n"), std::string("-ERR This instance has cluster support disabled\r\n"),
        std::string("*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\na\r\n:1\r\n"),
        std::string("*1\r\n*3\r\n:5\r\n:4\r\n*2\r\n$1\r\na\r\n:1\r\n"),
        std::string("*1\r\n*3\r\n:0\r\n:4\r\n*2\r\n$1\r\na\r\n:0\r\n"), "*2\r\n" + a_range + "*1\r\n:0\r\n"})
    EXPECT_FALSE(take(map, wire)) << wire;
  EXPECT_EQ(*map.owner(50), b);  // as it was

  ASSERT_TRUE(take(map, "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$0\r\n\r\n:7\r\n"));
  EXPECT_EQ(*map.owner(0), (Endpoint{"asked", 7, ""}));
  EXPECT_EQ(map.owner(2), nullptr);
  ASSERT_TRUE(take(map, "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$-1\r\n:7\r\n"));
  EXPECT_EQ(*map.owner(0), (Endpoint{"asked", 7, ""}));
}

/// Outcomes of a client that repeats.
class ClusterBench {
 public:
  explicit ClusterBench(ClusterNodes& nodes) : client(loop, only_last(nodes.url()), options()) { client.start(); }

  std::string done_at_last(std::vector<std::string> words) {
    std::string out;
    const std::string key = words.at(1);
    client.call(std::move(words), key, Seconds(60), [&](Outcome& o) { out = testing::show(o); });
    EXPECT_TRUE(loop.until([&] { return !out.empty(); }, Seconds(90)));
    return out;
  }
  TestLoop loop;
  Client client;

 private:
  /// The others are found by asking it.
  static Url only_last(Url url) {
    url.hosts = {url.hosts.back()};
    return url;
  }
  static Options options() {
    Options o;
    o.pause_max = Millis(200);
    o.command_timeout = Millis(2000);
    return o;
  }
};

TEST(Cluster, CommandsGoToWhoHasTheSlot) {
  NEEDS_REDIS();
  ClusterNodes nodes(3, 0);
  ClusterBench b(nodes);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(b.done_at_last({"SET", "k" + std::to_string(i), "v"}), "done +OK");
  std::size_t keys = 0;
  for (auto& n : nodes.nodes) {
    const int here = std::stoi(n->ask({"DBSIZE"}));
    EXPECT_GT(here, 0);
    keys += static_cast<std::size_t>(here);
    EXPECT_EQ(n->ask({"INFO", "errorstats"}).find("MOVED"), std::string::npos);  // nobody was asked in vain
  }
  EXPECT_EQ(keys, 30u);
  EXPECT_THAT(b.done_at_last({"MGET", "k1", "k2"}), ::testing::StartsWith("refused -CROSSSLOT"));
}

TEST(Cluster, ASlotMovesUnderLoad) {
  NEEDS_REDIS();
  ClusterNodes nodes(3, 0);
  ClusterBench b(nodes);
  const std::uint16_t slot = key_slot("{t}");
  const std::size_t from = nodes.owner(slot), to = (from + 1) % 3;
  auto& source = *nodes.nodes[from];
  auto& target = *nodes.nodes[to];
  const std::string number = std::to_string(slot), from_id = nodes.id(from), to_id = nodes.id(to);
  int written = 0;
  auto load = [&] {
    for (int i = 0; i < 50; ++i, ++written) {
      const std::string n = std::to_string(written);
      ASSERT_EQ(b.done_at_last({"SET", "{t}" + n, n}), "done +OK");
    }
    for (int i = 0; i < written; ++i) {
      const std::string n = std::to_string(i);
      ASSERT_EQ(b.done_at_last({"GET", "{t}" + n}), "done \"" + n + "\"");
    }
  };
  load();
  ASSERT_EQ(target.ask({"CLUSTER", "SETSLOT", number, "IMPORTING", from_id}), "OK");
  ASSERT_EQ(source.ask({"CLUSTER", "SETSLOT", number, "MIGRATING", to_id}), "OK");
  load();  // what is not there yet is written behind ASK
  EXPECT_NE(source.ask({"INFO", "errorstats"}).find("errorstat_ASK"), std::string::npos);
  for (int i = 0; i < 20; ++i)
    ASSERT_EQ(
        source.ask({"MIGRATE", "127.0.0.1", std::to_string(target.port()), "{t}" + std::to_string(i), "0", "5000"}),
        "OK");
  load();
  // Some keys are here and some there: a command with both is refused until the move is over, and is not repeated by
  // command(), whose user decides.
  testing::Recorder once;
  ASSERT_FALSE(b.client.command(slot, {"MGET", "{t}0", "{t}30"}, once, 1));
  ASSERT_TRUE(b.loop.until([&] { return !once.lines.empty(); }));
  EXPECT_THAT(once.lines.at(0), ::testing::StartsWith("1 refused -TRYAGAIN"));

  std::string both;
  b.client.call({"MGET", "{t}0", "{t}30"}, "{t}", Seconds(60), [&](Outcome& o) { both = testing::show(o); });
  for (int i = 20; i < written; ++i)
    source.ask({"MIGRATE", "127.0.0.1", std::to_string(target.port()), "{t}" + std::to_string(i), "0", "5000"});
  ASSERT_EQ(target.ask({"CLUSTER", "SETSLOT", number, "NODE", to_id}), "OK");
  ASSERT_EQ(source.ask({"CLUSTER", "SETSLOT", number, "NODE", to_id}), "OK");
  ASSERT_TRUE(b.loop.until([&] { return !both.empty(); }));
  EXPECT_EQ(both, "done [\"0\" \"30\"]");
  load();
  ASSERT_TRUE(b.client.topology().primary(slot));
  EXPECT_EQ(*b.client.topology().primary(slot), target.endpoint());
}

TEST(Cluster, AReplicaTakesOverFromAPrimaryThatIsKilled) {
  NEEDS_REDIS();
  ClusterNodes nodes(3, 1);
  ClusterBench b(nodes);
  std::string key = "k0";
  for (int i = 0; nodes.owner(key_slot(key)) != 0; ++i) key = "k" + std::to_string(i);
  EXPECT_EQ(b.done_at_last({"SET", key, "v"}), "done +OK");
  nodes.nodes[0]->kill();
  EXPECT_EQ(b.done_at_last({"SET", key, "again"}), "done +OK");
  EXPECT_EQ(*b.client.topology().primary(key_slot(key)), nodes.nodes[3]->endpoint());
}

TEST(Cluster, AManualFailoverIsFollowed) {
  NEEDS_REDIS();
  ClusterNodes nodes(3, 1);
  ClusterBench b(nodes);
  std::string key = "k0";
  for (int i = 0; nodes.owner(key_slot(key)) != 0; ++i) key = "k" + std::to_string(i);
  EXPECT_EQ(b.done_at_last({"SET", key, "v"}), "done +OK");
  ASSERT_EQ(nodes.nodes[3]->ask({"CLUSTER", "FAILOVER"}), "OK");
  const Endpoint next = nodes.nodes[3]->endpoint();
  ASSERT_TRUE(b.loop.until([&] {
    EXPECT_EQ(b.done_at_last({"SET", key, "again"}), "done +OK");
    return *b.client.topology().primary(key_slot(key)) == next;
  }));
  EXPECT_EQ(b.done_at_last({"GET", key}), "done \"again\"");
}

TEST(Cluster, AServerThatIsNoneSaysSo) {
  NEEDS_REDIS();
  testing::RedisServer server;
  TestLoop loop;
  Url url;
  url.kind = Url::Kind::cluster;
  url.hosts = {server.endpoint()};
  Client client(loop, url, {});
  client.start();
  std::string out;
  client.call({"GET", "k"}, "k", Millis(300), [&](Outcome& o) { out = testing::show(o); });
  ASSERT_TRUE(loop.until([&] { return !out.empty(); }));
  EXPECT_EQ(out, "not sent: it is not known who is primary");
}

/// Has all slots, and takes 200 ms to say so.
class SlowServer {
 public:
  ~SlowServer() {
    for (auto& c : clients_) ::close(c.fd);
  }
  Endpoint endpoint() const { return socket_.endpoint(); }

  void turn() {
    while (testing::readable(socket_.fd())) clients_.emplace_back().fd = ::accept(socket_.fd(), nullptr, nullptr);
    const auto now = std::chrono::steady_clock::now();
    for (auto& c : clients_) {
      char bytes[4096];
      const ssize_t n = ::recv(c.fd, bytes, sizeof bytes, MSG_DONTWAIT);
      if (n > 0) feed(c.reader, {bytes, static_cast<std::size_t>(n)});
      while (const Reply* command = c.reader.next())
        c.answers.push_back({now + Millis(name(*command) == "CLUSTER SLOTS" ? 200 : 0), answer(name(*command))});
      for (; !c.answers.empty() && c.answers.front().at <= now; c.answers.pop_front())
        ::send(c.fd, c.answers.front().bytes.data(), c.answers.front().bytes.size(), MSG_NOSIGNAL);
    }
  }

 private:
  struct Answer {
    std::chrono::steady_clock::time_point at;
    std::string bytes;
  };
  struct Client {
    int fd = -1;
    ReplyReader reader;
    std::deque<Answer> answers;
  };
  static std::string name(const Reply& command) {
    return fmt::format("{} {}", command.root()[0].text(), command.root()[1].text());
  }
  std::string answer(const std::string& name) const {
    if (name == "CLUSTER INFO") return "$23\r\ncluster_current_epoch:1\r\n";
    if (name != "CLUSTER SLOTS") return "+OK\r\n";
    return fmt::format("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:{}\r\n", endpoint().port);
  }
  testing::ListeningSocket socket_;
  std::deque<Client> clients_;
};

TEST(Cluster, AServerThatIsSlowToTellItsSlotsIsHeardUnderDoubt) {
  struct Ignored : Topology::Listener {
    void on_topology() override {}
  } listener;
  SlowServer server;
  TestLoop loop;
  ClusterTopology topology(loop, {server.endpoint()}, {}, listener);
  topology.start();
  EXPECT_TRUE(loop.until([&] {
    server.turn();
    topology.doubt();
    return topology.primary(0) != nullptr;
  }));
}

}  // namespace
}  // namespace sb::redis
