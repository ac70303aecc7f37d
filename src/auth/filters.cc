// SPDX-License-Identifier: MIT
#include "auth/filters.h"

#include "model/topic.h"

namespace sb::auth {
namespace {

bool starts_with_wildcard(std::string_view filter) { return filter.front() == '+' || filter.front() == '#'; }

}  // namespace

bool covers(std::string_view a, std::string_view b) {
  if (starts_with_wildcard(a) && b.front() == '$') return false;
  if (b == "#") return a == "#" || a == "+/#";  // every topic has a first level
  model::Levels x(a), y(b);
  for (; !x.done() && !y.done(); x.next(), y.next()) {
    if (x.level() == "#") return true;
    if (y.level() == "#") return false;
    if (x.level() != "+" && x.level() != y.level()) return false;
  }
  return y.done() && (x.done() || x.level() == "#");  // "sport/#" matches "sport" [MQTT5 4.7.1.2]
}

bool overlaps(std::string_view a, std::string_view b) {
  if (starts_with_wildcard(a) && b.front() == '$') return false;
  if (starts_with_wildcard(b) && a.front() == '$') return false;
  model::Levels x(a), y(b);
  for (; !x.done() && !y.done(); x.next(), y.next()) {
    if (x.level() == "#" || y.level() == "#") return true;
    if (x.level() != "+" && y.level() != "+" && x.level() != y.level()) return false;
  }
  return (x.done() || x.level() == "#") && (y.done() || y.level() == "#");
}

}  // namespace sb::auth
