// SPDX-License-Identifier: MIT
#pragma once
#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "app/json_text.h"

namespace sb::app {

/// Lines of a name and what there is to say of it.
class ReportTable {
 public:
  template <class... T>
  void line(const char* name, fmt::format_string<T...> format, T&&... values) {
    text_ += fmt::format("{:<12}", name) + fmt::format(format, std::forward<T>(values)...) + '\n';
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// One flat object on one line.
class JsonLine {
 public:
  void text(const char* name, std::string_view v) { add_json_string(member(name), v); }
  void number(const char* name, std::uint64_t v) { fmt::format_to(std::back_inserter(member(name)), "{}", v); }
  void number(const char* name, double v, int digits) {
    fmt::format_to(std::back_inserter(member(name)), "{:.{}f}", v, digits);
  }
  void flag(const char* name, bool v) { member(name) += v ? "true" : "false"; }
  /// An object of numbers.
  void numbers(const char* name, const std::map<std::string, std::uint64_t>& values) {
    std::string& out = member(name);
    out += '{';
    for (bool first = true; const auto& [key, v] : values) {
      if (!first) out += ',';
      first = false;
      add_json_string(out, key);
      fmt::format_to(std::back_inserter(out), ":{}", v);
    }
    out += '}';
  }
  void list(const char* name, const std::vector<std::string>& items) {
    std::string& out = member(name);
    out += '[';
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out += ',';
      add_json_string(out, items[i]);
    }
    out += ']';
  }
  std::string done() { return text_ + "}\n"; }

 private:
  std::string& member(const char* name) {
    text_ += fmt::format("{}\"{}\":", text_.size() > 1 ? "," : "", name);
    return text_;
  }
  std::string text_ = "{";
};

}  // namespace sb::app
