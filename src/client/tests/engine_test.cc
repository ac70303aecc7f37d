// SPDX-License-Identifier: MIT
// Tables of what happens to an engine and what it does: calls on the handler, calls on the link, packets
// sent.
#include "client/engine.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "client/tests/recorder.h"

namespace sb::client {
namespace {

using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::PropertyWriter;
using mqtt::Reason;
using mqtt::Version;
using Calls = std::vector<std::string>;

class EngineTest : public testing::Test {
 protected:
  /// A client whose CONNECT was accepted; nothing of that is in `calls`.
  Bench& connected(Options o = {}, std::string_view connack = {}) {
    bench_.emplace(std::move(o));
    bench_->engine.opened();
    bench_->feed(connack.empty() ? bench_->connack() : std::string(connack));
    bench_->take();
    return *bench_;
  }
  std::optional<Bench> bench_;
};

Options version(Version v) {
  Options o;
  o.version = v;
  return o;
}

TEST_F(EngineTest, ConnectInEveryVersion) {
  struct {
    Version v;
    std::string_view name;
  } cases[] = {{Version::v31, "MQIsdp"}, {Version::v311, "MQTT"}, {Version::v5, "MQTT"}};
  for (auto& c : cases) {
    Bench b(version(c.v));
    b.engine.opened();
    EXPECT_EQ(b.take(), Calls{fmt::format("CONNECT v{} id=c clean keep=60", static_cast<int>(c.v))});
    b.feed(b.connack());
    EXPECT_EQ(b.take(), Calls{"connected"});
    EXPECT_TRUE(b.engine.connected());
  }
}

TEST_F(EngineTest, ConnectSaysWhatTheOptionsSay) {
  Options o;
  o.session_expiry = 7;
  o.receive_maximum = 9;
  o.maximum_packet_size = 1000;
  o.topic_alias_maximum = 3;
  o.auth_method = "M";
  o.auth_data = "D";
  o.username = "u";
  o.password = "p";
  o.will = Will{"w/t", "gone", "", 1, true};
  o.clean_start = false;
  o.keep_alive = 0;
  Bench b(o);
  b.engine.opened();
  EXPECT_EQ(b.take(), Calls{"CONNECT v5 id=c keep=0 expiry=7 receive=9 size=1000 aliases=3 auth=M/D user=u password=p "
                            "will=w/t:gone qos1 retain"});
}

TEST_F(EngineTest, Refusals) {
  PropertyWriter why;
  why.text(PropertyId::reason_string, "go away").text(PropertyId::server_reference, "other:1883");
  struct {
    Version v;
    std::string connack;
    std::string call;
  } cases[] = {
      {Version::v5, connack_of(Version::v5, false, 0x87, why.bytes()),
       "stop refused (not authorized) 'go away' see other:1883"},
      {Version::v311, connack_of(Version::v311, false, 4), "stop refused (bad user name or password)"},
      {Version::v31, connack_of(Version::v31, false, 2), "stop refused (client identifier not valid)"},
      // a 3.1.1 broker answers version 5 in its own form
      {Version::v5, connack_of(Version::v311, false, 1), "stop refused (unsupported protocol version)"},
  };
  for (auto& c : cases) {
    Bench b(version(c.v));
    b.engine.opened();
    b.take();
    b.feed(c.connack);
    EXPECT_EQ(b.take(), Calls{c.call});
    EXPECT_FALSE(b.engine.connected());
    EXPECT_EQ(b.engine.publish({.topic = "t"}), make_error_code(errc::not_connected));
  }
}

TEST_F(EngineTest, WhatTheBrokerMustNotDo) {
  struct {
    std::string bytes;
    std::string text;
    bool before_connack = false;
  } cases[] = {
      {packet(PacketType::pingresp), "the first packet is no CONNACK", true},
      {connack_of(Version::v5, false, 0), "a second CONNACK"},
      {packet(PacketType::pingreq), "a packet that only clients send"},
      {std::string("\x30\xFF\xFF\xFF\xFF\x01", 6), "the length of a packet is malformed"},
      {std::string("\x36\x05\x00\x01t\x00\x01", 7), "PUBLISH is malformed"},
      {std::string("\x30\x03\x00\x00\x00", 5), "PUBLISH without a topic"},
      {publish_of(Version::v5, {.topic = "t"}, 0, PropertyWriter().u16(PropertyId::topic_alias, 1).bytes()),
       "PUBLISH with an unknown topic alias"},
      {std::string("\x40\x01\x00", 3), "an acknowledgement is malformed"},
      {std::string("\x90\x01\x00", 3), "SUBACK is malformed"},
  };
  for (auto& c : cases) {
    Bench b;
    b.engine.opened();
    if (!c.before_connack) b.feed(b.connack());
    b.take();
    b.feed(c.bytes + packet(PacketType::pingresp));
    Calls calls = b.take();
    EXPECT_EQ(calls.back(), fmt::format("stop protocol_error '{}'", c.text)) << c.text;
    EXPECT_EQ(calls.size(), c.before_connack ? 1u : 2u);  // DISCONNECT, except before CONNACK
  }
}

TEST_F(EngineTest, PacketsMayComeInAnyPieces) {
  std::string bytes = connack_of(Version::v5, false, 0) +
                      publish_of(Version::v5, {.topic = "a/b", .payload = "xyz", .qos = 1}, 7) +
                      publish_of(Version::v5, {.topic = "a/b", .payload = std::string(200, 'p')}, 0);
  for (std::size_t piece = 1; piece < bytes.size(); ++piece) {
    Bench b;
    b.engine.opened();
    b.take();
    std::string buffer;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      buffer += bytes.substr(at, piece);
      buffer.erase(0, b.engine.received(buffer));
    }
    EXPECT_TRUE(buffer.empty());
    EXPECT_EQ(b.take(), (Calls{"connected", "message a/b xyz qos1", "PUBACK 7",
                               "message a/b " + std::string(200, 'p') + " qos0"}));
  }
}

TEST_F(EngineTest, PublishQos0) {
  Bench& b = connected();
  EXPECT_FALSE(b.engine.publish({.topic = "t", .payload = "p", .retain = true}));
  EXPECT_EQ(b.take(), Calls{"PUBLISH t p qos0 retain"});
  EXPECT_EQ(b.engine.unacknowledged(), 0u);
}

TEST_F(EngineTest, PublishQos1AndQos2) {
  Bench& b = connected();
  EXPECT_FALSE(b.engine.publish({.topic = "t", .payload = "1", .qos = 1}, 101));
  EXPECT_FALSE(b.engine.publish({.topic = "t", .payload = "2", .qos = 2}, 102));
  EXPECT_EQ(b.take(), (Calls{"PUBLISH t 1 qos1 id1", "PUBLISH t 2 qos2 id2"}));
  b.feed(ack_of(PacketType::pubrec, 2));
  EXPECT_EQ(b.take(), Calls{"PUBREL 2"});
  b.feed(ack_of(PacketType::puback, 1));
  b.feed(ack_of(PacketType::pubcomp, 2));
  EXPECT_EQ(b.take(), (Calls{"published 101", "published 102"}));
  b.feed(ack_of(PacketType::puback, 1) + ack_of(PacketType::pubcomp, 2));  // again: nobody waits for them
  EXPECT_EQ(b.take(), Calls{});
  EXPECT_EQ(b.engine.unacknowledged(), 0u);
}

TEST_F(EngineTest, RefusedPublishes) {
  Bench& b = connected();
  ASSERT_FALSE(b.engine.publish({.topic = "t", .qos = 1}, 1));
  ASSERT_FALSE(b.engine.publish({.topic = "t", .qos = 2}, 2));
  b.take();
  PropertyWriter why;
  why.text(PropertyId::reason_string, "no");
  b.feed(ack_of(PacketType::puback, 1, Reason::not_authorized, why.bytes()));
  b.feed(ack_of(PacketType::pubrec, 2, Reason::quota_exceeded));
  EXPECT_EQ(b.take(), (Calls{"published 1 (not authorized) 'no'", "published 2 (quota exceeded)"}));
}

TEST_F(EngineTest, TheBrokersLimits) {
  PropertyWriter w;
  w.u16(PropertyId::receive_maximum, 2).u8(PropertyId::maximum_qos, 1).u8(PropertyId::retain_available, 0);
  w.u32(PropertyId::maximum_packet_size, 50).u16(PropertyId::server_keep_alive, 20);
  w.text(PropertyId::assigned_client_identifier, "given");
  Options o;
  bench_.emplace(o, "");
  Bench& b = *bench_;
  b.engine.opened();
  b.feed(connack_of(Version::v5, false, 0, w.bytes()));
  b.take();
  EXPECT_EQ(b.engine.client_id(), "given");
  EXPECT_EQ(b.engine.tick_period(), Millis(9000));
  EXPECT_EQ(b.engine.publish({.topic = "t", .qos = 2}), make_error_code(errc::qos_not_supported));
  EXPECT_EQ(b.engine.publish({.topic = "t", .retain = true}), make_error_code(errc::retain_not_supported));
  EXPECT_EQ(b.engine.publish({.topic = "t", .payload = std::string(50, 'x')}), make_error_code(errc::packet_too_large));
  EXPECT_FALSE(b.engine.publish({.topic = "t", .qos = 1}));
  EXPECT_FALSE(b.engine.publish({.topic = "t", .qos = 1}));
  EXPECT_EQ(b.engine.publish({.topic = "t", .qos = 1}), make_error_code(errc::window_full));
  EXPECT_FALSE(b.engine.publish({.topic = "t"}));  // QoS 0 has no window
  b.take();
  b.feed(ack_of(PacketType::puback, 1) + ack_of(PacketType::puback, 2));
  EXPECT_EQ(b.take(), (Calls{"published 0", "published 0", "room"}));
}

TEST_F(EngineTest, OutputLimit) {
  Options o;
  o.output_limit = 100;
  Bench& b = connected(o);
  EXPECT_FALSE(b.engine.publish({.topic = "t", .payload = std::string(200, 'x')}));
  EXPECT_EQ(b.engine.publish({.topic = "t"}), make_error_code(errc::output_full));
  b.engine.drained();
  EXPECT_EQ(b.calls, Calls{"output"});  // not yet
  b.calls.clear();
  b.out.clear();
  b.engine.drained();
  b.engine.drained();
  EXPECT_EQ(b.calls, Calls{"room"});  // said once
}

TEST_F(EngineTest, MessagesAreAcknowledged) {
  Bench& b = connected();
  b.feed(publish_of(Version::v5, {.topic = "t", .payload = "0"}, 0));
  b.feed(publish_of(Version::v5, {.topic = "t", .payload = "1", .qos = 1}, 5));
  b.feed(publish_of(Version::v5, {.topic = "t", .payload = "2", .qos = 2}, 6));
  b.feed(publish_of(Version::v5, {.topic = "t", .payload = "2", .qos = 2}, 6));  // again: not told twice
  b.feed(ack_of(PacketType::pubrel, 6) + ack_of(PacketType::pubrel, 6));
  b.feed(publish_of(Version::v5, {.topic = "t", .payload = "3", .qos = 2}, 6));  // a new one
  EXPECT_EQ(b.take(),
            (Calls{"message t 0 qos0", "message t 1 qos1", "PUBACK 5", "message t 2 qos2", "PUBREC 6", "PUBREC 6",
                   "PUBCOMP 6", "PUBCOMP 6 (packet identifier not found)", "message t 3 qos2", "PUBREC 6"}));
}

TEST_F(EngineTest, ManualAcknowledgement) {
  Options o;
  o.manual_ack = true;
  Bench& b = connected(o);
  b.feed(publish_of(Version::v5, {.topic = "t", .qos = 1}, 5) + publish_of(Version::v5, {.topic = "t", .qos = 2}, 6));
  EXPECT_EQ(b.take(), (Calls{"message t  qos1", "message t  qos2"}));
  b.engine.ack(6, 2, Reason::quota_exceeded);
  b.engine.ack(5, 1);
  EXPECT_EQ(b.take(), (Calls{"PUBREC 6 (quota exceeded)", "PUBACK 5"}));
  b.feed(publish_of(Version::v5, {.topic = "t", .qos = 2}, 6));  // refused, so this is a new one
  EXPECT_EQ(b.take(), (Calls{"message t  qos2"}));
}

TEST_F(EngineTest, Subscriptions) {
  Bench& b = connected();
  auto first = b.engine.subscribe({{"a/#", {.qos = 1}}, {"b", {.qos = 2, .no_local = true, .retain_handling = 2}}});
  auto second = b.engine.unsubscribe({"a/#", "b"});
  ASSERT_TRUE(first && second);
  EXPECT_EQ(b.take(),
            (Calls{fmt::format("SUBSCRIBE {} a/#:1 b:2nl,rh2", *first), fmt::format("UNSUBSCRIBE {} a/# b", *second)}));
  std::string answers;
  encode_suback(answers, Version::v5, PacketType::suback, *first, {Reason::granted_qos1, Reason::not_authorized});
  encode_suback(answers, Version::v5, PacketType::unsuback, *second, {Reason::success, Reason::success});
  b.feed(answers);
  b.feed(answers);  // nobody waits for it any more
  EXPECT_EQ(b.take(), (Calls{fmt::format("suback {} 01 87", *first), fmt::format("unsuback {} 00 00", *second)}));
}

TEST_F(EngineTest, RequestsAreBounded) {
  Bench& b = connected();
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(b.engine.subscribe({{"t", {}}}));
  EXPECT_EQ(b.engine.subscribe({{"t", {}}}).error(), make_error_code(errc::too_many_requests));
  std::string answer;
  encode_suback(answer, Version::v5, PacketType::suback, OutWindow::kMaxId + 10, {Reason::success});
  b.feed(answer);
  auto again = b.engine.subscribe({{"t", {}}});
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, OutWindow::kMaxId + 10);
}

