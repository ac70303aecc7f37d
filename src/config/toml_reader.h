// SPDX-License-Identifier: MIT
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "config/value.h"

namespace sb::config {

/// A TOML document as a Raw table, or why it is none.
struct TomlDocument {
  Raw root;             ///< Kind::table
  std::string problem;  ///< "" = read
  unsigned line = 0;    ///< of the problem
  unsigned column = 0;
};

/// Parses a whole document. Throws nothing.
TomlDocument read_toml(std::string_view text);

/// Parses one value, such as `["a", "b"]`; nothing when it is none. Its lines mean nothing.
std::optional<Raw> read_toml_value(std::string_view text);

}  // namespace sb::config
