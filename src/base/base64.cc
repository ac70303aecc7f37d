// SPDX-License-Identifier: MIT
#include "base/base64.h"

#include <cstdint>

namespace sb {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char kUrlAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int value(char c, const char* alphabet) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == alphabet[62] ? 62 : c == alphabet[63] ? 63 : -1;
}

/// Without padding.
std::string encode(std::string_view bytes, const char* alphabet) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  std::uint32_t v = 0;
  int bits = 0;
  for (char c : bytes) {
    v = v << 8 | static_cast<std::uint8_t>(c);
    for (bits += 8; bits >= 6;) out += alphabet[v >> (bits -= 6) & 63];
  }
  if (bits > 0) out += alphabet[v << (6 - bits) & 63];
  return out;
}

/// Without padding.
std::optional<std::string> decode(std::string_view text, const char* alphabet) {
  if (text.size() % 4 == 1) return std::nullopt;  // six bits are no byte
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t v = 0;
  int bits = 0;
  for (char c : text) {
    int six = value(c, alphabet);
    if (six < 0) return std::nullopt;
    v = v << 6 | static_cast<std::uint32_t>(six);
    if ((bits += 6) >= 8) out += static_cast<char>(v >> (bits -= 8));
  }
  if (v & ((1u << bits) - 1)) return std::nullopt;  // bits that no byte has: two texts for the same bytes
  return out;
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string out = encode(bytes, kAlphabet);
  out.resize((out.size() + 3) / 4 * 4, '=');
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const std::size_t pad = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  return decode(text.substr(0, text.size() - pad), kAlphabet);
}

std::string base64url_encode(std::string_view bytes) { return encode(bytes, kUrlAlphabet); }
std::optional<std::string> base64url_decode(std::string_view text) { return decode(text, kUrlAlphabet); }

}  // namespace sb
