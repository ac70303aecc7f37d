// SPDX-License-Identifier: MIT
// Messages from the client: checks, routing, acknowledgements and their order.
#include "channel/tests/recorder.h"

namespace sb::channel::test {
namespace {

using mqtt::PropertyWriter;

std::string ended(Version v, Reason r) {
  return "closed with_will; close" + (v == Version::v5 ? fmt::format(" → DISCONNECT [{0}] why={0}", text(r)) : "");
}

TEST(PublishIn, AcknowledgedAsItsQosSays) {
  for (Version v : kVersions) {
    Bench t(v);
    t.up();
    EXPECT_EQ(t.in(Pub{"a/b", "x"}), "route a/b x q0 as-it-came");
    EXPECT_EQ(t.in(Pub{"a/b", "x", 1, 7}), "route a/b x q1 #7 as-it-came → PUBACK 7");
    EXPECT_EQ(t.in(Pub{"a/b", "x", 2, 65535}), "route a/b x q2 #65535 as-it-came → PUBREC 65535");
    EXPECT_EQ(t.in(Pub{"a/b", "x", 2, 65535, false, true}), "→ PUBREC 65535") << "it was taken before [MQTT-4.3.3-10]";
    EXPECT_EQ(t.in(pubrel(65535)), "release_inbound 65535 → PUBCOMP 65535");
    EXPECT_EQ(t.in(Pub{"a/b", "y", 2, 65535}), "route a/b y q2 #65535 as-it-came → PUBREC 65535") << "a new message";
    EXPECT_EQ(t.host.counters.publishes_received.get(), 5u);
    EXPECT_EQ(t.host.counters.payload_received.get(), 5u);
  }
}

TEST(PublishIn, ReasonsOfTheRouterAreToldInVersion5) {
  for (Version v : kVersions)
    for (std::uint8_t qos : {1, 2}) {
      const char* answer = qos == 1 ? "PUBACK" : "PUBREC";
      bool v5 = v == Version::v5;
      Bench t(v);
      t.up();
      t.host.route_reason = Reason::no_matching_subscribers;
      EXPECT_EQ(t.in(Pub{"t", "x", qos, 1}), fmt::format("route t x q{} #1 as-it-came → {} 1{}", qos, answer,
                                                         v5 ? " [no matching subscribers]" : ""));
      t.host.route_reason = Reason::quota_exceeded;
      std::string happened = t.in(Pub{"t", "x", qos, 2});
      if (!v5) {  // it was not stored, which 3.x cannot be told
        EXPECT_EQ(happened, fmt::format("route t x q{} #2 as-it-came; closed with_will; close", qos));
        continue;
      }
      EXPECT_EQ(happened,
                fmt::format("route t x q{} #2 as-it-came → {} 2 [quota exceeded] why=quota exceeded", qos, answer));
      if (qos == 1) continue;
      // Refused with PUBREC: the exchange is over, the id is free.
      EXPECT_FALSE(t.channel->session().inbound_has(2));
      EXPECT_TRUE(t.channel->session().inbound_has(1));
      EXPECT_EQ(t.in(pubrel(2)), "→ PUBCOMP 2 [packet identifier not found]");
    }
}

TEST(PublishIn, WithoutTheRightItIsAcknowledgedButGoesNowhere) {
  for (Version v : kVersions) {
    std::string refused = v == Version::v5 ? " [not authorized] why=not authorized" : "";
    Bench t(v);
    t.host.forbidden = {"secret"};
    t.up();
    EXPECT_EQ(t.in(Pub{"secret", "x"}), "");
    EXPECT_EQ(t.in(Pub{"secret", "x", 1, 1}), "→ PUBACK 1" + refused);
    EXPECT_EQ(t.in(Pub{"secret", "x", 2, 2}), "→ PUBREC 2" + refused);
    EXPECT_FALSE(t.channel->session().inbound_has(2));
    EXPECT_EQ(t.in(Pub{"public", "x", 1, 3}), "route public x q1 #3 as-it-came → PUBACK 3");
    EXPECT_EQ(t.in(Pub{"secret", "x", 1, 4}), "→ PUBACK 4" + refused) << "remembered from the topic before";
  }
}

TEST(PublishIn, AReasonStringThatDoesNotFitIsLeftOut) {
  // "not authorized" makes 23 bytes of PUBACK; without it there are 5 [MQTT-3.4.2-2].
  for (std::uint32_t max : {1000u, 23u, 22u, 10u}) {
    Bench t;
    t.host.forbidden = {"secret"};
    t.config.limits.topic_alias_maximum = 0;
    PropertyWriter w;
    w.u32(PropertyId::maximum_packet_size, std::max(max, 13u));
    t.up(w.bytes());
    std::string why = max >= 23 ? " why=not authorized" : "";
    EXPECT_EQ(t.in(Pub{"secret", "x", 1, 1}), "→ PUBACK 1 [not authorized]" + why) << max;
  }
}

TEST(PublishIn, WhatTheReceiversMayHaveAsItCame) {
  PropertyWriter user, expiry, alias;
  user.pair("k", "v");
  expiry.u32(PropertyId::message_expiry_interval, 60).pair("k", "v");
  alias.u16(PropertyId::topic_alias, 1).pair("k", "v");
  const struct {
    const char* what;
    Pub p;
    std::string v3, v5;
  } rows[] = {
      {"plain", {"t", "x"}, "route t x q0 as-it-came", "route t x q0 as-it-came"},
      {"retained", {"t", "x", 0, 0, true}, "route t x q0 retain", "route t x q0 retain"},
      {"sent again", {"t", "x", 1, 5, false, true}, "route t x q1 #5", "route t x q1 #5"},
      {"properties", {"t", "x", 0, 0, false, false, user.bytes()}, "", "route t x q0 properties=7 as-it-came"},
      {"expiry is rewritten",
       {"t", "x", 0, 0, false, false, expiry.bytes()},
       "",
       "route t x q0 expires=60 properties=7"},
      {"an alias is rewritten", {"t", "x", 0, 0, false, false, alias.bytes()}, "", "route t x q0 properties=7"},
  };
  for (Version v : kVersions)
    for (const auto& row : rows) {
      if (v != Version::v5 && row.v3.empty()) continue;
      Bench t(v);
      t.up();
      std::string bytes = publish(v, row.p);
      t.feed(bytes);
      EXPECT_EQ(t.took(), v == Version::v5 ? row.v5 : row.v3) << row.what;
      if (!t.host.last_frame.empty()) {
        EXPECT_EQ(t.host.last_frame, bytes);
      }
    }
  for (Version v : kVersions) {
    Bench t(v);
    t.up();
    t.feed(publish(v, {"topic", "x", 2, 0x4142}));
    EXPECT_EQ(t.host.last_frame.substr(t.host.last_id_at, 2), "AB");
    EXPECT_EQ(t.host.last_publisher, model::publisher_of("c"));
  }
}

TEST(PublishIn, AnOverlongLengthIsNotPassedOn) {
  for (Version v : {Version::v31, Version::v311}) {
    Bench t(v);
    t.up();
    EXPECT_EQ(t.in(std::string("\x30\x84\x00\x00\x01tx", 7)), "route t x q0") << "the receivers get their own encoding";
  }
}

TEST(PublishIn, TopicsThatEndTheConnection) {
  model::Limits limits;
  limits.topic_length = 20;
  limits.topic_levels = 4;
  const struct {
    std::string_view topic;
    Reason v3, v5;
  } rows[] = {
      {"a/b/c/d", Reason::success, Reason::success},
      {"12345678901234567890", Reason::success, Reason::success},
      {"", Reason::topic_name_invalid, Reason::protocol_error},  // neither topic nor alias
      {"+", Reason::topic_name_invalid, Reason::topic_name_invalid},
      {"a/#", Reason::topic_name_invalid, Reason::topic_name_invalid},
      {"a/b/c/d/e", Reason::topic_name_invalid, Reason::topic_name_invalid},
      {"123456789012345678901", Reason::topic_name_invalid, Reason::topic_name_invalid},
      {"a\xFF", Reason::malformed_packet, Reason::malformed_packet},
      {std::string_view("a\0b", 3), Reason::malformed_packet, Reason::malformed_packet},
  };
  for (Version v : kVersions)
    for (const auto& row : rows) {
      ChannelConfig config;
      config.limits = limits;
      Bench t(v, config);
      t.up();
      Reason r = v == Version::v5 ? row.v5 : row.v3;
      EXPECT_EQ(t.in(Pub{row.topic, "x"}), ok(r) ? fmt::format("route {} x q0 as-it-came", row.topic) : ended(v, r))
          << row.topic;
      EXPECT_EQ(t.host.counters.protocol_errors.get(), ok(r) ? 0u : 1u);
    }
}

TEST(PublishIn, PropertiesThatEndTheConnection) {
  PropertyWriter id, response, empty_response, alias0;
  id.varint(PropertyId::subscription_identifier, 1);  // [MQTT-3.3.4-6]
  response.text(PropertyId::response_topic, "a/+");   // [MQTT-3.3.2-14]
  empty_response.text(PropertyId::response_topic, "");
  alias0.u16(PropertyId::topic_alias, 0);
  const struct {
    std::string_view properties;
    Reason reason;
  } rows[] = {{id.bytes(), Reason::protocol_error},
              {response.bytes(), Reason::protocol_error},
              {empty_response.bytes(), Reason::protocol_error},
              {alias0.bytes(), Reason::topic_alias_invalid}};
  for (const auto& row : rows) {
    Bench t;
    t.up();
    EXPECT_EQ(t.in(Pub{"t", "x", 0, 0, false, false, row.properties}), ended(Version::v5, row.reason));
  }
}

TEST(PublishIn, WhatConnackRuledOut) {
  model::Limits qos1;
  qos1.max_qos = 1;
  ChannelConfig config;
  config.limits = qos1;
  config.features.retain = false;
  for (Version v : kVersions) {
    Bench t(v, config), u(v, config);
    t.up();
    EXPECT_EQ(t.in(Pub{"t", "x", 2, 1}), ended(v, Reason::qos_not_supported));  // [MQTT-3.2.2-11]
    u.up();
    EXPECT_EQ(u.in(Pub{"t", "x", 1, 1}), "route t x q1 #1 as-it-came → PUBACK 1");
    EXPECT_EQ(u.in(Pub{"t", "x", 0, 0, true}), ended(v, Reason::retain_not_supported));  // [MQTT-3.2.2-14]
  }
}

TEST(PublishIn, TooLargeForTheBroker) {
  ChannelConfig config;
  config.limits.max_packet_size = 100;
  for (Version v : kVersions) {
    Bench t(v, config);
    t.up();
    std::string fits(100 - 2 - 3 - (v == Version::v5 ? 1 : 0), 'x');
    EXPECT_TRUE(t.in(Pub{"t", fits}).starts_with("route t"));
    EXPECT_EQ(t.in(publish(v, {"t", fits + "x"}).substr(0, 2)), ended(v, Reason::packet_too_large))
        << "said with its header";
  }
}

TEST(PublishIn, TheTopicIsLookedUpOncePerRun) {
  Bench t;
  t.up();
  for (std::string_view topic : {"a", "a", "a", "b", "b", "a"}) t.in(Pub{topic, "x"});
  EXPECT_EQ(t.host.memos, 3);
}

// ---------------------------------------------------------------- aliases

TEST(PublishIn, Aliases) {
  ChannelConfig config;
  config.limits.topic_alias_maximum = 3;
  Bench t(Version::v5, config);
  t.up();
  auto send = [&](std::string_view topic, std::uint16_t alias, std::string_view payload) {
    PropertyWriter w;
    if (alias) w.u16(PropertyId::topic_alias, alias);
    return t.in(Pub{topic, payload, 0, 0, false, false, w.bytes()});
  };
  EXPECT_EQ(send("one", 1, "a"), "route one a q0");
  EXPECT_EQ(send("three", 3, "b"), "route three b q0");
  EXPECT_EQ(send("", 1, "c"), "route one c q0");
  EXPECT_EQ(send("", 3, "d"), "route three d q0");
  EXPECT_EQ(send("other", 0, "e"), "route other e q0 as-it-came");
  EXPECT_EQ(send("", 1, "f"), "route one f q0");
  EXPECT_EQ(send("uno", 1, "g"), "route uno g q0") << "set anew [MQTT-3.3.2-12]";
  EXPECT_EQ(send("", 1, "h"), "route uno h q0");
  EXPECT_EQ(send("", 1, "i"), "route uno i q0");
  EXPECT_EQ(send("", 2, "j"), ended(Version::v5, Reason::topic_alias_invalid)) << "never set, though 1 and 3 were";
}

TEST(PublishIn, AliasesThatAreInvalid) {
  const struct {
    const char* what;
    std::string_view topic;
    std::uint16_t alias;
    Reason reason;
  } rows[] = {{"above the maximum", "t", 65, Reason::topic_alias_invalid},  // [MQTT-3.3.2-9]
              {"far above", "t", 65535, Reason::topic_alias_invalid},
              {"not set", "", 1, Reason::topic_alias_invalid},
              {"set to a wildcard", "a/#", 1, Reason::topic_name_invalid},
              {"set to what is not UTF-8", "\xFF", 1, Reason::malformed_packet}};
  for (const auto& row : rows) {
    Bench t;
    t.up();
    PropertyWriter w;
    w.u16(PropertyId::topic_alias, row.alias);
    EXPECT_EQ(t.in(Pub{row.topic, "x", 0, 0, false, false, w.bytes()}), ended(Version::v5, row.reason)) << row.what;
  }
  Bench largest;
  largest.up();
  PropertyWriter w;
  w.u16(PropertyId::topic_alias, 64);
  EXPECT_EQ(largest.in(Pub{"t", "x", 0, 0, false, false, w.bytes()}), "route t x q0");
}

TEST(PublishIn, AliasesDoNotOutliveTheConnection) {
  Bench t;
  t.up();
  PropertyWriter w;
  w.u16(PropertyId::topic_alias, 1);
  t.in(Pub{"t", "x", 0, 0, false, false, w.bytes()});
  t.channel->lost();
  t.start();
  t.up();
  EXPECT_EQ(t.in(Pub{"", "x", 0, 0, false, false, w.bytes()}), ended(Version::v5, Reason::topic_alias_invalid));
}

}  // namespace
}  // namespace sb::channel::test
