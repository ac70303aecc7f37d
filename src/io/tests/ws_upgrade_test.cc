// SPDX-License-Identifier: MIT
#include "io/ws_upgrade.h"

#include <gtest/gtest.h>

#include <string>

namespace sb::io {
namespace {

using Kind = WsUpgradeResult::Kind;

/// A good request in which one line can be replaced: by name, with "" to leave it out.
std::string request(std::string_view name = {}, std::string_view line = {},
                    std::string_view first = "GET /mqtt HTTP/1.1") {
  const std::string lines[] = {"Host: example.org",
                               "Upgrade: websocket",
                               "Connection: keep-alive, Upgrade",
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                               "Sec-WebSocket-Version: 13",
                               "Sec-WebSocket-Protocol: mqtt"};
  std::string out = std::string(first) + "\r\n";
  bool replaced = name.empty();
  for (const auto& l : lines) {
    if (!replaced && l.starts_with(std::string(name) + ":")) {
      replaced = true;
      if (!line.empty()) out += std::string(line) + "\r\n";
    } else {
      out += l + "\r\n";
    }
  }
  if (!replaced) out += std::string(line) + "\r\n";
  return out + "\r\n";
}

struct Case {
  const char* name;
  std::string request;
  unsigned status;
  std::string_view protocol = {};
  std::string_view header = {};  ///< that the answer must have
  WsUpgradeRules rules = {};
};
void PrintTo(const Case& c, std::ostream* os) { *os << c.name; }

const WsUpgradeRules kOrigins = {
    .origins = {"https://app.example.org", "https://*.example.com", "http://*.dev.test:8080"}};
constexpr std::string_view kAcceptLine = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

const Case kCases[] = {
    {"good", request(), 101, "mqtt", kAcceptLine},
    {"query is ignored", request({}, {}, "GET /mqtt?token=1 HTTP/1.1"), 101, "mqtt"},
    {"header names in any case", request("Upgrade", "uPGRADE: WebSocket"), 101, "mqtt"},
    {"mqtt before mqttv3.1", request("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: mqttv3.1, mqtt"), 101, "mqtt"},
    {"mqttv3.1 alone", request("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: mqttv3.1"), 101, "mqttv3.1"},
    {"several protocol headers",
     request("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: wamp\r\nSec-WebSocket-Protocol: x ,\tmqtt"), 101,
     "mqtt"},
    {"other path configured", request({}, {}, "GET / HTTP/1.1"), 101, "mqtt", {}, {.path = "/"}},
    {"wrong path", request({}, {}, "GET /mqtt/ HTTP/1.1"), 404},
    {"POST", request({}, {}, "POST /mqtt HTTP/1.1"), 405, {}, "Allow: GET\r\n"},
    {"HTTP/1.0", request({}, {}, "GET /mqtt HTTP/1.0"), 505},
    {"no host", request("Host", ""), 400},
    {"two hosts", request("Host", "Host: a\r\nHost: b"), 400},
    {"plain GET", request("Upgrade", ""), 426, {}, "Upgrade: websocket\r\n"},
    {"upgrade to h2c", request("Upgrade", "Upgrade: h2c"), 426},
    {"connection keep-alive", request("Connection", "Connection: keep-alive"), 426},
    {"version 8",
     request("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"),
     426,
     {},
     "Sec-WebSocket-Version: 13\r\n"},
    {"no version", request("Sec-WebSocket-Version", ""), 426},
    {"no key", request("Sec-WebSocket-Key", ""), 400},
    {"key of 15 bytes", request("Sec-WebSocket-Key", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA"), 400},
    {"key not base64", request("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=!"), 400},
    {"two keys",
     request("Sec-WebSocket-Key",
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
     400},
    {"no protocol", request("Sec-WebSocket-Protocol", ""), 400},
    {"other protocol", request("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: MQTT, amqp"), 400},
    {"body", request("Content-Length", "Content-Length: 5"), 400},
    {"empty body", request("Content-Length", "Content-Length: 0"), 400},
    {"chunked", request("Transfer-Encoding", "Transfer-Encoding: chunked"), 400},
    {"no origin", request(), 101, "mqtt", {}, kOrigins},
    {"any origin", request("Origin", "Origin: https://evil.org"), 101, "mqtt"},
    {"listed origin", request("Origin", "Origin: https://app.example.org"), 101, "mqtt", {}, kOrigins},
    {"wrong origin", request("Origin", "Origin: https://evil.org"), 403, {}, {}, kOrigins},
    {"two origins",
     request("Origin", "Origin: https://app.example.org\r\nOrigin: https://evil.org"),
     400,
     {},
     {},
     kOrigins},
    {"malformed", "GET /mqtt HTTP/1.1\r\nHost example\r\n\r\n", 400},
    {"folded header", request("Host", "Host: a\r\n b"), 101, "mqtt"},
    {"MQTT", std::string("\x10\x0C\x00\x04MQTT", 8), 400},
    {"TLS", std::string("\x16\x03\x01", 3), 400},
    {"too long", request("X", "X: " + std::string(9000, 'x')), 431},
    {"endless", std::string(8192, 'G'), 431},
};

class WsUpgradeTable : public testing::TestWithParam<Case> {};

TEST_P(WsUpgradeTable, Whole) {
  const Case& c = GetParam();
  WsUpgrade upgrade(c.rules);
  auto r = upgrade.feed(c.request + (c.status == 101 ? "frames" : ""));
  EXPECT_EQ(r.kind, c.status == 101 ? Kind::accept : Kind::reject);
  EXPECT_EQ(r.status, c.status) << r.reason;
  EXPECT_EQ(r.protocol, c.protocol);
  EXPECT_NE(r.response.find(c.header), std::string::npos) << r.response;
  EXPECT_TRUE(r.response.starts_with("HTTP/1.1 " + std::to_string(c.status) + " "));
  if (c.status == 101) {
    EXPECT_EQ(r.consumed, c.request.size());
  } else {
    EXPECT_NE(r.response.find("Connection: close\r\n"), std::string::npos);
  }
}

TEST_P(WsUpgradeTable, ByteByByte) {
  const Case& c = GetParam();
  WsUpgrade upgrade(c.rules);
  WsUpgradeResult r;
  std::size_t at = 0;
  while (at < c.request.size() && r.kind == Kind::need_more) r = upgrade.feed({&c.request[at++], 1});
  EXPECT_EQ(r.status, c.status);
  EXPECT_EQ(r.protocol, c.protocol);
  if (c.status == 101) {
    EXPECT_EQ(at, c.request.size());
    EXPECT_EQ(r.consumed, 1u);
  }
}

INSTANTIATE_TEST_SUITE_P(Table, WsUpgradeTable, testing::ValuesIn(kCases));

TEST(WsUpgrade, Origins) {
  const struct {
    std::string_view origin;
    bool allowed;
  } rows[] = {
      {"https://app.example.org", true},
      {"HTTPS://APP.example.org", true},
      {"http://app.example.org", false},
      {"https://app.example.org:8443", false},
      {"https://a.example.com", true},
      {"https://a.b.example.com", true},
      {"https://example.com", false},
      {"https://.example.com", false},
      {"https://evilexample.com", false},
      {"https://evil.org/.example.com", false},
      {"https://evil.org#.example.com", false},
      {"https://user@evil.org:1.example.com", false},
      {"http://x.dev.test:8080", true},
      {"http://x.dev.test", false},
      {"null", false},
      {"", false},
  };
  for (const auto& row : rows) EXPECT_EQ(origin_allowed(kOrigins.origins, row.origin), row.allowed) << row.origin;
  EXPECT_TRUE(origin_allowed({"*"}, "null"));
  EXPECT_TRUE(origin_allowed({"null"}, "null"));
}

using Answer = WsClientHandshake::Answer;

TEST(WsClientHandshake, AgreesWithTheServer) {
  for (std::size_t cut = 0; cut < 120; ++cut) {
    WsClientHandshake client(
        {.host = "example.org", .target = "/mqtt?x=1", .protocol = "mqtt", .origin = "https://a.example.com"});
    WsUpgrade server(kOrigins);
    auto r = server.feed(client.request());
    ASSERT_EQ(r.kind, Kind::accept) << r.reason;
    EXPECT_EQ(client.feed(r.response.substr(0, cut)).kind, Answer::Kind::need_more);
    auto answer = client.feed(r.response.substr(cut) + "frames");
    EXPECT_EQ(answer.kind, Answer::Kind::accept) << answer.reason;
    EXPECT_EQ(answer.consumed, r.response.size() - cut);
  }
}

TEST(WsClientHandshake, RefusesWrongAnswers) {
  auto answer_to = [](auto change) {
    WsClientHandshake client({.host = "h"});
    WsUpgradeRules any;
    std::string response = WsUpgrade(any).feed(client.request()).response;
    change(response);
    return client.feed(response);
  };
  auto replace = [](std::string from, std::string to) {
    return [=](std::string& s) { s.replace(s.find(from), from.size(), to); };
  };
  EXPECT_EQ(answer_to([](auto&) {}).kind, Answer::Kind::accept);
  EXPECT_EQ(answer_to(replace("Accept: ", "Accept: A")).reason, "Sec-WebSocket-Accept is wrong");
  EXPECT_EQ(answer_to(replace("Protocol: mqtt", "Protocol: wamp")).reason, "the server chose another subprotocol");
  EXPECT_EQ(answer_to(replace("Upgrade: websocket", "Upgrade: h2c")).reason,
            "the answer does not upgrade to websocket");
  EXPECT_EQ(answer_to(replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: x\r\n\r\n")).reason,
            "the server wants an extension");
  EXPECT_EQ(answer_to(replace("101 Switching Protocols", "503 Service Unavailable")).status, 503u);
  EXPECT_EQ(answer_to([](auto& s) { s = "\x20\x02\r\n\r\n"; }).reason, "the answer is not HTTP");
  EXPECT_EQ(answer_to([](auto& s) { s.assign(9000, 'x'); }).reason, "the answer is too long");
  EXPECT_EQ(answer_to([](auto& s) { s = "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello"; }).reason,
            "the server answered 404 Not Found");
}

}  // namespace
}  // namespace sb::io
