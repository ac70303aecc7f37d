// SPDX-License-Identifier: MIT
#include "config/load.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "config/check.h"
#include "config/nearest.h"
#include "config/settings.h"
#include "config/table.h"
#include "config/toml_reader.h"

extern char** environ;

namespace sb::config {
namespace {

constexpr std::size_t kMaxSuggestions = 100;
constexpr std::size_t kMaxFile = 1024 * 1024;  // bytes; a configuration that is larger is a wrong path

std::optional<ListenerKind> kind_of(const Raw& raw) {
  for (std::size_t i = 0; i < kListenerKinds; ++i) {
    auto kind = static_cast<ListenerKind>(i);
    if (raw.text == to_string(kind)) return kind;
  }
  return std::nullopt;
}

// Makes the extra listeners that the settings speak of. Their type comes first: it decides which keys they
// have.
void make_extra_listeners(const std::vector<Setting>& settings, Config& c) {
  for (const Setting& s : settings) {
    auto index = extra_index(s.key);
    if (!index || *index >= kMaxExtraListeners) continue;
    while (c.listeners.size() <= kListenerKinds + *index) c.listeners.emplace_back().extra = true;
    if (leaf_of(s.key) != "type") continue;
    if (auto kind = kind_of(s.raw)) c.listeners[kListenerKinds + *index].kind = *kind;
  }
}

std::string kinds_text(const Key& key) {
  std::string out;
  for (std::size_t i = 0; i < kListenerKinds; ++i) {
    auto kind = static_cast<ListenerKind>(i);
    if (key.applies_to(kind)) out += fmt::format("{}{}", out.empty() ? "" : " and ", to_string(kind));
  }
  return out;
}

// Merges settings into a configuration and collects what is wrong with them.
class Merger {
 public:
  explicit Merger(Loaded& out) : out_(out), entries_(entries(out.config)) {
    for (const Entry& e : entries_) {
      by_name_[e.name] = &e;
      names_.push_back(e.name);
    }
  }

  void apply(const Setting& s) {
    if (extra_index(s.key) && is_section(s.key) && s.raw.kind == Raw::Kind::table) {
      out_.origins[s.key] = s.origin;  // the place of an error about the listener as a whole
      return;
    }
    auto found = by_name_.find(s.key);
    if (found == by_name_.end()) return out_.errors.push_back(error_at(s, why_unknown(s), false));
    const Entry& e = *found->second;
    if (s.raw.kind == Raw::Kind::table) {
      auto problem = fmt::format("a key, not a section; write {} = … in [{}]", leaf_of(s.key), section_of(s.key));
      return out_.errors.push_back(error_at(s, std::move(problem), false));
    }
    std::string problem;
    auto value = parse_value(*e.key, default_value(out_.config, e), in_brackets(*e.key, s.raw), problem);
    if (!value) {
      Setting shown = s;
      if (e.key->hides_password) shown.raw.text = without_password(shown.raw.text);
      return out_.errors.push_back(error_at(shown, std::move(problem), true));
    }
    e.key->set(out_.config, e.listener, *value);
    out_.origins[e.name] = s.origin;
  }

 private:
  // A list may be written as a TOML array in the environment and in --set, too.
  static Raw in_brackets(const Key& key, const Raw& raw) {
    bool list = key.type == Type::list || key.type == Type::certificates;
    if (!list || raw.kind != Raw::Kind::untyped || !raw.text.starts_with('[')) return raw;
    return read_toml_value(raw.text).value_or(raw);
  }

  std::string why_unknown(const Setting& s) const {
    if (s.key == "listeners.extra") return "not a list of tables; write [[listeners.extra]] with type and bind";
    if (extra_index(s.key).value_or(0) >= kMaxExtraListeners) {
      return fmt::format("too many extra listeners; at most {} are possible", kMaxExtraListeners);
    }
    if (extra_index(s.key) && is_section(s.key)) return fmt::format("a listener, not a key; write {}.bind", s.key);
    if (is_section(s.key)) return fmt::format("a section, not a key; write [{}] and its keys below it", s.key);
    for (const Key& key : keys()) {  // a key that another type of listener has
      if (!key.is_listener_key() || key.name != leaf_of(s.key)) continue;
      auto section = section_of(s.key);
      if (section == "listeners" || !is_section(section) || !section.starts_with("listeners.")) continue;
      if (key.extra_only) return "only for [[listeners.extra]]; this listener's type is fixed, so remove it";
      return fmt::format("only for {} listeners; remove it", kinds_text(key));
    }
    if (s.raw.kind == Raw::Kind::table) return unknown_section(s.key);
    bool flood = out_.errors.size() >= kMaxSuggestions;  // not a configuration at all
    std::string near = flood ? "" : nearest(s.key, names_);
    if (!near.empty()) return fmt::format("no such key; did you mean {}?", near);
    return "no such key; `signalbox config print --sample` shows all";
  }

