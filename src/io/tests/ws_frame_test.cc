// SPDX-License-Identifier: MIT
#include "io/ws_frame.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace sb::io {
namespace {

using namespace std::string_literals;

constexpr std::uint32_t kMask = 0x44332211;

/// A frame as a peer would send it; `b0` is the whole first byte.
std::string raw(std::uint8_t b0, std::string payload, std::optional<std::uint32_t> mask = kMask) {
  char head[kWsMaxHeader];
  std::size_t n = encode_ws_header(head, WsOpcode::binary, payload.size(), mask);
  head[0] = static_cast<char>(b0);
  if (mask) ws_mask(payload.data(), payload.data(), payload.size(), *mask);
  return std::string(head, n) + payload;
}

std::string close_payload(unsigned code, std::string reason = {}) {
  return std::string{static_cast<char>(code >> 8), static_cast<char>(code)} + reason;
}

/// What a decoder said over all chunks of an input.
struct Seen {
  std::string data, ping;
  int pings = 0, pongs = 0;
  WsClose error = WsClose::none, close = WsClose::none;
  std::string reason;
  bool operator==(const Seen&) const = default;
};

Seen decode(const std::vector<std::string>& chunks, WsRole role = WsRole::server, std::uint64_t bound = 1 << 20) {
  Seen seen;
  WsDecoder decoder(role);
  for (std::string chunk : chunks) {
    WsInput in;
    decoder.decode(chunk.data(), chunk.size(), bound, in);
    if (!in.data.empty()) {
      EXPECT_GE(in.data.data(), chunk.data());
      EXPECT_LE(in.data.data() + in.data.size(), chunk.data() + chunk.size());
    }
    seen.data += in.data;
    if (in.ping) ++seen.pings, seen.ping = in.control_payload();
    seen.pongs += in.pong;
    if (in.error != WsClose::none) seen.error = in.error;
    if (in.close != WsClose::none) seen.close = in.close, seen.reason = in.control_payload();
    EXPECT_EQ(decoder.finished(), seen.error != WsClose::none || seen.close != WsClose::none);
  }
  return seen;
}

struct Case {
  const char* name;
  std::string input;
  Seen expected;
  WsRole role = WsRole::server;
  std::uint64_t bound = 1 << 20;
};

void PrintTo(const Case& c, std::ostream* os) { *os << c.name; }

std::string with_length(std::uint8_t b0, std::string length_bytes, bool masked = true) {
  length_bytes[0] = static_cast<char>(length_bytes[0] | (masked ? 0x80 : 0));
  return std::string(1, static_cast<char>(b0)) + length_bytes + (masked ? "\x11\x22\x33\x44"s : "");
}

const Case kCases[] = {
    {"one frame", raw(0x82, "hello"), {.data = "hello"}},
    {"empty frame", raw(0x82, ""), {}},
    {"mask of zero", raw(0x82, "hello", 0), {.data = "hello"}},
    {"two frames move together", raw(0x82, "hello ") + raw(0x82, "world"), {.data = "hello world"}},
    {"many sizes",
     raw(0x82, std::string(7, 'a')) + raw(0x82, std::string(125, 'b')) + raw(0x82, std::string(126, 'c')),
     {.data = std::string(7, 'a') + std::string(125, 'b') + std::string(126, 'c')}},
    {"16-bit length", raw(0x82, std::string(65535, 'x')), {.data = std::string(65535, 'x')}},
    {"64-bit length", raw(0x82, std::string(65536, 'y')), {.data = std::string(65536, 'y')}},
    {"fragments", raw(0x02, "ab") + raw(0x00, "cd") + raw(0x80, "ef"), {.data = "abcdef"}},
    {"ping between fragments",
     raw(0x02, "ab") + raw(0x89, "p") + raw(0x80, "ef"),
     {.data = "abef", .ping = "p", .pings = 1}},
    {"ping, empty", raw(0x89, ""), {.pings = 1}},
    {"ping of 125 bytes", raw(0x89, std::string(125, 'p')), {.ping = std::string(125, 'p'), .pings = 1}},
    {"pong leaves the ping's payload", raw(0x89, "ping") + raw(0x8A, "pong"), {.ping = "ping", .pings = 1, .pongs = 1}},
    {"close without code", raw(0x88, ""), {.close = WsClose::no_status}},
    {"close 1000", raw(0x88, close_payload(1000, "bye")), {.close = WsClose::normal, .reason = "bye"}},
    {"close 1001 after data",
     raw(0x82, "x") + raw(0x88, close_payload(1001)),
     {.data = "x", .close = WsClose::going_away}},
    {"close of an application", raw(0x88, close_payload(4999)), {.close = static_cast<WsClose>(4999)}},
    {"nothing after close", raw(0x88, close_payload(1000)) + raw(0x82, "late"), {.close = WsClose::normal}},
    {"client takes unmasked",
     raw(0x82, "hi", {}) + raw(0x89, "p", {}),
     {.data = "hi", .ping = "p", .pings = 1},
     WsRole::client},
    {"bound is not for control frames", raw(0x89, "ping"), {.ping = "ping", .pings = 1}, WsRole::server, 2},
    {"at the bound", raw(0x82, "1234"), {.data = "1234"}, WsRole::server, 4},
    // refused
    {"close with half a code", raw(0x88, "x"), {.error = WsClose::protocol_error}},
    {"close 1005", raw(0x88, close_payload(1005)), {.error = WsClose::protocol_error}},
    {"close 1006", raw(0x88, close_payload(1006)), {.error = WsClose::protocol_error}},
    {"close 999", raw(0x88, close_payload(999)), {.error = WsClose::protocol_error}},
    {"close 1016", raw(0x88, close_payload(1016)), {.error = WsClose::protocol_error}},
    {"close 5000", raw(0x88, close_payload(5000)), {.error = WsClose::protocol_error}},
    {"close reason not UTF-8", raw(0x88, close_payload(1000, "\xC3")), {.error = WsClose::invalid_payload}},
    {"text", raw(0x81, "hello"), {.error = WsClose::unsupported_data}},
    {"text after data", raw(0x82, "ok") + raw(0x81, "no"), {.data = "ok", .error = WsClose::unsupported_data}},
    {"text inside a message", raw(0x02, "ok") + raw(0x81, "no"), {.data = "ok", .error = WsClose::protocol_error}},
    {"unmasked client frame", raw(0x82, "hello", {}), {.error = WsClose::protocol_error}},
    {"masked server frame", raw(0x82, "hello"), {.error = WsClose::protocol_error}, WsRole::client},
    {"RSV1", raw(0xC2, "x"), {.error = WsClose::protocol_error}},
    {"RSV2", raw(0xA2, "x"), {.error = WsClose::protocol_error}},
    {"RSV3", raw(0x92, "x"), {.error = WsClose::protocol_error}},
    {"opcode 3", raw(0x83, "x"), {.error = WsClose::protocol_error}},
    {"opcode 11", raw(0x8B, "x"), {.error = WsClose::protocol_error}},
    {"fragmented ping", raw(0x09, "x"), {.error = WsClose::protocol_error}},
    {"ping of 126 bytes", raw(0x89, std::string(126, 'p')), {.error = WsClose::protocol_error}},
    {"continuation without start", raw(0x80, "x"), {.error = WsClose::protocol_error}},
    {"continuation after the end", raw(0x82, "x") + raw(0x80, "y"), {.data = "x", .error = WsClose::protocol_error}},
    {"start inside a message", raw(0x02, "x") + raw(0x82, "y"), {.data = "x", .error = WsClose::protocol_error}},
    {"above the bound", raw(0x82, "12345"), {.error = WsClose::too_big}, WsRole::server, 4},
    {"above the bound, wide", raw(0x82, std::string(300, 'z')), {.error = WsClose::too_big}, WsRole::server, 299},
    {"16-bit length for 125", with_length(0x82, "\x7E\x00\x7D"s), {.error = WsClose::protocol_error}},
    {"64-bit length for 65535",
     with_length(0x82, "\x7F\x00\x00\x00\x00\x00\x00\xFF\xFF"s),
     {.error = WsClose::protocol_error}},
    {"length with the top bit",
     with_length(0x82, "\x7F\x80\x00\x00\x00\x00\x00\x00\x00"s),
     {.error = WsClose::protocol_error},
     WsRole::server,
     ~0ull},
};

class WsFrame : public testing::TestWithParam<Case> {};

TEST_P(WsFrame, Whole) {
  EXPECT_EQ(decode({GetParam().input}, GetParam().role, GetParam().bound), GetParam().expected);
}

TEST_P(WsFrame, CutAtEveryByte) {
  const Case& c = GetParam();
  const std::size_t step = c.input.size() > 1000 ? 997 : 1;
  for (std::size_t cut = 0; cut <= c.input.size(); cut += step) {
    EXPECT_EQ(decode({c.input.substr(0, cut), c.input.substr(cut)}, c.role, c.bound), c.expected) << cut;
  }
}

TEST_P(WsFrame, ByteByByte) {
  std::vector<std::string> bytes;
  for (char b : GetParam().input) bytes.emplace_back(1, b);
  EXPECT_EQ(decode(bytes, GetParam().role, GetParam().bound), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(Table, WsFrame, testing::ValuesIn(kCases));

TEST(WsFrame, ManyPingsInOneChunkAreAnsweredOnce) {
  Seen seen = decode({raw(0x89, "one") + raw(0x82, "x") + raw(0x89, "two")});
  EXPECT_EQ(seen, (Seen{.data = "x", .ping = "two", .pings = 1}));
}

TEST(WsFrame, SingleFrameIsNotMoved) {
  std::string chunk = raw(0x82, "payload");
  WsDecoder decoder(WsRole::server);
  WsInput in;
  decoder.decode(chunk.data(), chunk.size(), 100, in);
  EXPECT_EQ(in.data.data(), chunk.data() + 6);
}

TEST(WsFrame, HeaderOfEachSize) {
  const struct {
    std::uint64_t size;
    std::string header;
  } rows[] = {
      {0, "\x82\x00"s},
      {125, "\x82\x7D"s},
      {126, "\x82\x7E\x00\x7E"s},
      {65535, "\x82\x7E\xFF\xFF"s},
      {65536, "\x82\x7F\x00\x00\x00\x00\x00\x01\x00\x00"s},
  };
  for (const auto& row : rows) {
    char out[kWsMaxHeader];
    std::size_t n = encode_ws_header(out, WsOpcode::binary, row.size);
    EXPECT_EQ(std::string(out, n), row.header);
    EXPECT_EQ(n, ws_header_size(row.size));
    EXPECT_EQ(encode_ws_header(out, WsOpcode::binary, row.size, kMask), ws_header_size(row.size, true));
  }
}

TEST(WsFrame, ControlFramesReadBack) {
  char out[kWsMaxHeader + kWsMaxControl];
  std::size_t n = encode_ws_close(out, WsClose::going_away, std::string(200, 'r'), kMask);
  EXPECT_EQ(decode({std::string(out, n)}), (Seen{.close = WsClose::going_away, .reason = std::string(123, 'r')}));
  n = encode_ws_close(out, WsClose::no_status);
  EXPECT_EQ(std::string(out, n), "\x88\x00"s);
  n = encode_ws_control(out, WsOpcode::pong, "data");
  EXPECT_EQ(std::string(out, n), "\x8A\x04"s + "data");
}

TEST(WsFrame, MaskOfEveryAlignmentAndShift) {
  std::string plain(200, 0);
  for (std::size_t i = 0; i < plain.size(); ++i) plain[i] = static_cast<char>(i * 7);
  char key[4];
  std::memcpy(key, &kMask, 4);
  for (std::size_t n : {0u, 1u, 3u, 4u, 7u, 8u, 9u, 31u, 32u, 33u, 100u}) {
    for (std::size_t shift = 0; shift < 40; ++shift) {
      std::string buffer = std::string(shift, '.') + plain.substr(0, n);
      std::uint32_t next = ws_mask(buffer.data(), buffer.data() + shift, n, kMask);
      for (std::size_t i = 0; i < n; ++i) ASSERT_EQ(buffer[i], static_cast<char>(plain[i] ^ key[i % 4]));
      char turned[4];
      std::memcpy(turned, &next, 4);
      for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(turned[i], key[(n + i) % 4]);
    }
  }
}

}  // namespace
}  // namespace sb::io