TEST_F(EngineTest, TopicAliases) {
  Options o;
  o.topic_aliases = 8;
  o.topic_alias_maximum = 2;
  Bench& b =
      connected(o, connack_of(Version::v5, false, 0, PropertyWriter().u16(PropertyId::topic_alias_maximum, 2).bytes()));
  for (const char* t : {"a", "b", "a", "c", "b"}) ASSERT_FALSE(b.engine.publish({.topic = t}));
  ASSERT_FALSE(b.engine.publish({.topic = "a", .qos = 1}));
  EXPECT_EQ(b.take(), (Calls{"PUBLISH a  qos0 alias1", "PUBLISH b  qos0 alias2", "PUBLISH   qos0 alias1",
                             "PUBLISH c  qos0", "PUBLISH   qos0 alias2", "PUBLISH   qos1 id1 alias1"}));
  b.engine.lost();
  b.engine.opened();
  b.take();
  b.feed(connack_of(Version::v5, true, 0));
  EXPECT_EQ(b.take(), (Calls{"PUBLISH a  qos1 id1 dup", "connected session"}));  // whole, and no alias any more

  std::string alias(PropertyWriter().u16(PropertyId::topic_alias, 2).bytes());
  b.feed(publish_of(Version::v5, {.topic = "in"}, 0, alias) + publish_of(Version::v5, {.topic = ""}, 0, alias));
  EXPECT_EQ(b.take(), (Calls{"message in  qos0", "message in  qos0"}));
}

