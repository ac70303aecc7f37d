// SPDX-License-Identifier: MIT
#pragma once
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/core.h"
#include "broker/tests/delayed_stores.h"
#include "broker/tests/wire.h"
#include "store/memory_logs.h"
#include "store/memory_retained.h"
#include "store/memory_sessions.h"

namespace sb::broker::testing {

using Words = std::vector<std::string>;

class Client;

/// The clock stands: nobody should wait for it.
inline model::Limits unhurried() {
  model::Limits l;
  l.connect_rate = 0;
  return l;
}

/// The stores of a broker, or of a cluster.
struct BenchStores {
  explicit BenchStores(const model::Limits& l)
      : logs(l,
             [this](std::string_view f, ports::LogId log) {
               for (Node* n : nodes) n->log_changed(f, log);
             }),
        sessions(logs),
        retained(l.retained_messages, l.retained_bytes) {}
  std::vector<Node*> nodes;
  store::MemoryLogs logs;
  store::MemorySessions sessions;
  store::MemoryRetained retained;
};

struct BenchOptions {
  std::size_t shards = 1;
  bool delayed = false;  ///< the stores answer when the test lets them
  model::Limits limits = unhurried();
  SharedStrategy strategy = SharedStrategy::round_robin;
  std::shared_ptr<BenchStores> stores = nullptr;  ///< null: its own
  std::function<std::unique_ptr<ports::Peers>(std::size_t shard)> peers = nullptr;
  ports::SessionStore* sessions = nullptr;  ///< in place of those of the stores
};

/// A broker without sockets and threads: one loop and one core per shard, run by the test, and a clock that the test
/// moves.
class Bench {
 public:
  explicit Bench(BenchOptions o = {})
      : stores(o.stores ? o.stores : std::make_shared<BenchStores>(o.limits)), delay(o.shards), delayed_(o.delayed) {
    stores->nodes.push_back(&node);
    node.limits = o.limits;
    node.shared_strategy = o.strategy;
    node.authenticator = &everybody_;
    node.connect_clock = [this] { return ports::ConnectTime(clock.wall_now); };
    node.cores.resize(o.shards);
    for (std::size_t i = 0; i < o.shards; ++i) {
      auto& s = shards_.emplace_back(std::make_unique<Shard>(*this, i, o));
      node.cores[i] = s->core.get();
    }
  }

  Core& core(std::size_t shard = 0) { return *node.cores[shard]; }
  std::size_t shards() const { return shards_.size(); }
  DelayedLogs& delayed_logs(std::size_t shard) { return *shards_[shard]->logs; }

  /// Runs everything until nothing moves any more.
  void settle();
  /// One turn of one shard, without the stores.
  void turn(std::size_t shard) { shards_[shard]->loop.run_once(Millis(0)); }
  /// All shards and clients, without the stores, until nothing moves.
  void run_shards();
  /// The store works off what was asked; the answers stay on their way.
  void work() {
    while (delay.work()) {
    }
  }
  void advance(Millis d) {
    clock.advance(d);
    run_shards();
  }

  FakeClock clock;
  Node node;
  const std::shared_ptr<BenchStores> stores;
  store::MemoryLogs& logs = stores->logs;
  store::MemorySessions& sessions = stores->sessions;
  store::MemoryRetained& retained = stores->retained;
  Delay delay;

 private:
  friend class Client;
  struct Everybody final : ports::Authenticator {
    void authenticate(const ports::Credentials&, Done done) override { done({}); }
  };
  struct Shard final : io::Turn {
    Shard(Bench& of, std::size_t number, const BenchOptions& o) : bench(of), loop(this) {
      if (o.peers) peers = o.peers(number);
      Stores to{&bench.logs, o.sessions ? o.sessions : &bench.sessions, &bench.retained, peers.get()};
      if (bench.delayed_) {
        logs = std::make_unique<DelayedLogs>(bench.logs, bench.delay, number);
        sessions = std::make_unique<DelayedSessions>(bench.sessions, bench.delay, number);
        retained = std::make_unique<DelayedRetained>(bench.retained, bench.delay, number);
        to = {logs.get(), sessions.get(), retained.get(), peers.get()};
      }
      core = std::make_unique<Core>(bench.node, number, loop, to);
      on_turn_begin();
    }
    void on_turn_begin() override {
      core->on_turn_begin();
      core->now = bench.clock.mono_now;
      core->wall = bench.clock.wall_now;
    }
    bool on_turn_end() override { return core->on_turn_end(); }
    Bench& bench;
    io::EventLoop loop;
    std::unique_ptr<ports::Peers> peers;
    std::unique_ptr<DelayedLogs> logs;
    std::unique_ptr<DelayedSessions> sessions;
    std::unique_ptr<DelayedRetained> retained;
    std::unique_ptr<Core> core;
  };
  bool round();
  Everybody everybody_;
  const bool delayed_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<Client*> clients_;
};

/// A client whose packets the test writes: what a connection is to a channel.
class Client final : public channel::Transport {
 public:
  Client(Bench& bench, std::string client_id, Version v = Version::v5, std::size_t shard = 0,
         std::optional<channel::ChannelConfig> config = std::nullopt)
      : id(std::move(client_id)),
        version(v),
        bench_(bench),
        config_(config ? *config : of(bench)),
        reading_(v),
        channel(*this, bench.core(shard), config_) {
    bench_.clients_.push_back(this);
  }
  ~Client() {
    channel.lost();
    std::erase(bench_.clients_, this);
  }

