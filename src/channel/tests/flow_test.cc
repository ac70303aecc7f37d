// SPDX-License-Identifier: MIT
// Slow stores: the order of acknowledgements, Receive Maximum, reading that pauses.
#include "channel/tests/recorder.h"

namespace sb::channel::test {
namespace {

ChannelConfig receive_maximum(std::uint16_t n) {
  ChannelConfig config;
  config.limits.receive_maximum = n;
  return config;
}

TEST(Flow, AcknowledgementsLeaveInTheOrderOfThePublishes) {
  // Whatever the order of the stores' answers [MQTT-4.6.0-2] [MQTT-4.6.0-3].
  const struct {
    std::vector<int> answers;
    std::vector<std::string> sent;  ///< after each answer
  } rows[] = {
      {{0, 1, 2, 3}, {"PUBACK 10", "PUBREC 11", "PUBACK 12", "PUBREC 13"}},
      {{3, 2, 1, 0}, {"", "", "", "PUBACK 10; PUBREC 11; PUBACK 12; PUBREC 13"}},
      {{1, 0, 3, 2}, {"", "PUBACK 10; PUBREC 11", "", "PUBACK 12; PUBREC 13"}},
      {{0, 2, 1, 3}, {"PUBACK 10", "", "PUBREC 11; PUBACK 12", "PUBREC 13"}},
  };
  for (Version v : kVersions)
    for (const auto& row : rows) {
      Bench t(v);
      t.up();
      t.host.hold_routes = true;
      for (std::uint8_t i = 0; i < 4; ++i)
        t.feed(publish(v, {"t", "x", static_cast<std::uint8_t>(1 + i % 2), PacketId(10 + i)}));
      EXPECT_EQ(t.sent(), "");
      ASSERT_EQ(t.host.held_routes.size(), 4u);
      for (std::size_t i = 0; i < 4; ++i) {
        t.answer_route(t.host.held_routes[static_cast<std::size_t>(row.answers[i])]);
        EXPECT_EQ(t.sent(), row.sent[i]) << i;
      }
    }
}

TEST(Flow, OneThatNeedsNoStoreWaitsForThoseBeforeIt) {
  for (Version v : kVersions) {
    Bench t(v);
    t.up();
    t.host.hold_routes = true;
    t.feed(publish(v, {"stored", "x", 1, 1}));
    t.host.hold_routes = false;
    t.feed(publish(v, {"t", "x", 1, 2}));
    t.feed(publish(v, {"t", "x", 2, 3}));
    t.feed(publish(v, {"t", "x"}));  // QoS 0 waits for nothing
    EXPECT_EQ(t.took(),
              "route stored x q1 #1 as-it-came; route t x q1 #2 as-it-came; route t x q2 #3 as-it-came; route t x q0 "
              "as-it-came");
    EXPECT_EQ(t.sent(), "");
    EXPECT_EQ(t.in(pingreq()), "→ PINGRESP");
    t.answer_route(t.host.held_routes.front());
    EXPECT_EQ(t.sent(), "PUBACK 1; PUBACK 2; PUBREC 3");
    EXPECT_EQ(t.in(Pub{"t", "x", 1, 4}), "route t x q1 #4 as-it-came → PUBACK 4") << "nothing is in front any more";
  }
}

TEST(Flow, AStoreThatFailedIsTold) {
  for (Reason r : {Reason::quota_exceeded, Reason::unspecified_error})
    for (Version v : kVersions) {
      std::string why = fmt::format(" [{0}] why={0}", text(r));
      Bench t(v);
      t.up();
      t.host.hold_routes = true;
      t.feed(publish(v, {"t", "x", 1, 1}));
      t.feed(publish(v, {"t", "x", 2, 2}));
      t.feed(publish(v, {"t", "x", 1, 3}));
      t.took();
      t.answer_route(t.host.held_routes[2]);
      t.answer_route(t.host.held_routes[1], r);
      EXPECT_EQ(t.happened(), "");
      t.answer_route(t.host.held_routes[0]);
      // 3.x has no word for it, and an acknowledgement means safe: the connection ends instead.
      EXPECT_EQ(t.happened(),
                v == Version::v5 ? "→ PUBACK 1; PUBREC 2" + why + "; PUBACK 3" : "closed with_will; close → PUBACK 1");
      if (v == Version::v5) {
        EXPECT_FALSE(t.channel->session().inbound_has(2)) << "the exchange is over, the id is free";
      } else {
        ASSERT_NE(t.host.kept, nullptr);
        EXPECT_FALSE(t.host.kept->inbound_has(2)) << "the client sends it again";
      }
    }
}

TEST(Flow, AnswersThatBelongToNothing) {
  Bench t;
  t.up();
  t.channel->routed(1, Reason::success);
  t.host.hold_routes = true;
  t.feed(publish(Version::v5, {"t", "x", 1, 1}));
  std::uint64_t seq = t.host.held_routes.front();
  t.answer_route(seq + 1);
  t.answer_route(seq - 1);
  EXPECT_EQ(t.sent(), "");
  t.answer_route(seq);
  t.answer_route(seq);  // twice
  EXPECT_EQ(t.sent(), "PUBACK 1");
  t.feed(publish(Version::v5, {"t", "x", 1, 2}));
  t.channel->lost();
  t.answer_route(t.host.held_routes.back());  // after the end
  EXPECT_EQ(t.sent(), "");
}

TEST(Flow, SentAgainWhileTheStoreIsSlow) {
  for (Version v : kVersions) {
    Bench t(v);
    t.up();
    t.host.hold_routes = true;
    t.feed(publish(v, {"t", "x", 2, 5}));
    t.feed(publish(v, {"t", "x", 2, 5, false, true}));
    EXPECT_EQ(t.took(), "route t x q2 #5 as-it-came") << "once [MQTT-4.3.3-10]";
    EXPECT_EQ(t.sent(), "") << "not before it is safe";
    t.answer_route(t.host.held_routes.front());
    EXPECT_EQ(t.sent(), "PUBREC 5");
  }
}

TEST(Flow, PubrelThatTakesTime) {
  for (Version v : kVersions) {
    Bench t(v);
    t.up();
    t.in(Pub{"t", "x", 2, 5});
    t.host.hold_inbound = true;
    EXPECT_EQ(t.in(pubrel(5)), "release_inbound 5");
    EXPECT_TRUE(t.channel->session().inbound_has(5)) << "still known until the store has forgotten it";
    t.channel->inbound_released(5);
    EXPECT_EQ(t.sent(), "PUBCOMP 5");
    EXPECT_FALSE(t.channel->session().inbound_has(5));
    t.in(Pub{"t", "x", 2, 6});
    t.in(pubrel(6));
    t.channel->lost();
    t.channel->inbound_released(6);
    EXPECT_EQ(t.sent(), "");
  }
}

// ---------------------------------------------------------------- Receive Maximum

TEST(Flow, MoreThanTheReceiveMaximumEndsAVersion5Connection) {
  // Counted: QoS 1 until PUBACK, QoS 2 until PUBCOMP, whether the store has answered or not [MQTT-3.3.4-9].
  for (bool slow : {false, true})
    for (std::uint8_t qos : {1, 2}) {
      if (qos == 1 && !slow) continue;  // acknowledged at once
      Bench t(Version::v5, receive_maximum(3));
      t.up();
      t.host.hold_routes = slow;
      for (PacketId id = 1; id <= 3; ++id) t.feed(publish(Version::v5, {"t", "x", qos, id}));
      EXPECT_TRUE(t.channel->up()) << "slow " << slow << " QoS " << +qos;
      t.took();
      t.sent();
      t.feed(publish(Version::v5, {"t", "x", 0, 0}));  // QoS 0 does not count
      EXPECT_EQ(t.took(), "route t x q0 as-it-came");
      EXPECT_EQ(t.in(Pub{"t", "x", qos, 4}),
                "closed with_will; close → DISCONNECT [receive maximum exceeded] why=receive maximum exceeded");
    }
}

TEST(Flow, MixedQosCountTogether) {
  Bench t(Version::v5, receive_maximum(4));
  t.up();
  t.host.hold_routes = true;
  for (PacketId id = 1; id <= 4; ++id)
    t.feed(publish(Version::v5, {"t", "x", static_cast<std::uint8_t>(1 + id % 2), id}));
  EXPECT_TRUE(t.channel->up());
  t.answer_route(t.host.held_routes[0]);  // id 1, QoS 2: PUBREC does not free it
  t.answer_route(t.host.held_routes[1]);  // id 2, QoS 1: PUBACK does
  EXPECT_EQ(t.sent(), "PUBREC 1; PUBACK 2");
  t.feed(publish(Version::v5, {"t", "x", 1, 5}));
  EXPECT_TRUE(t.channel->up());
  t.feed(publish(Version::v5, {"t", "x", 1, 6}));
  EXPECT_FALSE(t.channel->up());
}

TEST(Flow, TheQuotaComesBack) {
  Bench t(Version::v5, receive_maximum(2));
  t.up();
  for (PacketId id = 1; id <= 50; ++id) {
    t.feed(publish(Version::v5, {"t", "x", 2, id}));
    if (id > 1) t.feed(pubrel(static_cast<PacketId>(id - 1)));
  }
  t.host.route_reason = Reason::quota_exceeded;  // refused with PUBREC: free at once
  for (PacketId id = 51; id <= 60; ++id) t.feed(publish(Version::v5, {"t", "x", 2, id}));
  EXPECT_TRUE(t.channel->up());
}

TEST(Flow, ThePublishesOfVersion3JustWait) {
  for (Version v : {Version::v31, Version::v311}) {
    Bench t(v, receive_maximum(2));
    t.up();
    t.host.hold_routes = true;
    std::string bytes;
    for (PacketId id = 1; id <= 5; ++id) bytes += publish(v, {"t", "x", 1, id});
    EXPECT_EQ(t.in(bytes), "route t x q1 #1 as-it-came; route t x q1 #2 as-it-came");
    EXPECT_TRUE(t.channel->input_waits());
    for (int i = 0; i < 3; ++i) {
      std::uint64_t seq = t.host.held_routes.front();
      t.host.held_routes.pop_front();
      t.answer_route(seq);
      EXPECT_EQ(t.happened(), fmt::format("route t x q1 #{} as-it-came → PUBACK {}", i + 3, i + 1));
    }
    EXPECT_FALSE(t.channel->input_waits());
    EXPECT_TRUE(t.pending.empty());
  }
}

TEST(Flow, TooManyOpenQos2ExchangesEndAVersion3Connection) {
  for (Version v : {Version::v31, Version::v311}) {
    Bench t(v, receive_maximum(2));
    t.up();
    t.in(Pub{"t", "x", 2, 1});
    t.in(Pub{"t", "x", 2, 2});
    EXPECT_EQ(t.in(Pub{"t", "x", 2, 3}), "closed with_will; close");
  }
}

// ---------------------------------------------------------------- a client that does not read

TEST(Flow, RequestsWaitWhileTheOutputIsFull) {
  for (Version v : kVersions) {
    ChannelConfig config;
    config.limits.output_bytes = 100;
    Bench t(v, config);
    t.up();
    std::string pings;
    for (int i = 0; i < 200; ++i) pings += pingreq();
    t.feed(pings);
    EXPECT_EQ(t.channel->out().size(), 102u) << "the bound and the answer that went above it";
    EXPECT_TRUE(t.channel->input_waits());
    std::size_t left = t.pending.size();
    EXPECT_EQ(left, 400u - 102u);
    t.sent_bytes();
    t.channel->drained();
    t.feed({});
    EXPECT_EQ(t.pending.size(), left - 102u);
  }
}

TEST(Flow, OneFlushIsAskedForUntilTheOutputIsWritten) {
  Bench t;
  t.up();
  int before = t.transport.flushes;
  t.feed(pingreq() + pingreq() + pingreq());
  EXPECT_EQ(t.transport.flushes, before + 1);
  t.sent_bytes();
  t.feed(pingreq());
  EXPECT_EQ(t.transport.flushes, before + 2);
}

// ---------------------------------------------------------------- limits.publish_rate, limits.publish_bytes

struct RateRow {
  std::uint32_t messages;
  std::uint64_t bytes;
};

TEST(PublishRate, WhoSendsMoreIsReadMoreSlowly) {
  for (auto [messages, bytes] : {RateRow{10, 0}, RateRow{0, 10 * 8}})  // a packet has 8 bytes
    for (Version v : kVersions) {
      ChannelConfig config;
      config.limits.publish_rate = messages;
      config.limits.publish_bytes = bytes;
      Bench t(v, config);
      t.up();
      std::string all;
      for (int i = 0; i < 100; ++i) all += publish(v, {.topic = "t", .payload = v == Version::v5 ? "xx" : "xxx"});
      auto routed = [&] {
        auto calls = t.took();
        return std::count(calls.begin(), calls.end(), ';') + !calls.empty();
      };
      t.feed(all);
      EXPECT_EQ(routed(), 10) << "a second's worth at once";
      EXPECT_TRUE(t.channel->input_waits());
      EXPECT_EQ(t.host.counters.limited_publish.get(), 1u);
      long got = 10;
      for (int i = 0; i < 50; ++i) {
        t.host.now = t.channel->deadline();
        t.channel->on_deadline();
        t.feed({});
        got += routed();
      }
      EXPECT_EQ(got, 60) << "then one every tenth of a second";
      EXPECT_NEAR(static_cast<double>((t.host.now - MonoTime(Seconds(1000))).count()), 5000, 100);
      EXPECT_EQ(t.host.counters.limited_publish.get(), 51u);
      EXPECT_TRUE(t.channel->up());
    }
}

TEST(PublishRate, KeepAliveDoesNotEndAClientThatWeDoNotRead) {
  ChannelConfig config;
  config.limits.publish_bytes = 10;
  Bench t(Version::v5, config);
  auto out = t.connect_out();
  out.keep_alive = 1;
  t.feed(t.connect(out));
  t.feed(publish(Version::v5, {.topic = "t", .payload = std::string(100, 'x')}) + publish(Version::v5, {.topic = "t"}));
  EXPECT_TRUE(t.channel->input_waits());
  for (int i = 0; i < 5; ++i) {
    t.host.now += Millis(1600);
    t.channel->on_deadline();
    EXPECT_TRUE(t.channel->up());
  }
}

}  // namespace
}  // namespace sb::channel::test