TEST_F(EngineTest, KeepAlive) {
  Bench& b = connected();
  b.engine.tick();  // something came and went
  EXPECT_EQ(b.take(), Calls{});
  b.engine.tick();
  EXPECT_EQ(b.take(), Calls{"PINGREQ"});
  b.feed(packet(PacketType::pingresp));
  ASSERT_FALSE(b.engine.publish({.topic = "t"}));
  b.take();
  b.engine.tick();
  EXPECT_EQ(b.take(), Calls{});
  ASSERT_FALSE(b.engine.publish({.topic = "t"}));  // we talk, nobody answers
  b.take();
  b.engine.tick();
  EXPECT_EQ(b.take(), Calls{"PINGREQ"});
  b.engine.tick();
  EXPECT_EQ(b.take(), Calls{});
  b.engine.tick();
  EXPECT_EQ(b.take(), (Calls{"DISCONNECT (keep alive timeout)",
                             "stop keep_alive_timeout (keep alive timeout) 'no answer to PINGREQ'"}));
}

TEST_F(EngineTest, EnhancedAuthentication) {
  Options o;
  o.auth_method = "M";
  Bench b(o);
  b.on_auth_answer = "response";
  b.engine.opened();
  b.take();
  std::string challenge;
  encode_auth(challenge, Reason::continue_authentication,
              PropertyWriter()
                  .text(PropertyId::authentication_method, "M")
                  .text(PropertyId::authentication_data, "challenge")
                  .bytes());
  b.feed(challenge);
  EXPECT_EQ(b.take(), (Calls{"auth (continue authentication) challenge", "AUTH (continue authentication) M/response"}));
  b.feed(b.connack());
  EXPECT_EQ(b.take(), Calls{"connected"});
  b.engine.authenticate(Reason::reauthenticate, "again");
  EXPECT_EQ(b.take(), Calls{"AUTH (re-authenticate) M/again"});
}

