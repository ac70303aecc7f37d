// SPDX-License-Identifier: MIT
#pragma once
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/tests/wire.h"
#include "io/tests/test_certs.h"
#include "io/tls.h"
#include "io/ws_frame.h"
#include "io/ws_upgrade.h"
#include "net/acceptor.h"
#include "net/shard.h"
#include "store/memory_logs.h"
#include "store/memory_retained.h"
#include "store/memory_sessions.h"

namespace sb::net::testing {

using broker::testing::ack_packet;
using broker::testing::connect_packet;
using broker::testing::ConnectOptions;
using broker::testing::disconnect_packet;
using broker::testing::Packet;
using broker::testing::publish_packet;
using broker::testing::Reading;
using broker::testing::subscribe_packet;
using mqtt::PacketType;
using mqtt::Version;

using Words = std::vector<std::string>;

/// One certificate authority for all tests of the program.
inline io::testing::TestCa& test_ca() {
  static io::testing::TestCa ca;
  return ca;
}
inline std::shared_ptr<const io::TlsContext> server_tls(io::TlsServerConfig c = {}) {
  static auto files = test_ca().issue("server", {{"localhost"}, "DNS:localhost,IP:127.0.0.1"});
  c.cert_file = files.cert;
  c.key_file = files.key;
  std::string why;
  return io::TlsContext::server(c, why).value();
}
inline std::shared_ptr<const io::TlsContext> client_tls() {
  static auto files = test_ca().issue("client", {{"device-7"}, ""});
  io::TlsClientConfig c;
  c.ca_file = test_ca().file();
  c.cert_file = files.cert;
  c.key_file = files.key;
  std::string why;
  return io::TlsContext::client(c, why).value();
}

/// A broker of one shard that the test's thread runs turn by turn, with real sockets.
class Bench {
 public:
  explicit Bench(model::Limits limits = {})
      : logs(limits, [this](std::string_view f, ports::LogId log) { node.log_changed(f, log); }),
        sessions(logs),
        retained(limits.retained_messages, limits.retained_bytes) {
    node.limits = limits;
    node.authenticator = &door;
    node.cores.resize(1);
    broker::Stores stores{&logs, &sessions, &retained};
    auto core = std::make_unique<broker::Core>(node, 0, shard.loop(), stores);
    node.cores[0] = core.get();
    shard.set_core(std::move(core));
  }
  /// Lets people in, at once or when the test says so, and notes who they were.
  struct Door final : ports::Authenticator {
    void authenticate(const ports::Credentials& who, Done done) override {
      peer = who.peer;
      identity = who.tls_identity;
      if (hold)
        held = std::move(done);
      else
        done({});
    }
    std::string peer, identity;
    bool hold = false;
    Done held;
  };

  /// Turns until `done`, or some seconds have passed: then false.
  bool until(const std::function<bool()>& done) {
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      shard.loop().run_once(Millis(1));
    }
    return true;
  }
  void turns(int n) {
    while (n-- > 0) shard.loop().run_once(Millis(0));
  }

  Door door;
  broker::Node node;
  store::MemoryLogs logs;
  store::MemorySessions sessions;
  store::MemoryRetained retained;
  Shard shard;
};

/// How a client reaches the broker.
struct Way {
  const char* name;
  ListenerKind kind = ListenerKind::mqtt;
  ProxyMode proxy = ProxyMode::off;
  std::string proxy_header = {};
};

inline ListenerOptions options_of(const Way& way) {
  ListenerOptions o;
  o.kind = way.kind;
  o.proxy = way.proxy;
  o.host = "127.0.0.1";
  o.channel.allow_anonymous = true;
  if (way.kind == ListenerKind::mqtts || way.kind == ListenerKind::wss) o.tls = server_tls();
  return o;
}

