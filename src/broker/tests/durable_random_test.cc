// SPDX-License-Identifier: MIT
// Devices with durable sessions that come, go, lose connections and change shards at random, while everything that the
// stores and shards hand to each other moves at random: what was acknowledged arrives, QoS 2 once, and in order.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "broker/tests/bench.h"
#include "broker/tests/filters.h"

namespace sb::broker::testing {
namespace {

struct Subscription {
  std::string filter;
  std::uint8_t qos;
};

/// Of a device that changes its mind: at all times one of them stays, and all match what begins with "a/".
constexpr const char* kChanging[] = {"a/+", "a/#", "#"};

/// A client with a memory of its own, as a real one has: what it received in QoS 2 and has not been released yet.
class Device {
 public:
  Device(Bench& b, std::string id, Version v, std::vector<Subscription> subs)
      : id_(std::move(id)), bench_(b), version_(v), subscriptions_(std::move(subs)) {}

  void connect(std::size_t shard, std::uint16_t receive_maximum) {
    if (connection_) old_.push_back(std::move(connection_));  // it is taken over, or was lost
    to_answer_.clear();
    changing_ = nullptr;
    up_ = false;
    connection_ = std::make_unique<Client>(bench_, id_, version_, shard);
    connection_->connect({.clean = false, .expiry = 10000, .receive_maximum = receive_maximum});
  }
  void subscribe_all() {
    bench_.settle();
    for (auto& s : subscriptions_) connection_->subscribe(s.filter, s.qos);
    bench_.settle();
    handle();
  }
  void lose() {
    if (connection_) connection_->lose();
    to_answer_.clear();
  }
  bool connected() const { return connection_ && !connection_->closed(); }

  /// Takes what has arrived as an application would.
  void handle(int published = 0) {
    if (!connection_) return;
    for (auto& p : connection_->arrived()) {
      if (p.type == PacketType::publish) deliver(p);
      if (p.type == PacketType::pubrel) unreleased_.erase(p.id);
      up_ |= p.type == PacketType::connack;
      if (p.type == PacketType::suback || p.type == PacketType::unsuback) settle_change(published);
      if (p.type == PacketType::publish || p.type == PacketType::pubrel) to_answer_.push_back(p);
    }
  }
  void answer(std::size_t n) {
    while (n-- > 0 && !to_answer_.empty() && connected()) {
      connection_->answer(to_answer_.front());
      to_answer_.pop_front();
    }
  }
  /// Subscribes to one of kChanging, or to one of them no more, if another one was there for sure before the first
  /// message came that is not acknowledged yet: what comes while both change may belong to neither.
  void change(std::mt19937& rng, bool often_0, int first_open) {
    if (!connected() || changing_ || !up_) return;
    const char* filter = kChanging[rng() % std::size(kChanging)];
    auto is_sure = [&](const char* f) { return sure_.contains(f) && sure_[f].qos > 0; };
    const bool other = std::any_of(std::begin(kChanging), std::end(kChanging), [&](const char* f) {
      return f != filter && is_sure(f) && sure_[f].since < first_open;
    });
    changing_ = filter;
    changes_to_ = -1;
    if (is_sure(filter) && !other) return void(changing_ = nullptr);
    if (sure_.contains(filter) && rng() % 2) {
      connection_->unsubscribe(filter);
    } else {
      changes_to_ = often_0 && !is_sure(filter) && rng() % 2 ? 0 : 2;
      connection_->subscribe(filter, static_cast<std::uint8_t>(changes_to_));
    }
    if (changes_to_ != 2) sure_.erase(filter);
  }
  void settle_change(int published) {
    if (!changing_) return;
    if (changes_to_ >= 0) sure_[changing_] = {changes_to_, published};
    changing_ = nullptr;
  }
  void sure(const char* filter) { sure_[filter] = {2, 0}; }
  void forget_old() { old_.clear(); }

