// SPDX-License-Identifier: MIT
// Bytes through a connection, whichever way they come and however they are cut.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/proxy_protocol.h"
#include "net/tests/bench.h"

namespace sb::net::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string proxy_v2() {
  ProxyHeader h;
  h.source.family = h.destination.family = ProxyAddress::Family::ipv4;
  h.source.ip = {192, 0, 2, 7};
  h.source.port = 5555;
  h.destination.ip = {192, 0, 2, 1};
  h.destination.port = 1883;
  h.ssl.present = true;
  h.ssl.client = ProxySsl::kTls | ProxySsl::kCertConnection;
  h.ssl.verify = 0;
  h.ssl.common_name = "device-9";
  return encode_proxy_v2(h);
}
const char kProxyV1[] = "PROXY TCP4 192.0.2.7 192.0.2.1 5555 1883\r\n";

const Way kPlain{"plain"};
const Way kWays[] = {kPlain,
                     {"proxy_v1", ListenerKind::mqtt, ProxyMode::required, kProxyV1},
                     {"proxy_v2", ListenerKind::mqtt, ProxyMode::optional, proxy_v2()},
                     {"proxy_absent", ListenerKind::mqtt, ProxyMode::optional},
                     {"ws", ListenerKind::ws},
                     {"proxy_ws", ListenerKind::ws, ProxyMode::required, proxy_v2()},
                     {"tls", ListenerKind::mqtts},
                     {"wss", ListenerKind::wss},
                     {"proxy_wss", ListenerKind::wss, ProxyMode::required, kProxyV1}};

class Ways : public ::testing::TestWithParam<Way> {
 protected:
  ListenerContext listener{options_of(GetParam())};
  Bench b;
  std::unique_ptr<Peer> open(Version v = Version::v5) { return std::make_unique<Peer>(b, listener, GetParam(), v); }
  bool tls() const { return listener.is_tls(); }
};
INSTANTIATE_TEST_SUITE_P(All, Ways, ::testing::ValuesIn(kWays), [](auto& i) { return std::string(i.param.name); });

/// A client's whole life, and what the broker says to it.
std::string script() {
  std::string mqtt = connect_packet(Version::v5, "c", {});
  model::SubscribeOptions o;
  o.qos = 2;
  mqtt += subscribe_packet(Version::v5, 1, {{"t/#", o}}, 3);
  mqtt += publish_packet(Version::v5, "t/1", "zero");
  mqtt += publish_packet(Version::v5, "t/2", std::string(300, 'x'), {.qos = 1, .id = 7});
  mqtt += std::string("\xC0\x00", 2);
  mqtt += publish_packet(Version::v5, "t/3", "", {.qos = 2, .id = 8});
  mqtt += ack_packet(Version::v5, PacketType::pubrel, 8);
  return mqtt;
}
const Words& answers() {
  static const Words w = {"CONNACK 00",
                          "SUBACK 1 02",
                          "PUBLISH t/1 zero qos0 ids=3",
                          "PUBLISH t/2 " + std::string(300, 'x') + " qos1 id1 ids=3",
                          "PUBACK 7",
                          "PINGRESP",
                          "PUBLISH t/3  qos2 id2 ids=3",
                          "PUBREC 8",
                          "PUBCOMP 8"};
  return w;
}

TEST_P(Ways, CutAnywhere) {
  const std::size_t step = tls() ? 37 : 1;
  std::size_t size = open()->encode(script()).size();
  for (std::size_t cut = 1; cut < size; cut += step) {
    auto p = open();
    std::string bytes = p->encode(script());
    p->raw(std::string_view(bytes).substr(0, cut));
    b.turns(2);
    p->raw(std::string_view(bytes).substr(cut));
    ASSERT_EQ(p->take(answers().size()), answers()) << "cut at " << cut;
  }
}

TEST_P(Ways, ByteByByte) {
  auto p = open();
  for (char c : p->encode(script())) {
    p->raw({&c, 1});
    b.turns(1);
  }
  EXPECT_EQ(p->take(answers().size()), answers());
}

