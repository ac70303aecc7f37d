// SPDX-License-Identifier: MIT
// How connections end, and what becomes of the will and the session.
#include "channel/tests/recorder.h"

namespace sb::channel::test {
namespace {

using mqtt::PropertyWriter;

/// A connection that is up, with a will on "will".
struct WithWill : Bench {
  explicit WithWill(Version v, ChannelConfig c = {}, std::uint16_t keep_alive = 0,
                    std::string_view will_properties = {}, std::string_view properties = {})
      : Bench(v, std::move(c)) {
    auto out = connect_out();
    out.will = mqtt::ConnectOut::Will{"will", "gone", will_properties, 1, true};
    out.keep_alive = keep_alive;
    out.properties = properties;
    feed(connect(out));
    EXPECT_TRUE(channel->up());
    calls.clear();
    sent_bytes();
  }
};

TEST(Ending, EveryWay) {
  for (Version v : kVersions) {
    auto says = [&](Reason r) {
      return v == Version::v5 ? fmt::format(" → DISCONNECT [{0}] why={0}", text(r)) : std::string();
    };
    const std::string with_will = "closed with_will will=will; close";
    const struct {
      const char* what;
      std::function<void(WithWill&)> act;
      std::string happened;
      bool v5_only;
    } rows[] = {
        {"DISCONNECT", [&](auto& t) { t.feed(disconnect(v)); }, "closed disconnected will=will; close", false},
        {"DISCONNECT with will", [&](auto& t) { t.feed(disconnect(v, Reason::disconnect_with_will)); }, with_will,
         true},
        {"DISCONNECT with an error", [&](auto& t) { t.feed(disconnect(v, Reason::unspecified_error)); }, with_will,
         true},
        {"lost", [&](auto& t) { t.channel->lost(); }, with_will, false},
        {"protocol error", [&](auto& t) { t.feed(std::string("\xD0\x00", 2)); },
         with_will + says(Reason::protocol_error), false},
        {"malformed", [&](auto& t) { t.feed("\xC0\xFF\xFF\xFF\xFF"); }, with_will + says(Reason::malformed_packet),
         false},
        {"malformed DISCONNECT", [&](auto& t) { t.feed(std::string("\xE1\x00", 2)); },
         with_will + says(Reason::malformed_packet), false},
        {"taken over", [&](auto& t) { t.channel->shut_down(Reason::session_taken_over, Ending::taken_over); },
         "closed taken_over will=will; close" + says(Reason::session_taken_over), false},
        {"shut down", [&](auto& t) { t.channel->shut_down(Reason::server_shutting_down); },
         with_will + says(Reason::server_shutting_down), false},
        {"by hand", [&](auto& t) { t.channel->shut_down(Reason::administrative_action, Ending::disconnected); },
         "closed disconnected will=will; close" + says(Reason::administrative_action), false},
    };
    for (const auto& row : rows) {
      if (row.v5_only && v != Version::v5) continue;
      WithWill t(v);
      row.act(t);
      EXPECT_EQ(t.happened(), row.happened) << row.what;
      EXPECT_EQ(t.channel->state(), Channel::State::closed);
      EXPECT_EQ(t.channel->deadline(), kNever);
      // It ends once, whatever comes then.
      t.channel->lost();
      t.channel->shut_down(Reason::server_busy);
      t.channel->on_deadline();
      t.channel->drained();
      EXPECT_EQ(t.in(pingreq()), "") << row.what;
      EXPECT_NE(t.host.kept, nullptr) << "the session goes back to the host";
    }
  }
}

TEST(Ending, WhatStoodBeforeADisconnectIsHandledAndNothingBehindIt) {
  for (Version v : kVersions) {
    WithWill t(v);
    EXPECT_EQ(t.in(publish(v, {"a", "1", 1, 1}) + disconnect(v) + publish(v, {"a", "2", 1, 2})),
              "route a 1 q1 #1 as-it-came; closed disconnected will=will; close → PUBACK 1");
    EXPECT_TRUE(t.pending.empty());
  }
}

TEST(Ending, ALostConnectionWritesNothingMore) {
  WithWill t(Version::v5);
  t.deliver("a", "x", 1);
  t.channel->lost();
  EXPECT_EQ(t.sent(), "");
}

TEST(Ending, TheWillAsTheHostGetsIt) {
  PropertyWriter w;
  w.u32(PropertyId::will_delay_interval, 30).u32(PropertyId::message_expiry_interval, 60);
  w.u8(PropertyId::payload_format_indicator, 1)
      .text(PropertyId::content_type, "t")
      .text(PropertyId::response_topic, "r");
  w.text(PropertyId::correlation_data, "d").pair("k", "1").pair("k", "2");
  for (Version v : kVersions) {
    WithWill t(v, {}, 0, w.bytes());
    model::WillRecord* will = t.channel->will();
    ASSERT_NE(will, nullptr);
    ASSERT_NE(will->message, nullptr);
    const model::MessageView& m = will->message->view();
    EXPECT_EQ(m.topic, "will");
    EXPECT_EQ(m.payload, "gone");
    EXPECT_EQ(m.qos, 1);
    EXPECT_TRUE(m.retain);
    EXPECT_EQ(t.host.request.will.message, will->message) << "the store gets it as well";
    bool v5 = v == Version::v5;
    EXPECT_EQ(will->delay, v5 ? 30u : 0u);
    EXPECT_EQ(will->expires, v5);
    EXPECT_EQ(will->expiry_interval, v5 ? 60u : 0u);
    PropertyWriter rest;
    rest.u8(PropertyId::payload_format_indicator, 1)
        .text(PropertyId::content_type, "t")
        .text(PropertyId::response_topic, "r");
    rest.text(PropertyId::correlation_data, "d").pair("k", "1").pair("k", "2");
    EXPECT_EQ(m.properties, v5 ? rest.bytes() : std::string_view());
    EXPECT_NE(t.channel->take_will(), nullptr);
    EXPECT_EQ(t.channel->will(), nullptr);
  }
}

TEST(Ending, WithoutAWillThereIsNone) {
  Bench t;
  t.up();
  EXPECT_EQ(t.channel->will(), nullptr);
  EXPECT_EQ(t.host.request.will.message, nullptr);
  t.channel->lost();
  EXPECT_EQ(t.happened(), "closed with_will; close");
}

// ---------------------------------------------------------------- DISCONNECT's properties

TEST(Ending, DisconnectMayChangeTheSessionExpiry) {
  const struct {
    std::uint32_t asked, then;
    bool allowed;
    std::uint32_t kept;
  } rows[] = {{100, 50, true, 50}, {100, 0, true, 0}, {100, 5000, true, 1000}, {0, 0, true, 0}, {0, 50, false, 0}};
  for (const auto& row : rows) {
    ChannelConfig config;
    config.limits.session_expiry_max = 1000;
    PropertyWriter at_connect, at_disconnect;
    at_connect.u32(PropertyId::session_expiry_interval, row.asked);
    at_disconnect.u32(PropertyId::session_expiry_interval, row.then);
    WithWill t(Version::v5, config, 0, {}, at_connect.bytes());
    EXPECT_EQ(t.in(disconnect(Version::v5, Reason::success, at_disconnect.bytes())),
              row.allowed ? "closed disconnected will=will; close"
                          : "closed with_will will=will; close → DISCONNECT [protocol error] why=protocol error");
    EXPECT_EQ(t.host.kept->expiry, row.kept);
  }
}

TEST(Ending, OnlyAServerSendsAServerReference) {
  PropertyWriter w;
  w.text(PropertyId::server_reference, "other");
  WithWill t(Version::v5);
  EXPECT_EQ(t.in(disconnect(Version::v5, Reason::success, w.bytes())),
            "closed with_will will=will; close → DISCONNECT [protocol error] why=protocol error");
}

TEST(Ending, DisconnectKeepsToTheClientsPacketSize) {
  for (std::uint32_t max : {100u, 24u, 23u, 18u}) {
    PropertyWriter w;
    w.u32(PropertyId::maximum_packet_size, max);
    WithWill t(Version::v5, {}, 0, {}, w.bytes());
    t.channel->shut_down(Reason::session_taken_over, Ending::taken_over);
    // 2 + reason + property length + 3 + "session taken over"
    EXPECT_EQ(t.sent(),
              max >= 25 ? "DISCONNECT [session taken over] why=session taken over" : "DISCONNECT [session taken over]");
  }
}

TEST(Ending, ServerReferenceWhenTheBrokerGoesAway) {
  ChannelConfig config;
  config.server_reference = "other:1883";
  for (Version v : kVersions)
    for (Reason r : {Reason::use_another_server, Reason::server_moved, Reason::server_shutting_down}) {
      WithWill t(v, config);
      t.channel->shut_down(r);
      Reason told = r == Reason::server_shutting_down ? Reason::use_another_server : r;
      EXPECT_EQ(t.sent(),
                v == Version::v5 ? fmt::format("DISCONNECT [{0}] server=other:1883 why={0}", text(told)) : "");
    }
}

TEST(Ending, ShutDownBeforeTheConnectionIsUp) {
  for (Version v : kVersions) {
    Bench silent(v);
    silent.channel->shut_down(Reason::server_shutting_down);
    EXPECT_EQ(silent.happened(), "closed with_will without session; close");
    Bench t(v);
    t.host.hold_open = true;
    t.feed(t.connect(t.connect_out()));
    t.calls.clear();
    t.channel->shut_down(Reason::session_taken_over, Ending::taken_over);
    EXPECT_EQ(t.happened(), v == Version::v5
                                ? "closed disconnected without session; close → CONNACK [server busy] why=server busy"
                                : "closed disconnected without session; close → CONNACK 3");
  }
}

// ---------------------------------------------------------------- keep alive

TEST(Ending, KeepAliveIsOneAndAHalf) {
  for (Version v : kVersions)
    for (std::uint16_t keep_alive : {1, 10, 65535}) {
      WithWill t(v, {}, keep_alive);
      MonoTime last = t.host.now;
      EXPECT_EQ(t.channel->deadline(), last + Millis(keep_alive * 1500));
      // Every packet counts, a part of one does not. [MQTT-3.1.2-22]
      t.host.now += Millis(300);
      t.feed(publish(v, {"a", "x"}));
      EXPECT_EQ(t.channel->deadline(), t.host.now + Millis(keep_alive * 1500));
      last = t.host.now;
      t.took();
      t.host.now += Millis(300);
      t.feed("\xC0");
      EXPECT_EQ(t.channel->deadline(), last + Millis(keep_alive * 1500));
      t.deliver("a", "x", 0);  // what goes out is no sign of life
      t.sent();
      EXPECT_EQ(t.channel->deadline(), last + Millis(keep_alive * 1500));
      t.host.now = t.channel->deadline() - Millis(1);
      t.channel->on_deadline();
      EXPECT_TRUE(t.channel->up());
      t.host.now += Millis(1);
      t.channel->on_deadline();
      EXPECT_EQ(t.happened(),
                std::string("closed with_will will=will; close") +
                    (v == Version::v5 ? " → DISCONNECT [keep alive timeout] why=keep alive timeout" : ""));
      EXPECT_EQ(t.host.counters.keep_alive_timeouts.get(), 1u);
    }
}

TEST(Ending, AClientThatWeDoNotListenToIsNotDead) {
  for (Version v : kVersions) {
    WithWill t(v, {}, 10);
    t.host.hold_subscribes = true;
    t.feed(subscribe(v, 1, {{"a", {}}}) + pingreq());
    EXPECT_TRUE(t.channel->input_waits());
    t.host.now = t.channel->deadline();
    t.channel->on_deadline();
    EXPECT_TRUE(t.channel->up());
    EXPECT_EQ(t.channel->deadline(), t.host.now + Millis(15'000)) << "looked at again then";
    t.channel->subscribed(1, {Reason::success});
    t.happened();
    t.host.now = t.channel->deadline();
    t.channel->on_deadline();
    EXPECT_FALSE(t.channel->up());
  }
}

TEST(Ending, NoKeepAliveNoDeadline) {
  for (Version v : kVersions) {
    WithWill t(v);
    EXPECT_EQ(t.channel->deadline(), kNever);
    t.host.now += Seconds(1'000'000);
    t.channel->on_deadline();
    EXPECT_TRUE(t.channel->up());
  }
}

// ---------------------------------------------------------------- a session that goes on

TEST(Ending, TheSessionGoesOnWithTheNextConnection) {
  PropertyWriter w;
  w.u32(PropertyId::session_expiry_interval, 100);
  Bench t;
  t.up(w.bytes(), false);
  t.feed(publish(Version::v5, {"a", "x", 2, 9}));
  t.deliver("b", "1", 1);
  t.deliver("b", "2", 2);
  t.feed(pubrec(2));
  t.channel->lost();
  t.took();
  t.start();
  t.up(w.bytes(), false);
  auto& s = t.channel->session();
  EXPECT_TRUE(s.inbound_has(9));
  ASSERT_NE(s.window.find(1), nullptr);
  EXPECT_NE(s.window.find(1)->message, nullptr);
  EXPECT_EQ(s.window.find(2)->state, model::OutboundState::released);
  EXPECT_EQ(t.in(Pub{"a", "x", 2, 9, false, true}), "→ PUBREC 9") << "not routed twice, on no connection";
  EXPECT_EQ(t.deliver("b", "3", 1), Delivered::sent);
  EXPECT_EQ(t.sent(), "PUBLISH b 3 q1 #3");
}

}  // namespace
}  // namespace sb::channel::test