  std::string unknown_section(const std::string& name) const {
    std::vector<std::string> sections;
    for (const auto& n : names_) sections.emplace_back(section_of(n));
    std::string near = nearest(name, sections);
    if (!near.empty()) return fmt::format("no such section; did you mean [{}]?", near);
    return "no such section; `signalbox config print --sample` shows all";
  }

  Loaded& out_;
  std::vector<Entry> entries_;
  std::map<std::string, const Entry*, std::less<>> by_name_;
  std::vector<std::string> names_;
};

Loaded merge(const TomlDocument& document, std::string_view name, const Variables& environment,
             const std::vector<std::string>& sets) {
  Loaded out;
  if (!document.problem.empty()) {
    auto where = document.line == 0 ? std::string(name) : fmt::format("{}:{}:{}", name, document.line, document.column);
    out.errors.push_back({where, "", "", "not valid TOML: " + document.problem});
  }
  std::vector<Setting> settings;
  flatten_toml(document.root, name, settings);
  // toml++ keeps tables by name; errors are easier to follow in the order of the file.
  std::stable_sort(settings.begin(), settings.end(),
                   [](const Setting& a, const Setting& b) { return a.origin.line < b.origin.line; });
  flatten_environment(environment, settings);
  flatten_sets(sets, settings, out.errors);
  make_extra_listeners(settings, out.config);
  Merger merger(out);
  for (const Setting& s : settings) merger.apply(s);
  check_relations(out);
  return out;
}

std::string host_name() {
  char name[256] = "";
  if (gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "signalbox";
  std::string out = name;
  if (out.size() > 128) out.resize(128);
  for (char& c : out) {
    auto u = static_cast<unsigned char>(c);
    if (u >= 0x80 || (!std::isalnum(u) && c != '-' && c != '_' && c != '.')) c = '-';
  }
  return out;
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// Where the embedded store is unless it is said; "" when there is no good place.
std::string state_directory() {
  // A list when the unit names several [systemd.exec(5)].
  if (std::string dirs = variable("STATE_DIRECTORY"); !dirs.empty()) return dirs.substr(0, dirs.find(':'));
  if (geteuid() == 0) return "/var/lib/signalbox";
  if (std::string dir = variable("XDG_STATE_HOME"); dir.starts_with('/')) return dir + "/signalbox";
  if (std::string home = variable("HOME"); home.starts_with('/')) return home + "/.local/state/signalbox";
  return "";
}

// The contents of a file, or "" and what is wrong.
std::string read_file(const std::string& path, std::string& problem) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::string text;
  if (in) {
    text.resize(kMaxFile + 1);
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
  }
  if (in.bad() || !in.is_open() || (in.fail() && !in.eof())) {
    problem = fmt::format("cannot be read: {}; give the path of a TOML file", std::strerror(errno == 0 ? EIO : errno));
  } else if (text.size() > kMaxFile) {
    problem = "larger than 1MiB; give the path of a TOML file";
  }
  return problem.empty() ? text : "";
}

}  // namespace

std::string Error::text() const {
  std::string out = where;
  if (!key.empty()) out += (out.empty() ? "" : ": ") + key;
  if (!value.empty()) out += (key.empty() ? ": " : " = ") + value;
  return out + (out.empty() ? "" : ": ") + problem;
}

std::string Origin::text() const {
  switch (kind) {
    case Kind::default_value:
      return "default";
    case Kind::file:
      return fmt::format("{}:{}", name, line);
    case Kind::environment:
      return name;
    case Kind::set:
      return "--set";
  }
  return "";
}

std::string Loaded::error_text() const {
  std::string out;
  for (const Error& e : errors) out += e.text() + '\n';
  return out;
}

Loaded load_text(std::string_view toml, std::string_view name, const Variables& environment,
                 const std::vector<std::string>& sets) {
  return merge(read_toml(toml), name, environment, sets);
}

Loaded load(const Sources& sources) {
  std::string problem, text;
  if (!sources.file.empty()) text = read_file(sources.file, problem);
  Loaded out = merge(read_toml(text), sources.file, sources.environment, sources.sets);
  if (!problem.empty()) out.errors.insert(out.errors.begin(), Error{sources.file, "", "", problem});
  if (out.config.node.name.empty()) out.config.node.name = host_name();
  if (out.config.store.path.empty()) out.config.store.path = state_directory();
  if (sources.check_files) check_files(out);
  return out;
}

Variables process_environment() {
  Variables out;
  for (char** e = environ; e && *e; ++e) {
    std::string_view variable = *e;
    auto equals = variable.find('=');
    if (!variable.starts_with("SIGNALBOX_") || equals == std::string_view::npos) continue;
    out.emplace_back(variable.substr(0, equals), variable.substr(equals + 1));
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace sb::config
