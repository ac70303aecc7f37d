// SPDX-License-Identifier: MIT
#pragma once
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace sb::broker::testing {

inline std::vector<std::string> levels_of(std::string_view s) {
  std::vector<std::string> all(1);
  for (char c : s)
    if (c == '/')
      all.emplace_back();
    else
      all.back() += c;
  return all;
}

/// Whether a filter matches a topic, written as the specification says it, without thought of speed.
inline bool naive_match(std::string_view filter, std::string_view topic) {
  auto f = levels_of(filter), t = levels_of(topic);
  if (topic.starts_with("$") && (f[0] == "+" || f[0] == "#")) return false;  // [MQTT-4.7.2-1]
  for (std::size_t i = 0; i < f.size(); ++i) {
    if (f[i] == "#") return true;  // any number of levels, none as well: the parent matches too
    if (i == t.size()) return false;
    if (f[i] != "+" && f[i] != t[i]) return false;
  }
  return f.size() == t.size();
}

/// Few names, so that filters and topics meet often; empty levels and `$` among them.
template <class Rng>
std::string random_topic(Rng& rng) {
  static const char* const names[] = {"a", "b", "", "$SYS", "a", "ab", "$"};
  std::string s;
  for (std::size_t n = rng() % 4, i = 0; i <= n; ++i) {
    if (i) s += '/';
    s += names[rng() % 7];
  }
  return s.empty() ? "/" : s;
}

template <class Rng>
std::string random_filter(Rng& rng) {
  auto levels = levels_of(random_topic(rng));
  for (auto& l : levels)
    if (rng() % 3 == 0) l = "+";
  if (rng() % 4 == 0) levels.back() = "#";
  std::string s;
  for (auto& l : levels) s += (&l == levels.data() ? "" : "/") + l;
  return s.empty() ? "+" : s;
}

}  // namespace sb::broker::testing
