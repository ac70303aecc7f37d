// SPDX-License-Identifier: MIT
#include "base/base64.h"

#include <cstdint>

namespace sb {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t v = 0;
    for (std::size_t k = 0; k < 3; ++k)
      v = v << 8 | (i + k < bytes.size() ? static_cast<std::uint8_t>(bytes[i + k]) : 0u);
    for (int shift = 18; shift >= 0; shift -= 6) out += kAlphabet[v >> shift & 63];
  }
  for (std::size_t pad = (3 - bytes.size() % 3) % 3, i = 1; i <= pad; ++i) out[out.size() - i] = '=';
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t pad = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t v = 0;
  int bits = 0;
  for (char c : text.substr(0, text.size() - pad)) {
    int six = value(c);
    if (six < 0) return std::nullopt;
    v = v << 6 | static_cast<std::uint32_t>(six);
    if ((bits += 6) >= 8) out += static_cast<char>(v >> (bits -= 8));
  }
  if (v & ((1u << bits) - 1)) return std::nullopt;  // bits that no byte has: two texts for the same bytes
  return out;
}

}  // namespace sb
