// SPDX-License-Identifier: MIT
// SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK.
#include <gtest/gtest.h>

#include "mqtt/packets.h"
#include "mqtt/tests/bytes.h"

namespace sb::mqtt {
namespace {

using namespace test;

TEST(DecodeSubscribe, EveryOptionsByte) {
  for (Version v : kVersions)
    for (unsigned o = 0; o < 256; ++o) {
      unsigned qos = o & 3, handling = o >> 4 & 3;
      Reason expected = Reason::success;
      if (qos == 3 || (v == Version::v5 ? o & 0xC0 : o & 0xFC))
        expected = Reason::malformed_packet;  // [MQTT-3.8.3-5]
      else if (handling == 3)
        expected = Reason::protocol_error;
      Subscribe s;
      ASSERT_EQ(decode_subscribe(v, 2, Exact(u16(1) + props_of(v) + str("t") + u8(o)).view(), s), expected) << o;
      if (!ok(expected)) continue;
      ASSERT_EQ(s.entries.size(), 1u);
      const auto& options = s.entries[0].options;
      EXPECT_EQ(options.qos, qos);
      EXPECT_EQ(options.no_local, (o & 4) != 0);
      EXPECT_EQ(options.retain_as_published, (o & 8) != 0);
      EXPECT_EQ(options.retain_handling, handling);
    }
}

TEST(DecodeSubscribe, EveryValueOfTheFlags) {
  for (Version v : kVersions)
    for (unsigned flags = 0; flags < 16; ++flags) {
      bool good = flags == 2 || (v == Version::v31 && (flags & 7) == 2);  // 3.1 had DUP there
      auto f = static_cast<std::uint8_t>(flags);
      Reason expected = good ? Reason::success : Reason::malformed_packet;
      Subscribe s;
      Unsubscribe u;
      EXPECT_EQ(decode_subscribe(v, f, u16(1) + props_of(v) + str("t") + u8(0), s), expected) << flags;
      EXPECT_EQ(decode_unsubscribe(v, f, u16(1) + props_of(v) + str("t"), u), expected) << flags;
    }
}

struct Row {
  const char* what;
  For versions;
  std::string id, properties, entries;
  Reason reason;
};

TEST(DecodeSubscribe, Table) {
  const Reason good = Reason::success, malformed = Reason::malformed_packet, protocol = Reason::protocol_error;
  const std::string one = str("a/b") + u8(1);
  const Row rows[] = {
      {"one", For::all, u16(1), "", one, good},
      {"largest id", For::all, u16(65535), "", one, good},
      {"the same filter twice", For::all, u16(1), "", one + one, good},
      {"an empty filter is left to the channel", For::all, u16(1), "", str("") + u8(0), good},
      {"identifier", For::v5, u16(1), u8(0x0B) + varint(268435455), one, good},
      {"user properties", For::v5, u16(1), u8(0x26) + str("k") + str("v"), one, good},
      {"id 0", For::all, u16(0), "", one, malformed},
      {"no filter", For::all, u16(1), "", "", protocol},
      {"no options", For::all, u16(1), "", str("a/b"), malformed},
      {"second one without options", For::all, u16(1), "", one + str("x"), malformed},
      {"filter not UTF-8", For::all, u16(1), "", str("\xC0\x80") + u8(0), malformed},
      {"filter with a null", For::all, u16(1), "", str(std::string_view("a\0", 2)) + u8(0), malformed},
      {"identifier 0", For::v5, u16(1), u8(0x0B) + u8(0), one, protocol},
      {"identifier twice", For::v5, u16(1), u8(0x0B) + u8(1) + u8(0x0B) + u8(2), one, protocol},
      {"identifier of five bytes", For::v5, u16(1), u8(0x0B) + "\x80\x80\x80\x80\x01", one, malformed},
      {"reason string", For::v5, u16(1), u8(0x1F) + str("x"), one, protocol},
  };
  for (Version v : kVersions)
    for (const Row& row : rows) {
      if (!applies(row.versions, v)) continue;
      Subscribe s;
      EXPECT_EQ(decode_subscribe(v, 2, Exact(row.id + props_of(v, row.properties) + row.entries).view(), s), row.reason)
          << row.what;
    }
}

TEST(DecodeSubscribe, CutAtEveryByte) {
  for (Version v : kVersions) {
    std::string front = u16(1) + props_of(v, u8(0x0B) + u8(5));
    std::string whole = front + str("first") + u8(0) + str("second") + u8(2);
    std::size_t behind_first = front.size() + 8;
    for (std::size_t n = 0; n <= whole.size(); ++n) {
      Subscribe s;
      Reason expected = n == whole.size() || n == behind_first ? Reason::success
                        : n == front.size()                    ? Reason::protocol_error
                                                               : Reason::malformed_packet;
      ASSERT_EQ(decode_subscribe(v, 2, Exact(whole.substr(0, n)).view(), s), expected) << n;
      if (ok(expected)) {
        EXPECT_EQ(s.entries.size(), n == whole.size() ? 2u : 1u);
      }
    }
  }
}

TEST(DecodeUnsubscribe, Table) {
  const Reason good = Reason::success, malformed = Reason::malformed_packet, protocol = Reason::protocol_error;
  const Row rows[] = {
      {"one", For::all, u16(1), "", str("a"), good},
      {"three", For::all, u16(1), "", str("a") + str("b/#") + str("a"), good},
      {"user properties", For::v5, u16(1), u8(0x26) + str("k") + str("v"), str("a"), good},
      {"id 0", For::all, u16(0), "", str("a"), malformed},
      {"no filter", For::all, u16(1), "", "", protocol},
      {"filter not UTF-8", For::all, u16(1), "", str("a") + str("\xFF"), malformed},
      {"filter cut off", For::all, u16(1), "", str("a") + u16(2) + "b", malformed},
      {"identifier", For::v5, u16(1), u8(0x0B) + u8(1), str("a"), protocol},
  };
  for (Version v : kVersions)
    for (const Row& row : rows) {
      if (!applies(row.versions, v)) continue;
      Unsubscribe u;
      u.filters = {"of the packet before"};
      Exact body(row.id + props_of(v, row.properties) + row.entries);
      ASSERT_EQ(decode_unsubscribe(v, 2, body.view(), u), row.reason) << row.what;
      if (ok(row.reason)) {
        EXPECT_EQ(u.filters.front(), "a");
      }
    }
  for (Version v : kVersions) {
    std::string front = u16(1) + props_of(v), whole = front + str("first") + str("second");
    for (std::size_t n = 0; n <= whole.size(); ++n) {
      Unsubscribe u;
      Reason expected = n == whole.size() || n == front.size() + 7 ? Reason::success
                        : n == front.size()                        ? Reason::protocol_error
                                                                   : Reason::malformed_packet;
      EXPECT_EQ(decode_unsubscribe(v, 2, Exact(whole.substr(0, n)).view(), u), expected) << n;
    }
  }
}

TEST(DecodeSuback, Table) {
  const struct {
    const char* what;
    For versions;
    unsigned flags;
    std::string id, properties, codes;
    Reason reason;
  } rows[] = {
      {"codes", For::all, 0, u16(1), "", "\x01\x02\x80", Reason::success},
      {"reason string", For::v5, 0, u16(1), u8(0x1F) + str("x"), "\x01", Reason::success},
      {"flags", For::all, 2, u16(1), "", "\x01", Reason::malformed_packet},
      {"id 0", For::all, 0, u16(0), "", "\x01", Reason::malformed_packet},
      {"no id", For::all, 0, u8(1), "", "", Reason::malformed_packet},
      {"identifier", For::v5, 0, u16(1), u8(0x0B) + u8(1), "\x01", Reason::protocol_error},
  };
  for (Version v : kVersions)
    for (PacketType t : {PacketType::suback, PacketType::unsuback})
      for (const auto& row : rows) {
        if (!applies(row.versions, v)) continue;
        std::string body = row.id.size() < 2 ? row.id : row.id + props_of(v, row.properties) + row.codes;
        SubscribeAck a;
        ASSERT_EQ(decode_suback(v, t, static_cast<std::uint8_t>(row.flags), Exact(body).view(), a), row.reason)
            << row.what;
        if (ok(row.reason)) {
          EXPECT_EQ(a.codes.size(), row.codes.size());
        }
      }
}

}  // namespace
}  // namespace sb::mqtt
