// SPDX-License-Identifier: MIT
#include "auth/user_lines.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"

namespace sb::auth {
namespace {

constexpr std::string_view kMarks[] = {":$scrypt$", ":$7$", ":$6$", ":SCRAM-SHA-256$"};

// Says nothing of what stands in the line: it may be a password.
constexpr std::string_view kExpected =
    "expected user:SCRAM-SHA-256$..., user:$scrypt$..., user:$7$... or user:$6$...; `signalbox passwd` writes such "
    "lines, "
    "and its --import takes over a file of Mosquitto";

}  // namespace

void each_line(std::string_view text, const std::function<bool(std::string_view, std::size_t)>& each) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!each(line, number)) return;
  }
}

bool is_comment(std::string_view line) {
  return line.starts_with('#') || line.find_first_not_of(" \t") == std::string_view::npos;
}

std::optional<UserLine> split_user_line(std::string_view line) {
  if (is_comment(line)) return std::nullopt;
  // The last mark is the right one: a name may look like a hash, but no hash has a mark in it.
  std::size_t colon = std::string_view::npos;
  for (std::string_view mark : kMarks) {
    const std::size_t at = line.rfind(mark);
    if (at != line.npos && (colon == line.npos || at > colon)) colon = at;
  }
  if (colon == line.npos) return std::nullopt;
  return UserLine{.name = line.substr(0, colon), .hash = line.substr(colon + 1)};
}

error_code each_user(std::string_view text, std::string& why, const std::function<std::string(const UserLine&)>& each) {
  bool good = true;
  each_line(text, [&](std::string_view line, std::size_t number) {
    if (is_comment(line)) return true;
    auto user = split_user_line(line);
    std::string what(kExpected);
    if (user) {
      user->number = number;
      what = check_user_name(user->name);
      if (what.empty()) what = each(*user);
    }
    good = what.empty();
    if (!good) why = fmt::format("line {}: {}", number, what);
    return good;
  });
  return good ? error_code() : error_code(errc::file_format);
}

std::string check_user_name(std::string_view name) {
  if (name.empty()) return "the name is empty";
  if (name.starts_with('#')) return "a name cannot begin with \"#\"";
  if (name.size() > 65535 || !is_mqtt_utf8(name)) return "the name is not UTF-8 that MQTT allows";
  if (std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
    return "the name has a control character";
  }
  return {};
}

}  // namespace sb::auth
