// SPDX-License-Identifier: MIT
#include "client/target.h"

#include <gtest/gtest.h>

namespace sb::client {
namespace {

TEST(Target, Urls) {
  struct {
    const char *text, *host;
    int port;
    bool tls, websocket;
    const char *path, *topic, *user, *password;
  } cases[] = {
      {"mqtt://h", "h", 1883, false, false, "/mqtt", "", nullptr, nullptr},
      {"mqtts://h/a/b%20c", "h", 8883, true, false, "/mqtt", "a/b c", nullptr, nullptr},
      {"mqtt://u:p%40ss@h:99/t", "h", 99, false, false, "/mqtt", "t", "u", "p@ss"},
      {"mqtt://u@[::1]:1884", "::1", 1884, false, false, "/mqtt", "", "u", nullptr},
      {"ws://h:8083/mqtt?x=1", "h", 8083, false, true, "/mqtt?x=1", "", nullptr, nullptr},
      {"wss://u:@h", "h", 443, true, true, "/mqtt", "", "u", ""},
      {"ws://h/", "h", 80, false, true, "/", "", nullptr, nullptr},
  };
  for (auto& c : cases) {
    std::string problem;
    auto url = parse_url(c.text, problem);
    ASSERT_TRUE(url) << c.text << ": " << problem;
    EXPECT_EQ(url->target.host, c.host) << c.text;
    EXPECT_EQ(url->target.port, c.port) << c.text;
    EXPECT_EQ(url->target.tls, c.tls) << c.text;
    EXPECT_EQ(url->target.websocket, c.websocket) << c.text;
    EXPECT_EQ(url->target.path, c.path) << c.text;
    EXPECT_EQ(url->topic, c.topic) << c.text;
    EXPECT_EQ(url->username, c.user ? std::optional<std::string>(c.user) : std::nullopt) << c.text;
    EXPECT_EQ(url->password, c.password ? std::optional<std::string>(c.password) : std::nullopt) << c.text;
  }
}

TEST(Target, WrongUrls) {
  struct {
    const char *text, *problem;
  } cases[] = {
      {"http://h", "it does not begin with mqtt://, mqtts://, ws:// or wss://"},
      {"mqtt://", "it names no host"},
      {"mqtt://h:0", "\"0\" is no port: 1 to 65535"},
      {"mqtt://h:99x", "\"99x\" is no port: 1 to 65535"},
      {"mqtt://[::1", "the bracket of the IPv6 address is not closed"},
      {"mqtt://[::1]x", "what follows the host is no port"},
      {"mqtt://h/a%2", "a % is not followed by two hex digits"},
      {"mqtt://u%zz@h", "a % is not followed by two hex digits"},
  };
  for (auto& c : cases) {
    std::string problem;
    EXPECT_FALSE(parse_url(c.text, problem)) << c.text;
    EXPECT_EQ(problem, c.problem) << c.text;
  }
}

TEST(Target, Names) {
  Target t;
  EXPECT_EQ(t.name(), "127.0.0.1:1883");
  t.host = "::1";
  EXPECT_EQ(t.name(), "[::1]:1883");
  t.unix_path = "/run/mqtt";
  EXPECT_EQ(t.name(), "/run/mqtt");
}

TEST(Target, Addresses) {
  EXPECT_EQ(parse_ip("127.0.0.9")->family(), AF_INET);
  EXPECT_EQ(parse_ip("::1")->family(), AF_INET6);
  EXPECT_FALSE(parse_ip("localhost"));
  Target t;
  t.unix_path = std::string(200, 'x');
  EXPECT_FALSE(resolve(t));
}

}  // namespace
}  // namespace sb::client
