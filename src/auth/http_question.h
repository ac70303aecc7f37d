// SPDX-License-Identifier: MIT
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace sb::auth {

/// A JSON object of texts. There may be a password among them, so no copy of it is left behind.
class HttpQuestion {
 public:
  ~HttpQuestion();
  /// `value`: UTF-8, or nothing for null.
  void add(std::string_view name, std::optional<std::string_view> value);
  std::string take();

 private:
  std::string text_ = "{";
};

}  // namespace sb::auth
