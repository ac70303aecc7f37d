// SPDX-License-Identifier: MIT
// Bounds on the way to the client: each drop is counted with its reason.
#include "channel/tests/recorder.h"

namespace sb::channel::test {
namespace {

TEST(DeliveryBounds, AFullQueueDropsAndCounts) {
  for (bool drop_oldest : {false, true}) {
    ChannelConfig config;
    config.limits.inflight = 1;
    config.limits.queued_messages = 2;
    config.limits.drop_oldest = drop_oldest;
    Bench t(Version::v5, config);
    t.up();
    EXPECT_EQ(t.deliver("a", "1", 1), Delivered::sent);
    EXPECT_EQ(t.deliver("a", "2", 1), Delivered::queued);
    EXPECT_EQ(t.deliver("a", "3", 1), Delivered::queued);
    EXPECT_EQ(t.host.counters.dropped_queue_full.get(), 0u);
    EXPECT_EQ(t.deliver("a", "4", 1), drop_oldest ? Delivered::queued : Delivered::dropped);
    EXPECT_EQ(t.host.counters.dropped_queue_full.get(), 1u);
    t.sent();
    EXPECT_EQ(t.in(puback(1)), fmt::format("delivered 1 → PUBLISH a {} q1 #2", drop_oldest ? 3 : 2));
    EXPECT_EQ(t.in(puback(2)), fmt::format("delivered 2 → PUBLISH a {} q1 #3", drop_oldest ? 4 : 3));
  }
}

TEST(DeliveryBounds, EveryMessageThatALargeOnePushesOutIsCounted) {
  ChannelConfig config;
  config.limits.inflight = 1;
  config.limits.queued_bytes = 10 * (sizeof(model::Message) + 2);
  config.limits.drop_oldest = true;
  Bench t(Version::v5, config);
  t.up();
  t.deliver("a", "x", 1);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(t.deliver("a", "x", 1), Delivered::queued);
  EXPECT_EQ(t.deliver("a", std::string(4 * sizeof(model::Message), 'x'), 1), Delivered::queued);
  EXPECT_EQ(t.channel->session().queue().size() + t.host.counters.dropped_queue_full.get(), 11u);
  EXPECT_GT(t.host.counters.dropped_queue_full.get(), 1u);
}

TEST(DeliveryBounds, AFullOutputDropsQos0AndQueuesTheRest) {
  for (Version v : kVersions) {
    ChannelConfig config;
    config.limits.output_bytes = 1000;
    Bench t(v, config);
    t.up();
    int sent = 0;
    while (t.deliver("a", std::string(100, 'x'), 0) == Delivered::sent) ++sent;
    EXPECT_EQ(sent, 10);  // the one that goes above the bound is the last
    EXPECT_EQ(t.host.counters.dropped_output_full.get(), 1u);
    EXPECT_EQ(t.deliver("a", "q1", 1), Delivered::queued);
    EXPECT_EQ(t.deliver("a", "q2", 2), Delivered::queued);
    EXPECT_EQ(t.host.counters.dropped_queue_full.get(), 0u);
    t.sent();
    EXPECT_TRUE(t.channel->has_room());
    EXPECT_FALSE(t.channel->unhindered());
    EXPECT_EQ(t.deliver("a", "q3", 1), Delivered::queued) << "those that wait come first";
    t.channel->drained();
    EXPECT_EQ(t.sent(), "PUBLISH a q1 q1 #1; PUBLISH a q2 q2 #2; PUBLISH a q3 q1 #3");
    EXPECT_EQ(t.deliver("a", "x", 0), Delivered::sent);
  }
}

TEST(DeliveryBounds, WhatIsUnderWayIsBoundedInBytesWhereItIsKept) {
  ChannelConfig config;
  config.limits.queued_bytes = 10'000;
  Bench t(Version::v5, config);
  t.up();
  int sent = 0;
  while (t.deliver("a", std::string(1000, 'x'), 1, false, {}, 7) == Delivered::sent) ++sent;  // of a shared group
  EXPECT_EQ(sent, 10) << "the one that goes above the bound is the last";
  EXPECT_EQ(t.channel->session().queue().size(), 1u);
  t.sent();
  t.in(puback(1));
  EXPECT_EQ(t.channel->session().queue().size(), 0u);
}

TEST(DeliveryBounds, WithoutMemoryNothingMoreWaits) {
  ChannelConfig config;
  config.limits.inflight = 1;
  Bench t(Version::v5, config);
  t.up();
  EXPECT_EQ(t.deliver("a", "1", 1), Delivered::sent);
  EXPECT_EQ(t.deliver("a", "2", 1), Delivered::queued);
  t.host.memory_full = true;
  EXPECT_EQ(t.deliver("a", "3", 1), Delivered::dropped);
  EXPECT_EQ(t.deliver("a", "4", 0), Delivered::sent) << "it is not behind";
  t.channel->set_stuck(true);
  EXPECT_EQ(t.deliver("a", "5", 0), Delivered::dropped);
  EXPECT_EQ(t.host.counters.dropped_memory.get(), 2u);
  EXPECT_FALSE(t.channel->has_room());
  t.channel->set_stuck(false);
  t.host.memory_full = false;
  EXPECT_EQ(t.deliver("a", "6", 0), Delivered::sent);
  EXPECT_EQ(t.deliver("a", "7", 1), Delivered::queued);
}

TEST(DeliveryBounds, WithoutMemoryOneIsKeptAtATime) {
  Bench t;
  t.up();
  t.host.memory_full = true;
  EXPECT_EQ(t.deliver("a", "1", 1), Delivered::sent);
  EXPECT_EQ(t.deliver("a", "2", 1), Delivered::sent) << "nothing is kept for a volatile session";
  EXPECT_EQ(t.deliver("a", "3", 1, false, {}, 7), Delivered::sent);
  EXPECT_EQ(t.deliver("a", "4", 1, false, {}, 7), Delivered::dropped) << "a message of a shared group is";
  t.sent();
  t.in(puback(3));
  EXPECT_EQ(t.deliver("a", "5", 1, false, {}, 7), Delivered::sent);
}

TEST(DeliveryBounds, TooLargeForTheClient) {
  // With QoS 0, one topic byte and no properties: 2 + 2 + 1 + 1 + payload.
  for (std::uint8_t qos : {0, 1, 2})
    for (bool with_ids : {false, true}) {
      Bench t;
      t.up(client_limits(0, 60));
      std::vector<std::uint32_t> ids;
      if (with_ids) ids = {5};
      std::size_t fits = 60 - 6 - (qos ? 2 : 0) - (with_ids ? 2 : 0);
      EXPECT_EQ(t.deliver("a", std::string(fits, 'x'), qos, false, ids), Delivered::sent);
      EXPECT_EQ(t.peek().size(), 60u);
      t.sent();
      std::uint32_t before = t.channel->session().window.count();
      EXPECT_EQ(t.deliver("a", std::string(fits + 1, 'x'), qos, false, ids), Delivered::dropped);
      EXPECT_EQ(t.sent(), "") << "[MQTT-3.1.2-24]";
      EXPECT_EQ(t.host.counters.dropped_too_large.get(), 1u);
      EXPECT_EQ(t.channel->session().window.count(), before) << "no packet id for what is not sent";
    }
}

TEST(DeliveryBounds, AnAliasNeverMakesAMessageTooLarge) {
  for (std::uint8_t qos : {0, 1, 2}) {
    Bench t;
    t.up(client_limits(0, 60, 10));
    std::size_t fits = 60 - 6 - (qos ? 2 : 0);
    for (std::size_t n = fits - 4; n <= fits; ++n) {
      std::string topic(1, static_cast<char>('a' + n - (fits - 4)));
      for (int again = 0; again < 2; ++again) {
        EXPECT_EQ(t.deliver(topic, std::string(n, 'x'), qos), Delivered::sent) << n << " QoS " << +qos;
        EXPECT_LE(t.peek().size(), 60u);
        EXPECT_FALSE(t.sent().empty()) << n;
      }
    }
    EXPECT_EQ(t.host.counters.dropped_too_large.get(), 0u);
    EXPECT_EQ(t.deliver("z", std::string(fits + 1, 'x'), qos), Delivered::dropped);
    EXPECT_EQ(t.sent(), "");
    EXPECT_EQ(t.channel->session().window.count(), qos ? 10u : 0u);
  }
}

TEST(DeliveryBounds, AnAliasMayMakeAMessageFit) {
  for (std::uint8_t qos : {0, 1, 2}) {
    Bench t;
    t.up(client_limits(0, 60, 10));
    std::string topic(30, 't');
    EXPECT_EQ(t.deliver(topic, "x", qos), Delivered::sent);
    EXPECT_EQ(t.deliver(topic, std::string(40, 'x'), qos), Delivered::sent);
    EXPECT_EQ(t.deliver("u" + topic, std::string(40, 'x'), qos), Delivered::dropped) << "not known yet";
    EXPECT_EQ(t.sent(), fmt::format("PUBLISH {} x q{}{} alias=1; PUBLISH - {} q{}{} alias=1", topic, qos,
                                    qos ? " #1" : "", std::string(40, 'x'), qos, qos ? " #2" : ""));
  }
}

TEST(DeliveryBounds, TooLargeInTheQueueIsDroppedThere) {
  ChannelConfig config;
  config.limits.inflight = 1;
  Bench t(Version::v5, config);
  t.up(client_limits(0, 60));
  t.deliver("a", "1", 1);
  EXPECT_EQ(t.deliver("a", std::string(100, 'x'), 1), Delivered::queued);
  EXPECT_EQ(t.deliver("a", "3", 1), Delivered::queued);
  t.sent();
  EXPECT_EQ(t.in(puback(1)), "delivered 1 → PUBLISH a 3 q1 #2");
  EXPECT_EQ(t.host.counters.dropped_too_large.get(), 1u);
}

TEST(DeliveryBounds, NothingIsDeliveredBeforeConnackAndAfterTheEnd) {
  Bench t;
  EXPECT_EQ(t.deliver("a", "x", 0), Delivered::dropped);
  EXPECT_EQ(t.deliver("a", "x", 1), Delivered::dropped);
  t.up();
  t.channel->lost();
  EXPECT_EQ(t.deliver("a", "x", 1), Delivered::dropped);
  EXPECT_EQ(t.sent(), "");
}

}  // namespace
}  // namespace sb::channel::test
