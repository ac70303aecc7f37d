// SPDX-License-Identifier: MIT
#include "mqtt/properties.h"

#include <gtest/gtest.h>

#include <map>

#include "mqtt/encoder.h"
#include "mqtt/tests/bytes.h"

namespace sb::mqtt {
namespace {

using namespace test;
using P = PropertyPlace;
using I = PropertyId;

constexpr P kPlaces[] = {P::connect, P::connack,   P::publish, P::will,        P::puback,   P::pubrec,     P::pubrel,
                         P::pubcomp, P::subscribe, P::suback,  P::unsubscribe, P::unsuback, P::disconnect, P::auth};

/// Table 2-4 of the specification, written down once more: c connect, C connack, p publish, w will, 1 puback, 2 pubrec,
/// 3 pubrel, 4 pubcomp, s subscribe, S suback, u unsubscribe, U unsuback, d disconnect, a auth.
constexpr std::string_view kLetters = "cCpw1234sSuUda";

struct Spec {
  I id;
  std::string_view places;
  std::string good, cut;                  ///< a value; one that ends too soon
  std::vector<std::string> out_of_range;  ///< answered with a protocol error
  Reason range_reason = Reason::protocol_error;
};

const std::vector<Spec>& specs() {
  static const std::vector<Spec> all = {
      {I::payload_format_indicator, "pw", u8(1), "", {u8(2), u8(255)}},
      {I::message_expiry_interval, "pw", u32(0xFFFFFFFF), u16(0) + u8(0), {}},
      {I::content_type, "pw", str("text"), u16(3) + "ab", {}},
      {I::response_topic, "pw", str("a/b"), u16(3) + "ab", {}},
      {I::correlation_data, "pw", str(std::string_view("\0\xFF", 2)), u16(3) + "ab", {}},
      {I::subscription_identifier, "ps", varint(268435455), "\x80", {u8(0)}},
      {I::session_expiry_interval, "cCd", u32(0), u16(0), {}},
      {I::assigned_client_identifier, "C", str("id"), u16(3) + "ab", {}},
      {I::server_keep_alive, "C", u16(0), u8(0), {}},
      {I::authentication_method, "cCa", str("M"), u16(3) + "ab", {}},
      {I::authentication_data, "cCa", str(std::string_view("\0\xFF", 2)), u16(3) + "ab", {}},
      {I::request_problem_information, "c", u8(0), "", {u8(2)}},
      {I::will_delay_interval, "w", u32(7), u8(0), {}},
      {I::request_response_information, "c", u8(1), "", {u8(2)}},
      {I::response_information, "C", str("x"), u16(3) + "ab", {}},
      {I::server_reference, "Cd", str("x"), u16(3) + "ab", {}},
      {I::reason_string, "C1234SUda", str("x"), u16(3) + "ab", {}},
      {I::receive_maximum, "cC", u16(65535), u8(1), {u16(0)}},
      {I::topic_alias_maximum, "cC", u16(0), u8(1), {}},
      {I::topic_alias, "p", u16(65535), u8(1), {u16(0)}, Reason::topic_alias_invalid},
      {I::maximum_qos, "C", u8(1), "", {u8(2)}},
      {I::retain_available, "C", u8(0), "", {u8(2)}},
      {I::user_property, kLetters, str("k") + str("v"), str("k") + u16(1), {}},
      {I::maximum_packet_size, "cC", u32(1), u16(0), {u32(0)}},
      {I::wildcard_subscription_available, "C", u8(1), "", {u8(2)}},
      {I::subscription_identifier_available, "C", u8(1), "", {u8(2)}},
      {I::shared_subscription_available, "C", u8(1), "", {u8(2)}},
  };
  return all;
}

bool allowed(const Spec& s, P place) {
  return s.places.find(kLetters[static_cast<std::size_t>(place)]) != std::string_view::npos;
}

std::string one(I id, std::string_view value) { return u8(static_cast<unsigned>(id)) + std::string(value); }

/// Decodes `p` with its length in front, and something behind that must be left alone.
Reason decode(std::string_view p, P place, Properties& out) {
  Exact bytes(props(p) + "behind");
  Reader r(bytes.view());
  Reason reason = out.decode(r, place);
  if (ok(reason)) {
    EXPECT_EQ(r.rest(), "behind");
  }
  return reason;
}

TEST(Properties, EachIsAllowedWhereTheSpecificationSaysSo) {
  for (const Spec& s : specs())
    for (P place : kPlaces) {
      Properties p;
      Reason expected = allowed(s, place) ? Reason::success : Reason::protocol_error;
      EXPECT_EQ(decode(one(s.id, s.good), place, p), expected)
          << static_cast<int>(s.id) << " in " << static_cast<int>(place);
      if (ok(expected)) {
        EXPECT_EQ(p.present, 1ull << static_cast<unsigned>(s.id));
        EXPECT_TRUE(p.has(s.id));
      }
    }
}

TEST(Properties, UnknownIdentifiersAreMalformed) {
  std::map<unsigned, bool> known;
  for (const Spec& s : specs()) known[static_cast<unsigned>(s.id)] = true;
  ASSERT_EQ(known.size(), 27u);
  for (unsigned id = 0; id < 300; ++id) {
    if (known[id]) continue;
    for (P place : kPlaces) {
      Properties p;
      EXPECT_EQ(decode(varint(id) + u32(0) + u32(0), place, p), Reason::malformed_packet) << id;
    }
  }
}

TEST(Properties, TwiceIsAnErrorButForUserPropertiesAndIdentifiersOfAPublish) {
  for (const Spec& s : specs())
    for (P place : kPlaces) {
      if (!allowed(s, place)) continue;
      bool several = s.id == I::user_property || (s.id == I::subscription_identifier && place == P::publish);
      Properties p;
      EXPECT_EQ(decode(one(s.id, s.good) + one(I::user_property, str("") + str("")) + one(s.id, s.good), place, p),
                several ? Reason::success : Reason::protocol_error)
          << static_cast<int>(s.id) << " in " << static_cast<int>(place);
    }
}

TEST(Properties, CutOffAndOutOfRange) {
  for (const Spec& s : specs())
    for (P place : kPlaces) {
      if (!allowed(s, place)) continue;
      Properties p;
      EXPECT_EQ(decode(one(s.id, s.cut), place, p), Reason::malformed_packet) << static_cast<int>(s.id);
      for (const auto& value : s.out_of_range)
        EXPECT_EQ(decode(one(s.id, value), place, p), s.range_reason) << static_cast<int>(s.id);
    }
}

TEST(Properties, TextHasToBeUtf8WithoutNullAndDataNot) {
  const struct {
    I id;
    P place;
    bool text;
  } rows[] = {{I::content_type, P::publish, true},         {I::response_topic, P::publish, true},
              {I::correlation_data, P::publish, false},    {I::assigned_client_identifier, P::connack, true},
              {I::authentication_method, P::auth, true},   {I::authentication_data, P::auth, false},
              {I::response_information, P::connack, true}, {I::server_reference, P::connack, true},
              {I::reason_string, P::puback, true}};
  for (const auto& row : rows)
    for (std::string_view bytes :
         {std::string_view("\xFF"), std::string_view("a\0", 2), std::string_view("\xED\xA0\x80")}) {
      Properties p;
      EXPECT_EQ(decode(one(row.id, str(bytes)), row.place, p), row.text ? Reason::malformed_packet : Reason::success)
          << static_cast<int>(row.id);
    }
  for (const std::string& pair : {str("\xFF") + str("v"), str("k") + str("\xFF")}) {
    Properties p;
    EXPECT_EQ(decode(one(I::user_property, pair), P::connect, p), Reason::malformed_packet);
  }
}

TEST(Properties, ValuesArriveWhereTheyBelong) {
  Properties p;
  std::string bytes = props(
      one(I::user_property, str("k") + str("1")) + one(I::session_expiry_interval, u32(0x01020304)) +
      one(I::assigned_client_identifier, str("assigned")) + one(I::server_keep_alive, u16(513)) +
      one(I::authentication_method, str("method")) + one(I::authentication_data, str("data")) +
      one(I::response_information, str("info")) + one(I::server_reference, str("reference")) +
      one(I::reason_string, str("reason")) + one(I::receive_maximum, u16(100)) + one(I::topic_alias_maximum, u16(200)) +
      one(I::maximum_qos, u8(1)) + one(I::retain_available, u8(0)) + one(I::maximum_packet_size, u32(300)) +
      one(I::wildcard_subscription_available, u8(1)) + one(I::subscription_identifier_available, u8(0)) +
      one(I::shared_subscription_available, u8(1)) + one(I::user_property, str("k") + str("2")));
  Reader r(bytes);
  ASSERT_EQ(p.decode(r, P::connack), Reason::success);
  EXPECT_EQ(p.session_expiry_interval, 0x01020304u);
  EXPECT_EQ(p.assigned_client_identifier, "assigned");
  EXPECT_EQ(p.server_keep_alive, 513);
  EXPECT_EQ(p.authentication_method, "method");
  EXPECT_EQ(p.authentication_data, "data");
  EXPECT_EQ(p.response_information, "info");
  EXPECT_EQ(p.server_reference, "reference");
  EXPECT_EQ(p.reason_string, "reason");
  EXPECT_EQ(p.receive_maximum, 100);
  EXPECT_EQ(p.topic_alias_maximum, 200);
  EXPECT_EQ(p.maximum_qos, 1);
  EXPECT_EQ(p.retain_available, 0);
  EXPECT_EQ(p.maximum_packet_size, 300u);
  EXPECT_EQ(p.wildcard_subscription_available, 1);
  EXPECT_EQ(p.subscription_identifier_available, 0);
  EXPECT_EQ(p.shared_subscription_available, 1);
  using Pairs = std::vector<std::pair<std::string_view, std::string_view>>;
  EXPECT_EQ(p.user, (Pairs{{"k", "1"}, {"k", "2"}}));

  bytes = props(one(I::payload_format_indicator, u8(1)) + one(I::message_expiry_interval, u32(5)) +
                one(I::content_type, str("type")) + one(I::response_topic, str("response")) +
                one(I::correlation_data, str("correlation")) + one(I::subscription_identifier, varint(128)) +
                one(I::topic_alias, u16(9)) + one(I::subscription_identifier, varint(1)));
  Reader r2(bytes);
  ASSERT_EQ(p.decode(r2, P::publish), Reason::success);
  EXPECT_EQ(p.payload_format_indicator, 1);
  EXPECT_EQ(p.message_expiry_interval, 5u);
  EXPECT_EQ(p.content_type, "type");
  EXPECT_EQ(p.response_topic, "response");
  EXPECT_EQ(p.correlation_data, "correlation");
  EXPECT_EQ(p.subscription_identifiers, (std::vector<std::uint32_t>{128, 1}));
  EXPECT_EQ(p.topic_alias, 9);
  EXPECT_TRUE(p.user.empty()) << "left over from the set before";

  bytes = props(one(I::request_problem_information, u8(0)) + one(I::request_response_information, u8(1)));
  Reader r3(bytes);
  ASSERT_EQ(p.decode(r3, P::connect), Reason::success);
  EXPECT_EQ(p.request_problem_information, 0);
  EXPECT_EQ(p.request_response_information, 1);
  EXPECT_TRUE(p.subscription_identifiers.empty());
  bytes = props(one(I::will_delay_interval, u32(6)));
  Reader r4(bytes);
  ASSERT_EQ(p.decode(r4, P::will), Reason::success);
  EXPECT_EQ(p.will_delay_interval, 6u);
}

TEST(Properties, WriterAndDecoderAgree) {
  PropertyWriter w;
  EXPECT_TRUE(w.empty());
  w.u8(I::payload_format_indicator, 1).u16(I::topic_alias, 0xABCD).u32(I::message_expiry_interval, 0x89ABCDEF);
  w.varint(I::subscription_identifier, 16384).text(I::content_type, "c").pair("key", "value").pair("", "");
  EXPECT_EQ(w.bytes(), one(I::payload_format_indicator, u8(1)) + one(I::topic_alias, u16(0xABCD)) +
                           one(I::message_expiry_interval, u32(0x89ABCDEF)) +
                           one(I::subscription_identifier, varint(16384)) + one(I::content_type, str("c")) +
                           one(I::user_property, str("key") + str("value")) + one(I::user_property, str("") + str("")));
  Properties p;
  EXPECT_EQ(decode(w.bytes(), P::publish, p), Reason::success);
}

TEST(Reader, VariableByteIntegers) {
  const struct {
    std::string_view bytes;
    bool good;
    std::uint32_t value;
  } rows[] = {
      {std::string_view("\x00", 1), true, 0},
      {"\x7F", true, 127},
      {"\x80\x01", true, 128},
      {"\xFF\x7F", true, 16383},
      {"\x80\x80\x01", true, 16384},
      {"\xFF\xFF\x7F", true, 2097151},
      {"\x80\x80\x80\x01", true, 2097152},
      {"\xFF\xFF\xFF\x7F", true, 268435455},
      {"", false, 0},
      {"\x80", false, 0},
      {"\x80\x80\x80", false, 0},
      {"\xFF\xFF\xFF\xFF\x7F", false, 0},
      {std::string_view("\x80\x00", 2), false, 0},
      {std::string_view("\xFF\x80\x00", 3), false, 0},
      {std::string_view("\x80\x80\x80\x00", 4), false, 0},
  };
  for (const auto& row : rows) {
    Exact bytes(row.bytes);
    Reader r(bytes.view());
    std::uint32_t v = r.varint();
    EXPECT_EQ(r.failed(), !row.good) << testing::PrintToString(std::string(row.bytes));
    if (row.good) {
      EXPECT_EQ(v, row.value);
      EXPECT_TRUE(r.done());
    }
  }
}

TEST(Reader, AReadPastTheEndFailsForGood) {
  Exact bytes("\x01\x02\x03");
  Reader r(bytes.view());
  EXPECT_EQ(r.u16(), 0x0102);
  EXPECT_FALSE(r.failed());
  EXPECT_EQ(r.u32(), 0u);
  EXPECT_TRUE(r.failed());
  EXPECT_EQ(r.u8(), 0);
  EXPECT_EQ(r.binary(), "");
  EXPECT_EQ(r.rest(), "");
}

}  // namespace
}  // namespace sb::mqtt
