// SPDX-License-Identifier: MIT
// Paths, queries, names of hosts, and where requests go.
#include "http/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/host_rules.h"
#include "http/router.h"

namespace sb::http {
namespace {

using ::testing::ElementsAre;

TEST(Target, Percent) {
  const struct {
    const char* encoded;
    std::optional<std::string> plain;
  } rows[] = {
      {"", ""},
      {"abc", "abc"},
      {"a%20b", "a b"},
      {"%2F%2f", "//"},
      {"a+b", "a+b"},
      {"%C3%A9", "é"},
      {"%", {}},
      {"%4", {}},
      {"a%4", {}},
      {"%4x", {}},
      {"%x4", {}},
      {"%%41", {}},
      {"%00", std::string(1, '\0')},
      {"%41%", {}},
  };
  for (auto& row : rows) {
    EXPECT_EQ(percent_decode(row.encoded), row.plain) << row.encoded;
    if (row.plain) {
      EXPECT_EQ(percent_decode(percent_encode(*row.plain)), row.plain);
    }
  }
  EXPECT_EQ(percent_encode("a/b c%é~-._"), "a%2Fb%20c%25%C3%A9~-._");
}

TEST(Target, Segments) {
  EXPECT_THAT(path_segments("/"), ElementsAre(""));
  EXPECT_THAT(path_segments("/a/b"), ElementsAre("a", "b"));
  EXPECT_THAT(path_segments("/a//b/"), ElementsAre("a", "", "b", ""));
}

TEST(Target, Queries) {
  auto q = Query::parse("a=1&b=x%26y+z&c&&d=");
  ASSERT_TRUE(q);
  EXPECT_EQ(*q->find("a"), "1");
  EXPECT_EQ(*q->find("b"), "x&y z");
  EXPECT_EQ(*q->find("c"), "");
  EXPECT_EQ(*q->find("d"), "");
  EXPECT_EQ(q->find("e"), nullptr);
  EXPECT_EQ(*q->stranger({"a", "b", "d"}), "c");
  EXPECT_EQ(q->stranger({"a", "b", "c", "d"}), nullptr);
  for (const char* bad : {"a=1&a=2", "a=%", "%zz=1", "a&%61"}) EXPECT_FALSE(Query::parse(bad)) << bad;
}

TEST(HostRules, Hosts) {
  const HostRules rules({"Broker.Example", "192.0.2.9"});
  const Ip local = *Ip::parse("10.0.0.5");
  const struct {
    const char* host;
    bool good;
  } rows[] = {
      {"localhost", true},
      {"LOCALHOST:18083", true},
      {"localhost.", true},
      {"127.0.0.1:18083", true},
      {"127.9.9.9", true},
      {"[::1]:18083", true},
      {"[::1]", true},
      {"10.0.0.5:1", true},
      {"broker.example", true},
      {"BROKER.example.:80", true},
      {"192.0.2.9:80", true},
      {"10.0.0.6", false},
      {"example", false},
      {"evil.broker.example", false},
      {"localhost.evil.example", false},
      {"", false},
      {":80", false},
      {"localhost:", true},
      {"localhost:x", false},
      {"localhost:123456", false},
      {"user@localhost", false},
      {"localhost/", false},
      {"[::1", false},
      {"[::1]x", false},
      {"localhost:80:80", false},
      {"[localhost]", true},
      {"127.0.0.1.evil.example", false},
      {"2130706433", false},
  };
  for (auto& row : rows) EXPECT_EQ(rules.host(row.host, local), row.good) << row.host;
}

TEST(HostRules, Origins) {
  const HostRules rules({"broker.example"});
  const struct {
    const char *origin, *host;
    bool good;
  } rows[] = {
      {"http://localhost:18083", "localhost:18083", true},
      {"http://LOCALHOST:18083", "localhost:18083", true},
      {"http://localhost:3000", "localhost:18083", false},
      {"http://localhost", "localhost:18083", false},
      {"https://broker.example", "127.0.0.1:18083", true},
      {"https://broker.example:8443", "localhost", true},
      {"https://broker.example.evil.example", "localhost", false},
      {"http://evil.example", "localhost", false},
      {"null", "null", false},
      {"", "", false},
      {"ftp://localhost", "localhost", false},
  };
  for (auto& row : rows) EXPECT_EQ(rules.origin(row.origin, row.host), row.good) << row.origin << " " << row.host;
}

TEST(Router, WhereRequestsGo) {
  Router router;
  auto say = [](std::string name) {
    return [name](const ServerRequest&, const Router::Parts& parts, const Reply& reply) {
      std::string text = name;
      for (auto& p : parts) text += " " + p;
      reply({200, text, "", {}});
    };
  };
  router.add("GET", "/", say("root"));
  router.add("GET", "/clients", say("list"));
  router.add("POST", "/clients", say("make"));
  router.add("POST", "/clients/{id}/kick", say("kick"));
  router.add("GET", "/clients/{id}/of/{node}", say("of"));
  const struct {
    const char *method, *path;
    unsigned status;
    const char *body, *allow;
  } rows[] = {
      {"GET", "/", 200, "root", ""},
      {"HEAD", "/clients", 200, "list", ""},
      {"POST", "/clients", 200, "make", ""},
      {"DELETE", "/clients", 405, nullptr, "GET, HEAD, POST"},
      {"OPTIONS", "/", 405, nullptr, "GET, HEAD"},
      {"GET", "/clients/x/kick", 405, nullptr, "POST"},
      {"POST", "/clients/a%2Fb%20c/kick", 200, "kick a/b c", ""},
      {"POST", "/clients/%7Bid%7D/kick", 200, "kick {id}", ""},
      {"POST", "/clients/%zz/kick", 400, nullptr, ""},
      {"POST", "/clients//kick", 404, nullptr, ""},
      {"POST", "/clients/x/kick/", 404, nullptr, ""},
      {"GET", "/clients/a/of/b", 200, "of a b", ""},
      {"GET", "/client", 404, nullptr, ""},
      {"GET", "/clients/", 404, nullptr, ""},
      {"GET", "/clients/../", 404, nullptr, ""},
  };
  for (auto& row : rows) {
    ServerRequest request;
    request.method = row.method;
    request.path = row.path;
    ServerResponse got;
    got.status = 0;
    router.route(request, [&](ServerResponse r) { got = std::move(r); });
    EXPECT_EQ(got.status, row.status) << row.method << " " << row.path;
    if (row.body) {
      EXPECT_EQ(got.body, row.body) << row.path;
    }
    EXPECT_EQ(got.headers.empty() ? "" : got.headers[0].second, row.allow) << row.path;
  }
}

TEST(ServerMessage, ErrorsAreJson) {
  EXPECT_EQ(error_response(404, "no \"x\"\r\n\xC3\xA9").body, "{\"error\":\"no \\\"x\\\"????\"}\n");
}

}  // namespace
}  // namespace sb::http
