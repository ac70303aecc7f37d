// SPDX-License-Identifier: MIT
#include "config/print.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "config/table.h"

namespace sb::config {
namespace {

constexpr std::size_t kWidth = 100;  // columns of the sample file

// `[section]`, or `[[listeners.extra]]` for every extra listener.
std::string header(std::string_view section) {
  bool extra = section.starts_with("listeners.extra[");
  return extra ? "[[listeners.extra]]" : fmt::format("[{}]", section);
}

std::string origin_text(const Loaded& loaded, const Entry& e) {
  auto found = loaded.origins.find(e.name);
  return found == loaded.origins.end() ? Origin{}.text() : found->second.text();
}

// `text` in lines that begin with "# ".
std::string comment(std::string_view text) {
  std::string out, line = "#";
  while (!text.empty()) {
    auto end = std::min(text.find(' '), text.size());
    auto word = text.substr(0, end);
    if (line.size() + 1 + word.size() > kWidth && line.size() > 1) out += line + '\n', line = "#";
    line += ' ';
    line += word;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out + line + '\n';
}

std::string to_json(std::string_view s) { return quote(s); }  // TOML's basic strings are JSON strings

std::string to_json(const Key& key, const Value& v) {
  if (key.type == Type::boolean || key.type == Type::mode) return to_toml(key, v);
  if (const auto* n = std::get_if<std::uint64_t>(&v)) {
    if (key.type == Type::duration) return fmt::format("{}", static_cast<double>(*n * key.unit_ms) / 1000);
    return fmt::format("{}", *n);
  }
  return to_toml(key, v);
}

constexpr std::string_view kSampleHead =
    "# Configuration of a Signalbox broker: every key with its default. Remove the \"#\" in front of a key "
    "to set it.\n"
    "# Each key can also be set by an environment variable (limits.max_qos: SIGNALBOX_LIMITS__MAX_QOS) and "
    "on the\n"
    "# command line (--set limits.max_qos=1); both win over this file. Check a file with:\n"
    "#   signalbox config check FILE\n"
    "# Sizes are bytes or have a unit (\"64KiB\", \"4MiB\", \"1GB\"), durations are seconds or have one "
    "(\"90s\", \"5m\", \"2h\").\n"
    "# This file is written by `signalbox config print --sample`.\n";

constexpr std::string_view kSampleExtra =
    "# More listeners of any type, with the keys of that type. For example:\n"
    "# [[listeners.extra]]\n"
    "# type = \"mqtt\"\n"
    "# bind = \"unix:/run/signalbox/mqtt.sock\"\n"
    "# unix_mode = \"0660\"\n";

std::string kinds_text(const Key& key) {
  std::vector<std::string> kinds;
  for (std::size_t i = 0; i < kListenerKinds; ++i) {
    auto kind = static_cast<ListenerKind>(i);
    if (key.applies_to(kind)) kinds.emplace_back(to_string(kind));
  }
  if (key.extra_only) return "extra";
  return kinds.size() == kListenerKinds ? "all" : fmt::format("{}", fmt::join(kinds, ", "));
}

// Markdown tables end a cell at "|".
std::string cell(std::string s) {
  for (std::size_t i = 0; (i = s.find('|', i)) != std::string::npos; i += 2) s.insert(i, "\\");
  return s;
}

std::string allowed_cell(const Key& key) {
  if (key.type == Type::choice) {
    std::vector<std::string> names;
    for (auto c : key.choices) names.push_back(fmt::format("`\"{}\"`", c));
    return fmt::format("{}", fmt::join(names, ", "));
  }
  return allowed(key);
}

std::string_view takes_text(const Key& key) { return key.takes == Takes::reload ? "reload" : "restart"; }

constexpr std::string_view kMarkdownHead =
    R"(# Configuration

<!-- Written by `signalbox config print --markdown` from the table of keys in src/config; do not edit. -->

A configuration file is [TOML](https://toml.io). `signalbox config print --sample` prints one with every key,
`signalbox config check FILE` checks one, and `signalbox config print --config FILE` shows what is in effect and where
each value comes from.

## Where a value comes from

The later one holds:

1. the default,
2. the file: `signalbox broker --config FILE`,
3. the environment: `SIGNALBOX_` and the key in capitals with `__` for each dot, so `limits.max_qos` is
   `SIGNALBOX_LIMITS__MAX_QOS`. A variable without `__` is not looked at,
4. the command line: `--set limits.max_qos=1`, any number of times.

A key that does not exist and a value that is not allowed are errors; all of them are reported at once, and the broker does
not start.

SIGHUP loads the sources again. Keys marked *reload* take effect then, mostly for new connections; a changed key marked
*restart* is logged and waits for a restart. With an error in the sources, everything stays as it was.

## How values are written

| Kind | In the file | In the environment and with `--set` |
|---|---|---|
| boolean | `true`, `false` | the same |
| number | `100` | the same |
| size | bytes, or a string with a unit: `"64KiB"`, `"4MiB"`, `"1GB"` | `4MiB` |
| duration | seconds, or a string with a unit: `"90s"`, `"5m"`, `"2h"`, `"1d"` | `5m` |
| string, choice | `"text"` | without quotes |
| list | `["a", "b"]` | `a,b` or `["a", "b"]` |
| address | `"127.0.0.1:1883"`, `"[::1]:1883"`, `"unix:/run/signalbox.sock"`, `""` for off | without quotes |
| permissions | `"0660"` or `0o660` | `0660` |

Paths are relative to the directory that the broker is started in.
)";

constexpr std::string_view kMarkdownListeners = R"(
## listeners

There are four listeners, each in a section of its own, and any number of further ones:

| Section | Speaks | Default of `bind` |
|---|---|---|
)";

constexpr std::string_view kMarkdownExtra =
    R"(| `[[listeners.extra]]` | what its `type` says | none: `type` and `bind` must be given |

```toml
[listeners.mqtts]
bind = "0.0.0.0:8883"
cert = "/etc/signalbox/server.pem"
key = "/etc/signalbox/server.key"

[[listeners.extra]]
type = "mqtt"
bind = "unix:/run/signalbox/mqtt.sock"
```

In the environment and with `--set` an extra listener is named by its place, from 0: `listeners.extra.0.bind`,
`SIGNALBOX_LISTENERS__EXTRA__0__BIND`. In `sni` certificates are separated by semicolons there.

Every listener has these keys, as far as its type is concerned:

| Key | Type | Allowed | Default | Change | Meaning |
|---|---|---|---|---|---|
)";

std::string row(const Key& key, std::string_view first, const std::string& second, const Value& fallback) {
  return fmt::format("| `{}` |{} {} | `{}` | {} | {} |\n", first, second, cell(allowed_cell(key)),
                     cell(to_toml(key, fallback)), takes_text(key), cell(std::string(key.doc)));
}

std::string listeners_markdown(const Config& c) {
  std::string out(kMarkdownListeners);
  constexpr const char* kSpeaks[kListenerKinds] = {"MQTT over TCP", "MQTT over TLS", "MQTT over WebSocket",
                                                   "MQTT over WebSocket over TLS"};
  for (std::size_t i = 0; i < kListenerKinds; ++i) {
    std::string bind = c.listeners[i].bind.text();
    out += fmt::format("| `[{}]` | {} | {} |\n", listener_name(c, i), kSpeaks[i],
                       bind.empty() ? "`\"\"`: off" : fmt::format("`{}`", quote(bind)));
  }
  out += kMarkdownExtra;
  std::vector<Entry> all = entries(c);
  for (const Key& key : keys()) {
    if (!key.is_listener_key()) continue;
    // The defaults are the same for all types, but for the addresses, which have the table above.
    auto found = std::find_if(all.begin(), all.end(), [&](const Entry& e) { return e.key == &key; });
    bool own = found == all.end() || key.type == Type::address;
    std::string line = row(key, key.name, fmt::format(" {} |", kinds_text(key)),
                           own ? Value(std::string()) : default_value(c, *found));
    if (own) {
      std::string shown = fmt::format("| `{}` |", to_toml(key, Value(std::string())));
      line.replace(line.find(shown), shown.size(), key.type == Type::address ? "| above |" : "| none |");
    }
    out += line;
  }
  return out;
}

}  // namespace

