// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/utf8.h"
#include "config/table.h"

// From what was written to a checked value of a key's type.
namespace sb::config {
namespace {

using Kind = Raw::Kind;
using List = std::vector<std::string>;

bool is_text(const Raw& raw) { return raw.kind == Kind::string || raw.kind == Kind::untyped; }

// Each reader below gives the value, or nothing and in `problem` what is wrong.

std::optional<Value> read_boolean(const Raw& raw, std::string& problem) {
  if (raw.kind == Kind::boolean) return raw.integer != 0;
  if (raw.kind == Kind::untyped && (raw.text == "true" || raw.text == "false")) return raw.text == "true";
  return problem = "not a boolean", std::nullopt;
}

std::optional<Value> check_bounds(const Key& key, std::uint64_t n, std::string& problem) {
  bool ok = (n >= key.bounds.min && n <= key.bounds.max) || (n == 0 && key.bounds.or_zero);
  if (!ok) return problem = "out of bounds", std::nullopt;
  return n;
}

std::optional<Value> read_number(const Key& key, const Raw& raw, std::string& problem) {
  if (raw.kind == Kind::integer) {
    if (raw.integer < 0) return problem = "negative", std::nullopt;
    return check_bounds(key, static_cast<std::uint64_t>(raw.integer), problem);
  }
  std::uint64_t n = 0;
  const char* last = raw.text.data() + raw.text.size();
  auto [end, ec] = std::from_chars(raw.text.data(), last, n);
  if (raw.kind != Kind::untyped || ec == std::errc::invalid_argument || end != last) {
    return problem = "not a whole number", std::nullopt;
  }
  if (ec != std::errc()) return problem = "out of bounds", std::nullopt;
  return check_bounds(key, n, problem);
}

std::optional<Value> read_size(const Key& key, const Raw& raw, std::string& problem) {
  if (raw.kind == Kind::integer) return read_number(key, raw, problem);
  std::uint64_t bytes = 0;
  if (!is_text(raw)) return problem = "not a size", std::nullopt;
  if (!parse_size(raw.text, bytes, problem)) return std::nullopt;
  return check_bounds(key, bytes, problem);
}

std::optional<Value> read_duration(const Key& key, const Raw& raw, std::string& problem) {
  std::uint64_t ms = 0;
  if (raw.kind == Kind::integer) {
    if (raw.integer < 0) return problem = "negative", std::nullopt;
    if (!parse_duration(std::to_string(raw.integer), ms, problem)) return std::nullopt;
  } else if (!is_text(raw)) {
    return problem = "not a duration", std::nullopt;
  } else if (!parse_duration(raw.text, ms, problem)) {
    return std::nullopt;
  }
  if (ms % key.unit_ms != 0) {
    return problem = fmt::format("not a whole number of {}", key.unit_ms == 1000 ? "seconds" : "units"), std::nullopt;
  }
  return check_bounds(key, ms / key.unit_ms, problem);
}

// A plain decimal integer is refused: 660 would quietly mean 01224.
std::optional<Value> read_mode(const Key& key, const Raw& raw, std::string& problem) {
  if (raw.kind == Kind::integer && raw.octal && raw.integer >= 0) {
    return check_bounds(key, static_cast<std::uint64_t>(raw.integer), problem);
  }
  std::uint64_t n = 0;
  std::string_view digits = is_text(raw) ? std::string_view(raw.text) : std::string_view();
  if (digits.starts_with("0o")) digits.remove_prefix(2);
  auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), n, 8);
  if (digits.empty() || ec != std::errc() || end != digits.data() + digits.size()) {
    return problem = "not octal permissions", std::nullopt;
  }
  return check_bounds(key, n, problem);
}

