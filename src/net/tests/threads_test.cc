// SPDX-License-Identifier: MIT
// Shards in their threads with the store thread beside them: for the thread sanitizer. What must hold is checked too.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>

#include <atomic>
#include <future>
#include <random>
#include <set>
#include <thread>

#include "io/loop_threads.h"
#include "net/tests/bench.h"
#include "store/service.h"

namespace sb::net::testing {
namespace {

/// On which threads the shards are.
enum class Places { apart, together, changing };

/// A whole broker without its command.
class Running {
 public:
  explicit Running(std::size_t shards, Places places = Places::apart) {
    node.authenticator = &door_;
    node.cores.resize(shards);
    store::Backend stores;
    auto logs = std::make_unique<store::MemoryLogs>(
        node.limits, [this](std::string_view f, ports::LogId log) { node.log_changed(f, log); });
    stores.sessions = std::make_unique<store::MemorySessions>(*logs);
    stores.logs = std::move(logs);
    stores.retained = std::make_unique<store::MemoryRetained>(1000, 1 << 20);
    store_ = std::make_unique<store::Service>(std::move(stores));
    ListenerOptions o;
    o.host = "127.0.0.1";
    acceptor_ = Acceptor::open(o).value();
    std::vector<Shard*> all;
    for (std::size_t i = 0; i < shards; ++i) {
      shards_.push_back(std::make_unique<Shard>());
      all.push_back(shards_.back().get());
      views_.push_back(std::make_unique<store::ShardStores>(*store_, shards_[i]->loop()));
      broker::Stores s{&views_[i]->logs(), &views_[i]->sessions(), &views_[i]->retained()};
      auto core = std::make_unique<broker::Core>(node, i, shards_[i]->loop(), s);
      node.cores[i] = core.get();
      shards_[i]->set_core(std::move(core));
    }
    acceptor_->start(*shards_[0], all, 10000);
    store_->start();
    std::vector<io::EventLoop*> loops;
    for (auto& s : shards_) {
      s->start();
      loops.push_back(&s->loop());
    }
    using Policy = io::LoopThreads::Policy;
    threads_ =
        std::make_unique<io::LoopThreads>(std::move(loops), places == Places::apart ? Policy::apart : Policy::by_hand);
    threads_->start();
    if (places == Places::changing) mover_ = std::thread([this, shards] { move_about(shards); });
  }
  ~Running() {
    for (auto& s : shards_)
      on(*s, [&] {
        if (&s == &shards_.front()) acceptor_->close();
        s->shut_down_some(mqtt::Reason::server_shutting_down, SIZE_MAX / 8);
      });
    moving_ = false;
    if (mover_.joinable()) mover_.join();
    threads_->stop();
    threads_->join();
    store_->stop();
  }
  std::uint16_t port() const {
    const std::string& a = acceptor_->address();
    return static_cast<std::uint16_t>(std::stoi(a.substr(a.rfind(':') + 1)));
  }
  /// On the shard's thread.
  static void on(Shard& s, const std::function<void()>& f) {
    std::promise<void> done;
    s.loop().post_fn([&] {
      f();
      done.set_value();
    });
    done.get_future().wait();
  }
  void kick_timers() {
    for (auto& s : shards_)
      on(*s, [&] {
        s->core().tick();
        s->core().run_due();
      });
  }
  broker::Node node;

