// SPDX-License-Identifier: MIT
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "base/log.h"
#include "broker/tests/bench.h"
#include "channel/channel.h"
#include "store/memory_logs.h"

// A whole broker without sockets: three clients on two shards, whose steps the input dictates. Sound packets, broken
// ones, lost connections, stores that answer late, time that passes. What the broker sends must always be sound, and
// when every session has ended nothing may be left of them.
namespace {

using namespace sb;
using namespace sb::broker::testing;
using mqtt::PacketId;
using mqtt::PacketType;
using mqtt::Reason;
using mqtt::Version;

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  bool empty() const { return size_ == 0; }
  std::uint8_t byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  std::uint8_t below(unsigned n) { return static_cast<std::uint8_t>(byte() % n); }
  std::string_view bytes(std::size_t n) {
    n = std::min(n, size_);
    std::string_view s(reinterpret_cast<const char*>(data_), n);
    data_ += n;
    size_ -= n;
    return s;
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

constexpr std::array<std::string_view, 6> kTopics{"a", "a/b", "a/c", "b", "/", "$x/a"};
constexpr std::array<std::string_view, 10> kFilters{"a", "a/#",        "a/+",        "#",          "+/+",
                                                    "b", "$share/g/a", "$share/g/#", "$share/h/#", "$x/+"};

class World {
 public:
  explicit World(Input& in) : in_(in), bench_({.shards = 2, .delayed = in.below(2) == 1, .limits = limits()}) {}

  void run() {
    for (int steps = 0; !in_.empty() && steps < 200; ++steps) step();
    finish();
  }

 private:
  static constexpr std::size_t kClients = 3;

  model::Limits limits() {
    model::Limits l;
    l.inflight = static_cast<std::uint16_t>(1 + in_.below(8));
    l.queued_messages = 1 + in_.below(8);
    l.retained_messages = 1 + in_.below(4);
    l.receive_maximum = static_cast<std::uint16_t>(1 + in_.below(8));
    l.tail_cache_bytes = in_.below(2) ? 300 : 1 << 20;
    l.log_messages = in_.below(2) ? 5 : 1000;
    l.subscriptions = 6;
    return l;
  }

  void step() {
    std::size_t n = in_.below(kClients);
    std::unique_ptr<Client>& c = clients_[n];
    std::uint8_t what = in_.below(16);
    if (!c || what == 0) return come(c, n);
    switch (what) {
      case 1:
        if (c->channel.state() == channel::Channel::State::up) c->send(in_.bytes(in_.byte()));
        return;
      case 2:
        return c->lose();
      case 3:
        return c->send(disconnect_packet(
            c->version, c->version == Version::v5 && in_.below(2) ? Reason::disconnect_with_will : Reason::success));
      case 4:
        return bench_.advance(Millis(100 * in_.byte()));
      case 5:
        for (std::size_t i = 0; i < bench_.shards(); ++i) bench_.core(i).tick(), bench_.core(i).run_due();
        return;
      case 6:
        return bench_.turn(in_.below(2));
      case 7:
        for (unsigned i = in_.below(4); i > 0; --i) bench_.delay.work();
        for (unsigned i = in_.below(4); i > 0; --i) bench_.delay.arrive(in_.below(2));
        return;
      case 8:
        return bench_.settle();
      case 9:
        return c->subscribe(filter(), options(), in_.below(3));
      case 10:
        return c->unsubscribe(filter());
      case 11:
      case 12:
        return publish(*c);
      case 13:
        for (auto& p : c->arrived()) keep(*c, p);
        return;
      case 14:
        return acknowledge(*c, n);
      default:
        c->reads = !c->reads;
    }
  }

  void come(std::unique_ptr<Client>& c, std::size_t n) {
    static constexpr Version versions[] = {Version::v31, Version::v311, Version::v5};
    Version v = versions[in_.below(3)];
    ConnectOptions o;
    std::uint8_t flags = in_.byte();
    o.clean = flags & 1;
    o.expiry = flags & 2 ? 5 : 0;
    o.receive_maximum = flags & 4 ? 1 + in_.below(4) : 0;
    o.packet_maximum = flags & 8 ? 20 + in_.below(40) : 0;
    o.alias_maximum = flags & 16 ? 2 : 0;
    if (flags & 32) o.will = {std::string(topic()), "will", in_.below(3), (flags & 64) != 0, in_.below(3)};
    // An id of its own or that of its neighbour, whom it takes over then; at its place, whoever was there goes.
    std::string id = "c" + std::to_string((n + (flags >> 7)) % kClients);
    c.reset();
    c = std::make_unique<Client>(bench_, id, v, in_.below(2));
    c->connect(o);
  }

  void publish(Client& c) {
    PublishOptions o;
    o.qos = in_.below(3);
    o.id = o.qos ? 1 + in_.below(5) : 0;
    std::uint8_t flags = in_.byte();
    o.retain = flags & 1;
    o.dup = o.qos && flags & 2;
    o.expiry = flags & 4 ? in_.below(3) : -1;
    std::string packet = publish_packet(c.version, topic(), flags & 8 ? "" : std::string(flags, 'p'), o);
    if (flags & 16 && packet.size() > 2) packet[1 + in_.byte() % (packet.size() - 1)] ^= static_cast<char>(in_.byte());
    if (flags & 16 && c.channel.state() != channel::Channel::State::up) return;
    c.send(packet);
  }

  void keep(Client& c, const Packet& p) {
    if (p.type == PacketType::publish && p.qos == 0) return;
    if (in_.below(4) > 0) c.answer(p);
  }
  void acknowledge(Client& c, std::size_t) {
    static constexpr PacketType types[] = {PacketType::puback, PacketType::pubrec, PacketType::pubrel,
                                           PacketType::pubcomp};
    Reason r = c.version == Version::v5 && in_.below(4) == 0 ? Reason::unspecified_error : Reason::success;
    PacketType type = types[in_.below(4)];
    if (type == PacketType::pubrel || type == PacketType::pubcomp) r = Reason::success;
    c.ack(type, 1 + in_.below(6), r);
  }

  std::string_view topic() { return kTopics[in_.below(kTopics.size())]; }
  std::string_view filter() { return kFilters[in_.below(kFilters.size())]; }
  model::SubscribeOptions options() {
    model::SubscribeOptions o;
    std::uint8_t b = in_.byte();
    o.qos = b % 3;
    o.retain_handling = (b >> 2) % 3;
    o.retain_as_published = b & 0x10;
    o.no_local = (b & 0x60) == 0x60;
    return o;
  }

  void finish() {
    for (auto& c : clients_)
      if (c) c->reads = true, c->arrived();
    bench_.settle();
    for (auto& c : clients_) {
      if (c) c->arrived();
      c.reset();
    }
    bench_.settle();
    for (std::size_t i = 0; i < kClients; ++i) {  // a clean start without expiry ends the session
      Client last(bench_, "c" + std::to_string(i));
      last.connect();
      if (last.take() != Words{"CONNACK 00"}) std::abort();
      last.disconnect();
      bench_.settle();
    }
    bench_.settle();
    if (bench_.sessions.count() != 0 || bench_.logs.count() != 0 || bench_.node.index.nodes() != 0) std::abort();
  }

  Input& in_;
  Bench bench_;
  std::array<std::unique_ptr<Client>, kClients> clients_;
};

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  spdlog::set_level(spdlog::level::off);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 2000) return 0;
  Input in(data, size);
  World(in).run();
  return 0;
}
