// SPDX-License-Identifier: MIT
#include "base/utf8.h"

#include <cstdint>
#include <cstring>

namespace sb {
namespace {

bool continues(unsigned char c) { return (c & 0xC0) == 0x80; }

/// Length of the well-formed multi-byte sequence at p, 0 when there is none.
std::size_t sequence(const unsigned char* p, std::size_t left) {
  unsigned char c = p[0];
  if (c >= 0xC2 && c <= 0xDF) return left >= 2 && continues(p[1]) ? 2 : 0;
  if (c >= 0xE0 && c <= 0xEF) {
    if (left < 3 || !continues(p[1]) || !continues(p[2])) return 0;
    if (c == 0xE0 && p[1] < 0xA0) return 0;  // overlong
    if (c == 0xED && p[1] > 0x9F) return 0;  // surrogate
    return 3;
  }
  if (c >= 0xF0 && c <= 0xF4) {
    if (left < 4 || !continues(p[1]) || !continues(p[2]) || !continues(p[3])) return 0;
    if (c == 0xF0 && p[1] < 0x90) return 0;  // overlong
    if (c == 0xF4 && p[1] > 0x8F) return 0;  // above 10FFFF
    return 4;
  }
  return 0;
}

bool well_formed(std::string_view s, bool null_allowed) {
  const auto* p = reinterpret_cast<const unsigned char*>(s.data());
  const auto* end = p + s.size();
  while (p < end) {
    if (end - p >= 8) {
      std::uint64_t w;
      std::memcpy(&w, p, 8);
      // No byte with the high bit, and (by the classic zero-byte test) none that is zero.
      if (!(w & 0x8080808080808080ull) && !((w - 0x0101010101010101ull) & ~w & 0x8080808080808080ull)) {
        p += 8;
        continue;
      }
    }
    if (*p < 0x80) {
      if (*p == 0 && !null_allowed) return false;
      ++p;
      continue;
    }
    std::size_t n = sequence(p, static_cast<std::size_t>(end - p));
    if (n == 0) return false;
    p += n;
  }
  return true;
}

}  // namespace

bool is_mqtt_utf8(std::string_view s) { return well_formed(s, false); }
bool is_utf8(std::string_view s) { return well_formed(s, true); }

}  // namespace sb
