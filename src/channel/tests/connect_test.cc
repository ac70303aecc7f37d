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

// ---------------------------------------------------------------- what CONNACK tells

TEST(Connect, ConnackTellsTheLimits) {
  ChannelConfig tight;
  tight.limits.receive_maximum = 65535;
  tight.limits.max_qos = 1;
  tight.limits.max_packet_size = 1000;
  tight.limits.topic_alias_maximum = 0;
  tight.limits.session_expiry_max = 100;
  tight.limits.keep_alive_max = 30;
  tight.features = {false, false, false, false};
  tight.response_information = "reply/";
  PropertyWriter asks, expiry50, expiry200;
  asks.u8(PropertyId::request_response_information, 1);
  expiry50.u32(PropertyId::session_expiry_interval, 50);
  expiry200.u32(PropertyId::session_expiry_interval, 200);
  const std::string all = " max_qos=1 retain=0 packet=1000 wildcard=0 ids=0 shared=0";
  const struct {
    const char* what;
    std::string_view id;
    std::uint16_t keep_alive;
    std::string_view properties;
    std::string told;
    std::uint32_t expiry;
    std::uint16_t kept;
  } rows[] = {
      {"what was asked for is not told again", "c", 30, expiry50.bytes(), all, 50, 30},
      {"no keep alive", "c", 0, {}, all + " keep_alive=30", 0, 30},
      {"a longer keep alive", "c", 31, {}, all + " keep_alive=30", 0, 30},
      {"a longer session", "c", 10, expiry200.bytes(), " expiry=100" + all, 100, 10},
      {"response information", "c", 10, asks.bytes(), all + " response_information=reply/", 0, 10},
      {"an id of our own", "", 10, {}, " max_qos=1 retain=0 packet=1000 id=made-1 wildcard=0 ids=0 shared=0", 0, 10},
  };
  for (const auto& row : rows) {
    Bench t(Version::v5, tight);
    auto out = t.connect_out(row.id);
    out.keep_alive = row.keep_alive;
    out.properties = row.properties;
    t.feed(t.connect(out));
    EXPECT_EQ(t.sent(), "CONNACK" + row.told) << row.what;
    EXPECT_EQ(t.host.request.expiry, row.expiry) << row.what;
    EXPECT_EQ(t.channel->keep_alive(), row.kept) << row.what;
  }
}

TEST(Connect, SessionsOfVersion3LastAsLongAsTheyMay) {
  for (Version v : {Version::v31, Version::v311})
    for (bool clean : {true, false})
      for (std::uint32_t bound : {0xFFFFFFFFu, 100u, 0u}) {
        ChannelConfig config;
        config.limits.session_expiry_max = bound;
        Bench t(v, config);
        auto out = t.connect_out();
        out.clean_start = clean;
        t.feed(t.connect(out));
        EXPECT_EQ(t.host.request.expiry, clean ? 0 : bound);
        EXPECT_EQ(t.host.request.clean_start, clean);
      }
}

TEST(Connect, AConnackThatTheClientCannotTakeEndsTheConnection) {
  for (std::uint32_t max : {1u, 2u, 4u, 5u, 10u, 15u}) {
    Bench t;
    PropertyWriter w;
    w.u32(PropertyId::maximum_packet_size, max);
    auto out = t.connect_out();
    out.properties = w.bytes();
    t.feed(t.connect(out) + pingreq());
    EXPECT_EQ(t.took(), "authenticate c anonymous peer:1; open c clean; closed disconnected; close") << max;
    EXPECT_LE(t.peek().size(), max);
    // No DISCONNECT before CONNACK [MQTT-3.14.0-1].
    EXPECT_EQ(t.sent(), max >= 5 ? "CONNACK [packet too large]" : "") << max;
    EXPECT_EQ(t.channel->state(), Channel::State::closed);
  }
}

TEST(Connect, ReasonStringsAreLeftOutWhenTheyDoNotFitOrAreNotWanted) {
  const struct {
    std::uint32_t max;
    int problem_information;
    std::string_view sent;
  } rows[] = {
      {1000, -1, "CONNACK [not authorized] why=not authorized"},
      {1000, 1, "CONNACK [not authorized] why=not authorized"},
      {22, -1, "CONNACK [not authorized] why=not authorized"},
      {21, -1, "CONNACK [not authorized]"},  // [MQTT-3.2.2-19]
      {5, -1, "CONNACK [not authorized]"},
      {4, -1, ""},
      {1000, 0, "CONNACK [not authorized]"},
  };
  for (const auto& row : rows) {
    Bench t;
    PropertyWriter w;
    w.u32(PropertyId::maximum_packet_size, row.max);
    if (row.problem_information >= 0)
      w.u8(PropertyId::request_problem_information, static_cast<std::uint8_t>(row.problem_information));
    auto out = t.connect_out();
    out.properties = w.bytes();
    t.host.decision.reason = Reason::not_authorized;
    t.feed(t.connect(out));
    EXPECT_EQ(t.sent(), row.sent) << row.max;
  }
}

TEST(Connect, ServerReferenceGoesWithTheReasonsThatMeanIt) {
  for (Reason r : {Reason::server_moved, Reason::use_another_server, Reason::server_busy}) {
    ChannelConfig config;
    config.server_reference = "other:1883";
    Bench t(Version::v5, config);
    t.host.open_reason = r;
    t.feed(t.connect(t.connect_out()));
    EXPECT_EQ(t.sent(),
              fmt::format("CONNACK [{0}]{1} why={0}", text(r), r == Reason::server_busy ? "" : " server=other:1883"));
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
    EXPECT_EQ(t.happened(), "closed with_will without session; close");
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
  EXPECT_EQ(t.happened(), "closed with_will without session; close");
  t.channel->opened(t.host.session_for(t.host.request), false, Reason::success);  // too late
  EXPECT_EQ(t.happened(), "");
}

}  // namespace
}  // namespace sb::channel::test
