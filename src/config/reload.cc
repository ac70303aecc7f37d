// SPDX-License-Identifier: MIT
#include "config/reload.h"

#include <fmt/format.h>

#include "config/table.h"

namespace sb::config {
namespace {

bool exists(const Config& c, std::size_t listener) { return listener < c.listeners.size(); }

bool same_kind(const Config& a, const Config& b, std::size_t listener) {
  return exists(a, listener) && exists(b, listener) && a.listeners[listener].kind == b.listeners[listener].kind;
}

std::string summary(const Config& c, std::size_t listener) {
  if (!exists(c, listener)) return "";
  const auto& l = c.listeners[listener];
  return fmt::format("{{ type = \"{}\", bind = {} }}", to_string(l.kind), quote(l.bind.text()));
}

}  // namespace

std::vector<Change> diff(const Config& before, const Config& after) {
  std::vector<Change> out;
  const Config& longer = before.listeners.size() > after.listeners.size() ? before : after;
  std::size_t told = 0;  // the last listener that is told as a whole; the first four never are
  for (const Entry& e : entries(longer)) {
    if (e.key->is_listener_key() && !same_kind(before, after, e.listener)) {
      if (told == e.listener) continue;
      told = e.listener;
      out.push_back(
          {listener_name(longer, e.listener), summary(before, e.listener), summary(after, e.listener), false});
      continue;
    }
    Value a = e.key->get(before, e.listener), b = e.key->get(after, e.listener);
    if (a == b) continue;
    out.push_back({e.name, to_toml(*e.key, a), to_toml(*e.key, b), e.key->takes == Takes::reload});
  }
  return out;
}

Config reloaded(const Config& running, const Config& next) {
  Config out = running;
  for (const Entry& e : entries(running)) {
    if (e.key->takes != Takes::reload) continue;
    if (e.key->is_listener_key() && !same_kind(running, next, e.listener)) continue;
    e.key->set(out, e.listener, e.key->get(next, e.listener));
  }
  return out;
}

}  // namespace sb::config