/// The client's end: a socket and the layers on it. Writes never block: what the socket does not take waits.
class Peer {
 public:
  Peer(Bench& b, ListenerContext& listener, const Way& way, Version v = Version::v5)
      : bench_(b), way_(way), reading_(v) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
    fd_ = ends[0];
    listener.connections.fetch_add(1);
    b.shard.adopt(ends[1], listener, {});
    start();
  }
  /// A socket that is connected already.
  Peer(Bench& b, int fd, const Way& way, Version v = Version::v5) : bench_(b), way_(way), fd_(fd), reading_(v) {
    ::fcntl(fd_, F_SETFL, O_NONBLOCK);
    start();
  }
  ~Peer() { close(); }
  Peer(const Peer&) = delete;

  /// What goes over the wire for these MQTT bytes, behind what was encoded before.
  std::string encode(std::string mqtt) {
    if (is_ws()) mqtt = frame(io::WsOpcode::binary, mqtt);
    if (!tls_) return mqtt;
    std::string sealed;
    tls_->write(mqtt, output(sealed));
    return sealed;
  }
  static std::string frame(io::WsOpcode opcode, std::string_view payload) {
    char head[io::kWsMaxHeader];
    constexpr std::uint32_t mask = 0x12345678;
    std::string s(head, io::encode_ws_header(head, opcode, payload.size(), mask));
    std::size_t at = s.size();
    s += payload;
    io::ws_mask(s.data() + at, payload.data(), payload.size(), mask);
    return s;
  }
  void send(const std::string& mqtt) { raw(encode(mqtt)); }
  void raw(std::string_view bytes) {
    unsent_ += bytes;
    write();
  }
  void connect(const std::string& id, ConnectOptions o = {}, Version v = Version::v5) {
    send(connect_packet(v, id, o));
  }

  /// Packets until there are `n`, or the connection ends, or nothing comes for long.
  std::vector<Packet> packets(std::size_t n) {
    std::vector<Packet> all;
    bench_.until([&] {
      write();
      read();
      for (auto& p : reading_.take(mqtt_)) all.push_back(std::move(p));
      return all.size() >= n || ended_;
    });
    return all;
  }
  Words take(std::size_t n) {
    Words w;
    for (auto& p : packets(n)) w.push_back(p.words());
    return w;
  }
  /// True when the broker closed the connection.
  bool ended() {
    bench_.until([&] {
      write();
      read();
      return ended_;
    });
    return ended_;
  }
  /// What has arrived by now.
  std::vector<Packet> arrived() {
    write();
    read();
    return reading_.take(mqtt_);
  }
  std::string& leftover() { return mqtt_; }
  bool reset() const { return reset_; }
  std::size_t unsent() const { return unsent_.size(); }
  io::WsClose ws_closed() const { return ws_closed_; }

  void shut_write() { ::shutdown(fd_, SHUT_WR); }
  /// RST instead of FIN (TCP).
  void abort() {
    linger l{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    close();
  }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  int fd() const { return fd_; }

 private:
  bool is_ws() const { return way_.kind == ListenerKind::ws || way_.kind == ListenerKind::wss; }
  static io::TlsOutput output(std::string& to) {
    return {[](void* s, const char* bytes, std::size_t n) { static_cast<std::string*>(s)->append(bytes, n); }, &to};
  }
  void start() {
    raw(way_.proxy_header);
    if (way_.kind == ListenerKind::mqtts || way_.kind == ListenerKind::wss) {
      context_ = client_tls();
      tls_ = std::make_unique<io::TlsStream>(*context_, "localhost");
      std::string hello;
      tls_->handshake(output(hello));
      raw(hello);
      bench_.until([&] { return read(), tls_->established() || ended_; });
    }
    if (is_ws()) {
      upgrade_ = std::make_unique<io::WsClientHandshake>(io::WsClientHandshake::Options{.host = "localhost"});
      std::string request = upgrade_->request(), sealed;
      if (tls_) tls_->write(request, output(sealed));
      raw(tls_ ? sealed : request);
      bench_.until([&] { return read(), !upgrade_ || ended_; });
    }
  }
  void write() {
    while (!unsent_.empty() && fd_ >= 0) {
      ssize_t n = ::send(fd_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      unsent_.erase(0, static_cast<std::size_t>(n));
    }
  }
  void read() {
    char buffer[65536];
    while (fd_ >= 0 && !ended_) {
      ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (n <= 0) {
        reset_ = n < 0;
        ended_ = true;
        return;
      }
      take_raw({buffer, static_cast<std::size_t>(n)});
    }
  }
  void take_raw(std::string bytes) {
    if (!tls_) return take_plain(std::move(bytes));
    std::string answer;
    tls_->feed(bytes);
    if (!tls_->established()) tls_->handshake(output(answer));
    char buffer[16384];
    std::size_t n = 0;
    while (tls_->established() && tls_->read(buffer, sizeof buffer, n, output(answer)) == io::TlsStatus::ok)
      take_plain({buffer, n});
    if (!answer.empty()) raw(answer);
  }
  void take_plain(std::string bytes) {
    if (upgrade_) {
      auto a = upgrade_->feed(bytes);
      if (a.kind == io::WsClientHandshake::Answer::Kind::need_more) return;
      if (a.kind == io::WsClientHandshake::Answer::Kind::reject) return;
      bytes.erase(0, a.consumed);
      upgrade_.reset();
    }
    if (is_ws()) {
      io::WsInput in;
      decoder_.decode(bytes.data(), bytes.size(), UINT64_MAX, in);
      mqtt_ += in.data;
      if (in.close != io::WsClose::none) ws_closed_ = in.close;
      if (in.error != io::WsClose::none) std::abort();  // the broker's framing is wrong
      pongs += in.pong;
    } else {
      mqtt_ += bytes;
    }
  }
  Bench& bench_;
  const Way way_;
  int fd_ = -1;
  Reading reading_;
  std::string unsent_, mqtt_;
  bool ended_ = false, reset_ = false;
  std::shared_ptr<const io::TlsContext> context_;
  std::unique_ptr<io::TlsStream> tls_;
  std::unique_ptr<io::WsClientHandshake> upgrade_;
  io::WsDecoder decoder_{io::WsRole::client};
  io::WsClose ws_closed_ = io::WsClose::none;

 public:
  int pongs = 0;
};

}  // namespace sb::net::testing
