// SPDX-License-Identifier: MIT
// What the encoders write, the decoders read: for every packet and version, with and without what may be left out.
#include <gtest/gtest.h>

#include "mqtt/encoder.h"
#include "mqtt/packets.h"
#include "mqtt/publish_encoder.h"
#include "mqtt/tests/bytes.h"

namespace sb::mqtt {
namespace {

using namespace test;

/// Takes the one packet in `bytes` apart.
Frame only_frame(std::string_view bytes, PacketType type) {
  Frame f;
  EXPECT_EQ(take_frame(bytes, kMaxPacketSize, f), FrameStatus::complete);
  EXPECT_TRUE(bytes.empty());
  EXPECT_EQ(f.type, type);
  EXPECT_FALSE(f.overlong);
  return f;
}

// Lengths around the sizes of a Remaining Length.
constexpr std::size_t kSizes[] = {0, 1, 100, 127, 128, 16000, 16383, 16384, 65000};

TEST(RoundTrip, Connect) {
  PropertyWriter properties, will_properties;
  properties.u32(PropertyId::session_expiry_interval, 9).pair("k", "v");
  will_properties.u32(PropertyId::will_delay_interval, 3);
  for (Version v : kVersions)
    for (unsigned shape = 0; shape < 64; ++shape)
      for (std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{100}, std::size_t{20000}}) {
        std::string id(n, 'i'), payload(n, 'w'), user(n, 'u'), password(n, 'p');
        ConnectOut out;
        out.version = v;
        out.client_id = id;
        out.clean_start = shape & 1;
        out.keep_alive = static_cast<std::uint16_t>(n);
        if (shape & 2) out.properties = properties.bytes();
        if (shape & 4) {
          ConnectOut::Will will{"will/topic", payload, {}, static_cast<std::uint8_t>(n % 3), (shape & 8) != 0};
          if (shape & 8) will.properties = will_properties.bytes();
          out.will = will;
        }
        if (shape & 16) out.username = user;
        if (shape & 32 && (v == Version::v5 || shape & 16)) out.password = password;
        std::string bytes;
        encode_connect(bytes, out);
        Frame f = only_frame(bytes, PacketType::connect);
        Connect c;
        ASSERT_EQ(decode_connect(f.flags, f.body, c), Reason::success);
        EXPECT_EQ(c.version, v);
        EXPECT_EQ(c.client_id, id);
        EXPECT_EQ(c.clean_start, out.clean_start);
        EXPECT_EQ(c.keep_alive, out.keep_alive);
        EXPECT_EQ(c.properties.has(PropertyId::session_expiry_interval), v == Version::v5 && shape & 2);
        EXPECT_EQ(c.username, out.username);
        EXPECT_EQ(c.password, out.password);
        ASSERT_EQ(c.will.has_value(), out.will.has_value());
        if (!c.will) continue;
        EXPECT_EQ(c.will->topic, "will/topic");
        EXPECT_EQ(c.will->payload, payload);
        EXPECT_EQ(c.will->qos, out.will->qos);
        EXPECT_EQ(c.will->retain, out.will->retain);
        EXPECT_EQ(c.will->properties.has(PropertyId::will_delay_interval), v == Version::v5 && shape & 8);
      }
}

TEST(RoundTrip, Connack) {
  for (Version v : kVersions)
    for (bool present : {false, true})
      for (std::uint8_t code : {0, 5}) {
        for (std::size_t n : kSizes) {
          PropertyWriter w;
          if (n) w.text(PropertyId::reason_string, std::string(n, 'r'));
          std::string bytes;
          encode_connack(bytes, v, present, code, w.bytes());
          Frame f = only_frame(bytes, PacketType::connack);
          Connack c;
          ASSERT_EQ(decode_connack(v, f.flags, f.body, c), Reason::success);
          EXPECT_EQ(c.session_present, present && v != Version::v31) << "3.1 reserves the byte";
          EXPECT_EQ(c.code, code);
          EXPECT_EQ(c.properties.has(PropertyId::reason_string), v == Version::v5 && n > 0);
        }
      }
}

TEST(RoundTrip, Acks) {
  for (Version v : kVersions)
    for (PacketType t : {PacketType::puback, PacketType::pubrec, PacketType::pubrel, PacketType::pubcomp})
      for (PacketId id : {1, 255, 256, 65535}) {
        Reason refusal = t == PacketType::puback || t == PacketType::pubrec ? Reason::quota_exceeded
                                                                            : Reason::packet_identifier_not_found;
        for (Reason reason : {Reason::success, refusal})
          for (std::size_t n : kSizes) {
            PropertyWriter w;
            if (n) w.text(PropertyId::reason_string, std::string(n, 'r'));
            std::string bytes;
            encode_ack(bytes, v, t, id, reason, w.bytes());
            Frame f = only_frame(bytes, t);
            Ack a;
            ASSERT_EQ(decode_ack(v, t, f.flags, f.body, a), Reason::success);
            EXPECT_EQ(a.packet_id, id);
            EXPECT_EQ(a.reason, v == Version::v5 ? reason : Reason::success);
            EXPECT_EQ(a.properties.has(PropertyId::reason_string), v == Version::v5 && n > 0);
            if (n == 0) {
              EXPECT_EQ(bytes.size(), v == Version::v5 && !ok(reason) ? 5u : 4u) << "not in the shortest form";
            }
          }
        char room[4];
        ASSERT_EQ(put_short_ack(room, t, id), room + 4);
        std::string shortest;
        encode_ack(shortest, v, t, id);
        EXPECT_EQ(std::string(room, 4), shortest);
      }
}

TEST(RoundTrip, SubscribeAndUnsubscribe) {
  PropertyWriter w;
  w.varint(PropertyId::subscription_identifier, 16384);
  PropertyWriter user;
  user.pair("k", "v");
  for (Version v : kVersions)
    for (std::size_t n : {std::size_t{1}, std::size_t{3}, std::size_t{50}, std::size_t{3000}}) {
      std::vector<std::string> filters;
      for (std::size_t i = 0; i < n; ++i) filters.push_back("filter/" + std::to_string(i) + "/+");
      std::vector<SubscribeEntryOut> entries;
      std::vector<std::string_view> views(filters.begin(), filters.end());
      for (std::size_t i = 0; i < n; ++i) {
        model::SubscribeOptions o;
        o.qos = i % 3;
        o.no_local = i & 1;
        o.retain_as_published = i & 2;
        o.retain_handling = i % 3;
        entries.push_back({filters[i], o});
      }
      std::string bytes;
      encode_subscribe(bytes, v, 77, entries, w.bytes());
      Frame f = only_frame(bytes, PacketType::subscribe);
      Subscribe s;
      ASSERT_EQ(decode_subscribe(v, f.flags, f.body, s), Reason::success);
      EXPECT_EQ(s.packet_id, 77);
      EXPECT_EQ(s.properties.has(PropertyId::subscription_identifier), v == Version::v5);
      ASSERT_EQ(s.entries.size(), n);
      for (std::size_t i = 0; i < n; ++i) {
        EXPECT_EQ(s.entries[i].filter, filters[i]);
        model::SubscribeOptions o = entries[i].options;
        if (v != Version::v5) o = {.qos = o.qos};
        EXPECT_EQ(s.entries[i].options, o);
      }
      bytes.clear();
      encode_unsubscribe(bytes, v, 78, views, user.bytes());
      f = only_frame(bytes, PacketType::unsubscribe);
      Unsubscribe u;
      ASSERT_EQ(decode_unsubscribe(v, f.flags, f.body, u), Reason::success);
      EXPECT_EQ(u.packet_id, 78);
      EXPECT_EQ(u.filters, views);
      EXPECT_EQ(u.properties.has(PropertyId::user_property), v == Version::v5);
    }
}

TEST(RoundTrip, SubackAndUnsuback) {
  const std::vector<Reason> codes = {Reason::success, Reason::granted_qos1, Reason::granted_qos2,
                                     Reason::quota_exceeded};
  for (Version v : kVersions)
    for (PacketType t : {PacketType::suback, PacketType::unsuback}) {
      std::string bytes;
      encode_suback(bytes, v, t, 5, codes);
      Frame f = only_frame(bytes, t);
      SubscribeAck a;
      ASSERT_EQ(decode_suback(v, t, f.flags, f.body, a), Reason::success);
      EXPECT_EQ(a.packet_id, 5);
      if (v == Version::v5) {
        EXPECT_EQ(a.codes, std::string_view("\0\x01\x02\x97", 4));
      } else {  // 3.x: one code for every failure, and none in UNSUBACK
        EXPECT_EQ(a.codes, t == PacketType::suback ? std::string_view("\0\x01\x02\x80", 4) : std::string_view());
      }
    }
}

TEST(RoundTrip, DisconnectAuthAndEmpty) {
  PropertyWriter w;
  w.text(PropertyId::reason_string, "why");
  for (Version v : kVersions)
    for (Reason reason : {Reason::success, Reason::disconnect_with_will, Reason::session_taken_over})
      for (std::string_view properties : {std::string_view(), w.bytes()}) {
        std::string bytes;
        encode_disconnect(bytes, v, reason, properties);
        Frame f = only_frame(bytes, PacketType::disconnect);
        ReasonPacket d;
        ASSERT_EQ(decode_disconnect(v, f.flags, f.body, d), Reason::success);
        EXPECT_EQ(d.reason, v == Version::v5 ? reason : Reason::success);
        EXPECT_EQ(d.properties.has(PropertyId::reason_string), v == Version::v5 && !properties.empty());
        if (reason == Reason::success && properties.empty()) {
          EXPECT_EQ(bytes.size(), 2u);
        }
      }
  for (Reason reason : {Reason::success, Reason::continue_authentication, Reason::reauthenticate}) {
    PropertyWriter method;
    method.text(PropertyId::authentication_method, "M").text(PropertyId::authentication_data, std::string(200, 'd'));
    std::string bytes;
    encode_auth(bytes, reason, method.bytes());
    Frame f = only_frame(bytes, PacketType::auth);
    ReasonPacket a;
    ASSERT_EQ(decode_auth(Version::v5, f.flags, f.body, a), Reason::success);
    EXPECT_EQ(a.reason, reason);
    EXPECT_EQ(a.properties.authentication_data, std::string(200, 'd'));
  }
  for (PacketType t : {PacketType::pingreq, PacketType::pingresp}) {
    std::string bytes;
    encode_empty(bytes, t);
    Frame f = only_frame(bytes, t);
    EXPECT_EQ(decode_empty(f.flags, f.body), Reason::success);
  }
}

// ---------------------------------------------------------------- PUBLISH

/// The packet as the grammar has it, put together from its parts.
std::string naive_publish(const model::MessageView& m, const PublishForm& f) {
  std::string body = str(f.with_topic ? m.topic : std::string_view());
  if (f.qos) body += u16(f.packet_id);
  if (f.version == Version::v5) {
    std::string p;
    if (f.expires) p += u8(2) + u32(f.expiry);
    if (f.alias) p += u8(0x23) + u16(f.alias);
    for (std::uint32_t i = 0; i < f.subscription_id_count; ++i) p += u8(0x0B) + varint(f.subscription_ids[i]);
    body += props(p + std::string(f.extra_properties) + std::string(m.properties));
  }
  body += m.payload;
  unsigned first = 0x30u | (f.dup ? 8u : 0u) | f.qos * 2u | (f.retain ? 1u : 0u);
  return u8(first) + varint(static_cast<std::uint32_t>(body.size())) + body;
}

TEST(PublishEncoder, SizesAndBytes) {
  const std::uint32_t ids[] = {1, 127, 128, 268435455};
  PropertyWriter own, extra;
  own.u8(PropertyId::payload_format_indicator, 1).pair("k", "v");
  extra.pair("gap", "17");
  for (Version v : kVersions)
    for (unsigned shape = 0; shape < 256; ++shape)
      for (std::size_t n : {0, 1, 90, 110, 120, 127, 128, 16360, 16384, 30000}) {
        std::string payload(n, 'p'), topic(shape & 1 ? 100 : 1, 't');
        model::MessageView m;
        m.topic = topic;
        m.payload = payload;
        if (shape & 2) m.properties = own.bytes();
        PublishForm f;
        f.version = v;
        f.qos = static_cast<std::uint8_t>(n % 3);
        f.retain = shape & 4;
        f.dup = shape & 8 && f.qos;
        f.packet_id = f.qos ? 0xABCD : 0;
        f.expires = shape & 16;
        f.expiry = 0x01020304;
        if (shape & 32) f.alias = 0xBEEF;
        f.with_topic = !(shape & 32 && shape & 4) || v != Version::v5;
        if (shape & 64) f.subscription_ids = ids, f.subscription_id_count = 4;
        if (shape & 128) f.extra_properties = extra.bytes();
        std::string expected = naive_publish(m, f);
        PublishSize size = publish_size(m, f);
        ASSERT_EQ(size.total, expected.size());
        std::string bytes(size.total, '\0');
        std::uint32_t id_at = 0;
        ASSERT_EQ(put_publish(bytes.data(), m, f, size, &id_at), bytes.data() + bytes.size());
        ASSERT_EQ(bytes, expected);
        ASSERT_EQ(f.qos ? bytes.substr(id_at, 2) : "", f.qos ? u16(0xABCD) : "");
        std::string head(size.total - n, '\0');
        ASSERT_EQ(put_publish_head(head.data(), m, f, size), head.data() + head.size());
        ASSERT_EQ(head + payload, expected);
        Frame frame = only_frame(bytes, PacketType::publish);
        Publish p;
        ASSERT_EQ(decode_publish(v, frame.flags, frame.body, p), Reason::success);
        EXPECT_EQ(p.topic, f.with_topic ? topic : "");
        EXPECT_EQ(p.payload, payload);
      }
}

TEST(PublishEncoder, PropertiesAtTheSizesOfTheirLength) {
  for (std::size_t n : {100, 120, 121, 122, 123, 124, 125, 127, 16370, 16378, 16380, 16384}) {
    PropertyWriter w;
    w.text(PropertyId::content_type, std::string(n, 'c'));
    model::MessageView m;
    m.topic = "t";
    m.properties = w.bytes();
    PublishForm f;
    f.version = Version::v5;
    PublishSize size = publish_size(m, f);
    std::string bytes(size.total, '\0');
    put_publish(bytes.data(), m, f, size);
    EXPECT_EQ(bytes, naive_publish(m, f)) << n;
  }
}

}  // namespace
}  // namespace sb::mqtt