TEST_F(EngineTest, TheBrokerDisconnects) {
  Bench& b = connected();
  std::string bytes;
  encode_disconnect(bytes, Version::v5, Reason::server_shutting_down,
                    PropertyWriter().text(PropertyId::reason_string, "bye").bytes());
  b.feed(bytes);
  EXPECT_EQ(b.take(), Calls{"stop server_disconnect (server shutting down) 'bye'"});
}

TEST_F(EngineTest, WeDisconnect) {
  Bench& b = connected();
  b.engine.disconnect(Reason::disconnect_with_will);
  EXPECT_EQ(b.take(), (Calls{"DISCONNECT (disconnect with will message)", "stop"}));
  b.engine.disconnect();
  b.feed(publish_of(Version::v5, {.topic = "t"}, 0));
  EXPECT_EQ(b.take(), Calls{});
  EXPECT_FALSE(b.engine.subscribe({{"t", {}}}));
}

TEST_F(EngineTest, OutputIsToldOncePerTurn) {
  Bench& b = connected();
  b.calls.clear();
  for (int i = 0; i < 3; ++i) ASSERT_FALSE(b.engine.publish({.topic = "t"}));
  EXPECT_EQ(b.calls, Calls{"output"});
}

}  // namespace
}  // namespace sb::client
