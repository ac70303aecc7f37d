// SPDX-License-Identifier: MIT
#include "config/toml_reader.h"

#include <fmt/format.h>
#include <toml++/toml.h>

// The only file that knows toml++; its exceptions end here.
namespace sb::config {
namespace {

Raw to_raw(const toml::node& node) {
  Raw out;
  out.line = node.source().begin.line;
  if (const auto* table = node.as_table()) {
    out.kind = Raw::Kind::table;
    for (const auto& [key, value] : *table) {
      out.names.emplace_back(key.str());
      out.items.push_back(to_raw(value));
      // A table's own position is where its first value stands; a key's is what a reader looks for.
      auto line = key.source().begin.line;
      if (line != 0) out.items.back().line = line;
    }
  } else if (const auto* array = node.as_array()) {
    out.kind = Raw::Kind::array;
    for (const auto& item : *array) out.items.push_back(to_raw(item));
  } else if (const auto* string = node.as_string()) {
    out.kind = Raw::Kind::string;
    out.text = string->get();
  } else if (const auto* integer = node.as_integer()) {
    out.kind = Raw::Kind::integer;
    out.integer = integer->get();
    out.octal = (integer->flags() & toml::value_flags::format_as_octal) != toml::value_flags::none;
    out.text = out.octal ? fmt::format("0o{:o}", out.integer) : fmt::format("{}", out.integer);
  } else if (const auto* floating = node.as_floating_point()) {
    out.kind = Raw::Kind::floating;
    out.text = fmt::format("{}", floating->get());
  } else if (const auto* boolean = node.as_boolean()) {
    out.kind = Raw::Kind::boolean;
    out.integer = boolean->get() ? 1 : 0;
    out.text = boolean->get() ? "true" : "false";
  } else {
    out.kind = Raw::Kind::other;
    out.text = "a date or time";
  }
  return out;
}

}  // namespace

TomlDocument read_toml(std::string_view text) {
  TomlDocument out;
  out.root.kind = Raw::Kind::table;
  try {
    out.root = to_raw(toml::parse(text));
  } catch (const toml::parse_error& e) {
    out.problem = e.description();
    out.line = e.source().begin.line;
    out.column = e.source().begin.column;
  } catch (const std::exception& e) {
    out.problem = e.what();
  }
  return out;
}

std::optional<Raw> read_toml_value(std::string_view text) {
  auto document = read_toml(fmt::format("value = {}", text));
  if (!document.problem.empty() || document.root.items.size() != 1) return std::nullopt;
  return std::move(document.root.items.front());
}

}  // namespace sb::config
