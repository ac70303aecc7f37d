// SPDX-License-Identifier: MIT
// Messages to the client: window, queue, bounds, aliases, the shared payload.
#include "channel/tests/recorder.h"

namespace sb::channel::test {
namespace {

using mqtt::PropertyWriter;

TEST(PublishOut, EachQosAndItsHandshake) {
  for (Version v : kVersions) {
    Bench t(v);
    t.up();
    EXPECT_EQ(t.deliver("a", "0", 0), Delivered::sent);
    EXPECT_EQ(t.deliver("a", "1", 1, true), Delivered::sent);
    EXPECT_EQ(t.deliver("a", "2", 2), Delivered::sent);
    EXPECT_EQ(t.sent(), "PUBLISH a 0 q0; PUBLISH a 1 q1 #1 retain; PUBLISH a 2 q2 #2");
    EXPECT_EQ(t.in(puback(1)), "delivered 1");
    EXPECT_EQ(t.in(pubrec(2)), "release_outbound 2 → PUBREL 2");
    EXPECT_EQ(t.in(pubrec(2)), "→ PUBREL 2") << "a repeat";
    EXPECT_EQ(t.in(pubcomp(2)), "delivered 2");
    EXPECT_TRUE(t.channel->session().window.empty());
    EXPECT_EQ(t.host.counters.publishes_sent.get(), 3u);
    EXPECT_EQ(t.host.counters.payload_sent.get(), 3u);
  }
}

TEST(PublishOut, AcknowledgementsThatDoNotFit) {
  const std::string error = "closed with_will; close";
  const struct {
    const char* what;
    std::uint8_t qos;
    std::string bytes, v3, v5;
  } rows[] = {
      {"PUBACK of an unknown id", 1, puback(9), "", ""},
      {"PUBCOMP of an unknown id", 2, pubcomp(9), "", ""},
      {"PUBREC of an unknown id", 2, pubrec(9), "→ PUBREL 9", "→ PUBREL 9 [packet identifier not found]"},
      {"PUBREL of an unknown id", 2, pubrel(9), "→ PUBCOMP 9", "→ PUBCOMP 9 [packet identifier not found]"},
      {"PUBACK for QoS 2", 2, puback(1), error, error + " → DISCONNECT [protocol error] why=protocol error"},
      {"PUBREC for QoS 1", 1, pubrec(1), error, error + " → DISCONNECT [protocol error] why=protocol error"},
      {"PUBCOMP before PUBREC", 2, pubcomp(1), error, error + " → DISCONNECT [protocol error] why=protocol error"},
      {"PUBCOMP for QoS 1", 1, pubcomp(1), error, error + " → DISCONNECT [protocol error] why=protocol error"},
      {"id 0", 1, std::string("\x40\x02\x00\x00", 4), error,
       error + " → DISCONNECT [malformed packet] why=malformed packet"},
  };
  for (Version v : kVersions)
    for (const auto& row : rows) {
      Bench t(v);
      t.up();
      t.deliver("a", "x", row.qos);
      t.sent();
      EXPECT_EQ(t.in(row.bytes), v == Version::v5 ? row.v5 : row.v3) << row.what;
    }
}

TEST(PublishOut, ARefusalOfTheClientEndsTheDelivery) {
  Bench t;
  t.up();
  t.deliver("a", "1", 1);
  t.deliver("a", "2", 2);
  t.sent();
  EXPECT_EQ(t.in(ack(PacketType::puback, 1, Reason::quota_exceeded)), "delivered 1");
  EXPECT_EQ(t.in(ack(PacketType::pubrec, 2, Reason::not_authorized)), "delivered 2") << "no PUBREL [MQTT-4.3.3-4]";
  EXPECT_TRUE(t.channel->session().window.empty());
}

TEST(PublishOut, PubrecThatTheStoreIsToKeep) {
  for (Version v : kVersions) {
    Bench t(v);
    t.up();
    t.deliver("a", "x", 2);
    t.sent();
    t.host.hold_outbound = true;
    EXPECT_EQ(t.in(pubrec(1)), "release_outbound 1");
    EXPECT_EQ(t.in(pubrec(1)), "") << "a repeat waits for the same answer";
    t.channel->outbound_released(7);  // of nothing
    EXPECT_EQ(t.sent(), "");
    t.channel->outbound_released(1);
    EXPECT_EQ(t.sent(), "PUBREL 1");
    EXPECT_EQ(t.in(pubcomp(1)), "delivered 1");
    Bench early(v);
    early.up();
    early.deliver("a", "x", 2);
    early.host.hold_outbound = true;
    early.feed(pubrec(1));
    early.took();
    EXPECT_TRUE(early.in(pubcomp(1)).starts_with("closed with_will; close")) << "PUBCOMP before PUBREL";
    early.sent();
    early.channel->outbound_released(1);
    EXPECT_EQ(early.sent(), "") << "it is over";
  }
}

// ---------------------------------------------------------------- window and queue

TEST(PublishOut, WhatDoesNotFitTheWindowWaitsInOrder) {
  for (Version v : kVersions) {
    ChannelConfig config;
    config.limits.inflight = 2;
    Bench t(v, config);
    t.up();
    EXPECT_EQ(t.deliver("a", "1", 1), Delivered::sent);
    EXPECT_EQ(t.deliver("a", "2", 2), Delivered::sent);
    EXPECT_FALSE(t.channel->has_room());
    EXPECT_EQ(t.deliver("a", "3", 1, true), Delivered::queued);
    EXPECT_EQ(t.deliver("a", "4", 2), Delivered::queued);
    EXPECT_EQ(t.deliver("a", "0", 0), Delivered::sent) << "QoS 0 needs no window";
    EXPECT_EQ(t.sent(), "PUBLISH a 1 q1 #1; PUBLISH a 2 q2 #2; PUBLISH a 0 q0");
    EXPECT_EQ(t.in(puback(1)), "delivered 1 → PUBLISH a 3 q1 #3 retain");
    EXPECT_EQ(t.in(pubrec(2)), "release_outbound 2 → PUBREL 2") << "an id is under way until PUBCOMP";
    EXPECT_EQ(t.deliver("a", "5", 1), Delivered::queued);
    EXPECT_EQ(t.in(pubcomp(2)), "delivered 2 → PUBLISH a 4 q2 #4");
    EXPECT_EQ(t.in(puback(3)), "delivered 3 → PUBLISH a 5 q1 #5");
    EXPECT_FALSE(t.channel->session().has_waiting());
    EXPECT_FALSE(t.channel->unhindered());
    t.in(puback(5));
    EXPECT_TRUE(t.channel->unhindered());
  }
}

TEST(PublishOut, TheLowerOfBothWindowsHolds) {
  const struct {
    std::uint16_t broker, client;
    std::uint32_t window;
  } rows[] = {{10, 0, 10}, {10, 3, 3}, {10, 65535, 10}, {1, 3, 1}};
  for (const auto& row : rows) {
    ChannelConfig config;
    config.limits.inflight = row.broker;
    Bench t(Version::v5, config);
    t.up(client_limits(row.client));
    EXPECT_EQ(t.channel->window_maximum(), row.window);
    std::uint32_t sent = 0;
    while (t.deliver("a", "x", 1) == Delivered::sent) ++sent;
    EXPECT_EQ(sent, row.window);
  }
}

TEST(PublishOut, WhatExpiredInTheQueueIsDroppedAndCounted) {
  ChannelConfig config;
  config.limits.inflight = 1;
  Bench t(Version::v5, config);
  t.up();
  WallTime start = t.host.wall;
  t.deliver("a", "1", 1);
  t.deliver("a", "2", 1, false, {}, 0, {}, start + Seconds(10));
  t.deliver("a", "3", 1, false, {}, 0, {}, start + Seconds(60));
  t.sent();
  t.host.wall = start + Millis(20'500);
  EXPECT_EQ(t.in(puback(1)), "delivered 1 → PUBLISH a 3 q1 #2 expires=40");  // [MQTT-3.3.2-6]
  EXPECT_EQ(t.host.counters.dropped_expired.get(), 1u);
}

TEST(PublishOut, TheHostHearsOfEveryRoom) {
  for (Version v : kVersions) {
    Bench t(v);
    t.up();
    t.deliver("a", "x", 1);
    t.deliver("a", "x", 2);
    t.in(puback(9));
    t.in(pubrec(2));
    EXPECT_EQ(t.host.pumps, 0) << "nothing has become free";
    t.in(puback(1));
    EXPECT_EQ(t.host.pumps, 1);
    t.in(pubcomp(2));
    EXPECT_EQ(t.host.pumps, 2);
    t.channel->drained();
    EXPECT_EQ(t.host.pumps, 3);
    t.channel->lost();
    t.channel->drained();
    EXPECT_EQ(t.host.pumps, 3);
  }
}

TEST(PublishOut, MessagesOfGroupsAndDurableSessionsAreKept) {
  for (bool durable : {false, true})
    for (std::uint32_t group : {0u, 17u}) {
      PropertyWriter w;
      if (durable) w.u32(PropertyId::session_expiry_interval, 100);
      Bench t;
      t.up(w.bytes());
      t.deliver("a", "x", 1, false, {}, group);
      session::InFlight* e = t.channel->session().window.find(1);
      ASSERT_NE(e, nullptr);
      EXPECT_EQ(e->group, group);
      EXPECT_EQ(e->message != nullptr, durable || group);
    }
}

// ---------------------------------------------------------------- properties and aliases

TEST(PublishOut, PropertiesReachVersion5Only) {
  PropertyWriter w;
  w.pair("k", "v");
  for (Version v : kVersions) {
    Bench t(v);
    t.up();
    t.deliver("a", "x", 0, false, {}, 0, w.bytes(), t.host.wall + Seconds(9));
    t.deliver("a", "x", 1, false, {300, 2}, 0, w.bytes());
    EXPECT_EQ(t.sent(), v == Version::v5 ? "PUBLISH a x q0 expires=9 k:v; PUBLISH a x q1 #1 sub=300 sub=2 k:v"
                                         : "PUBLISH a x q0; PUBLISH a x q1 #1");
  }
}

TEST(PublishOut, AliasesUpToTheMaximumOfEither) {
  const struct {
    std::uint16_t broker, client;
    int aliases;
  } rows[] = {{2, 10, 2}, {10, 2, 2}, {0, 10, 0}, {10, 0, 0}};
  for (const auto& row : rows) {
    ChannelConfig config;
    config.limits.topic_alias_maximum_out = row.broker;
    Bench t(Version::v5, config);
    t.up(client_limits(0, 0, row.client));
    for (const char* topic : {"a", "b", "c", "a", "b", "c"}) t.deliver(topic, "x", 0);
    EXPECT_EQ(t.sent(), row.aliases ? "PUBLISH a x q0 alias=1; PUBLISH b x q0 alias=2; PUBLISH c x q0; "
                                      "PUBLISH - x q0 alias=1; PUBLISH - x q0 alias=2; PUBLISH c x q0"
                                    : "PUBLISH a x q0; PUBLISH b x q0; PUBLISH c x q0; PUBLISH a x q0; PUBLISH b x q0; "
                                      "PUBLISH c x q0");
  }
}

TEST(PublishOut, AnAliasIsKnownToTheClientOnlyWhenItWasSent) {
  Bench t;
  t.up(client_limits(0, 60, 10));
  EXPECT_EQ(t.deliver("a", std::string(100, 'x'), 0), Delivered::dropped);
  EXPECT_EQ(t.deliver("a", "x", 0), Delivered::sent);
  EXPECT_EQ(t.sent(), "PUBLISH a x q0 alias=1") << "with its topic";
}

// ---------------------------------------------------------------- stored messages

TEST(PublishOut, StoredMessagesTakeIdsOfTheWindow) {
  for (Version v : kVersions) {
    Bench t(v);
    t.up();
    model::MessageView view;
    view.topic = "a";
    view.payload = "x";
    model::MessagePtr m = model::Message::copy(view);
    PropertyWriter gap;
    gap.pair("gap", "3");
    std::uint32_t ids[] = {4};
    session::InFlight e;
    e.state = model::OutboundState::sent_qos1;
    EXPECT_TRUE(t.channel->deliver_stored(m, true, ids, e, gap.bytes()));
    e.state = model::OutboundState::sent_qos2;
    EXPECT_TRUE(t.channel->deliver_stored(m, false, {}, e));
    t.channel->send_in_flight(view, 1, 1, false, true, {});
    t.channel->send_pubrel(2);
    std::string properties = v == Version::v5 ? " sub=4 gap:3" : "";
    EXPECT_EQ(t.sent(),
              "PUBLISH a x q1 #1 retain" + properties + "; PUBLISH a x q2 #2; PUBLISH a x q1 #1 dup; PUBREL 2");
  }
}

TEST(PublishOut, AStoredMessageThatIsTooLargeTakesNoId) {
  Bench t;
  t.up(client_limits(0, 60));
  std::string payload(100, 'x');
  model::MessageView view;
  view.topic = "a";
  view.payload = payload;
  session::InFlight e;
  e.state = model::OutboundState::sent_qos1;
  EXPECT_FALSE(t.channel->deliver_stored(model::Message::copy(view), false, {}, e));
  EXPECT_FALSE(t.channel->send_in_flight(view, 1, 1, false, true, {}));
  EXPECT_EQ(t.sent(), "");
  EXPECT_TRUE(t.channel->session().window.empty());
  EXPECT_EQ(t.host.counters.dropped_too_large.get(), 2u);
}

// ---------------------------------------------------------------- encodings

TEST(PublishOut, OneEncodingForAllOfAClass) {
  Bench a, b, old(Version::v311);
  for (Bench* t : {&a, &b, &old}) t->up();
  b.deliver("other", "x", 1);  // its next packet id is 2
  b.sent();
  model::MessageView m;
  m.topic = "a";
  m.payload = "x";
  m.qos = 1;
  std::string from_publisher = publish(Version::v5, {"a", "x", 1, 0xFFFF});
  Fanout f(m, a.host.wall, a.scratch);
  f.came_as(true, {from_publisher.data(), static_cast<std::uint32_t>(from_publisher.size()), 5});
  for (Bench* t : {&a, &b, &old}) EXPECT_EQ(t->channel->deliver(f, 1, false, {}), Delivered::sent);
  EXPECT_EQ(a.sent(), "PUBLISH a x q1 #1");
  EXPECT_EQ(b.sent(), "PUBLISH a x q1 #2");
  EXPECT_EQ(old.sent(), "PUBLISH a x q1 #1");
  EXPECT_EQ(f.frame(true, 1, false).data, from_publisher.data()) << "sent on as it came";
  EXPECT_NE(f.frame(true, 1, true).data, from_publisher.data());
  EXPECT_EQ(f.frame(false, 1, false).data, f.frame(false, 1, false).data);
}

TEST(PublishOut, LargePayloadsAreSharedSmallOnesCopied) {
  for (Version v : kVersions)
    for (std::size_t n : {std::size_t{16 * 1024 - 1}, std::size_t{16 * 1024}, std::size_t{100'000}})
      for (std::uint8_t qos : {0, 1}) {
        Bench a(v), b(v);
        a.up();
        b.up();
        std::string payload(n, 'p');
        model::MessageView m;
        m.topic = "topic";
        m.payload = payload;
        Fanout f(m, a.host.wall, a.scratch);
        EXPECT_EQ(a.channel->deliver(f, qos, false, {}), Delivered::sent);
        EXPECT_EQ(b.channel->deliver(f, qos, false, {}), Delivered::sent);
        bool shared = n >= 16 * 1024;
        for (Bench* t : {&a, &b}) {
          iovec pieces[4];
          int count = t->channel->out().peek(pieces, 4);
          bool points = count == 2 && pieces[1].iov_base == f.held()->view().payload.data();
          EXPECT_EQ(points, shared) << n;
          EXPECT_EQ(words(v, t->sent_bytes()), fmt::format("PUBLISH topic <{}> q{}{}", n, qos, qos ? " #1" : ""));
        }
      }
}

TEST(PublishOut, ASharedPayloadOutlivesTheTurn) {
  Bench t;
  t.up();
  std::string expected;
  {
    std::string payload(50'000, 'p');
    model::MessageView m;
    m.topic = "t";
    m.payload = payload;
    Fanout f(m, t.host.wall, t.scratch);
    t.channel->deliver(f, 0, false, {});
    expected = publish(Version::v5, {"t", payload});
    payload.assign(payload.size(), '!');
  }
  EXPECT_EQ(t.sent_bytes(), expected);
}

}  // namespace
}  // namespace sb::channel::test
