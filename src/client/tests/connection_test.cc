// SPDX-License-Identifier: MIT
// Connections over real sockets, with a peer that answers from the same thread.
#include "client/connection.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "client/tests/recorder.h"

namespace sb::client {
namespace {

using mqtt::PacketType;
using mqtt::Version;

/// A listening socket and what was accepted last. Everything non-blocking.
class Peer {
 public:
  Peer() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&a), sizeof a);
    ::listen(listener_, 8);
    socklen_t n = sizeof a;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&a), &n);
    port = ntohs(a.sin_port);
  }
  ~Peer() {
    hang_up();
    ::close(listener_);
  }
  bool accept() {
    if (int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK); fd >= 0) {
      hang_up();
      fd_ = fd;
    }
    return fd_ >= 0;
  }
  /// True once the client has sent something.
  bool read() {
    char buffer[65536];
    ssize_t n;
    while ((n = ::recv(fd_, buffer, sizeof buffer, 0)) > 0) received.append(buffer, static_cast<std::size_t>(n));
    ended = n == 0;
    return !received.empty();
  }
  void send(std::string_view bytes) {
    ASSERT_EQ(::send(fd_, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }
  void hang_up() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  std::vector<std::string> packets() {
    auto all = Reading(Version::v5).all(received);
    received.clear();
    return all;
  }

  std::uint16_t port;
  std::string received;
  bool ended = false;

 private:
  int listener_ = -1, fd_ = -1;
};

struct App final : Handler {
  void on_connected(const mqtt::Connack&) override { ++connected; }
  void on_message(const mqtt::Publish& p) override { messages.emplace_back(p.payload); }
  void on_published(std::uint64_t token, mqtt::Reason, std::string_view) override { published.push_back(token); }
  void on_room() override { ++room; }
  void on_closed(const Stop& s) override {
    closed.push_back(s.code);
    if (when_closed) when_closed();
  }
  int connected = 0, room = 0;
  std::vector<std::string> messages;
  std::vector<std::uint64_t> published;
  std::vector<error_code> closed;
  std::function<void()> when_closed;
};

class ConnectionTest : public testing::Test {
 protected:
  void target(std::uint16_t port) {
    wiring.target.port = port;
    auto found = resolve(wiring.target);
    ASSERT_TRUE(found);
    wiring.addresses = *found;
  }
  void make(Options o = {}) {
    options = std::move(o);
    connection.emplace(hub, wiring, options, "c", app);
    connection->connect();
  }
  template <class F>
  void until(F condition) {
    for (int i = 0; i < 2000 && !condition(); ++i) loop.run_once(Millis(5));
    ASSERT_TRUE(condition());
  }
  void connected() {
    until([&] { return peer.accept() && peer.read(); });
    peer.packets();
    peer.send(connack_of(Version::v5, false, 0));
    int before = app.connected;
    until([&] { return app.connected > before; });
  }

  io::EventLoop loop;
  Hub hub{loop};
  Peer peer;
  App app;
  Wiring wiring;
  Options options;
  std::optional<Connection> connection;
};

TEST_F(ConnectionTest, NobodyListens) {
  std::uint16_t port = Peer().port;  // and closed again
  target(port);
  make();
  until([&] { return !app.closed.empty(); });
  EXPECT_EQ(app.closed[0], boost::system::errc::connection_refused);
}

TEST_F(ConnectionTest, TheNextAddressIsTried) {
  std::uint16_t closed_port = Peer().port;
  target(closed_port);
  auto nobody = wiring.addresses;
  target(peer.port);
  wiring.addresses.insert(wiring.addresses.begin(), nobody.begin(), nobody.end());
  make();
  connected();
  EXPECT_TRUE(app.closed.empty());
}

TEST_F(ConnectionTest, SilentPeer) {
  wiring.connect_timeout = Millis(30);
  target(peer.port);
  make();
  until([&] { return !app.closed.empty(); });
  EXPECT_EQ(app.closed[0], make_error_code(errc::timed_out));
}

TEST_F(ConnectionTest, DisconnectSendsWhatIsQueued) {
  target(peer.port);
  make();
  connected();
  std::string payload(100'000, 'p');
  ASSERT_FALSE(connection->engine().publish({.topic = "t", .payload = payload}));
  connection->disconnect();
  until([&] { return peer.read() && peer.ended; });
  auto packets = peer.packets();
  ASSERT_EQ(packets.size(), 2u);
  EXPECT_EQ(packets[0], "PUBLISH t " + payload + " qos0");
  EXPECT_EQ(packets[1], "DISCONNECT");
  EXPECT_TRUE(app.closed.empty());  // the peer has not closed yet
  peer.hang_up();
  until([&] { return !app.closed.empty(); });
  EXPECT_EQ(app.closed[0], error_code());
}

TEST_F(ConnectionTest, PeerThatNeverClosesAfterDisconnect) {
  wiring.linger = Millis(20);
  target(peer.port);
  make();
  connected();
  connection->disconnect();
  until([&] { return !app.closed.empty(); });
}

TEST_F(ConnectionTest, ReconnectsAndSendsAgain) {
  wiring.reconnect_min = Millis(1);
  wiring.reconnect_max = Millis(10);
  target(peer.port);
  make({.session_expiry = 60});
  connected();
  ASSERT_FALSE(connection->engine().publish({.topic = "t", .payload = "p", .qos = 1}, 7));
  until([&] { return peer.read(); });
  peer.hang_up();
  until([&] { return !app.closed.empty(); });
  EXPECT_EQ(app.closed[0], make_error_code(errc::connection_closed));
  peer.received.clear();
  until([&] { return peer.accept() && peer.read(); });
  EXPECT_EQ(peer.packets(), std::vector<std::string>{"CONNECT v5 id=c keep=60 expiry=60"});
  peer.send(connack_of(Version::v5, true, 0));
  until([&] { return peer.read(); });
  EXPECT_EQ(peer.packets(), std::vector<std::string>{"PUBLISH t p qos1 id1 dup"});
  peer.send(ack_of(PacketType::puback, 1));
  until([&] { return app.published == std::vector<std::uint64_t>{7}; });
}

TEST_F(ConnectionTest, RefusalsThatDoNotPassAreNotRepeated) {
  wiring.reconnect_min = wiring.reconnect_max = Millis(1);
  target(peer.port);
  bool retry = true;
  app.when_closed = [&] { retry = connection->will_retry(); };
  make();
  until([&] { return peer.accept() && peer.read(); });
  peer.send(connack_of(Version::v5, false, 0x86));
  until([&] { return !app.closed.empty(); });
  EXPECT_EQ(app.closed[0], make_error_code(errc::refused));
  EXPECT_FALSE(retry);
}

TEST_F(ConnectionTest, ApplicationConnectsAgainWhenClosed) {
  target(peer.port);
  app.when_closed = [&] { connection->connect(); };
  make();
  connected();
  peer.hang_up();
  connected();
  EXPECT_EQ(app.connected, 2);
  app.when_closed = nullptr;
}

TEST_F(ConnectionTest, SlowPeerMeansNoRoom) {
  target(peer.port);
  make({.output_limit = 64 * 1024});
  connected();
  std::string payload(8'000, 'p');
  std::size_t sent = 0;
  while (app.room == 0 && sent < 10'000) {  // until the socket's buffers are full as well
    error_code e = connection->engine().publish({.topic = "t", .payload = payload});
    if (e) {
      ASSERT_EQ(e, make_error_code(errc::output_full));
      for (int i = 0; i < 3; ++i) loop.run_once(Millis(1));
      if (app.room == 0) break;
      app.room = 0;
    } else {
      ++sent;
    }
  }
  ASSERT_EQ(app.room, 0);
  until([&] { return peer.read(), app.room == 1; });
  until([&] { return peer.read(), connection->flushed(); });
  until([&] { return peer.read(), Reading(Version::v5).all(peer.received).size() == sent; });
}

TEST_F(ConnectionTest, PacketsInPieces) {
  target(peer.port);
  make();
  connected();
  std::string large(300'000, 'L');
  std::string bytes = publish_of(Version::v5, {.topic = "t", .payload = "small"}, 0) +
                      publish_of(Version::v5, {.topic = "t", .payload = large}, 0) +
                      publish_of(Version::v5, {.topic = "t", .payload = "end"}, 0);
  std::size_t step = 7;
  for (std::size_t at = 0; at < bytes.size(); at += step, step = std::min<std::size_t>(step * 2, 50'000)) {
    peer.send(std::string_view(bytes).substr(at, step));
    loop.run_once(Millis(1));
  }
  until([&] { return app.messages.size() == 3; });
  EXPECT_EQ(app.messages[1], large);
  EXPECT_EQ(app.messages[2], "end");
}

TEST_F(ConnectionTest, AnEndThatComesTogetherWithAPacketIsSeen) {
  target(peer.port);
  make();
  connected();
  peer.send(publish_of(Version::v5, {.topic = "t", .payload = "last"}, 0));
  peer.hang_up();
  until([&] { return !app.closed.empty(); });
  EXPECT_EQ(app.messages, std::vector<std::string>{"last"});
  EXPECT_EQ(app.closed[0], make_error_code(errc::connection_closed));
}

TEST_F(ConnectionTest, AbortSaysNothing) {
  target(peer.port);
  make();
  connected();
  connection->abort();
  until([&] { return peer.read(), peer.ended; });
  EXPECT_TRUE(app.closed.empty());
  connection->connect();
  connected();
}

}  // namespace
}  // namespace sb::client
