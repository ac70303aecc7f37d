// SPDX-License-Identifier: MIT
#include "config/value.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>

#include "base/utf8.h"

namespace sb::config {
namespace {

constexpr std::size_t kShown = 64;  // bytes of a value that an error message repeats

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
constexpr std::uint64_t kKi = 1024, kMi = kKi * 1024, kGi = kMi * 1024, kTi = kGi * 1024;
constexpr std::array kSizeUnits = {
    Unit{"b", 1},     Unit{"kb", 1000}, Unit{"mb", 1000'000}, Unit{"gb", 1000'000'000}, Unit{"tb", 1000'000'000'000},
    Unit{"kib", kKi}, Unit{"mib", kMi}, Unit{"gib", kGi},     Unit{"tib", kTi},
};
constexpr std::array kTimeUnits = {
    Unit{"ms", 1}, Unit{"s", 1000}, Unit{"m", 60'000}, Unit{"h", 3600'000}, Unit{"d", 86'400'000},
};

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// Digits, spaces, unit. `plain` is the factor of a number without a unit.
template <std::size_t N>
bool parse_with_unit(std::string_view text, const std::array<Unit, N>& units, std::uint64_t plain, std::uint64_t& out,
                     std::string& problem) {
  std::uint64_t n = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (ec == std::errc::result_out_of_range) return problem = "too large", false;
  if (ec != std::errc()) return problem = "does not begin with a whole number", false;
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  std::uint64_t factor = plain;
  if (!unit.empty()) {
    factor = 0;
    for (const Unit& u : units) {
      if (u.name == lower(unit)) factor = u.factor;
    }
    if (factor == 0) return problem = fmt::format("unknown unit {}", quote(unit.substr(0, kShown))), false;
  }
  if (n > std::numeric_limits<std::uint64_t>::max() / factor) return problem = "too large", false;
  out = n * factor;
  return true;
}

}  // namespace

bool parse_size(std::string_view text, std::uint64_t& bytes, std::string& problem) {
  return parse_with_unit(text, kSizeUnits, 1, bytes, problem);
}

bool parse_duration(std::string_view text, std::uint64_t& milliseconds, std::string& problem) {
  return parse_with_unit(text, kTimeUnits, 1000, milliseconds, problem);
}

std::string format_size(std::uint64_t bytes) {
  for (auto [factor, name] : {std::pair{kTi, "TiB"}, {kGi, "GiB"}, {kMi, "MiB"}, {kKi, "KiB"}}) {
    if (bytes != 0 && bytes % factor == 0) return fmt::format("{}{}", bytes / factor, name);
  }
  return fmt::format("{}", bytes);
}

std::string format_duration(std::uint64_t n, std::uint64_t unit_ms) {
  if (unit_ms >= 1000) return fmt::format("{}s", n * (unit_ms / 1000));
  return fmt::format("{}ms", n * unit_ms);
}

std::string quote(std::string_view s) {
  std::string out = "\"";
  while (!s.empty()) {
    auto c = static_cast<unsigned char>(s.front());
    std::size_t length = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (c == '"' || c == '\\') {
      out += '\\', out += s.front();
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04X}", c);
    } else if (length == 2 && c == 0xc2 && s.size() > 1 && static_cast<unsigned char>(s[1]) < 0xa0) {
      out += fmt::format("\\u{:04X}", static_cast<unsigned char>(s[1]));  // C1 controls move cursors too
    } else if (length <= s.size() && is_utf8(s.substr(0, length))) {
      out += s.substr(0, length);
    } else {
      out += "\xEF\xBF\xBD";
      length = 1;
    }
    s.remove_prefix(length);
  }
  return out += '"';
}

std::string without_password(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::size_t begin = scheme == url.npos ? 0 : scheme + 3;
  const std::size_t at = url.rfind('@'), colon = url.find(':', begin);
  if (at == url.npos || colon == url.npos || colon > at) return std::string(url);
  return fmt::format("{}***{}", url.substr(0, colon + 1), url.substr(at));
}

std::string show(const Raw& raw) {
  switch (raw.kind) {
    case Raw::Kind::array:
      return raw.items.empty() ? "[]" : fmt::format("[{} values]", raw.items.size());
    case Raw::Kind::table:
      return "a table";
    case Raw::Kind::untyped:
    case Raw::Kind::string:
      break;
    default:
      return raw.text.substr(0, kShown);
  }
  if (raw.text.size() <= kShown) return quote(raw.text);
  std::size_t cut = kShown;
  while (cut > 0 && (static_cast<unsigned char>(raw.text[cut]) & 0xc0) == 0x80) --cut;
  std::string out = quote(std::string_view(raw.text).substr(0, cut));
  out.insert(out.size() - 1, "…");
  return out;
}

}  // namespace sb::config
