// SPDX-License-Identifier: MIT
#include "net/acceptor.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <filesystem>
#include <fstream>

#include "net/tests/bench.h"

namespace sb::net::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

const Way kTcp{"tcp"};

int dial(const std::string& address) {
  std::size_t colon = address.rfind(':');
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &a.sin_addr);
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

int dial_unix(const std::string& path) {
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  path.copy(a.sun_path, sizeof a.sun_path - 1);
  int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a) != 0) {
    ::close(fd);
    return -1;
  }
  return fd;
}

class AcceptorTest : public ::testing::Test {
 protected:
  std::unique_ptr<Acceptor> acceptor;
  Bench b;
  std::string address() const { return acceptor->address(); }

  void start(const ListenerOptions& o, std::size_t bound = 1000) {
    acceptor = Acceptor::open(o).value();
    acceptor->start(b.shard, {&b.shard}, bound);
  }
  std::unique_ptr<Peer> dialled(Version v = Version::v5) {
    int fd = dial(address());
    return fd < 0 ? nullptr : std::make_unique<Peer>(b, fd, kTcp, v);
  }
};

TEST_F(AcceptorTest, AFreePort) {
  start(options_of(kTcp));
  EXPECT_THAT(address(), StartsWith("127.0.0.1:"));
  EXPECT_NE(address(), "127.0.0.1:0");
  auto p = dialled();
  p->connect("c");
  EXPECT_EQ(p->take(1), Words{"CONNACK 00"});
  EXPECT_THAT(b.door.peer, StartsWith("127.0.0.1:"));
  EXPECT_EQ(acceptor->context().connections.load(), 1u);
}

TEST_F(AcceptorTest, AddressInUse) {
  start(options_of(kTcp));
  ListenerOptions o = options_of(kTcp);
  o.port = static_cast<std::uint16_t>(std::stoi(address().substr(address().rfind(':') + 1)));
  auto second = Acceptor::open(o);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().value(), EADDRINUSE);
}

TEST_F(AcceptorTest, AddressThatIsNone) {
  ListenerOptions o = options_of(kTcp);
  o.host = "no.such.host.invalid";
  EXPECT_FALSE(Acceptor::open(o));
  o.host = "192.0.2.1";  // of nobody here
  EXPECT_FALSE(Acceptor::open(o));
}

TEST_F(AcceptorTest, Version6) {
  ListenerOptions o = options_of(kTcp);
  o.host = "::1";
  auto a = Acceptor::open(o);
  if (!a) GTEST_SKIP() << "no IPv6 here";
  EXPECT_THAT((*a)->address(), StartsWith("[::1]:"));
}

TEST_F(AcceptorTest, ClosedTakesNobody) {
  start(options_of(kTcp));
  auto p = dialled();
  p->connect("c");
  p->take(1);
  acceptor->close();
  acceptor->close();
  EXPECT_EQ(dialled(), nullptr);
  p->send(std::string("\xC0\x00", 2));
  EXPECT_EQ(p->take(1), Words{"PINGRESP"}) << "who is in stays in";
}

TEST_F(AcceptorTest, OpenAgainOnTheSamePort) {
  start(options_of(kTcp));
  const std::string before = address();
  for (int i = 0; i < 3; ++i) {
    acceptor->close();
    EXPECT_FALSE(acceptor->is_open());
    EXPECT_EQ(dialled(), nullptr);
    ASSERT_FALSE(acceptor->reopen());
    EXPECT_TRUE(acceptor->is_open());
    auto waits = dialled();
    waits->connect("c");
    b.turns(3);
    EXPECT_TRUE(waits->arrived().empty());
    ASSERT_FALSE(acceptor->resume());
    EXPECT_EQ(waits->take(1), Words{"CONNACK 00"});
    EXPECT_EQ(address(), before);
  }
}

TEST_F(AcceptorTest, NotWhereSomebodyElseIsNow) {
  start(options_of(kTcp));
  acceptor->close();
  ListenerOptions o = options_of(kTcp);
  o.port = static_cast<std::uint16_t>(std::stoi(address().substr(address().rfind(':') + 1)));
  auto other = Acceptor::open(o);
  ASSERT_TRUE(other);
  EXPECT_EQ(acceptor->reopen().value(), EADDRINUSE);
  EXPECT_FALSE(acceptor->is_open());
  acceptor->close();
  other->reset();
  EXPECT_FALSE(acceptor->reopen());
  acceptor->close();  // without resume()
  EXPECT_EQ(dialled(), nullptr);
}

