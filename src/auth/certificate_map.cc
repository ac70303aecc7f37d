// SPDX-License-Identifier: MIT
#include "auth/certificate_map.h"

#include <fmt/format.h>

#include <algorithm>

#include "auth/user_file.h"
#include "auth/user_lines.h"
#include "base/utf8.h"

namespace sb::auth {
namespace {

constexpr std::string_view kArrow = " -> ", kEndsAPart = ",+=/\\\"";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
  return first == text.npos ? std::string_view() : text.substr(first, last - first + 1);
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

}  // namespace

CertificateMap::Pattern CertificateMap::split(std::string_view text) {
  const std::size_t star = text.find('*');
  if (star == text.npos) return {std::string(text), {}, false};
  return {std::string(text.substr(0, star)), std::string(text.substr(star + 1)), true};
}

/// What is wrong with a line, "" = nothing.
std::string CertificateMap::problem(std::string_view line, Rule& rule) {
  const std::size_t arrow = line.rfind(kArrow);
  if (arrow == line.npos) return "expected IDENTITY -> USER, such as: CN=dev-*,O=Acme -> dev-*";
  const std::string_view identity = trimmed(line.substr(0, arrow)), user = trimmed(line.substr(arrow + kArrow.size()));
  if (identity.empty() || user.empty()) return "the identity or the user is empty";
  if (!is_mqtt_utf8(line) || has_control(line)) return "it is not UTF-8 text, or has control characters";
  rule = {split(identity), split(user)};
  if (rule.identity.after.find('*') != std::string::npos || rule.user.after.find('*') != std::string::npos)
    return "each side may have one \"*\" only";
  if (rule.user.star && !rule.identity.star) return "the user has a \"*\", and the identity has none to take it from";
  return {};
}

result<std::shared_ptr<const CertificateMap>> CertificateMap::parse(std::string_view text, std::string& why) {
  auto map = std::make_shared<CertificateMap>();
  bool good = true;
  each_line(text, [&](std::string_view line, std::size_t number) {
    if (is_comment(line)) return true;
    const std::string what = problem(line, map->rules_.emplace_back());
    good = what.empty();
    if (!good) why = fmt::format("line {}: {}", number, what);
    return good;
  });
  if (!good) return errc::file_format;
  return map;
}

result<std::shared_ptr<const CertificateMap>> CertificateMap::load(const std::string& file, std::string& why,
                                                                   std::vector<std::string>& warnings) {
  return load_users<CertificateMap>(file, why, warnings);
}

std::optional<std::string> CertificateMap::user(std::string_view identity) const {
  for (const auto& [from, to] : rules_) {
    if (!from.star) {
      if (identity == from.before) return to.before;
      continue;
    }
    if (identity.size() <= from.before.size() + from.after.size() || !identity.starts_with(from.before) ||
        !identity.ends_with(from.after))
      continue;
    const std::string_view part =
        identity.substr(from.before.size(), identity.size() - from.before.size() - from.after.size());
    if (part.find_first_of(kEndsAPart) != part.npos || has_control(part)) continue;
    return to.star ? to.before + std::string(part) + to.after : to.before;
  }
  return std::nullopt;
}

}  // namespace sb::auth
