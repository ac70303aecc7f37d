// SPDX-License-Identifier: MIT
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sb::http {

/// "a%20b" → "a b". Nothing when a "%" is not followed by two hexadecimal digits.
std::optional<std::string> percent_decode(std::string_view text);
/// For one segment of a path, or one value of a query: everything but letters, digits and "-._~" is encoded.
std::string percent_encode(std::string_view text);

/// The parts of a path between its slashes, still encoded: "/a//b" → "a", "", "b". The path begins with "/".
std::vector<std::string_view> path_segments(std::string_view path);

/// The parameters of a query, decoded ("+" is a space).
class Query {
 public:
  /// "a=1&b": nothing when it cannot be decoded, or a name is there twice.
  static std::optional<Query> parse(std::string_view text);

  /// The value of a name, null when it is not there.
  const std::string* find(std::string_view name) const;
  /// A name that is none of `known`, null when there is none.
  const std::string* stranger(const std::vector<std::string_view>& known) const;

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

}  // namespace sb::http
