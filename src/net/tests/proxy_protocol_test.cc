// SPDX-License-Identifier: MIT
#include "net/proxy_protocol.h"

#include <gtest/gtest.h>

#include <string>

namespace sb::net {
namespace {

using namespace std::string_literals;
using enum ProxyParse;
using Family = ProxyAddress::Family;

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;

std::string v2(std::uint8_t command, std::uint8_t family, const std::string& body) {
  return kSignature + static_cast<char>(command) + static_cast<char>(family) + static_cast<char>(body.size() >> 8) +
         static_cast<char>(body.size()) + body;
}

const std::string kIpv4 = "\xC0\x00\x02\x01\xC6\x33\x64\x02\xD4\x31\x07\x5B"s;
const std::string kIpv6 =
    "\x20\x01\x0D\xB8"s + std::string(11, 0) + "\x01" + std::string(15, 0) + "\x01\x00\x50\x01\xBB"s;
std::string unix_field(std::string path) { return path + std::string(108 - path.size(), 0); }

struct Case {
  const char* name;
  std::string input;
  ProxyParse expected;
  std::string source = {}, destination = {};
};
void PrintTo(const Case& c, std::ostream* os) { *os << c.name; }

const Case kCases[] = {
    // version 1
    {"TCP4", "PROXY TCP4 192.0.2.1 198.51.100.2 54321 1883\r\n", complete, "192.0.2.1:54321", "198.51.100.2:1883"},
    {"TCP6", "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", complete, "[2001:db8::1]:1", "[::1]:65535"},
    {"longest",
     "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
     "65535\r\n",
     complete},
    {"UNKNOWN", "PROXY UNKNOWN\r\n", complete},
    {"UNKNOWN and anything", "PROXY UNKNOWN what ever\r\n", complete},
    {"UDP4", "PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n", malformed},
    {"v4 address for TCP6", "PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n", malformed},
    {"v6 address for TCP4", "PROXY TCP4 ::1 ::1 1 2\r\n", malformed},
    {"port too large", "PROXY TCP4 192.0.2.1 198.51.100.2 65536 1\r\n", malformed},
    {"port with zero", "PROXY TCP4 192.0.2.1 198.51.100.2 01 1\r\n", malformed},
    {"port with sign", "PROXY TCP4 192.0.2.1 198.51.100.2 +1 1\r\n", malformed},
    {"port missing", "PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n", malformed},
    {"two spaces", "PROXY TCP4 192.0.2.1  198.51.100.2 1 2\r\n", malformed},
    {"space at the end", "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n", malformed},
    {"no CR", "PROXY TCP4 192.0.2.1 198.51.100.2 1 2\n", malformed},
    {"empty", "PROXY \r\n", malformed},
    {"too long", "PROXY UNKNOWN " + std::string(100, 'x') + "\r\n", malformed},
    {"endless", "PROXY " + std::string(200, 'x'), malformed},
    // version 2
    {"v2 IPv4", v2(0x21, 0x11, kIpv4), complete, "192.0.2.1:54321", "198.51.100.2:1883"},
    {"v2 IPv6", v2(0x21, 0x21, kIpv6), complete, "[2001:db8::1]:80", "[::1]:443"},
    {"v2 unix", v2(0x21, 0x31, unix_field("/run/a") + unix_field("/run/b")), complete, "unix:/run/a", "unix:/run/b"},
    {"v2 unix full", v2(0x21, 0x31, std::string(108, 'a') + unix_field("")), complete, "unix:" + std::string(108, 'a'),
     "unix:"},
    {"v2 unix abstract", v2(0x21, 0x31, unix_field("\0abc"s) + unix_field("/b")), complete, "unix:@abc", "unix:/b"},
    {"v2 LOCAL", v2(0x20, 0x00, ""), complete},
    {"v2 LOCAL, block discarded", v2(0x20, 0x11, "junk"), complete},
    {"v2 unspecified", v2(0x21, 0x00, "whatever"), complete},
    {"v2 unknown TLVs", v2(0x21, 0x11, kIpv4 + "\x04\x00\x02..\xE0\x00\x00"s), complete, "192.0.2.1:54321",
     "198.51.100.2:1883"},
    {"v2 largest", v2(0x21, 0x11, kIpv4 + "\x04\x0F\xF1"s + std::string(4081, 0)), complete, "192.0.2.1:54321",
     "198.51.100.2:1883"},
    {"v2 too large", v2(0x21, 0x11, kIpv4 + "\x04\x0F\xF2"s + std::string(4082, 0)), malformed},
    {"v2 version 3", v2(0x31, 0x11, kIpv4), malformed},
    {"v2 command 2", v2(0x22, 0x11, kIpv4), malformed},
    {"v2 datagram", v2(0x21, 0x12, kIpv4), malformed},
    {"v2 family 4", v2(0x21, 0x41, kIpv4), malformed},
    {"v2 short addresses", v2(0x21, 0x21, kIpv4), malformed},
    {"v2 TLV cut", v2(0x21, 0x11, kIpv4 + "\x02\x00"s), malformed},
    {"v2 TLV too long", v2(0x21, 0x11, kIpv4 + "\x02\x00\x05host"s), malformed},
    {"v2 SSL too short", v2(0x21, 0x11, kIpv4 + "\x20\x00\x04\x01\x00\x00\x00"s), malformed},
    {"v2 SSL inner TLV cut", v2(0x21, 0x11, kIpv4 + "\x20\x00\x07\x01\x00\x00\x00\x00\x22\x01"s), malformed},
    {"v2 wrong CRC", v2(0x21, 0x11, kIpv4 + "\x03\x00\x04\x01\x02\x03\x04"s), malformed},
    {"v2 CRC of wrong size", v2(0x21, 0x11, kIpv4 + "\x03\x00\x03\x01\x02\x03"s), malformed},
    // no header
    {"MQTT", "\x10\x0C\x00\x04MQTT"s, absent},
    {"MQTT that begins with P", "PRO\x10", absent},
    {"GET", "GET / HTTP/1.1\r\n", absent},
    {"CRLF", "\r\n\r\nGET", absent},
    {"lower case", "proxy TCP4", absent},
};

class ProxyTable : public testing::TestWithParam<Case> {};

TEST_P(ProxyTable, Whole) {
  const Case& c = GetParam();
  ProxyHeader header;
  ASSERT_EQ(parse_proxy_header(c.input + (c.expected == complete ? "client's bytes" : ""), header), c.expected);
  if (c.expected != complete) return;
  EXPECT_EQ(header.size, c.input.size());
  EXPECT_EQ(header.source.text(), c.source);
  EXPECT_EQ(header.destination.text(), c.destination);
}

TEST_P(ProxyTable, EveryPrefixNeedsMoreOrAnswersTheSame) {
  const Case& c = GetParam();
  ProxyHeader header;
  for (std::size_t n = 0; n < c.input.size(); ++n) {
    auto state = parse_proxy_header(std::string_view(c.input).substr(0, n), header);
    EXPECT_TRUE(state == need_more || (c.expected != complete && state == c.expected)) << n;
  }
}

INSTANTIATE_TEST_SUITE_P(Table, ProxyTable, testing::ValuesIn(kCases));

TEST(ProxyV2, WhatIsEncodedIsRead) {
  ProxyAddress v4{Family::ipv4, {192, 0, 2, 1}, 54321, ""}, v6{Family::ipv6, {0x20, 0x01}, 1, ""};
  ProxyAddress path{Family::unix_socket, {}, 0, "/run/signalbox.sock"};
  ProxySsl ssl{true, ProxySsl::kTls | ProxySsl::kCertConnection, 0, "TLSv1.3", "device-1"};
  const ProxyHeader rows[] = {
      {.version = 2, .source = v4, .destination = v4},
      {.version = 2, .source = v6, .destination = v6, .authority = "mqtt.example.org"},
      {.version = 2, .source = v4, .destination = v4, .authority = "mqtt.example.org", .ssl = ssl},
      {.version = 2, .source = path, .destination = path, .ssl = {true, ProxySsl::kTls, 1, "TLSv1.2", ""}},
      {.version = 2, .local = true},
      {.version = 2},
  };
  for (ProxyHeader expected : rows) {
    std::string bytes = encode_proxy_v2(expected);
    expected.size = bytes.size();
    ProxyHeader header;
    ASSERT_EQ(parse_proxy_header(bytes + "more", header), complete);
    EXPECT_EQ(header, expected);
    if (expected.local || expected.source.family == Family::none) continue;
    for (std::size_t i = 16; i < bytes.size(); ++i) {  // any flipped bit is seen: by the lengths or by the CRC
      bytes[i] = static_cast<char>(bytes[i] ^ 1);
      if (static_cast<std::uint8_t>(bytes[i]) != 0x02 || i + 7 != bytes.size()) {  // (but not in the CRC's own type)
        EXPECT_EQ(parse_proxy_header(bytes, header), malformed) << i;
      }
      bytes[i] = static_cast<char>(bytes[i] ^ 1);
    }
  }
}

TEST(ProxyV2, NameCountsOnlyWhenVerified) {
  EXPECT_EQ((ProxySsl{true, 3, 0, "", "cn"}.verified_name()), "cn");
  EXPECT_EQ((ProxySsl{true, 5, 0, "", "cn"}.verified_name()), "cn");
  EXPECT_EQ((ProxySsl{true, 3, 1, "", "cn"}.verified_name()), "");
  EXPECT_EQ((ProxySsl{true, 1, 0, "", "cn"}.verified_name()), "");
}

}  // namespace
}  // namespace sb::net
