// SPDX-License-Identifier: MIT
#include "auth/http_question.h"

#include <fmt/format.h>

#include <iterator>

#include "auth/scram_keys.h"

namespace sb::auth {
namespace {

constexpr std::size_t kLongestEscape = 6;  // "\u0001"

void append_escaped(std::string& to, std::string_view text) {
  for (const char c : text) {
    if (c == '"' || c == '\\')
      to.append({'\\', c});
    else if (static_cast<unsigned char>(c) < 0x20)
      fmt::format_to(std::back_inserter(to), "\\u{:04x}", static_cast<int>(c));
    else
      to += c;
  }
}

}  // namespace

HttpQuestion::~HttpQuestion() { wipe(text_); }

void HttpQuestion::add(std::string_view name, std::optional<std::string_view> value) {
  // In a place of its own, and wiped where it was: growing would leave the old text behind.
  std::string next;
  next.reserve(text_.size() + name.size() + kLongestEscape * (value ? value->size() : 0) + 9);  // ,"":null}
  next.append(text_).append(text_.size() > 1 ? ",\"" : "\"").append(name).append("\":");
  if (value) {
    next += '"';
    append_escaped(next, *value);
    next += '"';
  } else {
    next += "null";
  }
  wipe(text_);
  text_ = std::move(next);
}

std::string HttpQuestion::take() {
  text_ += '}';  // there is room
  return std::move(text_);
}

}  // namespace sb::auth