TEST_P(Ways, ManyPacketsInOneRead) {
  auto p = open();
  p->connect("c");
  ASSERT_EQ(p->take(1).size(), 1u);
  p->send(subscribe_packet(Version::v5, 1, {{"t", {}}}));
  std::string mqtt;
  constexpr std::size_t kMany = 20000;
  for (std::size_t i = 0; i < kMany; ++i)
    mqtt += publish_packet(Version::v5, "t", std::to_string(i),
                           {.qos = 1, .id = static_cast<mqtt::PacketId>(i % 60000 + 1)});
  p->send(mqtt);
  std::size_t next = 0, acks = 0;
  for (auto& packet : p->packets(1 + 2 * kMany)) {
    if (packet.type == PacketType::publish) {
      ASSERT_EQ(packet.payload, std::to_string(next++));
    }
    if (packet.type == PacketType::puback) {
      ASSERT_EQ(packet.id, acks++ % 60000 + 1);
    }
  }
  EXPECT_EQ(next, kMany);
  EXPECT_EQ(acks, kMany);
}

TEST_P(Ways, PacketsLargerThanTheReadBuffer) {
  auto p = open();
  p->connect("c");
  p->send(subscribe_packet(Version::v5, 1, {{"t", {}}}));
  ASSERT_EQ(p->take(2).size(), 2u);
  for (std::size_t size : {300'000u, 7'000u, 9'000u, 262'144u, 1'000'000u, 16'384u}) {
    std::string payload(size, '\0');
    for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<char>(i * 7 + i / 251);
    p->send(publish_packet(Version::v5, "t", payload) + publish_packet(Version::v5, "t", "small"));
    auto got = p->packets(2);
    ASSERT_EQ(got.size(), 2u) << size;
    ASSERT_TRUE(got[0].payload == payload) << size;
    ASSERT_EQ(got[1].payload, "small");
  }
  p->send(publish_packet(Version::v5, "t", std::string(1'048'576, 'x')));
  EXPECT_EQ(p->take(1), Words{"DISCONNECT 95"});
  EXPECT_TRUE(p->ended());
}

TEST_P(Ways, AReaderThatSleepsGetsEverythingLater) {
  auto p = open(Version::v311), pub = open();
  p->connect("sleeper", {}, Version::v311);
  model::SubscribeOptions o;
  o.qos = 1;
  p->send(subscribe_packet(Version::v311, 1, {{"t", o}}));
  ASSERT_EQ(p->take(2).size(), 2u);
  pub->connect("pub");
  ASSERT_EQ(pub->take(1).size(), 1u);
  constexpr int kMany = 600;
  const std::string padding(5000, 'p');
  for (int i = 0; i < kMany; ++i) {
    pub->send(publish_packet(Version::v5, "t", std::to_string(i) + ' ' + padding, {.qos = 1, .id = 1}));
    ASSERT_EQ(pub->take(1), Words{"PUBACK 1"}) << "the sleeper holds up nobody";
  }
  for (int i = 0; i < kMany; ++i) {
    auto got = p->packets(1);
    ASSERT_FALSE(got.empty()) << i;
    for (auto& packet : got) {
      ASSERT_EQ(packet.payload, std::to_string(i) + ' ' + padding);
      p->send(ack_packet(Version::v311, PacketType::puback, packet.id));
      ++i;
    }
    --i;
  }
  p->send(std::string("\xC0\x00", 2));
  EXPECT_EQ(p->take(1), Words{"PINGRESP"});
}

TEST_P(Ways, GoodByeFromEitherSide) {
  auto p = open();
  p->connect("c");
  p->take(1);
  p->send(disconnect_packet(Version::v5));
  EXPECT_TRUE(p->ended());
  EXPECT_FALSE(p->reset());
  EXPECT_TRUE(p->leftover().empty());

  auto q = open();
  q->connect("c");
  q->take(1);
  b.shard.shut_down_some(mqtt::Reason::server_shutting_down, 1);
  EXPECT_EQ(q->take(1), Words{"DISCONNECT 8b"});
  EXPECT_TRUE(q->ended());
  if (listener.is_ws()) {
    EXPECT_EQ(q->ws_closed(), io::WsClose::normal);
  }
  EXPECT_TRUE(b.until([&] { return b.shard.load() == 0; }));
  EXPECT_EQ(listener.connections.load(), 0u);
}

TEST_P(Ways, AProtocolErrorIsToldBeforeTheEnd) {
  auto p = open();
  p->connect("c");
  p->take(1);
  p->send(std::string("\xF0\x00", 2) + "and more that nobody reads");
  EXPECT_EQ(p->take(1), Words{"DISCONNECT 82"});
  EXPECT_TRUE(p->ended());
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.0\r\n\r\n"), std::string("\xC0\x00", 2), std::string("\x30\xFF")}) {
    auto q = open();
    q->send(bytes);
    EXPECT_THAT(q->take(1), IsEmpty());
    EXPECT_TRUE(q->ended());
  }
}

