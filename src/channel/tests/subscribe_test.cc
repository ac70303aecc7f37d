// SPDX-License-Identifier: MIT
#include "channel/tests/recorder.h"

namespace sb::channel::test {
namespace {

using mqtt::PropertyWriter;
using Entry = mqtt::SubscribeEntryOut;

model::SubscribeOptions options(std::uint8_t qos, bool no_local = false, bool as_published = false,
                                std::uint8_t handling = 0) {
  model::SubscribeOptions o;
  o.qos = qos & 3;
  o.no_local = no_local;
  o.retain_as_published = as_published;
  o.retain_handling = handling & 3;
  return o;
}

std::string ended(Version v, Reason r) {
  return "closed with_will; close" + (v == Version::v5 ? fmt::format(" → DISCONNECT [{0}] why={0}", text(r)) : "");
}

TEST(Subscribe, FiltersAndOptionsReachTheHost) {
  for (Version v : kVersions) {
    bool v5 = v == Version::v5;
    PropertyWriter w;
    w.varint(PropertyId::subscription_identifier, 268435455);
    Bench t(v);
    t.up();
    EXPECT_EQ(
        t.in(subscribe(
            v, 9, {{"a/#", options(0, true)}, {"+", options(1, false, true, 1)}, {"b", options(2, false, false, 2)}},
            w.bytes())),
        v5 ? "subscribe 9 a/#:0,nl +:1,rap,rh1 b:2,rh2 sub=268435455 → SUBACK 9: 0 1 2"
           : "subscribe 9 a/#:0 +:1 b:2 → SUBACK 9: 0 1 2");
    EXPECT_EQ(t.in(unsubscribe(v, 10, {"a/#", "b"})),
              v5 ? "unsubscribe 10 a/# b → UNSUBACK 10: 0 0" : "unsubscribe 10 a/# b → UNSUBACK 10:");
  }
}

/// One filter each; `v3` and `v5`: the code in SUBACK, or the end of the connection.
TEST(Subscribe, Validation) {
  const int invalid = -1, protocol = -2;
  ChannelConfig usual, bare;
  usual.limits.topic_length = 30;
  usual.limits.topic_levels = 4;
  usual.limits.max_qos = 1;
  bare.features = {true, false, false, true};
  const struct {
    const char* what;
    const ChannelConfig& config;
    std::string_view filter;
    model::SubscribeOptions o;
    int v3, v5;
  } rows[] = {
      {"plain", usual, "a/b", options(1), 1, 1},
      {"QoS above the largest", usual, "a/b", options(2), 1, 1},  // granted what there is
      {"wildcards", usual, "+/b/#", options(0), 0, 0},
      {"empty", usual, "", options(0), invalid, invalid},
      {"# not at the end", usual, "#/a", options(0), invalid, invalid},
      {"half a level", usual, "a+", options(0), invalid, invalid},
      {"longest", usual, "123456789012345678901234567890", options(0), 0, 0},
      {"too long", usual, "1234567890123456789012345678901", options(0), 128, 0x97},
      {"deepest", usual, "a/b/c/#", options(0), 0, 0},
      {"too deep", usual, "a/b/c/d/#", options(0), 128, 0x97},
      {"shared", usual, "$share/g/a/b", options(1), 1, 1},
      {"deepest shared", usual, "$share/g/a/b/c/d", options(1), 1, 1},
      {"too deep shared", usual, "$share/g/a/b/c/d/e", options(1), 128, 0x97},
      {"shared with No Local", usual, "$share/g/a", options(0, true), 0, protocol},  // [MQTT-3.8.3-4]
      {"shared without a filter", usual, "$share/g", options(0), invalid, invalid},
      {"shared with an empty filter", usual, "$share/g/", options(0), invalid, invalid},
      {"shared without a group", usual, "$share//a", options(0), invalid, invalid},
      {"shared with a wildcard in the group", usual, "$share/+/a", options(0), invalid, invalid},
      {"shared with a wrong filter", usual, "$share/g/a#", options(0), invalid, invalid},
      {"no wildcards here", bare, "a/+", options(0), 128, 0xA2},
      {"no wildcards needed", bare, "a/b", options(2), 2, 2},
      {"no shared ones here", bare, "$share/g/a", options(0), 128, 0x9E},
      {"wrong in form all the same", bare, "$share/g", options(0), invalid, invalid},
  };
  for (Version v : kVersions)
    for (const auto& row : rows) {
      Bench t(v, row.config);
      t.up();
      std::string happened = t.in(subscribe(v, 1, {{row.filter, row.o}}));
      int code = v == Version::v5 ? row.v5 : row.v3;
      if (code >= 0)
        EXPECT_TRUE(happened.ends_with(fmt::format("→ SUBACK 1: {}", code))) << row.what << ": " << happened;
      else
        EXPECT_EQ(happened, ended(v, code == invalid ? Reason::topic_filter_invalid : Reason::protocol_error))
            << row.what;
    }
}

TEST(Subscribe, OneWrongFilterSpoilsAllOneRefusedDoesNot) {
  ChannelConfig config;
  config.features.shared_subscriptions = false;
  for (Version v : kVersions) {
    Bench t(v, config);
    t.up();
    EXPECT_EQ(t.in(subscribe(v, 1, {{"a", options(1)}, {"$share/g/a", options(1)}, {"b", options(2)}})),
              fmt::format("subscribe 1 a:1 $share/g/a:1 [shared subscriptions not supported] b:2 → SUBACK 1: 1 {} 2",
                          v == Version::v5 ? 0x9E : 0x80));
    EXPECT_EQ(t.in(subscribe(v, 2, {{"a", options(1)}, {"a#", options(1)}})), ended(v, Reason::topic_filter_invalid));
  }
}

TEST(Subscribe, IdentifiersThatAreNotOffered) {
  ChannelConfig config;
  config.features.subscription_identifiers = false;
  PropertyWriter w;
  w.varint(PropertyId::subscription_identifier, 1);
  Bench t(Version::v5, config);
  t.up();
  EXPECT_EQ(t.in(subscribe(Version::v5, 1, {{"a", {}}})), "subscribe 1 a:0 → SUBACK 1: 0");
  EXPECT_EQ(t.in(subscribe(Version::v5, 2, {{"a", {}}}, w.bytes())),
            ended(Version::v5, Reason::subscription_identifiers_not_supported));
}

TEST(Subscribe, UnsubscribeValidation) {
  const struct {
    std::string_view filter;
    bool good;
  } rows[] = {{"a/b", true},  {"#", true},         {"$share/g/a", true}, {"", false},       {"a#", false},
              {"#/a", false}, {"$share/g", false}, {"$share//a", false}, {"$share", false}, {"never/had", true}};
  for (Version v : kVersions)
    for (const auto& row : rows) {
      Bench t(v);
      t.up();
      EXPECT_EQ(t.in(unsubscribe(v, 3, {row.filter})),
                row.good ? fmt::format("unsubscribe 3 {} → UNSUBACK 3:{}", row.filter, v == Version::v5 ? " 0" : "")
                         : ended(v, Reason::topic_filter_invalid))
          << row.filter;
    }
}

TEST(Subscribe, WhatFollowsWaitsForTheStore) {
  for (Version v : kVersions)
    for (bool un : {false, true}) {
      Bench t(v);
      t.up();
      t.host.hold_subscribes = true;
      std::string request = un ? unsubscribe(v, 1, {"a"}) : subscribe(v, 1, {{"a", options(1)}});
      EXPECT_EQ(t.in(request + publish(v, {"a", "x", 1, 2}) + pingreq()), un ? "unsubscribe 1 a" : "subscribe 1 a:1");
      EXPECT_TRUE(t.channel->input_waits());
      // Deliveries go on meanwhile.
      EXPECT_EQ(t.deliver("b", "y", 0), Delivered::sent);
      EXPECT_EQ(t.sent(), "PUBLISH b y q0");
      if (un)
        t.channel->unsubscribed(1, {Reason::success});
      else
        t.channel->subscribed(1, {Reason::granted_qos1});
      std::string codes = un ? (v == Version::v5 ? "UNSUBACK 1: 0" : "UNSUBACK 1:") : "SUBACK 1: 1";
      EXPECT_EQ(t.happened(), "route a x q1 #2 as-it-came → " + codes + "; PUBACK 2; PINGRESP");
    }
}

TEST(Subscribe, AnAnswerAfterTheEndIsNothing) {
  Bench t;
  t.up();
  t.host.hold_subscribes = true;
  t.feed(subscribe(Version::v5, 1, {{"a", {}}}));
  t.channel->lost();
  t.channel->subscribed(1, {Reason::success});
  t.channel->unsubscribed(1, {Reason::success});
  EXPECT_EQ(t.sent(), "");
}

}  // namespace
}  // namespace sb::channel::test
