// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "mqtt/protocol.h"
#include "mqtt/reason.h"

/// Packets written by hand, byte by byte, so that the decoders are not tested with our own encoders.
namespace sb::mqtt {

inline void PrintTo(Reason r, std::ostream* os) { *os << text(r); }
inline void PrintTo(Version v, std::ostream* os) { *os << "version " << static_cast<int>(v); }

namespace test {

inline constexpr Version kVersions[] = {Version::v31, Version::v311, Version::v5};

inline std::string u8(unsigned v) { return {static_cast<char>(v)}; }
inline std::string u16(unsigned v) { return u8(v >> 8) + u8(v); }
inline std::string u32(std::uint32_t v) { return u16(v >> 16) + u16(v & 0xFFFF); }
inline std::string varint(std::uint32_t v) {
  std::string s;
  do {
    std::uint32_t rest = v / 128;
    s += u8(v % 128 + (rest ? 128 : 0));
    v = rest;
  } while (v);
  return s;
}
/// A string or binary data with its length.
inline std::string str(std::string_view s) { return u16(static_cast<unsigned>(s.size())) + std::string(s); }
/// Properties with their length.
inline std::string props(std::string_view p = {}) {
  return varint(static_cast<std::uint32_t>(p.size())) + std::string(p);
}
/// Properties where the version has them.
inline std::string props_of(Version v, std::string_view p = {}) { return v == Version::v5 ? props(p) : std::string(); }

/// Bytes in memory of exactly their size: the address sanitizer sees a read of one too many.
class Exact {
 public:
  explicit Exact(std::string_view s) : bytes_(s.begin(), s.end()) { bytes_.shrink_to_fit(); }
  std::string_view view() const { return {bytes_.data(), bytes_.size()}; }

 private:
  std::vector<char> bytes_;
};

/// Which versions a row of a table is for.
enum class For : std::uint8_t { all, v3, v31, v311, v5, v311_up };
inline bool applies(For f, Version v) {
  switch (f) {
    case For::all:
      return true;
    case For::v3:
      return v != Version::v5;
    case For::v31:
      return v == Version::v31;
    case For::v311:
      return v == Version::v311;
    case For::v5:
      return v == Version::v5;
    case For::v311_up:
      return v != Version::v31;
  }
  return false;
}

}  // namespace test
}  // namespace sb::mqtt