bool check_text(const std::string& s, std::string& problem) {
  bool control = std::any_of(s.begin(), s.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (control) return problem = "has a control character", false;
  if (!is_mqtt_utf8(s)) return problem = "not valid UTF-8", false;
  return true;
}

std::optional<Value> read_text(const Key& key, const Raw& raw, std::string& problem) {
  if (!is_text(raw)) return problem = "not a string", std::nullopt;
  if (raw.text.size() > key.bounds.max) return problem = fmt::format("has {} bytes", raw.text.size()), std::nullopt;
  if (raw.text.size() < key.bounds.min) return problem = raw.text.empty() ? "empty" : "too short", std::nullopt;
  if (!check_text(raw.text, problem)) return std::nullopt;
  return raw.text;
}

std::optional<Value> read_choice(const Key& key, const Raw& raw, std::string& problem) {
  // `min_tls = 1.2` is a float in TOML, and what people write.
  if (is_text(raw) || raw.kind == Kind::floating) {
    if (std::find(key.choices.begin(), key.choices.end(), raw.text) != key.choices.end()) return raw.text;
  }
  return problem = "not one of the choices", std::nullopt;
}

std::optional<Value> read_address(const Raw& raw, std::string& problem) {
  if (!is_text(raw)) return problem = "not an address", std::nullopt;
  if (!check_text(raw.text, problem)) return std::nullopt;
  auto address = parse_address(raw.text, problem);
  if (!address) return std::nullopt;
  return address->text();
}

// From the environment and --set a list is written with commas; certificates, which have commas, with
// semicolons.
List split(const std::string& text, char separator) {
  List out;
  for (std::size_t begin = 0; begin <= text.size();) {
    std::size_t end = std::min(text.find(separator, begin), text.size());
    std::string item = text.substr(begin, end - begin);
    item.erase(0, item.find_first_not_of(' '));
    item.erase(item.find_last_not_of(' ') + 1);
    if (!item.empty()) out.push_back(std::move(item));
    begin = end + 1;
  }
  return out;
}

std::optional<Value> read_list(const Raw& raw, std::string& problem) {
  List out;
  if (raw.kind == Kind::untyped) {
    out = split(raw.text, ',');
  } else if (raw.kind != Kind::array) {
    return problem = "not a list", std::nullopt;
  }
  for (const Raw& item : raw.items) {
    if (item.kind != Kind::string) return problem = show(item) + " in it is not a string", std::nullopt;
    out.push_back(item.text);
  }
  for (const auto& s : out) {
    if (!check_text(s, problem)) return std::nullopt;
  }
  return out;
}

// The form "NAME=CERT,KEY" of one certificate, written as such or as a table; "" when it has neither form.
std::string certificate_text(const Raw& raw) {
  if (raw.kind == Kind::string) return raw.text;
  if (raw.kind != Kind::table || raw.items.size() != 3) return "";
  std::string name, cert, key;
  for (std::size_t i = 0; i < raw.items.size(); ++i) {
    const Raw& value = raw.items[i];
    if (value.kind != Kind::string || value.text.find_first_of("=,") != std::string::npos) return "";
    if (raw.names[i] == "name") name = value.text;
    if (raw.names[i] == "cert") cert = value.text;
    if (raw.names[i] == "key") key = value.text;
  }
  return name + '=' + cert + ',' + key;
}

bool is_certificate(const std::string& s) {
  auto equals = s.find('='), comma = s.rfind(',');
  return equals != std::string::npos && comma != std::string::npos && equals > 0 && comma > equals + 1 &&
         comma + 1 < s.size();
}

std::optional<Value> read_certificates(const Raw& raw, std::string& problem) {
  List out;
  if (raw.kind == Kind::untyped) {
    out = split(raw.text, ';');
  } else if (raw.kind != Kind::array) {
    return problem = "not a list", std::nullopt;
  }
  for (const Raw& item : raw.items) out.push_back(certificate_text(item));
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (!is_certificate(out[i])) {
      return problem = fmt::format("number {} in it lacks a name, a certificate or a key", i + 1), std::nullopt;
    }
    if (!check_text(out[i], problem)) return std::nullopt;
  }
  return out;
}

std::optional<Value> read(const Key& key, const Raw& raw, std::string& problem) {
  switch (key.type) {
    case Type::boolean:
      return read_boolean(raw, problem);
    case Type::number:
      return read_number(key, raw, problem);
    case Type::size:
      return read_size(key, raw, problem);
    case Type::duration:
      return read_duration(key, raw, problem);
    case Type::text:
      return read_text(key, raw, problem);
    case Type::choice:
      return read_choice(key, raw, problem);
    case Type::list:
      return read_list(raw, problem);
    case Type::address:
      return read_address(raw, problem);
    case Type::mode:
      return read_mode(key, raw, problem);
    case Type::certificates:
      return read_certificates(raw, problem);
  }
  return std::nullopt;
}

}  // namespace

std::optional<Value> parse_value(const Key& key, const Value& fallback, const Raw& raw, std::string& problem) {
  auto value = read(key, raw, problem);
  if (!value) {
    problem += fmt::format("; write {}{}{} (default {})", allowed(key), units(key).empty() ? "" : ": ", units(key),
                           to_toml(key, fallback));
    return std::nullopt;
  }
  if (key.check) problem = key.check(*value);
  if (!problem.empty()) return std::nullopt;
  return value;
}

}  // namespace sb::config