TEST_F(AcceptorTest, BoundsOfListenerAndNode) {
  ListenerOptions o = options_of(kTcp);
  o.max_connections = 2;
  start(o, 1000);
  auto one = dialled(), two = dialled(), three = dialled();
  one->connect("1");
  two->connect("2");
  EXPECT_EQ(one->take(1).size(), 1u);
  EXPECT_EQ(two->take(1).size(), 1u);
  EXPECT_TRUE(three->ended());
  EXPECT_EQ(b.node.cores[0]->counters.connects_refused.get(), 1u);
  one->send(disconnect_packet(Version::v5));
  EXPECT_TRUE(one->ended());
  ASSERT_TRUE(b.until([&] { return acceptor->context().connections.load() == 1; }));
  auto four = dialled();
  four->connect("4");
  EXPECT_EQ(four->take(1), Words{"CONNACK 00"}) << "a place became free";
}

TEST_F(AcceptorTest, BoundOfTheNode) {
  start(options_of(kTcp), 1);
  auto one = dialled();
  one->connect("1");
  EXPECT_EQ(one->take(1).size(), 1u);
  auto two = dialled();
  EXPECT_TRUE(two->ended());
}

TEST_F(AcceptorTest, SomeConnectionsEndAtATime) {
  start(options_of(kTcp));
  std::vector<std::unique_ptr<Peer>> all;
  for (int i = 0; i < 10; ++i) {
    all.push_back(dialled());
    all.back()->connect("c" + std::to_string(i));
    EXPECT_EQ(all.back()->take(1), Words{"CONNACK 00"});
  }
  for (std::size_t left : {7u, 4u, 1u, 0u, 0u}) {
    b.shard.shut_down_some(mqtt::Reason::server_shutting_down, 3);
    EXPECT_TRUE(b.until([&] { return b.shard.load() == left; })) << left;
  }
  for (auto& p : all) {
    EXPECT_EQ(p->take(1), Words{"DISCONNECT 8b"});
    EXPECT_TRUE(p->ended());
  }
}

TEST_F(AcceptorTest, ThoseThatAreEndingDoNotCount) {
  start(options_of(kTcp));
  Peer one(b, acceptor->context(), kTcp), two(b, acceptor->context(), kTcp);
  b.shard.shut_down_some(mqtt::Reason::server_shutting_down, 1);
  b.shard.shut_down_some(mqtt::Reason::server_shutting_down, 2);
  Peer three(b, acceptor->context(), kTcp);
  b.shard.shut_down_some(mqtt::Reason::server_shutting_down, 1);
  b.turns(3);
  EXPECT_EQ(b.shard.load(), 0u);
  EXPECT_TRUE(three.ended());
}

TEST_F(AcceptorTest, MoreAtOnceThanATurnTakes) {
  start(options_of(kTcp));
  std::vector<int> fds;
  for (int i = 0; i < 300; ++i) fds.push_back(dial(address()));
  EXPECT_TRUE(b.until([&] { return b.shard.load() == 300; }));
  for (int fd : fds) ::close(fd);
  EXPECT_TRUE(b.until([&] { return b.shard.load() == 0; }));
  EXPECT_EQ(acceptor->context().connections.load(), 0u);
}

// ---- TCP's own ends

