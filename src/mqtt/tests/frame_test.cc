// SPDX-License-Identifier: MIT
#include "mqtt/frame.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "mqtt/reason.h"
#include "mqtt/tests/bytes.h"

namespace sb::mqtt {
namespace {

using namespace test;

void expect_frame(const Frame& f, PacketType type, unsigned flags, std::string_view body) {
  EXPECT_EQ(f.type, type);
  EXPECT_EQ(f.flags, flags);
  EXPECT_EQ(f.body, body);
  EXPECT_TRUE(f.whole.ends_with(body));
}

TEST(Frame, EveryFirstByte) {
  for (unsigned first = 0; first < 256; ++first) {
    std::string bytes = u8(first) + u8(1) + "x";
    std::string_view in = bytes;
    Frame f;
    ASSERT_EQ(take_frame(in, kMaxPacketSize, f), FrameStatus::complete);
    expect_frame(f, static_cast<PacketType>(first >> 4), first & 15, "x");
  }
}

TEST(Frame, LengthsAtEveryBoundary) {
  for (std::uint32_t n : {0u, 1u, 127u, 128u, 16383u, 16384u, 2097151u, 2097152u}) {
    std::string bytes = u8(0x30) + varint(n) + std::string(n, 'b') + "next";
    std::string_view in = bytes;
    Frame f;
    ASSERT_EQ(take_frame(in, kMaxPacketSize, f), FrameStatus::complete) << n;
    EXPECT_EQ(f.body.size(), n);
    EXPECT_EQ(f.whole.size(), 1 + varint_size(n) + n);
    EXPECT_FALSE(f.overlong);
    EXPECT_EQ(in, "next");
  }
}

/// A stream of packets, offered in two pieces at every place: what is not a whole packet stays.
TEST(Frame, CutAtEveryByte) {
  const std::string packets[] = {u8(0xC0) + u8(0), u8(0x32) + varint(200) + std::string(200, 'p'),
                                 u8(0xE0) + u8(1) + "x"};
  std::string stream;
  for (auto& p : packets) stream += p;
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    Exact front(stream.substr(0, cut));
    std::string_view in = front.view();
    Frame f;
    std::size_t taken = 0, whole = 0;
    while (take_frame(in, kMaxPacketSize, f) == FrameStatus::complete) {
      EXPECT_EQ(f.whole, packets[taken]);
      whole += packets[taken++].size();
    }
    EXPECT_EQ(take_frame(in, kMaxPacketSize, f), FrameStatus::partial);
    EXPECT_EQ(in.size(), cut - whole);
    EXPECT_TRUE(taken == 3 || cut < whole + packets[taken].size()) << "a whole packet was left";
  }
}

TEST(Frame, Table) {
  const struct {
    const char* what;
    std::string bytes;
    std::uint32_t max;
    FrameStatus status;
    bool overlong;
  } rows[] = {
      {"nothing", "", 100, FrameStatus::partial, false},
      {"one byte", u8(0x30), 100, FrameStatus::partial, false},
      {"length cut off", u8(0x30) + "\x80", 100, FrameStatus::partial, false},
      {"length cut off", u8(0x30) + "\x80\x80\x80", 100, FrameStatus::partial, false},
      {"five bytes of length", u8(0x30) + "\xFF\xFF\xFF\xFF\x01", kMaxPacketSize, FrameStatus::malformed, false},
      {"five bytes of length, cut off", u8(0x30) + "\x80\x80\x80\x80", kMaxPacketSize, FrameStatus::malformed, false},
      {"overlong zero", u8(0xC0) + std::string("\x80\0", 2), 100, FrameStatus::complete, true},
      {"overlong one", u8(0xC0) + std::string("\x81\x80\0", 3) + "x", 100, FrameStatus::complete, true},
      {"overlong of four bytes", u8(0xC0) + std::string("\x81\x80\x80\0", 4) + "x", 100, FrameStatus::complete, true},
      {"exactly the largest", u8(0x30) + u8(98) + std::string(98, 'x'), 100, FrameStatus::complete, false},
      {"one too large", u8(0x30) + u8(99) + std::string(99, 'x'), 100, FrameStatus::too_large, false},
      {"too large is said with the header", u8(0x30) + u8(99), 100, FrameStatus::too_large, false},
      {"too large with the header only", u8(0x30) + "\xFF\xFF\xFF\x7F", 1 << 20, FrameStatus::too_large, false},
      {"the largest of all is not too large", u8(0x30) + "\xFF\xFF\xFF\x7F", kMaxPacketSize, FrameStatus::partial,
       false},
  };
  for (const auto& row : rows) {
    Exact bytes(row.bytes);
    std::string_view in = bytes.view();
    Frame f;
    EXPECT_EQ(take_frame(in, row.max, f), row.status) << row.what;
    if (row.status == FrameStatus::complete) {
      EXPECT_EQ(f.overlong, row.overlong) << row.what;
      EXPECT_TRUE(in.empty()) << row.what;
    } else {
      EXPECT_EQ(in.size(), row.bytes.size()) << row.what;
    }
  }
}

TEST(Frame, OverlongIsToldPerPacket) {
  std::string bytes =
      u8(0xC0) + std::string("\x80\0", 2) + u8(0xC0) + u8(0) + u8(0x30) + varint(128) + std::string(128, 'x');
  std::string_view in = bytes;
  Frame f;
  for (bool overlong : {true, false, false}) {
    ASSERT_EQ(take_frame(in, 1000, f), FrameStatus::complete);
    EXPECT_EQ(f.overlong, overlong);
  }
}

TEST(Frame, VarintsAreWrittenInTheFewestBytes) {
  for (std::uint32_t v : {0u, 1u, 127u, 128u, 255u, 16383u, 16384u, 2097151u, 2097152u, 268435455u}) {
    char room[8] = {};
    char* end = put_varint(room, v);
    EXPECT_EQ(std::string(room, end), varint(v));
    EXPECT_EQ(varint_size(v), varint(v).size());
  }
}

TEST(Reason, ReturnCodesOfVersion3) {
  std::map<Reason, unsigned> codes = {{Reason::unsupported_protocol_version, 1},
                                      {Reason::client_identifier_not_valid, 2},
                                      {Reason::server_unavailable, 3},
                                      {Reason::server_busy, 3},
                                      {Reason::session_taken_over, 3},
                                      {Reason::quota_exceeded, 3},
                                      {Reason::connection_rate_exceeded, 3},
                                      {Reason::server_shutting_down, 3},
                                      {Reason::bad_user_name_or_password, 4},
                                      {Reason::bad_authentication_method, 4},
                                      {Reason::not_authorized, 5},
                                      {Reason::banned, 5}};
  for (unsigned r = 0; r < 256; ++r) {
    auto reason = static_cast<Reason>(r);
    EXPECT_EQ(connack_code_v3(reason), codes.contains(reason) ? codes[reason] : 0u) << r;
    EXPECT_EQ(ok(reason), r < 0x80) << r;
  }
}

TEST(Reason, WhatConnackMaySay) {
  for (unsigned r = 0; r < 256; ++r) {
    auto reason = static_cast<Reason>(r);
    Reason told = connack_reason(reason);
    // MQTT5 table 3-1 does not have these.
    for (Reason never : {Reason::session_taken_over, Reason::server_shutting_down, Reason::administrative_action})
      EXPECT_NE(told, never) << r;
    EXPECT_EQ(ok(told), ok(reason)) << r;
    EXPECT_EQ(connack_reason(told), told) << r;
  }
  EXPECT_EQ(connack_reason(Reason::not_authorized), Reason::not_authorized);
}

TEST(Reason, EveryOneHasATextOfItsOwn) {
  std::set<std::string> texts;
  int known = 0;
  for (unsigned r = 0; r < 256; ++r) {
    std::string t = text(static_cast<Reason>(r));
    if (t == "unknown reason") continue;
    ++known;
    texts.insert(t);
  }
  EXPECT_EQ(known, 43);  // MQTT5 table 2-6, success, normal disconnection and granted QoS 0 in one
  EXPECT_EQ(texts.size(), 43u);
}

}  // namespace
}  // namespace sb::mqtt
