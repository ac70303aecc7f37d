// SPDX-License-Identifier: MIT
// PUBACK, PUBREC, PUBREL, PUBCOMP, DISCONNECT, AUTH, PINGREQ: an id, a reason, properties.
#include <gtest/gtest.h>

#include <set>

#include "mqtt/packets.h"
#include "mqtt/tests/bytes.h"

namespace sb::mqtt {
namespace {

using namespace test;

constexpr PacketType kAcks[] = {PacketType::puback, PacketType::pubrec, PacketType::pubrel, PacketType::pubcomp};

std::uint8_t flags_of(PacketType t) { return t == PacketType::pubrel ? 2 : 0; }

TEST(DecodeAck, EveryValueOfTheFlags) {
  for (Version v : kVersions)
    for (PacketType t : kAcks)
      for (unsigned flags = 0; flags < 16; ++flags) {
        bool good = flags == flags_of(t) || (v == Version::v31 && (flags & 7) == flags_of(t));  // 3.1 had DUP there
        Ack a;
        EXPECT_EQ(decode_ack(v, t, static_cast<std::uint8_t>(flags), u16(7), a),
                  good ? Reason::success : Reason::malformed_packet)
            << name(t) << " " << flags;
      }
}

TEST(DecodeAck, EveryReasonCode) {
  const std::set<unsigned> publish = {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99};  // MQTT5 3.4.2.1, 3.5.2.1
  const std::set<unsigned> release = {0x00, 0x92};                                            // 3.6.2.1, 3.7.2.1
  for (PacketType t : kAcks)
    for (unsigned code = 0; code < 256; ++code) {
      bool good = (t == PacketType::puback || t == PacketType::pubrec ? publish : release).contains(code);
      for (const std::string& properties : {std::string(), props()}) {
        Ack a;
        EXPECT_EQ(decode_ack(Version::v5, t, flags_of(t), u16(7) + u8(code) + properties, a),
                  good ? Reason::success : Reason::protocol_error)
            << name(t) << " " << code;
        if (good) {
          EXPECT_EQ(static_cast<unsigned>(a.reason), code);
        }
      }
    }
}

TEST(DecodeAck, Table) {
  const Reason good = Reason::success, malformed = Reason::malformed_packet;
  const std::string why = u8(0x1F) + str("why"), user = u8(0x26) + str("k") + str("v");
  const struct {
    const char* what;
    For versions;
    std::string body;
    Reason reason;
  } rows[] = {
      {"shortest", For::all, u16(1), good},
      {"largest id", For::all, u16(65535), good},
      {"id 0", For::all, u16(0), malformed},
      {"nothing", For::all, "", malformed},
      {"one byte", For::all, u8(1), malformed},
      {"a byte too many", For::v3, u16(1) + u8(0), malformed},
      {"reason", For::v5, u16(1) + u8(0), good},
      {"empty properties", For::v5, u16(1) + u8(0) + props(), good},
      {"reason string", For::v5, u16(1) + u8(0) + props(why), good},
      {"reason string and user properties", For::v5, u16(1) + u8(0) + props(user + why + user), good},
      {"reason string twice", For::v5, u16(1) + u8(0) + props(why + why), Reason::protocol_error},
      {"property of CONNECT", For::v5, u16(1) + u8(0) + props(u8(0x11) + u32(1)), Reason::protocol_error},
      {"a byte behind the properties", For::v5, u16(1) + u8(0) + props(why) + "x", malformed},
      {"properties cut off", For::v5, u16(1) + u8(0) + u8(3) + "ab", malformed},
  };
  for (Version v : kVersions)
    for (PacketType t : kAcks)
      for (const auto& row : rows) {
        if (!applies(row.versions, v)) continue;
        Ack a;
        EXPECT_EQ(decode_ack(v, t, flags_of(t), Exact(row.body).view(), a), row.reason) << row.what << " " << name(t);
      }
}

TEST(DecodeAck, CutAtEveryByteAndNothingLeftOfTheOneBefore) {
  std::string whole = u16(7) + u8(0) + props(u8(0x1F) + str("why"));
  for (PacketType t : kAcks)
    for (std::size_t n = 0; n <= whole.size(); ++n) {
      Ack a;
      a.packet_id = 9;
      a.reason = Reason::quota_exceeded;
      a.properties.present = ~0ull;
      bool good = n == 2 || n == 3 || n == whole.size();  // the reason and the properties may be left out
      ASSERT_EQ(decode_ack(Version::v5, t, flags_of(t), Exact(whole.substr(0, n)).view(), a),
                good ? Reason::success : Reason::malformed_packet)
          << n;
      if (!good) continue;
      EXPECT_EQ(a.packet_id, 7);
      EXPECT_EQ(a.reason, Reason::success);
      EXPECT_EQ(a.properties.has(PropertyId::reason_string), n == whole.size());
    }
}

// ---------------------------------------------------------------- DISCONNECT, AUTH

TEST(DecodeDisconnect, Table) {
  const Reason good = Reason::success, malformed = Reason::malformed_packet, protocol = Reason::protocol_error;
  const struct {
    const char* what;
    For versions;
    unsigned flags;
    std::string body;
    Reason reason, told;
  } rows[] = {
      {"nothing", For::all, 0, "", good, Reason::success},
      {"fixed header flags", For::all, 1, "", malformed, {}},
      {"a body", For::v3, 0, u8(0), malformed, {}},
      {"reason", For::v5, 0, u8(4), good, Reason::disconnect_with_will},
      {"reason and empty properties", For::v5, 0, u8(0) + props(), good, Reason::success},
      {"session expiry", For::v5, 0, u8(0) + props(u8(0x11) + u32(5)), good, Reason::success},
      {"reason string", For::v5, 0, u8(0x80) + props(u8(0x1F) + str("x")), good, Reason::unspecified_error},
      {"session expiry twice", For::v5, 0, u8(0) + props(u8(0x11) + u32(5) + u8(0x11) + u32(5)), protocol, {}},
      {"property of CONNECT", For::v5, 0, u8(0) + props(u8(0x21) + u16(5)), protocol, {}},
      {"a byte behind the properties", For::v5, 0, u8(0) + props() + "x", malformed, {}},
      {"properties cut off", For::v5, 0, u8(0) + u8(5) + u8(0x11) + u16(0), malformed, {}},
  };
  for (Version v : kVersions)
    for (const auto& row : rows) {
      if (!applies(row.versions, v)) continue;
      SCOPED_TRACE(row.what);
      ReasonPacket d;
      d.reason = Reason::banned;
      d.properties.present = ~0ull;
      ASSERT_EQ(decode_disconnect(v, static_cast<std::uint8_t>(row.flags), Exact(row.body).view(), d), row.reason);
      if (ok(row.reason)) {
        EXPECT_EQ(d.reason, row.told);
      }
      if (ok(row.reason) && row.body.size() < 2) {
        EXPECT_EQ(d.properties.present, 0u);
      }
    }
}

TEST(DecodeAuth, Table) {
  const std::string method = u8(0x15) + str("M"), data = u8(0x16) + str(std::string_view("\0\xFF", 2));
  const struct {
    const char* what;
    unsigned flags;
    std::string body;
    Reason reason, told;
  } rows[] = {
      {"nothing is success", 0, "", Reason::success, Reason::success},
      {"continue", 0, u8(0x18) + props(method + data), Reason::success, Reason::continue_authentication},
      {"again", 0, u8(0x19) + props(method), Reason::success, Reason::reauthenticate},
      {"success", 0, u8(0x00) + props(method), Reason::success, Reason::success},
      {"fixed header flags", 2, u8(0x18) + props(method), Reason::malformed_packet, {}},
      {"another reason", 0, u8(0x80) + props(method), Reason::protocol_error, {}},
      {"another reason", 0, u8(0x17) + props(method), Reason::protocol_error, {}},
      {"method twice", 0, u8(0x18) + props(method + method), Reason::protocol_error, {}},
      {"property of CONNECT", 0, u8(0x18) + props(u8(0x11) + u32(1)), Reason::protocol_error, {}},
      {"a byte behind the properties", 0, u8(0x18) + props(method) + "x", Reason::malformed_packet, {}},
  };
  for (const auto& row : rows) {
    ReasonPacket a;
    ASSERT_EQ(decode_auth(Version::v5, static_cast<std::uint8_t>(row.flags), Exact(row.body).view(), a), row.reason)
        << row.what;
    if (ok(row.reason)) {
      EXPECT_EQ(a.reason, row.told) << row.what;
    }
  }
  std::string whole = u8(0x18) + props(method + data);
  for (std::size_t n = 2; n < whole.size(); ++n) {
    ReasonPacket a;
    EXPECT_EQ(decode_auth(Version::v5, 0, Exact(whole.substr(0, n)).view(), a), Reason::malformed_packet) << n;
  }
  for (Version v : {Version::v31, Version::v311}) {  // they have no AUTH
    ReasonPacket a;
    EXPECT_EQ(decode_auth(v, 0, whole, a), Reason::protocol_error);
  }
}

TEST(DecodeEmpty, NeitherFlagsNorBody) {
  EXPECT_EQ(decode_empty(0, ""), Reason::success);
  for (std::uint8_t flags : {1, 2, 4, 8}) EXPECT_EQ(decode_empty(flags, ""), Reason::malformed_packet);
  EXPECT_EQ(decode_empty(0, "x"), Reason::malformed_packet);
}

}  // namespace
}  // namespace sb::mqtt
