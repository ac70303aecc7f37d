// SPDX-License-Identifier: MIT
#include "auth/certificate_map.h"

#include <gtest/gtest.h>

namespace sb::auth {
namespace {

constexpr std::string_view kMap = R"(# devices
CN=dev-*,O=Acme -> dev-*
CN=boss,O=Acme -> root
CN=boss*,O=Acme -> nobody
  exact name   ->   ada lovelace
a -> b -> c
spiffe://acme/gw/* -> gateway
*.example.org -> host-*-x
*-end -> *
)";

TEST(CertificateMap, FirstMatchWins) {
  std::string why;
  auto map = CertificateMap::parse(kMap, why);
  ASSERT_TRUE(map) << why;
  const struct {
    std::string_view identity;
    const char* user;  ///< null = nobody
  } rows[] = {
      {"CN=dev-7,O=Acme", "dev-7"},
      {"CN=dev-a b,O=Acme", "dev-a b"},
      {"CN=dev-,O=Acme", nullptr},
      {"CN=dev-7,O=Acme,C=XX", nullptr},
      {"C=XX,CN=dev-7,O=Acme", nullptr},
      {"CN=dev-7,OU=x,O=Acme", nullptr},
      {"CN=dev-7+UID=1,O=Acme", nullptr},
      {"CN=dev-7\\,O=Acme", nullptr},
      {"CN=dev-7\\", nullptr},
      {"CN=dev-7,O=acme", nullptr},
      {"CN=boss,O=Acme", "root"},
      {"CN=boss2,O=Acme", "nobody"},
      {"exact name", "ada lovelace"},
      {"Exact name", nullptr},
      {"exact", nullptr},
      {"a -> b", "c"},
      {"spiffe://acme/gw/1", "gateway"},
      {"spiffe://acme/gw/1/2", nullptr},
      {"spiffe://acme/gw/", nullptr},
      {"a.example.org", "host-a-x"},
      {"a.b.example.org", "host-a.b-x"},
      {"*.example.org", "host-*-x"},
      {".example.org", nullptr},
      {"x-end", "x"},
      {"-end", nullptr},
      {"", nullptr},
      {"# devices", nullptr},
  };
  for (auto& row : rows) {
    auto user = (*map)->user(row.identity);
    EXPECT_EQ(user.has_value(), row.user != nullptr) << row.identity << " is " << user.value_or("nobody");
    if (user && row.user) {
      EXPECT_EQ(*user, row.user) << row.identity;
    }
  }
}

TEST(CertificateMap, BothEndsMustHaveRoom) {
  std::string why;
  auto map = CertificateMap::parse("aba*ba -> *\n", why);
  ASSERT_TRUE(map);
  EXPECT_FALSE((*map)->user("aba"));
  EXPECT_FALSE((*map)->user("ababa"));
  EXPECT_EQ((*map)->user("ababba"), "b");
}

TEST(CertificateMap, WhatIsWrong) {
  const struct {
    std::string_view text, why;
  } rows[] = {
      {"CN=a", "line 1: expected IDENTITY -> USER"},
      {"\n# ok\nCN=a->b\n", "line 3: expected IDENTITY -> USER"},
      {" -> b", "line 1: the identity or the user is empty"},
      {"a ->  ", "line 1: the identity or the user is empty"},
      {"*-* -> b", "line 1: each side may have one"},
      {"a* -> ** ", "line 1: each side may have one"},
      {"a -> *", "line 1: the user has a \"*\""},
      {"a\x01 -> b", "line 1: it is not UTF-8 text"},
      {"a\xFF -> b", "line 1: it is not UTF-8 text"},
  };
  for (auto& row : rows) {
    std::string why;
    EXPECT_FALSE(CertificateMap::parse(row.text, why)) << row.text;
    EXPECT_TRUE(why.starts_with(row.why)) << row.text << ": " << why;
  }
}

TEST(CertificateMap, AnEmptyOneHasNobody) {
  std::string why;
  auto map = CertificateMap::parse("# nobody yet\n", why);
  ASSERT_TRUE(map);
  EXPECT_FALSE((*map)->user("CN=a"));
}

}  // namespace
}  // namespace sb::auth
