// SPDX-License-Identifier: MIT
// A steady flow allocates nothing.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "client/tests/recorder.h"

namespace {
std::size_t allocations = 0;
}

void* operator new(std::size_t n) {
  ++allocations;
  if (void* p = std::malloc(n ? n : 1)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace sb::client {
namespace {

/// A peer that acknowledges everything, and an application that counts.
struct Quiet final : Handler, Link {
  void on_message(const mqtt::Publish&) override { ++messages; }
  void on_published(std::uint64_t, mqtt::Reason, std::string_view) override { ++published; }
  void on_output() override {}
  void on_up() override {}
  void on_stop(const Stop&) override { stopped = true; }
  int messages = 0, published = 0;
  bool stopped = false;
};

void drain(OutBuffer& out) { out.consume(out.size()); }

TEST(Allocation, NoneInASteadyFlow) {
  Options options;
  Quiet app;
  OutBuffer out;
  Engine engine(options, "c", app, app, out);
  engine.opened();
  engine.received(connack_of(mqtt::Version::v5, false, 0));
  const std::string payload(100, 'p');
  const std::string in0 = publish_of(mqtt::Version::v5, {.topic = "t", .payload = payload}, 0),
                    in1 = publish_of(mqtt::Version::v5, {.topic = "t", .payload = payload, .qos = 1}, 5),
                    in2 = publish_of(mqtt::Version::v5, {.topic = "t", .payload = payload, .qos = 2}, 6),
                    release = ack_of(mqtt::PacketType::pubrel, 6), puback = ack_of(mqtt::PacketType::puback, 1),
                    pubrec = ack_of(mqtt::PacketType::pubrec, 1), pubcomp = ack_of(mqtt::PacketType::pubcomp, 1);
  auto round = [&] {
    ASSERT_FALSE(engine.publish({.topic = "t", .payload = payload}));
    ASSERT_FALSE(engine.publish({.topic = "t", .payload = payload, .qos = 1}));
    engine.received(puback);
    ASSERT_FALSE(engine.publish({.topic = "t", .payload = payload, .qos = 2}));
    engine.received(pubrec);
    engine.received(pubcomp);
    engine.received(in0);
    engine.received(in1);
    engine.received(in2);
    engine.received(release);
    drain(out);
  };
  for (int i = 0; i < 10; ++i) round();
  std::size_t before = allocations;
  for (int i = 0; i < 1000; ++i) round();
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(app.published, 2 * 1010);
  EXPECT_EQ(app.messages, 3 * 1010);
  EXPECT_FALSE(app.stopped);
}

}  // namespace
}  // namespace sb::client
