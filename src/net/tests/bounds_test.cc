// SPDX-License-Identifier: MIT
// Who is let in at all: half-open connections, addresses, handshakes.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "net/proxy_protocol.h"
#include "net/tests/bench.h"

namespace sb::net::testing {
namespace {

const Way kTcp{"tcp"};

struct BoundsTest : ::testing::Test {
  // Before the broker, whose connections refer to them.
  auth::Bans bans;
  std::unique_ptr<Acceptor> acceptor;
  ListenerContext listener{options_of(kTcp)};
  Bench b;

  std::unique_ptr<Peer> silent(ListenerContext& at) { return std::make_unique<Peer>(b, at, kTcp); }
  auto& counters() { return b.shard.core().counters; }
};

// ---------------------------------------------------------------- limits.half_open

TEST_F(BoundsTest, TheOldestHalfOpenConnectionMakesRoom) {
  b.shard.set_half_open_bound(10);
  std::vector<std::unique_ptr<Peer>> silent_ones;
  for (int i = 0; i < 100; ++i) silent_ones.push_back(silent(listener));
  b.turns(3);
  EXPECT_EQ(b.shard.load(), 10u);
  EXPECT_EQ(counters().refused_half_open.get(), 90u);
  EXPECT_TRUE(silent_ones.front()->ended());
  // Who says who he is gets in all the same, and is no newcomer any more.
  std::vector<std::unique_ptr<Peer>> honest;
  for (int i = 0; i < 20; ++i) {
    honest.push_back(silent(listener));
    honest.back()->connect("c" + std::to_string(i));
    EXPECT_EQ(honest.back()->take(1), Words{"CONNACK 00"});
  }
  EXPECT_EQ(b.shard.load(), 29u) << "each one's coming cost one of the silent ones its place, the last has one left";
  EXPECT_EQ(b.shard.newcomers().half_open(), 9u);
  for (int i = 0; i < 30; ++i) silent_ones.push_back(silent(listener));
  b.turns(3);
  for (auto& p : honest) p->send(std::string("\xC0\x00", 2));
  for (auto& p : honest) EXPECT_EQ(p->take(1), Words{"PINGRESP"});
}

TEST_F(BoundsTest, HalfOfALargeConnectIsNotKeptForManyStrangers) {
  b.shard.set_half_open_bound(50);  // 200 KiB in all
  ConnectOptions o;
  o.will = ConnectOptions::Will{.topic = "w", .payload = std::string(60'000, 'x')};
  const std::string whole = connect_packet(Version::v5, "c", o);
  std::vector<std::unique_ptr<Peer>> strangers;
  for (int i = 0; i < 20; ++i) {
    strangers.push_back(silent(listener));
    strangers.back()->raw(std::string_view(whole).substr(0, whole.size() - 1));
    b.turns(3);
    EXPECT_LE(b.shard.newcomers().bytes(), 50 * Shard::kNewcomerBytes + 70'000);
  }
  b.turns(5);
  EXPECT_LE(b.shard.newcomers().bytes(), 50 * Shard::kNewcomerBytes);
  EXPECT_EQ(counters().refused_half_open.get(), 17u);
  auto honest = silent(listener);
  honest->raw(whole);
  EXPECT_EQ(honest->take(1), Words{"CONNACK 00"});
  strangers.back()->raw(whole.substr(whole.size() - 1));
  EXPECT_EQ(strangers.back()->take(1), Words{"CONNACK 00"}) << "one that was not too many is not lost";
  strangers.clear();
  honest.reset();
  ASSERT_TRUE(b.until([&] { return b.shard.load() == 0; }));
  EXPECT_EQ(b.shard.newcomers().bytes(), 0u);
}

// ---------------------------------------------------------------- limits.memory

TEST_F(BoundsTest, WithoutMemoryALargePacketIsNotGathered) {
  auto p = silent(listener), q = silent(listener);
  p->connect("p");
  q->connect("q");
  p->take(1);
  q->take(1);
  const std::string large = publish_packet(Version::v5, "t", std::string(500'000, 'x'));
  p->raw(std::string_view(large).substr(0, 100'000));
  b.turns(10);
  b.node.memory_full = true;
  p->raw(std::string_view(large).substr(100'000));
  EXPECT_EQ(p->take(1), Words{"DISCONNECT 97"});
  EXPECT_TRUE(p->ended());
  q->send(publish_packet(Version::v5, "t", std::string(40'000, 'x'), {.qos = 1, .id = 1}));
  EXPECT_EQ(q->take(1), Words{"PUBACK 1 10"}) << "one that is not large is";
  q->send(std::string("\xC0\x00", 2));
  EXPECT_EQ(q->take(1), Words{"PINGRESP"});
  EXPECT_EQ(counters().refused_memory.get(), 1u);
}

TEST_F(BoundsTest, ALargePacketComesThroughInPieces) {
  auto p = silent(listener);
  p->connect("p");
  p->take(1);
  p->send(subscribe_packet(Version::v5, 1, {{"t", {}}}));
  p->take(1);
  for (std::size_t size : {9'000u, 70'000u, 300'000u, 1'000'000u}) {
    const std::string large = publish_packet(Version::v5, "t", std::string(size, 'x'));
    for (std::size_t at = 0, step = 1; at < large.size(); at += step, step = step * 3 + 1) {
      p->raw(std::string_view(large).substr(at, step));
      b.turns(2);
    }
    auto got = p->packets(1);
    ASSERT_EQ(got.size(), 1u) << size;
    EXPECT_EQ(got.front().payload.size(), size);
  }
}

// ---------------------------------------------------------------- limits.connections_per_address, bans

int dial_from(const std::string& from, const std::string& address) {
  auto ip_of = [](const std::string& text, std::uint16_t port) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    ::inet_pton(AF_INET, text.c_str(), &a.sin_addr);
    return a;
  };
  const auto colon = address.rfind(':');
  sockaddr_in mine = ip_of(from, 0);
  sockaddr_in there = ip_of(address.substr(0, colon), static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&mine), sizeof mine) != 0 ||
      ::connect(fd, reinterpret_cast<sockaddr*>(&there), sizeof there) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

struct GateTest : BoundsTest {
  void start(const Way& way, std::uint32_t per_address) {
    ListenerOptions o = options_of(way);
    o.gate = std::make_shared<Gate>(per_address, &bans);
    acceptor = Acceptor::open(o).value();
    acceptor->start(b.shard, {&b.shard}, 1000);
  }
  std::unique_ptr<Peer> from(const std::string& ip, const Way& way = kTcp) {
    return std::make_unique<Peer>(b, dial_from(ip, acceptor->address()), way);
  }
  void ban(std::string_view text) {
    std::string why;
    bans.replace(auth::BanFile::parse(text, why).value());
  }
};

TEST_F(GateTest, AnAddressHasItsShareAndOthersTheirs) {
  start(kTcp, 3);
  std::vector<std::unique_ptr<Peer>> mine;
  for (int i = 0; i < 30; ++i) {
    mine.push_back(from("127.0.0.2"));
    mine.back()->connect("c" + std::to_string(i));
  }
  for (int i = 0; i < 30; ++i) {
    if (i < 3)
      EXPECT_EQ(mine[static_cast<std::size_t>(i)]->take(1), Words{"CONNACK 00"});
    else
      EXPECT_TRUE(mine[static_cast<std::size_t>(i)]->ended());
  }
  EXPECT_EQ(counters().refused_address.get(), 27u);
  auto other = from("127.0.0.3");
  other->connect("other");
  EXPECT_EQ(other->take(1), Words{"CONNACK 00"});
  mine.front()->send(disconnect_packet(Version::v5));
  EXPECT_TRUE(mine.front()->ended());
  ASSERT_TRUE(b.until([&] { return b.shard.load() == 3; }));
  auto again = from("127.0.0.2");
  again->connect("again");
  EXPECT_EQ(again->take(1), Words{"CONNACK 00"}) << "a place became free";
}

TEST_F(GateTest, BehindAProxyTheClientsAddressCounts) {
  auto way_of = [](const char* ip, ProxyMode mode) {
    ProxyHeader h;
    h.version = 2;
    h.source.family = h.destination.family = ProxyAddress::Family::ipv4;
    ::inet_pton(AF_INET, ip, h.source.ip.data());
    return Way{"proxied", ListenerKind::mqtt, mode, encode_proxy_v2(h)};
  };
  const Way first = way_of("192.0.2.1", ProxyMode::required), second = way_of("192.0.2.2", ProxyMode::required);
  start(first, 2);
  std::vector<std::unique_ptr<Peer>> all;
  for (int i = 0; i < 4; ++i) {
    all.push_back(from("127.0.0.1", first));
    all.back()->connect("a" + std::to_string(i));
    if (i < 2)
      EXPECT_EQ(all.back()->take(1), Words{"CONNACK 00"});
    else
      EXPECT_TRUE(all.back()->ended());
  }
  auto other = from("127.0.0.1", second);
  other->connect("b");
  EXPECT_EQ(other->take(1), Words{"CONNACK 00"});
  EXPECT_EQ(b.door.peer, "192.0.2.2:0");
  ban("address 192.0.2.2");
  auto banned = from("127.0.0.1", second);
  banned->connect("c");
  EXPECT_TRUE(banned->ended());
  EXPECT_EQ(counters().refused_banned.get(), 1u);
  all.clear();
  other.reset();
  ASSERT_TRUE(b.until([&] { return b.shard.load() == 0; }));
  auto fresh = from("127.0.0.1", first);
  fresh->connect("d");
  EXPECT_EQ(fresh->take(1), Words{"CONNACK 00"}) << "everybody was counted out";
}

TEST_F(GateTest, ABannedAddressIsNotEvenGreeted) {
  start(kTcp, 0);
  ban("address 127.0.0.2");
  EXPECT_TRUE(from("127.0.0.2")->ended());
  auto p = from("127.0.0.3");
  p->connect("c");
  EXPECT_EQ(p->take(1), Words{"CONNACK 00"});
  EXPECT_EQ(counters().refused_banned.get(), 1u);
}

// ---------------------------------------------------------------- TLS handshakes

TEST_F(BoundsTest, HandshakesLeaveTimeForOthers) {
  const Way tls{"tls", ListenerKind::mqtts};
  ListenerContext secure{options_of(tls)};
  auto context = client_tls();
  constexpr int kMany = 50;
  std::vector<std::array<int, 2>> ends(kMany);
  std::vector<std::unique_ptr<io::TlsStream>> clients;
  for (auto& e : ends) {
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, e.data()), 0);
    clients.push_back(std::make_unique<io::TlsStream>(*context, "localhost"));
    std::string hello;
    clients.back()->handshake(
        {[](void* s, const char* bytes, std::size_t n) { static_cast<std::string*>(s)->append(bytes, n); }, &hello});
    ASSERT_EQ(::send(e[0], hello.data(), hello.size(), 0), static_cast<ssize_t>(hello.size()));
    secure.connections.fetch_add(1);
    b.shard.adopt(e[1], secure, {});
  }
  auto answered = [&] {
    int n = 0;
    char c;
    for (auto& e : ends) n += ::recv(e[0], &c, 1, MSG_PEEK) == 1;
    return n;
  };
  int before = answered();
  for (int turn = 0; turn < 100 && before < kMany; ++turn) {
    b.turns(1);
    const int now = answered();
    if (turn == 0) {
      EXPECT_LE(b.shard.newcomers().half_open(), Newcomers::kHandshakesPerTurn) << "the others wait for us";
    }
    EXPECT_LE(now - before, static_cast<int>(Newcomers::kHandshakesPerTurn));
    before = now;
  }
  EXPECT_EQ(before, kMany) << "nobody is forgotten";
  EXPECT_EQ(b.shard.newcomers().half_open(), 0u + kMany);
  for (auto& e : ends) ::close(e[0]);
  EXPECT_TRUE(b.until([&] { return b.shard.load() == 0; }));
}

}  // namespace
}  // namespace sb::net::testing