std::string print_effective(const Loaded& loaded) {
  std::string out, section;
  std::size_t listener = 0;
  for (const Entry& e : entries(loaded.config)) {
    if (section_of(e.name) != section || e.listener != listener) {
      section = section_of(e.name);
      listener = e.listener;
      out += fmt::format("{}{}\n", out.empty() ? "" : "\n", header(section));
    }
    std::string line = fmt::format("{} = {}", leaf_of(e.name), to_toml(*e.key, e.key->get(loaded.config, e.listener)));
    out += fmt::format("{:<48}  # {}\n", line, origin_text(loaded, e));
  }
  return out;
}

std::string print_json(const Loaded& loaded) {
  std::string out = "{";
  for (const Entry& e : entries(loaded.config)) {
    out += fmt::format("{}\n  {}: {{\"value\": {}, \"source\": {}}}", out.size() > 1 ? "," : "", to_json(e.name),
                       to_json(*e.key, e.key->get(loaded.config, e.listener)), to_json(origin_text(loaded, e)));
  }
  return out + "\n}\n";
}

std::string print_sample() {
  const Config c;
  std::string out(kSampleHead), section;
  std::set<const Key*> explained;  // a listener's key is explained where it first appears
  bool in_listeners = false;
  for (const Entry& e : entries(c)) {
    if (section_of(e.name) != section) {
      if (in_listeners && !e.key->is_listener_key()) out += fmt::format("\n{}", kSampleExtra);
      in_listeners = e.key->is_listener_key();
      section = section_of(e.name);
      out += fmt::format("\n{}\n", header(section));
    }
    if (explained.insert(e.key).second) {
      std::string doc(e.key->doc);
      doc.erase(std::remove(doc.begin(), doc.end(), '`'), doc.end());
      out += comment(doc);
      if (e.key->type != Type::text) out += comment(fmt::format("({})", allowed(*e.key)));
    }
    out += fmt::format("#{} = {}\n", leaf_of(e.name), to_toml(*e.key, default_value(c, e)));
  }
  return out;
}

std::string print_markdown() {
  const Config c;
  std::string out(kMarkdownHead), section;
  for (const Entry& e : entries(c)) {
    auto top = std::string(e.name.substr(0, e.name.find('.')));
    if (top != section) {
      section = top;
      if (e.key->is_listener_key()) {
        out += listeners_markdown(c);
      } else {
        out +=
            fmt::format("\n## {}\n\n| Key | Allowed | Default | Change | Meaning |\n|---|---|---|---|---|\n", section);
      }
    }
    if (!e.key->is_listener_key()) out += row(*e.key, e.name, "", default_value(c, e));
  }
  return out;
}

}  // namespace sb::config