TEST_P(Ways, AWillWhenTheSocketIsGone) {
  auto watcher = open();
  watcher->connect("watcher");
  watcher->send(subscribe_packet(Version::v5, 1, {{"will", {}}}));
  watcher->take(2);
  for (bool half : {true, false}) {
    auto p = open();
    ConnectOptions o;
    o.will = ConnectOptions::Will{.topic = "will", .payload = "gone"};
    p->connect("c", o);
    p->take(1);
    half ? p->shut_write() : p->close();
    EXPECT_EQ(watcher->take(1), Words{"PUBLISH will gone qos0"});
    if (half) {
      EXPECT_TRUE(p->ended());
    }
  }
}

TEST_P(Ways, InputThatCannotBeTakenYetWaitsWithoutWork) {
  b.door.hold = true;
  auto p = open();
  p->send(connect_packet(Version::v5, "c", {}) + subscribe_packet(Version::v5, 1, {{"t", {}}}));
  ASSERT_TRUE(b.until([&] { return b.door.held != nullptr; }));
  for (int i = 0; i < 100; ++i) {
    p->send(publish_packet(Version::v5, "t", std::to_string(i)));
    b.turns(1);
  }
  b.turns(5);
  auto before = std::chrono::steady_clock::now();
  b.shard.loop().run_once(Millis(50));
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(40))
      << "the loop turns round and round";
  b.door.held({});
  auto got = p->take(102);
  ASSERT_EQ(got.size(), 102u);
  EXPECT_EQ(got[0], "CONNACK 00");
  EXPECT_EQ(got[1], "SUBACK 1 00");
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(got[static_cast<std::size_t>(i) + 2], "PUBLISH t " + std::to_string(i) + " qos0");
}

TEST_P(Ways, ALeaverWhoIsStillBeingAskedFor) {
  b.door.hold = true;
  {
    auto p = open();
    p->connect("c");
    ASSERT_TRUE(b.until([&] { return b.door.held != nullptr; }));
  }
  EXPECT_TRUE(b.until([&] { return b.shard.load() == 0; }));
  b.door.held({});  // nobody is there any more
  b.turns(2);
}

// ---- PROXY

class Proxy : public ::testing::Test {
 protected:
  std::vector<std::unique_ptr<ListenerContext>> listeners_;
  Bench b;
  ListenerContext& listener(const Way& way, io::TlsIdentity identity = io::TlsIdentity::none) {
    ListenerOptions o = options_of(way);
    o.identity = identity;
    return *listeners_.emplace_back(std::make_unique<ListenerContext>(o));
  }
  Words through(const std::string& header, ProxyMode mode, io::TlsIdentity identity = io::TlsIdentity::none) {
    Way way{"", ListenerKind::mqtt, mode, header};
    Peer p(b, listener(way, identity), way);
    p.connect("c");
    return p.take(1);
  }
};

TEST_F(Proxy, SaysWhereTheClientIs) {
  for (const std::string& header : {std::string(kProxyV1), proxy_v2()}) {
    EXPECT_EQ(through(header, ProxyMode::required), Words{"CONNACK 00"});
    EXPECT_EQ(b.door.peer, "192.0.2.7:5555");
    EXPECT_EQ(b.door.identity, "") << "names count only where the listener says so";
  }
  EXPECT_EQ(through(proxy_v2(), ProxyMode::optional, io::TlsIdentity::cn), Words{"CONNACK 00"});
  EXPECT_EQ(b.door.identity, "device-9");
  ProxyHeader local;
  local.local = true;
  EXPECT_EQ(through(encode_proxy_v2(local), ProxyMode::required), Words{"CONNACK 00"});
  EXPECT_EQ(b.door.peer, "unix");
  EXPECT_EQ(through("PROXY UNKNOWN\r\n", ProxyMode::required), Words{"CONNACK 00"});
  EXPECT_EQ(b.door.peer, "unix");
}

TEST_F(Proxy, MissingWrongOrUnwanted) {
  EXPECT_EQ(through("", ProxyMode::optional), Words{"CONNACK 00"});
  EXPECT_THAT(through("", ProxyMode::required), IsEmpty());
  EXPECT_THAT(through("PROXY TCP4 nonsense\r\n", ProxyMode::optional), IsEmpty());
  EXPECT_THAT(through(kProxyV1, ProxyMode::off), IsEmpty());
  EXPECT_THAT(through("\r\n\r\n\0\r\nQUIT\nxxxx", ProxyMode::required), IsEmpty());
  EXPECT_TRUE(b.until([&] { return b.shard.load() == 0; }));
}