TEST_F(AcceptorTest, ResetWhileOutputIsPending) {
  start(options_of(kTcp));
  auto pub = dialled();
  pub->connect("pub");
  pub->take(1);
  for (bool reset : {true, false}) {
    auto p = dialled();
    ConnectOptions o;
    o.will = ConnectOptions::Will{.topic = "w", .payload = "gone"};
    p->connect("sleeper", o);
    p->send(subscribe_packet(Version::v5, 1, {{"t", {}}}));
    ASSERT_EQ(p->take(2).size(), 2u);
    pub->send(subscribe_packet(Version::v5, 1, {{"w", {}}}));
    ASSERT_EQ(pub->take(1).size(), 1u);
    for (int i = 0; i < 150; ++i) pub->send(publish_packet(Version::v5, "t", std::string(200'000, 'x')));
    pub->send(std::string("\xC0\x00", 2));
    ASSERT_EQ(pub->take(1), Words{"PINGRESP"});
    ASSERT_GT(b.node.cores[0]->counters.dropped_output_full.get(), 0u) << "its output is at the bound";
    reset ? p->abort() : p->close();
    EXPECT_EQ(pub->take(1), Words{"PUBLISH w gone qos0"});
    EXPECT_TRUE(b.until([&] { return b.shard.load() == 1; }));
  }
}

TEST_F(AcceptorTest, HalfClosedByAClientThatStillReads) {
  start(options_of(kTcp));
  auto p = dialled();
  // All in one go, then FIN: what came before the end is done, and answered as far as the connection lasts.
  ConnectOptions o;
  o.will = ConnectOptions::Will{.topic = "w", .payload = "gone", .retain = true};
  p->raw(connect_packet(Version::v5, "c", o) + publish_packet(Version::v5, "r", "x", {.retain = true}));
  p->shut_write();
  EXPECT_TRUE(p->ended());
  EXPECT_EQ(b.retained.count(), 2u) << "the publish and the will";
}

TEST_F(AcceptorTest, LastWordsReachASlowReader) {
  ListenerOptions o = options_of(kTcp);
  start(o);
  auto p = dialled(), pub = dialled();
  p->connect("slow");
  p->send(subscribe_packet(Version::v5, 1, {{"t", {}}}));
  ASSERT_EQ(p->take(2).size(), 2u);
  pub->connect("pub");
  for (int i = 0; i < 30; ++i) pub->send(publish_packet(Version::v5, "t", std::string(100'000, 'x')));
  pub->send(std::string("\xC0\x00", 2));
  ASSERT_EQ(pub->take(2).size(), 2u);
  Peer taker(b, dial(address()), kTcp);
  taker.connect("slow");  // takes over while three megabytes are on their way
  ASSERT_EQ(taker.take(1).size(), 1u);
  auto got = p->packets(31);
  ASSERT_EQ(got.size(), 31u);
  EXPECT_EQ(got.back().words(), "DISCONNECT 8e");
  EXPECT_TRUE(p->ended());
}

// ---- Unix sockets

class UnixSocket : public AcceptorTest {
 protected:
  UnixSocket() {
    char name[] = "/tmp/signalbox-net-XXXXXX";
    dir_ = ::mkdtemp(name);
    options = options_of(kTcp);
    options.host.clear();
    options.unix_path = dir_ + "/sb.sock";
  }
  ~UnixSocket() override { std::filesystem::remove_all(dir_); }
  std::string dir_;
  ListenerOptions options;
};

TEST_F(UnixSocket, Works) {
  options.unix_mode = 0600;
  start(options);
  EXPECT_EQ(address(), "unix:" + options.unix_path);
  struct stat s {};
  ASSERT_EQ(::stat(options.unix_path.c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 0777, 0600u);
  Peer p(b, dial_unix(options.unix_path), kTcp);
  p.connect("c");
  EXPECT_EQ(p.take(1), Words{"CONNACK 00"});
  EXPECT_EQ(b.door.peer, "unix");
}

TEST_F(UnixSocket, TheFileGoesWithTheListener) {
  start(options);
  EXPECT_TRUE(std::filesystem::exists(options.unix_path));
  acceptor->close();
  acceptor.reset();
  EXPECT_FALSE(std::filesystem::exists(options.unix_path));
}

TEST_F(UnixSocket, AStaleFileIsReplacedALiveOneIsNot) {
  {
    sockaddr_un a{};  // left over from a process that died
    a.sun_family = AF_UNIX;
    options.unix_path.copy(a.sun_path, sizeof a.sun_path - 1);
    int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
    ::close(fd);
  }
  ASSERT_TRUE(std::filesystem::exists(options.unix_path));
  start(options);
  auto second = Acceptor::open(options);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().value(), EADDRINUSE);
  EXPECT_GE(dial_unix(options.unix_path), 0) << "the first one still has its file";
}

TEST_F(UnixSocket, AFileThatIsNoSocketIsLeftAlone) {
  std::ofstream(options.unix_path) << "precious";
  auto a = Acceptor::open(options);
  ASSERT_FALSE(a);
  EXPECT_EQ(a.error().value(), EADDRINUSE);
  std::string content;
  std::ifstream(options.unix_path) >> content;
  EXPECT_EQ(content, "precious");
}

TEST_F(UnixSocket, PathsThatCannotBe) {
  options.unix_path = dir_ + '/' + std::string(200, 'x');
  EXPECT_EQ(Acceptor::open(options).error().value(), ENAMETOOLONG);
  options.unix_path = dir_ + "/no/such/dir";
  EXPECT_FALSE(Acceptor::open(options));
}

}  // namespace
}  // namespace sb::net::testing
