// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "base/log.h"

namespace sb::log {
namespace {

TEST(LogName, FitsOnALine) {
  const struct {
    std::string_view in, out;
  } rows[] = {
      {"", ""},
      {"client-1", "client-1"},
      {"two words", "two words"},
      {"a\nb\r\tc\x1B[31m", "a?b??c?[31m"},
      {std::string_view("a\0b\x7F", 4), "a?b?"},
      {"x\" reason=\"none", "x? reason=?none"},
      {"\xC3\xA9", "\xC3\xA9"},
  };
  for (const auto& row : rows) EXPECT_EQ(name(row.in), row.out);
}

TEST(LogName, IsCutAt64Bytes) {
  EXPECT_EQ(name(std::string(64, 'x')), std::string(64, 'x'));
  EXPECT_EQ(name(std::string(65, 'x')), std::string(64, 'x') + "...");
  EXPECT_EQ(name(std::string(65535, '\n')), std::string(64, '?') + "...");
}

}  // namespace
}  // namespace sb::log
