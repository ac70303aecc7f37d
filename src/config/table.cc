// SPDX-License-Identifier: MIT
#include "config/table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sb::config {
namespace {

// The defaults of every key: of the four listeners, then of an extra listener of each kind.
const Config& defaults() {
  static const Config c = [] {
    Config out;
    for (std::size_t i = 0; i < kListenerKinds; ++i) {
      auto& l = out.listeners.emplace_back();
      l.kind = static_cast<ListenerKind>(i);
      l.extra = true;
    }
    return out;
  }();
  return c;
}

std::string list_to_toml(const std::vector<std::string>& list) {
  std::vector<std::string> quoted;
  for (const auto& s : list) quoted.push_back(quote(s));
  return fmt::format("[{}]", fmt::join(quoted, ", "));
}

std::string bound(const Key& key, std::uint64_t n) {
  switch (key.type) {
    case Type::size:
      return format_size(n);
    case Type::duration:
      return format_duration(n, key.unit_ms);
    default:
      return fmt::format("{}", n);
  }
}

std::string range(const Key& key) {
  return fmt::format("from {} to {}{}", bound(key, key.bounds.min), bound(key, key.bounds.max),
                     key.bounds.or_zero ? ", or 0" : "");
}

std::string any_of(std::span<const std::string_view> names) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += i + 1 == names.size() ? " or " : ", ";
    out += quote(names[i]);
  }
  return out;
}

}  // namespace

std::vector<Entry> entries(const Config& c) {
  std::vector<Entry> out;
  bool listeners_done = false;
  for (const Key& key : keys()) {
    if (!key.is_listener_key()) {
      out.push_back({&key, 0, std::string(key.name)});
      continue;
    }
    if (listeners_done) continue;
    listeners_done = true;
    for (std::size_t i = 0; i < c.listeners.size(); ++i) {
      const auto& l = c.listeners[i];
      for (const Key& k : keys()) {
        if (!k.applies_to(l.kind) || (k.extra_only && !l.extra)) continue;
        out.push_back({&k, i, fmt::format("{}.{}", listener_name(c, i), k.name)});
      }
    }
  }
  return out;
}

Value default_value(const Config& c, const Entry& e) {
  if (!e.key->is_listener_key()) return e.key->get(defaults(), 0);
  const auto& l = c.listeners[e.listener];
  return e.key->get(defaults(), static_cast<std::size_t>(l.kind) + (l.extra ? kListenerKinds : 0));
}

std::string_view section_of(std::string_view name) {
  auto dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(0, dot);
}

std::string_view leaf_of(std::string_view name) { return name.substr(name.rfind('.') + 1); }

std::string to_toml(const Key& key, const Value& value) {
  switch (key.type) {
    case Type::boolean:
      return std::get<bool>(value) ? "true" : "false";
    case Type::number:
      return fmt::format("{}", std::get<std::uint64_t>(value));
    case Type::mode:
      return fmt::format("\"{:04o}\"", std::get<std::uint64_t>(value));
    case Type::size:
    case Type::duration: {
      std::string text = bound(key, std::get<std::uint64_t>(value));
      bool plain = text.find_first_not_of("0123456789") == std::string::npos;
      return plain ? text : quote(text);
    }
    case Type::list:
    case Type::certificates:
      return list_to_toml(std::get<std::vector<std::string>>(value));
    case Type::text:
    case Type::choice:
    case Type::address:
      break;
  }
  const auto& text = std::get<std::string>(value);
  return quote(key.hides_password ? without_password(text) : text);
}

std::string allowed(const Key& key) {
  switch (key.type) {
    case Type::boolean:
      return "true or false";
    case Type::number:
      return fmt::format("a whole number {}", range(key));
    case Type::size:
      return fmt::format("a size {}", range(key));
    case Type::duration:
      return fmt::format("a duration {}", range(key));
    case Type::text:
      return key.bounds.min == 0 ? fmt::format("a string of at most {} bytes", key.bounds.max)
                                 : fmt::format("a string of {} to {} bytes", key.bounds.min, key.bounds.max);
    case Type::choice:
      return any_of(key.choices);
    case Type::list:
      return "a list of strings";
    case Type::address:
      return "\"host:port\", \"[IPv6]:port\", \"unix:/path\", or \"\" for off";
    case Type::mode:
      return "permissions in octal, such as \"0660\"";
    case Type::certificates:
      return "a list of \"NAME=CERT_FILE,KEY_FILE\"";
  }
  return "";
}

std::string_view units(const Key& key) {
  if (key.type == Type::size) return "bytes, or a number with B, KiB, MiB, GiB, KB, MB or GB";
  if (key.type != Type::duration) return "";
  return key.unit_ms >= 1000 ? "seconds, or a number with s, m, h or d" : "seconds, or a number with ms, s, m, h or d";
}

}  // namespace sb::config