  std::uint8_t wants(std::string_view topic) const {
    std::uint8_t qos = 0;
    for (auto& s : subscriptions_)
      if (naive_match(s.filter, topic)) qos = std::max(qos, s.qos);
    return qos;
  }
  const std::string& id() const { return id_; }
  std::map<std::string, int> got;
  std::string wrong;

 private:
  void deliver(const Packet& p) {
    if (p.qos == 2 && !unreleased_.insert(p.id).second) {
      if (!p.dup) wrong += " id " + std::to_string(p.id) + " used again before its release;";
      return;
    }
    // What a subscription of QoS 0 brought may come once more by the next one, if that was made just then.
    if (p.qos == 0) return;
    std::string key = p.topic + "=" + p.payload;
    int n = ++got[key];
    if (n > 1 && p.qos == 2) wrong += " " + key + " twice in QoS 2;";
    if (n > 1) return;
    // Payloads of a topic count upwards.
    auto& last = last_[{p.topic, p.qos}];
    if (std::stoi(p.payload) <= last) wrong += " " + key + " behind " + std::to_string(last) + ";";
    last = std::stoi(p.payload);
  }
  std::string id_;
  Bench& bench_;
  Version version_;
  std::vector<Subscription> subscriptions_;
  std::unique_ptr<Client> connection_;
  std::vector<std::unique_ptr<Client>> old_;
  std::deque<Packet> to_answer_;
  std::set<PacketId> unreleased_;
  bool up_ = false;                 ///< CONNACK has come
  const char* changing_ = nullptr;  ///< asked for, and not answered
  int changes_to_ = 0;              ///< QoS; -1: it is unsubscribed
  struct Sure {
    int qos = 0;
    int since = 0;  ///< messages that had been published
  };
  std::map<std::string, Sure> sure_;  ///< QoS of what was acknowledged, and nothing was asked of it since
  std::map<std::pair<std::string, int>, int> last_;
};

/// Also when the order of a topic is kept by several QoS of messages: each in itself.
void run(unsigned seed, bool delayed) {
  SCOPED_TRACE(seed);
  std::mt19937 rng(seed);
  model::Limits limits;
  limits.tail_cache_bytes = seed % 2 ? 2000 : 1 << 20;
  Bench b{{.shards = 3, .delayed = delayed, .limits = limits}};
  static const std::vector<std::vector<Subscription>> kWishes = {
      {{"a/+", 1}}, {{"#", 2}}, {{"a/1", 2}, {"a/+", 1}, {"a/#", 0}}, {{"b/#", 2}, {"+/1", 2}, {"#", 1}}};
  std::vector<std::unique_ptr<Device>> devices;
  for (std::size_t i = 0; i < kWishes.size(); ++i) {
    devices.push_back(
        std::make_unique<Device>(b, "d" + std::to_string(i), i % 2 ? Version::v311 : Version::v5, kWishes[i]));
    devices.back()->connect(i % 3, 0);
    devices.back()->subscribe_all();
  }
  const std::size_t stable = devices.size();
  for (std::size_t i = 0; i < 2; ++i) {
    std::vector<Subscription> wishes;
    for (auto filter : kChanging) wishes.push_back({filter, 2});
    devices.push_back(std::make_unique<Device>(b, "changing" + std::to_string(i), Version::v5, wishes));
    devices.back()->connect(i, static_cast<std::uint16_t>(i ? 2 : 0));
    devices.back()->subscribe_all();
    for (auto filter : kChanging) devices.back()->sure(filter);
  }
  std::vector<std::unique_ptr<Client>> publishers;
  for (std::size_t i = 0; i < 2; ++i) {
    publishers.push_back(std::make_unique<Client>(b, "p" + std::to_string(i), Version::v5, i));
    publishers.back()->up();
  }
  static const char* const kTopics[2][3] = {{"a/1", "a/2", "b/1"}, {"a/3", "b/2", "c"}};
  std::map<std::string, std::uint8_t> published;
  int counter = 0;
  std::map<std::pair<std::size_t, PacketId>, int> open;  // not acknowledged: number by publisher and packet id
  const auto first_open = [&] {
    int first = counter + 1;
    for (auto& [id, number] : open) first = std::min(first, number);
    return first;
  };
  PacketId next_id = 1;
  for (int step = 0; step < 1500; ++step) {
    Device& d = *devices[rng() % devices.size()];
    std::size_t shard = rng() % 3;
    switch (rng() % 17) {
      case 0:
      case 1: {
        std::size_t who = rng() % 2;
        const char* topic = kTopics[who][rng() % 3];
        auto qos = static_cast<std::uint8_t>(1 + rng() % 2);
        std::string payload = std::to_string(++counter);
        publishers[who]->publish(topic, payload, {.qos = qos, .id = next_id});
        open[{who, next_id}] = counter;
        next_id = static_cast<PacketId>(next_id % 60000 + 1);
        published[std::string(topic) + "=" + payload] = qos;
        break;
      }
      case 2:
        if (rng() % 4 == 0) d.lose();
        break;
      case 3:
        if (!d.connected() || rng() % 10 == 0)
          d.connect(shard, static_cast<std::uint16_t>(rng() % 3 ? 0 : 1 + rng() % 4));
        break;
      case 4:
      case 5:
        b.delay.work();
        break;
      case 6:
      case 7:
        b.delay.arrive(shard);
        break;
      case 8:
      case 9:
        b.turn(shard);
        break;
      case 10:
        d.handle(counter);
        break;
      case 11:
      case 12:
        d.handle(counter);
        d.answer(rng() % 4);
        break;
      case 13:
        b.core(shard).tick();
        break;
      case 14:
        for (std::size_t p = 0; p < publishers.size(); ++p)
          for (auto& packet : publishers[p]->arrived()) {
            if (packet.type == PacketType::puback || packet.type == PacketType::pubrec) open.erase({p, packet.id});
            publishers[p]->answer(packet);
          }
        break;
      case 15:
        devices[stable + rng() % 2]->handle(counter);
        devices[stable + rng() % 2]->change(rng, seed % 2, first_open());
        break;
      default:
        b.run_shards();
        break;
    }
  }
  // Quiet: all come back and take what there is.
  for (auto& d : devices)
    if (!d->connected()) d->connect(rng() % 3, 0);
  for (int quiet = 0; quiet < 3; ++quiet) {
    for (int i = 0; i < 200; ++i) {
      b.settle();
      for (auto& p : publishers)
        for (auto& packet : p->arrived()) p->answer(packet);
      for (auto& d : devices) {
        if (!d->connected()) d->connect(0, 0);
        d->handle();
        d->answer(1000);
      }
    }
  }
  for (std::size_t i = 0; i < devices.size(); ++i) {
    auto& d = devices[i];
    ASSERT_EQ(d->wrong, "") << d->id();
    for (auto& [key, qos] : published) {
      std::string topic = key.substr(0, key.find('='));
      bool matches = false;
      if (i < stable)
        for (auto& s : kWishes[i]) matches |= s.qos > 0 && naive_match(s.filter, topic);
      else
        matches = topic.starts_with("a/");
      int times = d->got.contains(key) ? d->got[key] : 0;
      if (matches) {
        ASSERT_GE(times, 1) << d->id() << " never got " << key;
      }
      if (matches && std::min(qos, d->wants(topic)) == 2) {
        ASSERT_EQ(times, 1) << d->id() << ' ' << key;
      }
    }
  }
}

TEST(DurableRandom, StoresThatAnswerLater) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    run(seed, true);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(DurableRandom, StoresThatAnswerAtOnce) {
  for (unsigned seed = 100; seed < 120; ++seed) {
    run(seed, false);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace sb::broker::testing
