// SPDX-License-Identifier: MIT
#include "model/topic.h"

#include <algorithm>

namespace sb::model {
namespace {
constexpr std::size_t kMaxLength = 65535;  // bytes [MQTT-4.7.3-3]
}

bool is_topic_name(std::string_view topic) {
  return !topic.empty() && topic.size() <= kMaxLength && !has_wildcard(topic);
}

bool is_topic_filter(std::string_view filter) {
  if (filter.empty() || filter.size() > kMaxLength) return false;
  for (Levels l(filter); !l.done(); l.next()) {
    std::string_view level = l.level();
    if (level.size() > 1 && has_wildcard(level)) return false;
    if (level == "#" && !l.last()) return false;
  }
  return true;
}

std::size_t level_count(std::string_view topic) {
  return 1 + static_cast<std::size_t>(std::count(topic.begin(), topic.end(), '/'));
}

bool matches(std::string_view filter, std::string_view topic) {
  if (!topic.empty() && topic.front() == '$' && (filter.front() == '+' || filter.front() == '#')) return false;
  Levels f(filter), t(topic);
  for (; !f.done() && !t.done(); f.next(), t.next()) {
    if (f.level() == "#") return true;
    if (f.level() != "+" && f.level() != t.level()) return false;
  }
  if (t.done() && f.done()) return true;
  return t.done() && f.level() == "#";  // "sport/#" matches "sport" [MQTT5 4.7.1.2]
}

std::optional<SharedFilter> split_shared(std::string_view filter) {
  constexpr std::string_view prefix = "$share/";
  if (!filter.starts_with(prefix)) return std::nullopt;
  filter.remove_prefix(prefix.size());
  std::size_t slash = filter.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  SharedFilter s{filter.substr(0, slash), filter.substr(slash + 1)};
  if (s.group.empty() || has_wildcard(s.group) || !is_topic_filter(s.filter)) return std::nullopt;
  return s;
}

}  // namespace sb::model