 private:
  struct Everybody final : ports::Authenticator {
    void authenticate(const ports::Credentials&, Done done) override { done({}); }
  } door_;
  std::unique_ptr<store::Service> store_;
  std::unique_ptr<Acceptor> acceptor_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<std::unique_ptr<store::ShardStores>> views_;
  /// All but the first one to threads of their own and back, again and again.
  void move_about(std::size_t shards) {
    for (bool apart = true; moving_; apart = !apart) {
      std::vector<io::LoopBalance::Move> moves;
      for (std::size_t i = 1; i < shards; ++i) moves.push_back({i, apart ? i : 0});
      for (std::size_t i = 1; i < shards && !apart; ++i)  // one thread at a time gives all it has
        while (moving_ && !threads_->move({moves[i - 1]})) std::this_thread::yield();
      while (apart && moving_ && !threads_->move(moves)) std::this_thread::yield();
    }
  }
  std::unique_ptr<io::LoopThreads> threads_;
  std::atomic<bool> moving_{true};
  std::thread mover_;
};

/// A blocking client of a test thread.
class Device {
 public:
  Device(std::uint16_t port, const std::string& id, ConnectOptions o = {}) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    ::inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    timeval patience{30, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&a), sizeof a) == 0) send(connect_packet(Version::v5, id, o));
  }
  ~Device() { ::close(fd_); }
  void send(const std::string& bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
      ssize_t n = ::send(fd_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      if (n <= 0) return;
      at += static_cast<std::size_t>(n);
    }
  }
  /// The next packet; nothing at the end of the connection or when nothing comes for long.
  std::optional<Packet> next() {
    while (waiting_.empty()) {
      char buffer[8192];
      ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
      if (n <= 0) return std::nullopt;
      bytes_.append(buffer, static_cast<std::size_t>(n));
      for (auto& p : reading_.take(bytes_)) waiting_.push_back(std::move(p));
    }
    Packet p = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    return p;
  }
  bool expect(PacketType t) {
    for (auto p = next(); p; p = next())
      if (p->type == t) return true;
    return false;
  }
  void subscribe(const std::string& filter, std::uint8_t qos) {
    model::SubscribeOptions o;
    o.qos = qos & 3u;
    send(subscribe_packet(Version::v5, 1, {{filter, o}}));
    ASSERT_TRUE(expect(PacketType::suback));
  }

 private:
  int fd_ = -1;
  std::string bytes_;
  std::vector<Packet> waiting_;
  Reading reading_{Version::v5};
};

class Threads : public ::testing::TestWithParam<Places> {};

TEST_P(Threads, EverybodyGetsEverythingInOrder) {
  Running broker(3, GetParam());
  constexpr int kPublishers = 3, kSubscribers = 4, kEach = 300;
  std::atomic<int> ready{0};
  std::vector<std::thread> all;
  for (int s = 0; s < kSubscribers; ++s)
    all.emplace_back([&, s] {
      ConnectOptions o;
      if (s % 2) o.expiry = 100;  // durable ones go through the store
      Device d(broker.port(), "sub" + std::to_string(s), o);
      ASSERT_TRUE(d.expect(PacketType::connack));
      d.subscribe("t/#", static_cast<std::uint8_t>(1 + s / 2));
      ++ready;
      std::vector<int> last(kPublishers, -1);
      for (int n = 0; n < kPublishers * kEach;) {
        auto p = d.next();
        ASSERT_TRUE(p) << "after " << n;
        if (p->type == PacketType::pubrel) d.send(ack_packet(Version::v5, PacketType::pubcomp, p->id));
        if (p->type != PacketType::publish) continue;
        ++n;
        auto from = static_cast<std::size_t>(p->topic.back() - '0');
        ASSERT_EQ(std::stoi(p->payload), last[from] + 1) << p->topic;
        last[from] = std::stoi(p->payload);
        if (p->qos) d.send(ack_packet(Version::v5, p->qos == 1 ? PacketType::puback : PacketType::pubrec, p->id));
      }
    });
  for (int i = 0; i < kPublishers; ++i)
    all.emplace_back([&, i] {
      Device d(broker.port(), "pub" + std::to_string(i));
      ASSERT_TRUE(d.expect(PacketType::connack));
      while (ready < kSubscribers) std::this_thread::yield();
      for (int n = 0; n < kEach; ++n) {
        auto id = static_cast<mqtt::PacketId>(n + 1);
        d.send(publish_packet(Version::v5, "t/" + std::to_string(i), std::to_string(n), {.qos = 2, .id = id}));
        if (n % 10 != 9) continue;
        for (int k = n - 9; k <= n; ++k) {
          ASSERT_TRUE(d.expect(PacketType::pubrec));
          d.send(ack_packet(Version::v5, PacketType::pubrel, static_cast<mqtt::PacketId>(k + 1)));
        }
      }
      for (int n = 0; n < 1; ++n) ASSERT_TRUE(d.expect(PacketType::pubcomp));
    });
  for (auto& t : all) t.join();
}

