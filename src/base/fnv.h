// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string_view>

namespace sb {

/// FNV-1a, 64 bits: the same in every process and version, so that it may be stored and sent. Goes on from `h`.
constexpr std::uint64_t fnv1a(std::string_view s, std::uint64_t h = 0xCBF29CE484222325u) {
  for (char c : s) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return h;
}

}  // namespace sb
