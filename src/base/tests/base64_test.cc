// SPDX-License-Identifier: MIT
#include "base/base64.h"

#include <gtest/gtest.h>

namespace sb {
namespace {

TEST(Base64, Rfc4648Vectors) {
  const struct {
    std::string_view bytes, text;
  } rows[] = {{"", ""},
              {"f", "Zg=="},
              {"fo", "Zm8="},
              {"foo", "Zm9v"},
              {"foob", "Zm9vYg=="},
              {"fooba", "Zm9vYmE="},
              {"foobar", "Zm9vYmFy"},
              {"\xFB\xFF", "+/8="}};
  for (const auto& row : rows) {
    EXPECT_EQ(base64_encode(row.bytes), row.text);
    EXPECT_EQ(base64_decode(row.text), row.bytes);
  }
}

TEST(Base64, OneTextPerBytes) {
  for (std::string_view wrong :
       {"Zg", "Zg=", "Zh==", "Zm9=", "=", "====", "Z===", "Zg==Zg==", "Zm9v\n", "Zm 9", "Zm-_"}) {
    EXPECT_EQ(base64_decode(wrong), std::nullopt) << wrong;
  }
}

TEST(Base64, ForUrls) {
  const struct {
    std::string_view bytes, text;
  } rows[] = {{"", ""}, {"f", "Zg"}, {"fo", "Zm8"}, {"foo", "Zm9v"}, {"foob", "Zm9vYg"}, {"\xFB\xFF\xBF", "-_-_"}};
  for (const auto& row : rows) {
    EXPECT_EQ(base64url_encode(row.bytes), row.text);
    EXPECT_EQ(base64url_decode(row.text), row.bytes);
  }
  for (std::string_view wrong : {"Z", "Zg==", "Zh", "Zm9", "Zm9vZ", "Zm9v\n", "Zm 9", "Zm+/", "="}) {
    EXPECT_EQ(base64url_decode(wrong), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace sb
