// SPDX-License-Identifier: MIT
// What CONNACK tells, and clients that cannot take it.
#include "channel/tests/recorder.h"

namespace sb::channel::test {
namespace {

using mqtt::PropertyWriter;

TEST(Connack, ConnackTellsTheLimits) {
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

TEST(Connack, SessionsOfVersion3LastAsLongAsTheyMay) {
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

TEST(Connack, AConnackThatTheClientCannotTakeEndsTheConnection) {
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

TEST(Connack, ReasonStringsAreLeftOutWhenTheyDoNotFitOrAreNotWanted) {
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

TEST(Connack, ServerReferenceGoesWithTheReasonsThatMeanIt) {
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

}  // namespace
}  // namespace sb::channel::test
