// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "mqtt/packets.h"
#include "mqtt/tests/bytes.h"

namespace sb::mqtt {
namespace {

using namespace test;

std::string name_of(Version v) { return v == Version::v31 ? "MQIsdp" : "MQTT"; }

/// CONNECT up to the payload; `p` are properties of version 5.
std::string head(Version v, unsigned flags, unsigned keep_alive = 60, std::string_view p = {}) {
  return str(name_of(v)) + u8(static_cast<unsigned>(v)) + u8(flags) + u16(keep_alive) + props_of(v, p);
}

constexpr unsigned kClean = 0x02, kWill = 0x04, kWillQos1 = 0x08, kWillQos2 = 0x10, kWillRetain = 0x20,
                   kPassword = 0x40, kUser = 0x80;

std::string full(Version v) {
  return head(v, kClean | kWill | kWillQos2 | kWillRetain | kUser | kPassword, 65535, u8(0x11) + u32(77)) +
         str("client") + props_of(v, u8(0x18) + u32(5)) + str("will/topic") + str(std::string("\0\xFFpay", 5)) +
         str("user") + str(std::string("\xFF\0", 2));
}

TEST(DecodeConnect, EveryField) {
  for (Version v : kVersions) {
    SCOPED_TRACE(testing::PrintToString(v));
    Exact bytes(full(v));
    Connect c;
    ASSERT_EQ(decode_connect(0, bytes.view(), c), Reason::success);
    EXPECT_EQ(c.version, v);
    EXPECT_EQ(c.level, static_cast<int>(v));
    EXPECT_TRUE(c.clean_start);
    EXPECT_EQ(c.keep_alive, 65535);
    EXPECT_EQ(c.client_id, "client");
    ASSERT_TRUE(c.will);
    EXPECT_EQ(c.will->qos, 2);
    EXPECT_TRUE(c.will->retain);
    EXPECT_EQ(c.will->topic, "will/topic");
    EXPECT_EQ(c.will->payload, std::string_view("\0\xFFpay", 5));
    EXPECT_EQ(c.username, "user");
    EXPECT_EQ(c.password, std::string_view("\xFF\0", 2));
    EXPECT_EQ(c.properties.has(PropertyId::session_expiry_interval), v == Version::v5);
    EXPECT_EQ(c.will->properties.has(PropertyId::will_delay_interval), v == Version::v5);
    if (v != Version::v5) continue;
    EXPECT_EQ(c.properties.session_expiry_interval, 77u);
    EXPECT_EQ(c.will->properties.will_delay_interval, 5u);
  }
}

TEST(DecodeConnect, ASecondPacketLeavesNothingOfTheFirst) {
  for (Version v : kVersions) {
    Connect c;
    ASSERT_EQ(decode_connect(0, full(Version::v5), c), Reason::success);
    std::string small = head(v, 0, 0) + str("c");
    ASSERT_EQ(decode_connect(0, small, c), Reason::success);
    EXPECT_EQ(c.version, v);
    EXPECT_FALSE(c.clean_start || c.will || c.username || c.password);
    EXPECT_EQ(c.keep_alive, 0);
    EXPECT_EQ(c.client_id, "c");
    EXPECT_EQ(c.properties.present, 0u);
  }
}

TEST(DecodeConnect, Flags) {
  // Every value of the byte, with a payload that has what it says.
  for (Version v : kVersions)
    for (unsigned flags = 0; flags < 256; ++flags) {
      std::string body = head(v, flags) + str("c");
      if (flags & kWill) body += props_of(v) + str("w") + str("");
      if (flags & kUser) body += str("u");
      if (flags & kPassword) body += str("p");
      bool good = !(flags & 1) && (flags >> 3 & 3) != 3;                            // [MQTT-3.1.2-3] [MQTT-3.1.2-12]
      good &= (flags & kWill) || !(flags & (kWillRetain | kWillQos1 | kWillQos2));  // [MQTT-3.1.2-11] [MQTT-3.1.2-13]
      good &= v == Version::v5 || (flags & kUser) || !(flags & kPassword);          // [MQTT-3.1.2-22] of 3.1.1
      Connect c;
      Reason r = decode_connect(0, Exact(body).view(), c);
      EXPECT_EQ(r, good ? Reason::success : Reason::malformed_packet) << static_cast<int>(v) << " flags " << flags;
      if (!good) continue;
      EXPECT_EQ(c.clean_start, (flags & kClean) != 0);
      EXPECT_EQ(c.will.has_value(), (flags & kWill) != 0);
      EXPECT_EQ(c.username.has_value(), (flags & kUser) != 0);
      EXPECT_EQ(c.password.has_value(), (flags & kPassword) != 0);
    }
}

TEST(DecodeConnect, NamesAndLevels) {
  const struct {
    std::string_view name;
    unsigned level;
    Reason reason;
    unsigned told_level;
  } rows[] = {
      {"MQTT", 4, Reason::success, 4},
      {"MQTT", 5, Reason::success, 5},
      {"MQIsdp", 3, Reason::success, 3},
      {"MQTT", 0, Reason::unsupported_protocol_version, 0},
      {"MQTT", 3, Reason::unsupported_protocol_version, 3},
      {"MQTT", 6, Reason::unsupported_protocol_version, 6},
      {"MQTT", 0x84, Reason::unsupported_protocol_version, 0x84},
      {"MQTT", 255, Reason::unsupported_protocol_version, 255},
      {"MQIsdp", 4, Reason::unsupported_protocol_version, 4},
      {"MQIsdp", 5, Reason::unsupported_protocol_version, 5},
      {"", 4, Reason::protocol_error, 0},
      {"mqtt", 4, Reason::protocol_error, 0},
      {"MQT", 4, Reason::protocol_error, 0},
      {"MQTTX", 4, Reason::protocol_error, 0},
      {"MQISDP", 3, Reason::protocol_error, 0},
      {"HTTP/1.1", 5, Reason::protocol_error, 0},
  };
  for (const auto& row : rows) {
    std::string body = str(row.name) + u8(row.level) + u8(kClean) + u16(0) + (row.level == 5 ? props() : "") + str("c");
    Connect c;
    c.level = 9;
    EXPECT_EQ(decode_connect(0, body, c), row.reason) << row.name << row.level;
    EXPECT_EQ(c.level, row.told_level) << row.name << row.level;
  }
}

struct Bad {
  const char* what;
  For versions;
  unsigned flags;
  std::string body;
  Reason reason;
};

std::vector<Bad> bad_connects(Version v) {
  const Reason malformed = Reason::malformed_packet, protocol = Reason::protocol_error;
  auto good = [&] { return head(v, kClean) + str("c"); };
  auto with_properties = [&](std::string_view p) { return head(v, kClean, 60, p) + str("c"); };
  auto with_will = [&](std::string_view topic, std::string_view p = {}) {
    return head(v, kWill) + str("c") + props_of(v, p) + str(topic) + str("x");
  };
  return {
      {"fixed header flags", For::all, 1, good(), malformed},
      {"fixed header flags", For::all, 8, good(), malformed},
      {"nothing", For::all, 0, "", malformed},
      {"a byte behind the end", For::all, 0, good() + "x", malformed},
      {"user name without its flag", For::all, 0, good() + str("user"), malformed},
      {"client id not UTF-8", For::all, 0, head(v, kClean) + str("\xC3"), malformed},
      {"client id with a null", For::all, 0, head(v, kClean) + str(std::string_view("a\0b", 3)), malformed},
      {"will topic not UTF-8", For::all, 0, with_will("\xED\xA0\x80"), malformed},
      {"will topic empty", For::all, 0, with_will(""), Reason::topic_name_invalid},
      {"will topic with +", For::all, 0, with_will("a/+"), Reason::topic_name_invalid},
      {"will topic with #", For::all, 0, with_will("#"), Reason::topic_name_invalid},
      {"user name not UTF-8", For::all, 0, head(v, kUser) + str("c") + str("\xFF"), malformed},
      {"no will where the flag says one", For::all, 0, head(v, kWill) + str("c"), malformed},
      {"no user name where the flag says one", For::all, 0, head(v, kUser) + str("c"), malformed},
      {"no properties", For::v5, 0, str("MQTT") + u8(5) + u8(kClean) + u16(0), malformed},
      {"unknown property", For::v5, 0, with_properties(u8(0x7F) + u8(0)), malformed},
      {"property of another place", For::v5, 0, with_properties(u8(0x18) + u32(1)), protocol},
      {"property of CONNACK", For::v5, 0, with_properties(u8(0x12) + str("x")), protocol},
      {"the same property twice", For::v5, 0, with_properties(u8(0x11) + u32(1) + u8(0x11) + u32(1)), protocol},
      {"Receive Maximum 0", For::v5, 0, with_properties(u8(0x21) + u16(0)), protocol},
      {"Maximum Packet Size 0", For::v5, 0, with_properties(u8(0x27) + u32(0)), protocol},
      {"Request Problem Information 2", For::v5, 0, with_properties(u8(0x17) + u8(2)), protocol},
      {"Request Response Information 2", For::v5, 0, with_properties(u8(0x19) + u8(2)), protocol},
      {"authentication data without a method", For::v5, 0, with_properties(u8(0x16) + str("x")), protocol},
      {"properties longer than the packet", For::v5, 0, str("MQTT") + u8(5) + u8(kClean) + u16(0) + u8(100) + str("c"),
       malformed},
      {"session expiry among the will's", For::v5, 0, with_will("w", u8(0x11) + u32(1)), protocol},
      {"will delay twice", For::v5, 0, with_will("w", u8(0x18) + u32(1) + u8(0x18) + u32(1)), protocol},
  };
}

TEST(DecodeConnect, EveryMalformedForm) {
  for (Version v : kVersions)
    for (const Bad& row : bad_connects(v)) {
      if (!applies(row.versions, v)) continue;
      Connect c;
      EXPECT_EQ(decode_connect(static_cast<std::uint8_t>(row.flags), Exact(row.body).view(), c), row.reason)
          << row.what << ", " << testing::PrintToString(v);
    }
}

TEST(DecodeConnect, CutAtEveryByte) {
  for (Version v : kVersions) {
    std::string whole = full(v);
    for (std::size_t n = 0; n < whole.size(); ++n) {
      Connect c;
      EXPECT_EQ(decode_connect(0, Exact(whole.substr(0, n)).view(), c), Reason::malformed_packet) << n;
    }
  }
}

// ---------------------------------------------------------------- CONNACK

TEST(DecodeConnack, Table) {
  const struct {
    const char* what;
    For versions;
    unsigned flags;
    std::string front, properties, behind;
    Reason reason;
    bool present;
    unsigned code;
  } rows[] = {
      {"accepted", For::all, 0, u8(0) + u8(0), "", "", Reason::success, false, 0},
      {"session present", For::all, 0, u8(1) + u8(0), "", "", Reason::success, true, 0},
      {"refused", For::v3, 0, u8(0) + u8(5), "", "", Reason::success, false, 5},
      {"refused", For::v5, 0, u8(0) + u8(0x87), u8(0x1F) + str("why"), "", Reason::success, false, 0x87},
      {"fixed header flags", For::all, 1, u8(0) + u8(0), "", "", Reason::malformed_packet, false, 0},
      {"reserved acknowledge flags", For::v311_up, 0, u8(2) + u8(0), "", "", Reason::malformed_packet, false, 0},
      {"a byte that 3.1 does not define", For::v31, 0, u8(2) + u8(0), "", "", Reason::success, false, 0},
      {"too long", For::all, 0, u8(0) + u8(0), "", "x", Reason::malformed_packet, false, 0},
      {"property of CONNECT", For::v5, 0, u8(0) + u8(0), u8(0x17) + u8(1), "", Reason::protocol_error, false, 0},
      {"Maximum QoS 2", For::v5, 0, u8(0) + u8(0), u8(0x24) + u8(2), "", Reason::protocol_error, false, 0},
  };
  for (Version v : kVersions)
    for (const auto& row : rows) {
      if (!applies(row.versions, v)) continue;
      SCOPED_TRACE(row.what);
      std::string body = row.front + props_of(v, row.properties) + row.behind;
      Connack c;
      ASSERT_EQ(decode_connack(v, static_cast<std::uint8_t>(row.flags), Exact(body).view(), c), row.reason);
      if (!ok(row.reason)) continue;
      EXPECT_EQ(c.session_present, row.present);
      EXPECT_EQ(c.code, row.code);
      for (std::size_t n = 0; n < body.size(); ++n)
        EXPECT_EQ(decode_connack(v, 0, Exact(body.substr(0, n)).view(), c), Reason::malformed_packet) << n;
    }
}

}  // namespace
}  // namespace sb::mqtt
