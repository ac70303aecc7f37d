// SPDX-License-Identifier: MIT
#include "http/url.h"

#include <gtest/gtest.h>

namespace sb::http {
namespace {

TEST(Url, Parts) {
  const struct {
    std::string_view text, host;
    bool tls;
    std::uint16_t port;
    std::string_view target, host_header, origin;
  } rows[] = {
      {"http://a", "a", false, 80, "/", "a", "http://a:80"},
      {"https://a.example.org/", "a.example.org", true, 443, "/", "a.example.org", "https://a.example.org:443"},
      {"http://127.0.0.1:8080/x/y?z=1", "127.0.0.1", false, 8080, "/x/y?z=1", "127.0.0.1:8080",
       "http://127.0.0.1:8080"},
      {"https://[::1]:8443/x", "::1", true, 8443, "/x", "[::1]:8443", "https://[::1]:8443"},
      {"http://[2001:db8::1]?q", "2001:db8::1", false, 80, "/?q", "[2001:db8::1]", "http://[2001:db8::1]:80"},
      {"https://a_b-c:65535", "a_b-c", true, 65535, "/", "a_b-c:65535", "https://a_b-c:65535"},
  };
  for (auto& r : rows) {
    std::string why;
    auto url = parse_url(r.text, why);
    ASSERT_TRUE(url) << r.text << " " << why;
    EXPECT_EQ(url->host, r.host) << r.text;
    EXPECT_EQ(url->tls, r.tls) << r.text;
    EXPECT_EQ(url->port, r.port) << r.text;
    EXPECT_EQ(url->target, r.target) << r.text;
    EXPECT_EQ(url->host_header(), r.host_header) << r.text;
    EXPECT_EQ(url->origin(), r.origin) << r.text;
  }
}

TEST(Url, WhatIsNone) {
  const struct {
    std::string_view text, why;
  } rows[] = {
      {"", "does not begin with http"},
      {"a.example.org", "does not begin with http"},
      {"ftp://a/", "does not begin with"},
      {"HTTP://a/", "does not begin with"},
      {"http://", "has no host"},
      {"http:///x", "has no host"},
      {"http://?x", "has no host"},
      {"http://:80", "has no host"},
      {"http://a b", "has a space"},
      {"http://a/\r\nx", "has a space"},
      {"http://\xC3\xA4", "has a space"},
      {"http://u:p@a", "has a user"},
      {"http://a:@b/", "has a user"},
      {"http://a/#x", "has a \"#\""},
      {"http://a:", "has a port"},
      {"http://a:0", "has a port"},
      {"http://a:65536", "has a port"},
      {"http://a:8x", "has a port"},
      {"http://a:-1", "has a port"},
      {"http://[::1", "has a \"[\""},
      {"http://[a]/", "has something else"},
      {"http://[::1]8", "has something between"},
      {"http://::1/", "has no host"},
  };
  for (auto& r : rows) {
    std::string why;
    EXPECT_FALSE(parse_url(r.text, why)) << r.text;
    EXPECT_TRUE(why.starts_with(r.why)) << r.text << ": " << why;
  }
}

}  // namespace
}  // namespace sb::http
