// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "mqtt/packets.h"
#include "mqtt/tests/bytes.h"

namespace sb::mqtt {
namespace {

using namespace test;

TEST(DecodePublish, EveryValueOfTheFlags) {
  for (Version v : kVersions)
    for (unsigned flags = 0; flags < 16; ++flags) {
      unsigned qos = flags >> 1 & 3;
      bool dup = flags & 8, retain = flags & 1;
      std::string body = str("a/b") + (qos ? u16(0x1234) : "") + props_of(v) + "payload";
      bool good = qos < 3 && (qos > 0 || !dup);  // [MQTT-3.3.1-4] [MQTT-3.3.1-2]
      Publish p;
      ASSERT_EQ(decode_publish(v, static_cast<std::uint8_t>(flags), Exact(body).view(), p),
                good ? Reason::success : Reason::malformed_packet)
          << flags;
      if (!good) continue;
      EXPECT_EQ(p.qos, qos);
      EXPECT_EQ(p.dup, dup);
      EXPECT_EQ(p.retain, retain);
      EXPECT_EQ(p.packet_id, qos ? 0x1234 : 0);
    }
}

TEST(DecodePublish, Table) {
  const Reason good = Reason::success, malformed = Reason::malformed_packet, protocol = Reason::protocol_error;
  const struct {
    const char* what;
    For versions;
    unsigned qos;
    std::string body;
    Reason reason;
    std::string_view topic, payload;
    bool has_properties;
  } rows[] = {
      {"no payload", For::v3, 0, str("t"), good, "t", "", false},
      {"no payload", For::v5, 0, str("t") + props(), good, "t", "", false},
      {"payload", For::v3, 1, str("t") + u16(1) + "xyz", good, "t", "xyz", false},
      {"payload", For::v5, 1, str("t") + u16(1) + props() + "xyz", good, "t", "xyz", false},
      {"largest packet id", For::v5, 2, str("t") + u16(65535) + props() + "xyz", good, "t", "xyz", false},
      {"properties", For::v5, 0, str("t") + props(u8(1) + u8(1)) + "xyz", good, "t", "xyz", true},
      {"alias in place of a topic", For::v5, 0, str("") + props(u8(0x23) + u16(7)) + "x", good, "", "x", true},
      {"several identifiers", For::v5, 0, str("t") + props(u8(0x0B) + u8(1) + u8(0x0B) + u8(2)), good, "t", "", true},
      {"nothing", For::all, 0, "", malformed, {}, {}, false},
      {"no packet id", For::all, 1, str("t"), malformed, {}, {}, false},
      {"packet id 0", For::v3, 1, str("t") + u16(0) + "x", malformed, {}, {}, false},
      {"packet id 0", For::v5, 2, str("t") + u16(0) + props() + "x", malformed, {}, {}, false},
      {"no properties", For::v5, 0, str("t"), malformed, {}, {}, false},
      {"no properties", For::v5, 1, str("t") + u16(1), malformed, {}, {}, false},
      {"properties longer than the packet", For::v5, 0, str("t") + u8(3) + u8(1) + u8(1), malformed, {}, {}, false},
      {"property length overlong", For::v5, 0, str("t") + u8(0x80) + u8(0) + "x", malformed, {}, {}, false},
      {"property length of five bytes", For::v5, 0, str("t") + "\x80\x80\x80\x80\x01", malformed, {}, {}, false},
      {"alias 0", For::v5, 0, str("t") + props(u8(0x23) + u16(0)), Reason::topic_alias_invalid, {}, {}, false},
      {"identifier 0", For::v5, 0, str("t") + props(u8(0x0B) + u8(0)), protocol, {}, {}, false},
      {"alias twice", For::v5, 0, str("t") + props(u8(0x23) + u16(1) + u8(0x23) + u16(1)), protocol, {}, {}, false},
      {"property of CONNECT", For::v5, 0, str("t") + props(u8(0x11) + u32(1)), protocol, {}, {}, false},
      {"payload format 2", For::v5, 0, str("t") + props(u8(1) + u8(2)), protocol, {}, {}, false},
      {"content type not UTF-8", For::v5, 0, str("t") + props(u8(3) + str("\xFF")), malformed, {}, {}, false},
      {"topic longer than the packet", For::all, 0, u16(4) + "abc", malformed, {}, {}, false},
  };
  for (Version v : kVersions)
    for (const auto& row : rows) {
      if (!applies(row.versions, v)) continue;
      SCOPED_TRACE(row.what);
      Publish p;
      p.has_properties = true;  // of the packet before
      Exact body(row.body);
      ASSERT_EQ(decode_publish(v, static_cast<std::uint8_t>(row.qos << 1), body.view(), p), row.reason);
      if (!ok(row.reason)) continue;
      EXPECT_EQ(p.topic, row.topic);
      EXPECT_EQ(p.payload, row.payload);
      EXPECT_EQ(p.has_properties, row.has_properties);
    }
}

TEST(DecodePublish, CutAtEveryByteBeforeThePayload) {
  for (Version v : kVersions)
    for (unsigned qos : {0u, 1u, 2u}) {
      std::string front = str("topic") + (qos ? u16(9) : "") + props_of(v, u8(0x26) + str("k") + str("v"));
      std::string whole = front + "payload";
      for (std::size_t n = 0; n <= whole.size(); ++n) {
        Publish p;
        Exact bytes(whole.substr(0, n));
        Reason r = decode_publish(v, static_cast<std::uint8_t>(qos << 1), bytes.view(), p);
        EXPECT_EQ(r, n < front.size() ? Reason::malformed_packet : Reason::success) << n;
        if (ok(r)) {
          EXPECT_EQ(p.payload, whole.substr(front.size(), n - front.size()));
        }
      }
    }
}

TEST(ForwardedProperties, LeaveOutWhatTheBrokerRewrites) {
  const std::string format = u8(1) + u8(1), expiry = u8(2) + u32(60), type = u8(3) + str("text"),
                    response = u8(8) + str("r"), data = u8(9) + str("d"), id = u8(0x0B) + varint(300),
                    alias = u8(0x23) + u16(7), user1 = u8(0x26) + str("k") + str("1"),
                    user2 = u8(0x26) + str("k") + str("2");
  const struct {
    std::string in, out;
    bool copied;
  } rows[] = {
      {format, format, false},
      {user1 + user2, user1 + user2, false},
      {format + type + response + data + user2 + user1, format + type + response + data + user2 + user1, false},
      {expiry, "", true},
      {alias, "", true},
      {expiry + alias, "", true},
      {user2 + expiry + user1, user2 + user1, true},
      {format + alias + user1 + expiry + type, format + user1 + type, true},
      {id + response + id + data, response + data, true},
  };
  for (const auto& row : rows) {
    std::string body = props(row.in), scratch = "of the message before";
    Reader r(body);
    Properties p;
    ASSERT_EQ(p.decode(r, PropertyPlace::publish), Reason::success);
    std::string_view forwarded = forwarded_properties(p, scratch);
    EXPECT_EQ(forwarded, row.out);
    EXPECT_EQ(forwarded.data() != p.raw.data(), row.copied);
  }
}

}  // namespace
}  // namespace sb::mqtt
