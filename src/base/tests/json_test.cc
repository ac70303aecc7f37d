// SPDX-License-Identifier: MIT
#include "base/json.h"

#include <gtest/gtest.h>

#include <string>

namespace sb {
namespace {

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(Json, Table) {
  const struct {
    std::string text;
    bool good;
  } rows[] = {
      {R"({"a":1,"b":[{"a":2},{"a":3}],"c":{"a":null}})", true},
      {" \t\r\n true ", true},
      {R"("\u00e4")", true},
      {"-1.5e3", true},
      {nested(4), true},
      {nested(5), false},
      {nested(10'000), false},
      {"", false},
      {" ", false},
      {"{", false},
      {"{} {}", false},
      {R"({"a":1,})", false},
      {"[1,]", false},
      {"// a comment\n1", false},
      {"'a'", false},
      {"NaN", false},
      {"1e999999", true},  // which is infinite
      {std::string("1\0", 2), false},
      {"\"\xFF\"", false},
      {R"("\ud800")", false},
      {R"({"a":1,"a":1})", false},
      {R"({"a":1,"\u0061":2})", false},
      {R"([{"b":{"a":1,"b":2,"a":3}}])", false},
  };
  for (const auto& row : rows) EXPECT_EQ(parse_json(row.text, 4).has_value(), row.good) << row.text.substr(0, 80);
}

}  // namespace
}  // namespace sb