  // --- the client's packets; they are handled at once, their effects come with take()
  void send(std::string_view bytes) {
    input_ += bytes;
    offer();
  }
  void connect(const ConnectOptions& o = {}) { send(connect_packet(version, id, o)); }
  void publish(std::string_view topic, std::string_view payload, PublishOptions o = {}) {
    send(publish_packet(version, topic, payload, o));
  }
  void subscribe(std::string_view filter, std::uint8_t qos, std::uint32_t subscription_id = 0) {
    model::SubscribeOptions o;
    o.qos = qos & 3u;
    subscribe(filter, o, subscription_id);
  }
  void subscribe(std::string_view filter, model::SubscribeOptions o, std::uint32_t subscription_id = 0) {
    send(subscribe_packet(version, next_id_++, {{filter, o}}, subscription_id));
  }
  void unsubscribe(std::string_view filter) {
    std::string s;
    mqtt::encode_unsubscribe(s, version, next_id_++, {filter});
    send(s);
  }
  void ack(PacketType type, PacketId packet, Reason r = Reason::success) { send(ack_packet(version, type, packet, r)); }
  void disconnect(Reason r = Reason::success) { send(disconnect_packet(version, r)); }
  /// The connection breaks.
  void lose() { channel.lost(); }

  // --- what came
  std::vector<Packet> packets() {
    bench_.settle();
    return arrived();
  }
  /// Without running anything.
  std::vector<Packet> arrived() {
    drain();
    return reading_.take(output_);
  }
  Words take() { return words(packets()); }
  static Words words(const std::vector<Packet>& all) {
    Words w;
    for (auto& p : all) w.push_back(p.words());
    return w;
  }
  /// Connects, and forgets the answer when it is success.
  Client& up(const ConnectOptions& o = {}) {
    connect(o);
    auto all = packets();
    if (all.empty() || all.front().codes != std::vector<std::uint8_t>{0}) std::abort();
    return *this;
  }
  Client& subscribed(std::string_view filter, std::uint8_t qos, std::uint32_t subscription_id = 0) {
    subscribe(filter, qos, subscription_id);
    take();
    return *this;
  }
  /// Takes packets and answers them until nothing comes any more; the PUBLISHes, in order.
  std::vector<Packet> messages() {
    std::vector<Packet> all;
    for (;;) {
      auto some = packets();
      if (some.empty()) return all;
      for (auto& p : some) {
        answer(p);
        if (p.type == PacketType::publish) all.push_back(std::move(p));
      }
    }
  }
  /// The acknowledgement that a packet asks for, if any.
  void answer(const Packet& p) {
    if (p.type == PacketType::publish && p.qos == 1) ack(PacketType::puback, p.id);
    if (p.type == PacketType::publish && p.qos == 2) ack(PacketType::pubrec, p.id);
    if (p.type == PacketType::pubrec) ack(PacketType::pubrel, p.id);
    if (p.type == PacketType::pubrel) ack(PacketType::pubcomp, p.id);
  }
  static Words payloads(const std::vector<Packet>& all) {
    Words w;
    for (auto& p : all) w.push_back(p.payload);
    return w;
  }
  bool closed() const { return closed_; }

  // --- channel::Transport
  Ip address() const override { return ip; }
  Ip ip;
  void flush_soon() override { flush_ = true; }
  void close_soon() override { closed_ = true; }
  void resume_input() override { resume_ = true; }
  void deadline_changed() override {}
  std::string peer() const override { return "test"; }
  std::string tls_identity() const override { return {}; }

  const std::string id;
  const Version version;
  bool reads = true;  ///< false: its socket takes nothing more

 private:
  friend class Bench;
  static channel::ChannelConfig of(const Bench& b) {
    channel::ChannelConfig c;
    c.limits = b.node.limits;
    return c;
  }
  void offer() {
    resume_ = false;
    if (channel.state() == channel::Channel::State::closed) return input_.clear();
    input_.erase(0, channel.input(input_));
  }
  bool drain() {
    if (!reads) return false;
    channel.flushed();
    flush_ = false;
    bool any = false, full = channel.out().size() > config_.limits.output_bytes;
    for (OutBuffer& out = channel.out(); !out.empty(); any = true) {
      std::string_view piece = out.front();
      output_ += piece;
      out.consume(piece.size());
    }
    if (full || was_stopped_) channel.drained();
    was_stopped_ = false;
    return any;
  }
  bool run() {
    bool moved = resume_;
    if (resume_) offer();
    if (!reads) was_stopped_ = true;
    return drain() || moved;
  }
  Bench& bench_;
  channel::ChannelConfig config_;
  Reading reading_;
  std::string input_, output_;
  PacketId next_id_ = 1;
  bool flush_ = false, resume_ = false, closed_ = false, was_stopped_ = false;

 public:
  channel::Channel channel;
};

inline bool Bench::round() {
  bool moved = false;
  for (auto& s : shards_) s->loop.run_once(Millis(0));
  for (std::size_t i = 0; i < clients_.size(); ++i) moved |= clients_[i]->run();
  for (auto& s : shards_) moved |= s->loop.has_mail();
  return moved;
}

inline void Bench::run_shards() {
  // Mail between shards cannot be seen from here: some rounds more than it may take.
  for (int quiet = 0; quiet < 5;) quiet = round() ? 0 : quiet + 1;
}

inline void Bench::settle() {
  for (;;) {
    run_shards();
    bool moved = false;
    while (delay.work()) moved = true;
    for (std::size_t i = 0; i < shards_.size(); ++i)
      while (delay.arrive(i)) moved = true;
    if (!moved) return;
  }
}

}  // namespace sb::broker::testing