TEST_P(Threads, ComingGoingAndTakingOver) {
  Running broker(3, GetParam());
  std::vector<std::thread> all;
  std::atomic<bool> stop{false};
  for (unsigned t = 0; t < 4; ++t)
    all.emplace_back([&, t] {
      std::mt19937 rng(t);
      for (int round = 0; round < 60; ++round) {
        ConnectOptions o;
        o.clean = rng() % 4 == 0;
        o.expiry = rng() % 3 ? 50 : 0;
        if (rng() % 2)
          o.will = ConnectOptions::Will{.topic = "w/1", .payload = "x", .qos = 1, .retain = rng() % 2 == 0};
        Device d(broker.port(), "c" + std::to_string(rng() % 3), o);  // three ids for four threads
        if (rng() % 8 == 0) continue;                                 // gone before anything came
        std::string mqtt;
        static const char* const filters[] = {"a/+", "a/#", "$share/g/a/1", "w/#", "$share/h/#", "a/1"};
        for (int i = 0; i < 4; ++i) {
          model::SubscribeOptions options;
          options.qos = rng() % 3;
          const char* filter = filters[rng() % 6];
          if (rng() % 3)
            mqtt += subscribe_packet(Version::v5, static_cast<mqtt::PacketId>(i + 1),
                                     {{filter, options}, {filter, options}});
          else
            mqtt::encode_unsubscribe(mqtt, Version::v5, static_cast<mqtt::PacketId>(i + 1), {filter});
          auto qos = static_cast<std::uint8_t>(rng() % 3);
          mqtt += publish_packet(
              Version::v5, "a/1", "p",
              {.qos = qos, .id = static_cast<mqtt::PacketId>(qos ? 10 + i : 0), .retain = rng() % 4 == 0});
        }
        mqtt += std::string("\xC0\x00", 2);
        d.send(mqtt);
        for (auto p = d.next(); p && p->type != PacketType::pingresp; p = d.next()) {
          if (p->type == PacketType::publish && p->qos == 1) d.send(ack_packet(Version::v5, PacketType::puback, p->id));
          if (p->type == PacketType::publish && p->qos == 2) d.send(ack_packet(Version::v5, PacketType::pubrec, p->id));
        }
        if (rng() % 2) d.send(disconnect_packet(Version::v5));
      }
    });
  std::thread timers([&] {
    while (!stop) broker.kick_timers();
  });
  for (auto& t : all) t.join();
  stop = true;
  timers.join();
  // After all that the broker is as good as new.
  Device sub(broker.port(), "last"), pub(broker.port(), "pub");
  ASSERT_TRUE(sub.expect(PacketType::connack) && pub.expect(PacketType::connack));
  sub.subscribe("end", 1);
  pub.send(publish_packet(Version::v5, "end", "x", {.qos = 1, .id = 1}));
  auto p = sub.next();
  ASSERT_TRUE(p);
  EXPECT_EQ(p->payload, "x");
}

TEST_P(Threads, EndsWithClientsConnected) {
  for (int round = 0; round < 3; ++round) {
    Running broker(4, GetParam());
    std::vector<std::unique_ptr<Device>> all;
    for (int i = 0; i < 20; ++i) {
      ConnectOptions o;
      o.expiry = i % 2 ? 100 : 0;
      all.push_back(std::make_unique<Device>(broker.port(), "d" + std::to_string(i), o));
      ASSERT_TRUE(all.back()->expect(PacketType::connack));
      all.back()->subscribe("#", static_cast<std::uint8_t>(i % 3));
    }
    // Traffic between all shards is under way when the broker ends.
    for (auto& d : all) d->send(publish_packet(Version::v5, "t", std::string(1000, 'x'), {.qos = 1, .id = 5}));
  }
}

std::string name_of(const ::testing::TestParamInfo<Places>& p) {
  static const char* const names[] = {"ThreadsOfTheirOwn", "OneThread", "ChangingThreads"};
  return names[static_cast<int>(p.param)];
}
INSTANTIATE_TEST_SUITE_P(On, Threads, ::testing::Values(Places::apart, Places::together, Places::changing), name_of);

}  // namespace
}  // namespace sb::net::testing
