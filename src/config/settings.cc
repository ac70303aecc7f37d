// SPDX-License-Identifier: MIT
#include "config/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "config/table.h"
#include "config/toml_reader.h"

namespace sb::config {
namespace {

constexpr std::string_view kPrefix = "SIGNALBOX_";
constexpr std::string_view kExtra = "listeners.extra";

// A part of a key as it stands in a dotted name: quoted unless it is a bare key, so that "a.b" is not taken
// for a.b.
std::string part(std::string_view s) {
  bool bare = !s.empty() && std::all_of(s.begin(), s.end(), [](unsigned char c) {
    return c < 0x80 && (std::isalnum(c) || c == '_' || c == '-');
  });
  return bare ? std::string(s) : quote(s);
}

bool is_list_of_tables(const Raw& raw) {
  return raw.kind == Raw::Kind::array &&
         std::all_of(raw.items.begin(), raw.items.end(), [](const Raw& item) { return item.kind == Raw::Kind::table; });
}

void flatten(const std::string& name, const Raw& raw, Origin origin, std::vector<Setting>& out) {
  if (raw.line != 0) origin.line = raw.line;
  if (raw.kind == Raw::Kind::table && (name.empty() || is_section(name))) {
    for (std::size_t i = 0; i < raw.items.size(); ++i) {
      std::string key = part(raw.names[i]);
      flatten(name.empty() ? key : fmt::format("{}.{}", name, key), raw.items[i], origin, out);
    }
  } else if (name == kExtra && is_list_of_tables(raw)) {
    for (std::size_t i = 0; i < raw.items.size(); ++i) {
      std::string element = fmt::format("{}[{}]", kExtra, i);
      Setting& marker = out.emplace_back(Setting{element, Raw{}, origin});  // an empty one must be noticed, too
      marker.raw.kind = Raw::Kind::table;
      if (raw.items[i].line != 0) marker.origin.line = raw.items[i].line;
      flatten(element, raw.items[i], origin, out);
    }
  } else {
    out.push_back({name, raw, origin});
  }
}

// listeners.extra.0.bind, for environment variables and shells, is listeners.extra[0].bind.
std::string with_brackets(std::string name) {
  std::string prefix = fmt::format("{}.", kExtra);
  if (!name.starts_with(prefix)) return name;
  auto end = std::min(name.find('.', prefix.size()), name.size());
  std::string index = name.substr(prefix.size(), end - prefix.size());
  bool digits = !index.empty() && index.find_first_not_of("0123456789") == std::string::npos;
  return digits ? fmt::format("{}[{}]{}", kExtra, index, name.substr(end)) : name;
}

void add_untyped(std::string name, std::string text, Origin origin, std::vector<Setting>& out) {
  Raw raw;
  raw.text = std::move(text);
  name = with_brackets(std::move(name));
  auto list = name == kExtra ? read_toml_value(raw.text) : std::nullopt;
  if (!list || !is_list_of_tables(*list)) {
    out.push_back({std::move(name), std::move(raw), std::move(origin)});
    return;
  }
  std::vector<Setting> found;
  flatten(name, *list, origin, found);
  for (auto& s : found) {
    s.origin = origin;  // not the lines of our own little document
    out.push_back(std::move(s));
  }
}

}  // namespace

std::optional<std::size_t> extra_index(std::string_view key) {
  if (!key.starts_with(kExtra) || !key.substr(kExtra.size()).starts_with('[')) return std::nullopt;
  std::string_view rest = key.substr(kExtra.size() + 1);
  std::size_t n = 0;
  auto [end, ec] = std::from_chars(rest.data(), rest.data() + rest.size(), n);
  if (ec != std::errc() || end == rest.data() + rest.size() || *end != ']') return std::nullopt;
  std::string_view after = rest.substr(static_cast<std::size_t>(end - rest.data()) + 1);
  if (!after.empty() && after[0] != '.') return std::nullopt;
  return n;
}

bool is_section(std::string_view name) {
  if (name == "listeners") return true;
  if (extra_index(name)) return name.ends_with(']');
  static const std::vector<Entry> all = entries(Config{});
  return std::any_of(all.begin(), all.end(), [&](const Entry& e) { return section_of(e.name) == name; });
}

Error error_at(const Setting& s, std::string problem, bool with_value) {
  std::string where = s.origin.kind == Origin::Kind::environment ? "environment " + s.origin.name : s.origin.text();
  return {std::move(where), s.key, with_value ? show(s.raw) : "", std::move(problem)};
}

void flatten_toml(const Raw& root, std::string_view file, std::vector<Setting>& out) {
  flatten("", root, {Origin::Kind::file, std::string(file), 0}, out);
}

void flatten_environment(const Variables& environment, std::vector<Setting>& out) {
  for (const auto& [variable, value] : environment) {
    if (!variable.starts_with(kPrefix) || variable.find("__") == std::string::npos) continue;
    std::string name;
    for (std::size_t i = kPrefix.size(); i < variable.size(); ++i) {
      bool separator = variable.compare(i, 2, "__") == 0;
      char c = variable[i];
      name += separator ? '.' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      if (separator) ++i;
    }
    add_untyped(std::move(name), value, {Origin::Kind::environment, variable, 0}, out);
  }
}

void flatten_sets(const std::vector<std::string>& sets, std::vector<Setting>& out, std::vector<Error>& errors) {
  for (const auto& s : sets) {
    auto equals = s.find('=');
    if (equals == std::string::npos || equals == 0) {
      errors.push_back({"--set", "", quote(s), "not of the form key=value; write for example --set log.level=debug"});
      continue;
    }
    add_untyped(s.substr(0, equals), s.substr(equals + 1), {Origin::Kind::set, "", 0}, out);
  }
}

}  // namespace sb::config
