// SPDX-License-Identifier: MIT
#include "base/utf8.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>

namespace sb {
namespace {

/// Takes code points one by one, by the definition: as many bytes as the first one says, the value shortest, in range.
bool naive(std::string_view s, bool null_allowed) {
  std::size_t i = 0;
  auto byte = [&](std::size_t k) { return static_cast<unsigned char>(s[k]); };
  while (i < s.size()) {
    unsigned c = byte(i);
    std::size_t n;
    std::uint32_t value, least;
    if (c < 0x80) {
      n = 1, value = c, least = 0;
    } else if (c >> 5 == 0x06) {
      n = 2, value = c & 0x1F, least = 0x80;
    } else if (c >> 4 == 0x0E) {
      n = 3, value = c & 0x0F, least = 0x800;
    } else if (c >> 3 == 0x1E) {
      n = 4, value = c & 0x07, least = 0x10000;
    } else {
      return false;
    }
    if (s.size() - i < n) return false;
    for (std::size_t k = 1; k < n; ++k) {
      if (byte(i + k) >> 6 != 2) return false;
      value = value << 6 | (byte(i + k) & 0x3F);
    }
    if (value < least || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return false;
    if (value == 0 && !null_allowed) return false;
    i += n;
  }
  return true;
}

/// Both functions against the naive one, alone and at every place of a longer string (the fast path takes eight at
/// once).
void check(std::string_view s) {
  ASSERT_EQ(is_mqtt_utf8(s), naive(s, false)) << testing::PrintToString(std::string(s));
  ASSERT_EQ(is_utf8(s), naive(s, true)) << testing::PrintToString(std::string(s));
}

TEST(Utf8, EveryOneAndTwoByteSequence) {
  for (unsigned a = 0; a < 256; ++a) {
    char s[2] = {static_cast<char>(a)};
    check({s, 1});
    for (unsigned b = 0; b < 256; ++b) {
      s[1] = static_cast<char>(b);
      check({s, 2});
    }
  }
}

// The bytes at which a rule begins or ends, in every combination.
constexpr unsigned char kEdges[] = {0x00, 0x01, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0,
                                    0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0,
                                    0xF1, 0xF3, 0xF4, 0xF5, 0xF7, 0xF8, 0xFB, 0xFC, 0xFE, 0xFF};

TEST(Utf8, EveryBoundaryOfThreeAndFourBytes) {
  for (unsigned char a : kEdges)
    for (unsigned char b : kEdges)
      for (unsigned char c : kEdges) {
        char s[4] = {static_cast<char>(a), static_cast<char>(b), static_cast<char>(c)};
        check({s, 3});
        for (unsigned char d : kEdges) {
          s[3] = static_cast<char>(d);
          check({s, 4});
        }
      }
}

std::string encoded(std::uint32_t v, int bytes) {
  std::string s;
  if (bytes == 1) return {static_cast<char>(v)};
  const unsigned char first[] = {0, 0, 0xC0, 0xE0, 0xF0};
  s += static_cast<char>(first[bytes] | v >> (6 * (bytes - 1)));
  for (int k = bytes - 2; k >= 0; --k) s += static_cast<char>(0x80 | (v >> (6 * k) & 0x3F));
  return s;
}

TEST(Utf8, CodePointsAtTheirShortestAndTooLong) {
  const struct {
    std::uint32_t value;
    int bytes;
    bool good;
  } rows[] = {
      {0x01, 1, true},      {0x7F, 1, true},    {0x7F, 2, false},   {0x80, 2, true},     {0x7FF, 2, true},
      {0x7FF, 3, false},    {0x800, 3, true},   {0xD7FF, 3, true},  {0xD800, 3, false},  {0xDBFF, 3, false},
      {0xDC00, 3, false},   {0xDFFF, 3, false}, {0xE000, 3, true},  {0xFEFF, 3, true},   {0xFFFD, 3, true},
      {0xFFFF, 3, true},    {0xFFFF, 4, false}, {0x10000, 4, true}, {0x10FFFF, 4, true}, {0x110000, 4, false},
      {0x1FFFFF, 4, false}, {0x00, 2, false},   {0x00, 3, false},   {0x00, 4, false},
  };
  for (const auto& row : rows) {
    std::string s = encoded(row.value, row.bytes);
    EXPECT_EQ(is_mqtt_utf8(s), row.good) << std::hex << row.value << " in " << row.bytes;
    EXPECT_EQ(is_utf8(s), row.good) << std::hex << row.value << " in " << row.bytes;
    for (std::size_t cut = 1; row.good && cut < s.size(); ++cut)
      EXPECT_FALSE(is_utf8(std::string_view(s).substr(0, cut))) << "a sequence that ends too soon";
  }
}

TEST(Utf8, NullIsTextButNotMqttText) {
  for (std::size_t n : {1u, 7u, 8u, 9u, 16u, 31u})
    for (std::size_t at = 0; at < n; ++at) {
      std::string s(n, 'a');
      s[at] = '\0';
      EXPECT_FALSE(is_mqtt_utf8(s)) << n << " " << at;  // [MQTT-1.5.4-2]
      EXPECT_TRUE(is_utf8(s)) << n << " " << at;
    }
}

TEST(Utf8, AtEveryPlaceOfALongerString) {
  const std::string pieces[] = {
      "\x01",         "\x7F",     "\x80", "\xC2\x80", "\xE0\xA0\x80", "\xF4\x8F\xBF\xBF", "\xF4\x90\x80\x80",
      "\xED\xA0\x80", "\xC0\x80", "\xFF"};
  for (const auto& piece : pieces)
    for (std::size_t before = 0; before < 20; ++before)
      for (std::size_t behind = 0; behind < 10; ++behind)
        check(std::string(before, 'a') + piece + std::string(behind, 'z'));
}

TEST(Utf8, RandomStrings) {
  std::mt19937 random(2);
  int good = 0;
  for (int i = 0; i < 50000; ++i) {
    std::string s;
    while (random() % 12) {
      std::uint32_t v = random() % 4 ? random() % 0x80 : random() % 0x112000;
      s += encoded(v, v < 0x80 ? 1 : v < 0x800 ? 2 : v < 0x10000 ? 3 : 4);
    }
    if (random() % 2 && !s.empty()) s[random() % s.size()] = static_cast<char>(kEdges[random() % std::size(kEdges)]);
    check(s);
    good += naive(s, false);
  }
  EXPECT_GT(good, 5000);  // or the test proves little
  EXPECT_LT(good, 45000);
}

}  // namespace
}  // namespace sb