TEST_F(Proxy, CutAnywhereTogetherWithWhatFollows) {
  for (const std::string& header : {std::string(kProxyV1), proxy_v2(), std::string()}) {
    Way way{"", ListenerKind::mqtt, ProxyMode::optional};
    ListenerContext& at = listener(way);
    std::string bytes = header + script();
    for (std::size_t cut = 1; cut <= header.size() + 20; ++cut) {
      Peer p(b, at, way);
      p.raw(std::string_view(bytes).substr(0, cut));
      b.turns(2);
      p.raw(std::string_view(bytes).substr(cut));
      ASSERT_EQ(p.take(answers().size()), answers()) << cut;
    }
  }
}

TEST_F(Proxy, WhatOnlyBeganLikeAHeaderIsGivenOnWhole) {
  // 'P' is the first byte of a PUBREC and of "PROXY"; a large read follows it.
  Way way{"", ListenerKind::mqtt, ProxyMode::optional};
  ListenerContext& at = listener(way);
  for (std::size_t size : {10u, 300'000u}) {
    Peer p(b, at, way);
    int large = 1 << 20;
    ::setsockopt(p.fd(), SOL_SOCKET, SO_SNDBUF, &large, sizeof large);
    p.raw("PR");
    b.turns(2);
    p.raw(std::string(size, '\xFF'));
    EXPECT_TRUE(p.ended());
  }
}

// ---- WebSocket

class WebSocket : public ::testing::Test {
 protected:
  Way way{"ws", ListenerKind::ws};
  ListenerContext listener{options_of(way)};
  Bench b;
};

TEST_F(WebSocket, FramesNeedNotBePackets) {
  Peer p(b, listener, way);
  std::string mqtt = script(), bytes;
  for (std::size_t at = 0, n = 1; at < mqtt.size(); at += n, n = n % 7 + 1) {
    bytes += Peer::frame(io::WsOpcode::binary, mqtt.substr(at, n));
    if (at % 3 == 0) bytes += Peer::frame(io::WsOpcode::ping, "p");
  }
  p.raw(bytes);
  EXPECT_EQ(p.take(answers().size()), answers());
  EXPECT_GT(p.pongs, 0);
}

TEST_F(WebSocket, TextIsRefused) {
  Peer p(b, listener, way);
  p.raw(Peer::frame(io::WsOpcode::text, connect_packet(Version::v5, "c", {})));
  EXPECT_TRUE(p.ended());
  EXPECT_EQ(p.ws_closed(), io::WsClose::unsupported_data) << "[MQTT-6.0.0-1]";
}

TEST_F(WebSocket, CloseIsAnswered) {
  Peer p(b, listener, way);
  p.connect("c");
  p.take(1);
  p.raw(Peer::frame(io::WsOpcode::close, std::string("\x03\xE9", 2)));
  EXPECT_TRUE(p.ended());
  EXPECT_EQ(p.ws_closed(), io::WsClose::going_away);
}

TEST_F(WebSocket, CloseInTheMiddleOfAFrameToAReaderThatSleeps) {
  for (auto opcode : {io::WsOpcode::close, io::WsOpcode::text}) {
    Peer p(b, listener, way), pub(b, listener, way);
    p.connect("sleeper");
    p.send(subscribe_packet(Version::v5, 1, {{"t", {}}}));
    p.take(2);
    pub.connect("pub");
    for (int i = 0; i < 20; ++i) pub.send(publish_packet(Version::v5, "t", std::string(100'000, 'x')));
    pub.take(1);
    b.turns(50);  // the sleeper's socket is full, in the middle of a frame
    std::size_t load = b.shard.load();
    p.raw(Peer::frame(opcode, ""));
    // Whatever becomes of that frame: the shard must come back from it, and the connection must end.
    EXPECT_TRUE(b.until([&] { return b.shard.load() == load - 1; }));
  }
}

TEST_F(WebSocket, PingsThatNobodyReadsTheAnswersOf) {
  Peer p(b, listener, way);
  p.connect("c");
  p.take(1);
  std::string ping = Peer::frame(io::WsOpcode::ping, std::string(125, 'p'));
  for (int i = 0; i < 20000; ++i) {
    p.raw(ping);
    if (i % 10 == 0) b.turns(1);
  }
  b.until([&] { return p.unsent() == 0 || (p.raw({}), false); });
  p.send(std::string("\xC0\x00", 2));
  EXPECT_EQ(p.take(1), Words{"PINGRESP"}) << "still a good connection";
}

}  // namespace
}  // namespace sb::net::testing
