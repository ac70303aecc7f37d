// SPDX-License-Identifier: MIT
// From the first byte to CONNACK, or to the refusal.
#include "channel/tests/recorder.h"

namespace sb::channel::test {
namespace {

using mqtt::PropertyWriter;

TEST(Connect, AuthenticatesOpensAndAnswersInThisOrder) {
  for (Version v : kVersions) {
    Bench t(v);
    t.transport.identity = "device-7";
    auto out = t.connect_out();
    out.username = "user";
    out.password = "secret";
    t.host.decision.username = "somebody";
    EXPECT_EQ(
        t.in(t.connect(out)),
        "authenticate c user=user password=secret tls=device-7 anonymous peer:1; open c as somebody clean; started → "
        "CONNACK" +
            std::string(v == Version::v5 ? " receive=1024 packet=1048576 aliases=64" : " 0"));
    EXPECT_TRUE(t.channel->up());
    EXPECT_EQ(t.channel->version(), v);
    EXPECT_EQ(t.channel->session().client_id, "c");
    EXPECT_EQ(t.host.counters.connects.get(), 1u);
    EXPECT_EQ(t.host.counters.connections.get(), 1u);
    EXPECT_EQ(t.host.counters.connects_refused.get(), 0u);
    EXPECT_EQ(t.transport.deadline_changes, 1);
  }
}

TEST(Connect, SessionPresentIsTold) {
  for (Version v : kVersions) {
    Bench t(v);
    t.host.present = true;
    t.in(t.connect(t.connect_out()));
    t.start();
    auto out = t.connect_out();
    out.clean_start = false;
    t.feed(t.connect(out));
    std::string connack = t.sent();
    EXPECT_EQ(connack.find("present") != std::string::npos, v != Version::v31) << connack;
  }
}

TEST(Connect, WaitsForTheAnswersAndTakesNothingMeanwhile) {
  for (Version v : kVersions) {
    Bench t(v);
    t.host.hold_auth = t.host.hold_open = true;
    std::string connect = t.connect(t.connect_out());
    EXPECT_EQ(t.in(connect + pingreq()), "authenticate c anonymous peer:1");
    EXPECT_EQ(t.pending, pingreq());
    EXPECT_TRUE(t.channel->input_waits());
    EXPECT_EQ(t.channel->state(), Channel::State::authenticating);
    t.channel->authenticated({});
    EXPECT_EQ(t.happened(), "open c clean");
    EXPECT_EQ(t.channel->state(), Channel::State::opening);
    t.channel->authenticated({Reason::not_authorized, ""});  // a repeat is no answer any more
    EXPECT_EQ(t.in(pingreq()), "");
    t.channel->opened(t.host.session_for(t.host.request), false, Reason::success);
    EXPECT_TRUE(t.happened().ends_with("PINGRESP; PINGRESP"));
    t.channel->opened(t.host.session_for(t.host.request), false, Reason::success);  // neither is this
    EXPECT_EQ(t.happened(), "");
    EXPECT_TRUE(t.pending.empty());
  }
}

TEST(Connect, InPiecesOfOneByte) {
  for (Version v : kVersions) {
    Bench t(v);
    std::string connect = t.connect(t.connect_out());
    for (char c : connect.substr(0, connect.size() - 1)) EXPECT_EQ(t.in({&c, 1}), "");
    EXPECT_TRUE(t.in(connect.substr(connect.size() - 1)).starts_with("authenticate c"));
  }
}

TEST(Connect, RefusedByTheAuthenticatorOrTheStore) {
  const struct {
    Reason reason, told_v5;
    unsigned code_v3;
  } rows[] = {
      {Reason::bad_user_name_or_password, Reason::bad_user_name_or_password, 4},
      {Reason::not_authorized, Reason::not_authorized, 5},
      {Reason::banned, Reason::banned, 5},
      {Reason::server_unavailable, Reason::server_unavailable, 3},
      {Reason::server_busy, Reason::server_busy, 3},
      {Reason::client_identifier_not_valid, Reason::client_identifier_not_valid, 2},
      {Reason::server_shutting_down, Reason::server_unavailable, 3},
      {Reason::unspecified_error, Reason::unspecified_error, 0},  // 3.x has no code: closed without a word
  };
  for (Version v : kVersions)
    for (const auto& row : rows)
      for (bool by_store : {false, true}) {
        Bench t(v);
        (by_store ? t.host.open_reason : t.host.decision.reason) = row.reason;
        std::string expected = "authenticate c anonymous peer:1; ";
        if (by_store) expected += "open c clean; ";
        expected += "closed disconnected without session; close";
        if (v == Version::v5)
          expected += fmt::format(" → CONNACK [{}] why={}", text(row.told_v5), text(row.told_v5));
        else if (row.code_v3)
          expected += fmt::format(" → CONNACK {}", row.code_v3);
        EXPECT_EQ(t.in(t.connect(t.connect_out()) + pingreq()), expected);
        EXPECT_EQ(t.channel->state(), Channel::State::closed);
        EXPECT_TRUE(t.pending.empty()) << "a closed channel swallows the rest";
        EXPECT_EQ(t.host.counters.connects_refused.get(), 1u);
        EXPECT_EQ(t.host.counters.connects.get(), 0u);
        EXPECT_EQ(t.channel->deadline(), kNever);
      }
}

TEST(Connect, RefusalsOfTheChannelItself) {
  model::Limits qos0;
  qos0.max_qos = 0;
  model::Features no_retain;
  no_retain.retain = false;
  model::Limits short_topics;
  short_topics.topic_length = 10;
  short_topics.topic_levels = 3;
  PropertyWriter response;
  response.text(PropertyId::response_topic, "a/+");
  const mqtt::ConnectOut::Will will{"will/topic", "x", {}, 1, true};
  const struct {
    const char* what;
    std::string_view id;
    bool clean;
    std::optional<mqtt::ConnectOut::Will> will;
    model::Limits limits;
    model::Features features;
    std::string v31, v311, v5;
  } rows[] = {
      {"no client id", "", true, {}, {}, {}, "CONNACK 2", "up", "up"},
      {"no client id, session to be kept", "", false, {}, {}, {}, "CONNACK 2", "CONNACK 2", "up"},
      {"will above the largest QoS",
       "c",
       true,
       will,
       qos0,
       {},
       "",
       "",
       "CONNACK [QoS not supported] why=QoS not supported"},
      {"retained will",
       "c",
       true,
       will,
       {},
       no_retain,
       "",
       "",
       "CONNACK [retain not supported] why=retain not supported"},
      {"will topic at the bound", "c", true, will, short_topics, {}, "up", "up", "up"},
      {"will topic too long",
       "c",
       true,
       mqtt::ConnectOut::Will{"will/topics", "x"},
       short_topics,
       {},
       "",
       "",
       "CONNACK [topic name invalid] why=topic name invalid"},
      {"will topic too deep",
       "c",
       true,
       mqtt::ConnectOut::Will{"a/b/c/d", "x"},
       short_topics,
       {},
       "",
       "",
       "CONNACK [topic name invalid] why=topic name invalid"},
      {"will topic with a wildcard",
       "c",
       true,
       mqtt::ConnectOut::Will{"a/#", "x"},
       {},
       {},
       "",
       "",
       "CONNACK [topic name invalid] why=topic name invalid"},
      {"wildcard in the will's response topic",
       "c",
       true,
       mqtt::ConnectOut::Will{"w", "x", response.bytes()},
       {},
       {},
       "up",
       "up",
       "CONNACK [protocol error] why=protocol error"},
  };
  for (Version v : kVersions)
    for (const auto& row : rows) {
      SCOPED_TRACE(row.what);
      ChannelConfig config;
      config.limits = row.limits;
      config.features = row.features;
      Bench t(v, config);
      auto out = t.connect_out(row.id);
      out.clean_start = row.clean;
      out.will = row.will;
      t.feed(t.connect(out));
      const std::string& expected = v == Version::v31 ? row.v31 : v == Version::v311 ? row.v311 : row.v5;
      if (expected == "up") {
        EXPECT_TRUE(t.channel->up());
        continue;
      }
      EXPECT_EQ(t.sent(), expected);
      EXPECT_EQ(t.took(), "closed disconnected without session; close");
    }
}

TEST(Connect, BytesThatAreNoConnect) {
  const std::string http = "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: " + std::string(100, 'x') + "\r\n\r\n";
  auto connect_like = [](std::string_view name, unsigned level) {
    std::string body =
        std::string("\0", 1) + static_cast<char>(name.size()) + std::string(name) + static_cast<char>(level);
    body += std::string("\x02\0\0\0\x01", 5) + "c";
    return std::string("\x10") + static_cast<char>(body.size()) + body;
  };
  const struct {
    const char* what;
    std::string bytes, sent;
  } rows[] = {
      {"another packet", pingreq(), ""},
      {"a PUBLISH", publish(Version::v311, {"t", "x"}), ""},
      {"a reserved type", std::string("\x00\x00", 2), ""},
      {"five bytes of length", "\x10\xFF\xFF\xFF\xFF\x01", ""},
      {"too large", "\x10\xFF\xFF\xFF\x7F", ""},
      {"another protocol", http, ""},
      {"another name", connect_like("MQTX", 4), ""},
      {"a level to come", connect_like("MQTT", 6), "CONNACK 1"},
      {"3 under the new name", connect_like("MQTT", 3), "CONNACK 1"},
      {"a bridge's level", connect_like("MQTT", 0x84), "CONNACK 1"},
  };
  for (const auto& row : rows) {
    Bench t(Version::v311);
    EXPECT_EQ(t.in(row.bytes).substr(0, 7), "closed ") << row.what;
    EXPECT_EQ(t.channel->state(), Channel::State::closed) << row.what;
    Bench again(Version::v311);
    again.feed(row.bytes);
    EXPECT_EQ(again.sent(), row.sent) << row.what;
    EXPECT_EQ(again.host.counters.connects.get(), 0u);
  }
}

TEST(Connect, AStrangerMayNotSendMuch) {
  for (Version v : kVersions) {
    Bench t(v);
    mqtt::ConnectOut out = t.connect_out();
    std::string large(60'000, 'x');
    out.username = out.password = large;
    EXPECT_TRUE(t.in(t.connect(out)).starts_with("authenticate c user=xxx"));
    // The header alone says that it is above 256 KiB.
    Bench u(v);
    EXPECT_EQ(u.in("\x10\x81\x80\x10"), "closed disconnected without session; close");
  }
}

TEST(Connect, AMalformedConnectIsAnsweredWhereTheVersionCan) {
  for (Version v : kVersions) {
    Bench t(v);
    std::string bytes = t.connect(t.connect_out());
    bytes += "x";  // a byte behind the last field
    ++bytes[1];
    t.feed(bytes);
    EXPECT_EQ(t.sent(), v == Version::v5 ? "CONNACK [malformed packet] why=malformed packet" : "");
    EXPECT_EQ(t.host.counters.protocol_errors.get(), 1u);
  }
}

TEST(Connect, AnOverlongLengthIsMalformedInVersion5Only) {
  for (Version v : kVersions) {
    Bench t(v);
    t.up();
    std::string happened = t.in(std::string("\xC0\x80\x00", 3));
    EXPECT_EQ(happened, v == Version::v5
                            ? "closed with_will; close → DISCONNECT [malformed packet] why=malformed packet"
                            : "→ PINGRESP");
  }
}

TEST(Connect, ASecondConnectEndsTheConnection) {
  for (Version v : kVersions) {
    Bench t(v);
    t.up();
    EXPECT_EQ(t.in(t.connect(t.connect_out())),
              std::string("closed with_will; close") +
                  (v == Version::v5 ? " → DISCONNECT [protocol error] why=protocol error" : ""));  // [MQTT-3.1.0-2]
  }
}

TEST(Connect, PacketsThatOnlyAServerSends) {
  for (Version v : kVersions)
    for (unsigned first : {0x00u, 0x20u, 0x90u, 0xB0u, 0xD0u}) {
      Bench t(v);
      t.up();
      EXPECT_TRUE(t.in(std::string({static_cast<char>(first), 0})).starts_with("closed with_will; close")) << first;
      EXPECT_EQ(t.host.counters.protocol_errors.get(), 1u);
    }
}

// ---------------------------------------------------------------- time

TEST(Connect, MustBeCompleteInTime) {
  for (Version v : kVersions) {
    ChannelConfig config;
    config.limits.connect_timeout = 10;
    Bench t(v, config);
    MonoTime due = t.host.now + Seconds(10);
    EXPECT_EQ(t.channel->deadline(), due);
    t.host.now += Seconds(9);
    EXPECT_EQ(t.in(t.connect(t.connect_out()).substr(0, 5)), "");
    EXPECT_EQ(t.channel->deadline(), due) << "a part of a packet changes nothing";
    t.host.now = due - Millis(1);
    t.channel->on_deadline();
    EXPECT_EQ(t.happened(), "");
    t.host.now = due;
    t.channel->on_deadline();
    EXPECT_EQ(t.happened(), "closed disconnected without session; close");
    EXPECT_EQ(t.channel->deadline(), kNever);
    EXPECT_EQ(t.host.counters.keep_alive_timeouts.get(), 0u);
  }
}

TEST(Connect, WaitsForTheStoreNoLongerThanForTheClient) {
  Bench t;
  t.host.hold_open = true;
  t.feed(t.connect(t.connect_out()));
  t.calls.clear();
  t.host.now += Seconds(t.config.limits.connect_timeout);
  t.channel->on_deadline();
  EXPECT_EQ(t.happened(), "closed disconnected without session; close → CONNACK [server busy] why=server busy");
  t.channel->opened(t.host.session_for(t.host.request), false, Reason::success);  // too late
  EXPECT_EQ(t.happened(), "");
}

// ---------------------------------------------------------------- admission

TEST(Connect, IsWorkedOnWhenItIsAdmitted) {
  for (Version v : kVersions) {
    Bench t(v);
    t.host.hold_admission = true;
    EXPECT_EQ(t.in(t.connect(t.connect_out()) + "\xC0" + std::string(1, 0)), "") << "and what follows waits";
    t.channel->admitted(Reason::success);
    EXPECT_TRUE(t.channel->up());
    EXPECT_TRUE(t.sent().starts_with("CONNACK"));
    t.feed({});
    EXPECT_EQ(t.sent(), "PINGRESP");
    t.channel->admitted(Reason::quota_exceeded);  // a second answer means nothing
    EXPECT_TRUE(t.channel->up());
  }
}

TEST(Connect, WaitsForAdmissionNoLongerThanItsTime) {
  for (Version v : kVersions) {
    Bench t(v);
    t.host.hold_admission = true;
    t.feed(t.connect(t.connect_out()));
    t.host.now += Seconds(t.config.limits.connect_timeout);
    t.channel->on_deadline();
    EXPECT_EQ(t.happened(), std::string("closed disconnected without session; close → CONNACK ") +
                                (v == Version::v5 ? "[connection rate exceeded] why=connection rate exceeded" : "3"));
    t.channel->admitted(Reason::success);  // too late
    EXPECT_EQ(t.happened(), "");
  }
}

TEST(Connect, CanBeRefusedBeforeAnybodyAsksWhoItIs) {
  Bench t;
  t.host.admission = Reason::banned;
  EXPECT_EQ(t.in(t.connect(t.connect_out())),
            "closed disconnected without session; close → CONNACK [banned] why=banned");
}

TEST(Connect, EnhancedAuthenticationWaitsForAdmissionToo) {
  Bench t;
  t.host.hold_admission = true;
  mqtt::PropertyWriter w;
  w.text(PropertyId::authentication_method, "M");
  w.text(PropertyId::authentication_data, "hello");
  auto out = t.connect_out();
  out.properties = w.bytes();
  EXPECT_EQ(t.in(t.connect(out)), "");
  t.channel->admitted(Reason::success);
  EXPECT_TRUE(t.took().starts_with("exchange M c"));
}

// ---------------------------------------------------------------- events

TEST(Events, TellWhoCameWhoWentAndWho) {
  Bench t;
  t.host.hears = EventMask::of(0xFFFF);
  t.host.forbidden.insert("x");
  t.up();
  t.in(publish(Version::v5, {.topic = "x", .payload = "1"}));
  t.in(publish(Version::v5, {.topic = "x", .payload = "2"}));
  t.in(std::string("\xE0\x00", 2));
  auto kind = [](EventKind k) { return std::to_string(static_cast<int>(k)); };
  EXPECT_EQ(t.host.events, (std::vector<std::string>{kind(EventKind::connected) + " c new session ",
                                                     kind(EventKind::denied_publish) + " c not authorized x",
                                                     kind(EventKind::disconnected) + " c disconnected "}));
  t.host.events.clear();
  t.start();
  t.feed("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(t.host.events, (std::vector<std::string>{kind(EventKind::refused) + "  no CONNECT "}));
}

}  // namespace
}  // namespace sb::channel::test
