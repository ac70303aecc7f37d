// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sb::model {

/// True for a topic name: 1..65535 bytes, no wildcard characters. UTF-8 is checked by the decoder.
/// [MQTT-4.7.3-1] [MQTT-4.7.1-1] [MQTT-3.3.2-2]
bool is_topic_name(std::string_view topic);

/// True for a topic filter: 1..65535 bytes, `#` only as the last level, wildcards only as whole levels.
/// [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1]
bool is_topic_filter(std::string_view filter);

inline bool has_wildcard(std::string_view filter) { return filter.find_first_of("+#") != std::string_view::npos; }

/// Levels of a name or filter: one more than its slashes.
std::size_t level_count(std::string_view topic);

/// True when `topic` matches `filter`; a filter that starts with a wildcard matches no topic that starts with `$`.
/// [MQTT-4.7.2-1]. Both must be valid. `filter` without `$share`.
bool matches(std::string_view filter, std::string_view topic);

/// How many filters for_each_filter_of() gives at most.
inline std::size_t filters_of(std::size_t levels) {
  return levels < 16 ? (std::size_t{3} << levels) : std::size_t{0} - 1;
}
/// Calls f(filter) for every filter without `$share` that matches `topic`. [MQTT-4.7.2-1]
template <class F>
void for_each_filter_of(std::string_view topic, F f);

/// The parts of `$share/group/filter` [MQTT5 4.8.2].
struct SharedFilter {
  std::string_view group;
  std::string_view filter;
};
inline bool is_shared(std::string_view filter) { return filter.starts_with("$share/") || filter == "$share"; }
/// The parts of a shared filter, nothing when its form is wrong: empty group, wildcard in the group, no filter.
/// [MQTT-4.8.2-1] [MQTT-4.8.2-2]
std::optional<SharedFilter> split_shared(std::string_view filter);
/// The filter without `$share/group/`.
inline std::string_view unshared(std::string_view filter) {
  auto shared = split_shared(filter);
  return shared ? shared->filter : filter;
}

/// Walks the levels of a name or filter: `for (Levels l(topic); !l.done(); l.next()) use(l.level());`
class Levels {
 public:
  explicit Levels(std::string_view s) : rest_(s) { cut(); }
  bool done() const { return done_; }
  std::string_view level() const { return level_; }
  /// What follows the current level's slash; only when !last().
  std::string_view rest() const { return rest_; }
  bool last() const { return last_; }
  void next() {
    if (last_)
      done_ = true;
    else
      cut();
  }

 private:
  void cut() {
    std::size_t slash = rest_.find('/');
    last_ = slash == std::string_view::npos;
    level_ = rest_.substr(0, slash);
    rest_ = last_ ? std::string_view() : rest_.substr(slash + 1);
  }
  std::string_view rest_, level_;
  bool last_ = false, done_ = false;
};

namespace detail {
template <class F>
void filters_behind(std::string& prefix, Levels at, bool wildcards, F& f) {
  const std::size_t n = prefix.size();
  auto give = [&](std::string_view end) {
    prefix += end;
    f(std::string_view(prefix));
    prefix.resize(n);
  };
  auto go_on = [&](std::string_view level) {
    prefix += level;
    if (at.last()) {
      f(std::string_view(prefix));
      prefix += "/#";  // "sport/#" matches "sport" [MQTT5 4.7.1.2]
      f(std::string_view(prefix));
    } else {
      prefix += '/';
      Levels next = at;
      next.next();
      filters_behind(prefix, next, true, f);
    }
    prefix.resize(n);
  };
  if (wildcards) {
    give("#");
    go_on("+");
  }
  go_on(at.level());
}
}  // namespace detail

template <class F>
void for_each_filter_of(std::string_view topic, F f) {
  std::string prefix;
  detail::filters_behind(prefix, Levels(topic), !topic.starts_with('$'), f);
}

}  // namespace sb::model
