// SPDX-License-Identifier: MIT
#include "app/json_text.h"

#include <fmt/format.h>

#include <iterator>

#include "base/utf8.h"

namespace sb::app {
namespace {

/// Checks JSON by the grammar. Depth is bounded, since payloads come from anybody.
class Checker {
 public:
  explicit Checker(std::string_view s) : s_(s) {}
  bool all() {
    space();
    bool good = value(0);
    space();
    return good && at_ == s_.size();
  }

 private:
  static constexpr int kMaxDepth = 512;
  char peek() const { return at_ < s_.size() ? s_[at_] : '\0'; }
  bool take(char c) { return peek() == c && at_ < s_.size() ? (++at_, true) : false; }
  bool word(std::string_view w) { return s_.substr(at_).starts_with(w) ? (at_ += w.size(), true) : false; }
  void space() {
    while (at_ < s_.size() && std::string_view(" \t\r\n").find(s_[at_]) != std::string_view::npos) ++at_;
  }
  bool value(int depth) {
    if (depth > kMaxDepth) return false;
    switch (peek()) {
      case '{':
        return members('}', true, depth);
      case '[':
        return members(']', false, depth);
      case '"':
        return string();
      case 't':
        return word("true");
      case 'f':
        return word("false");
      case 'n':
        return word("null");
      default:
        return number();
    }
  }
  bool members(char close, bool named, int depth) {
    ++at_;
    space();
    if (take(close)) return true;
    do {
      space();
      if (named) {
        if (!string()) return false;
        space();
        if (!take(':')) return false;
        space();
      }
      if (!value(depth + 1)) return false;
      space();
    } while (take(','));
    return take(close);
  }
  bool string() {
    if (!take('"')) return false;
    while (at_ < s_.size()) {
      auto c = static_cast<unsigned char>(s_[at_++]);
      if (c == '"') return true;
      if (c < 0x20) return false;
      if (c != '\\') continue;
      char e = peek();
      ++at_;
      if (e == 'u') {
        for (int i = 0; i < 4; ++i, ++at_)
          if (!std::isxdigit(static_cast<unsigned char>(peek()))) return false;
      } else if (std::string_view("\"\\/bfnrt").find(e) == std::string_view::npos) {
        return false;
      }
    }
    return false;
  }
  bool digits() {
    std::size_t from = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ > from;
  }
  bool number() {
    take('-');
    if (!take('0') && !digits()) return false;
    if (take('.') && !digits()) return false;
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (!take('+')) take('-');
      if (!digits()) return false;
    }
    return true;
  }
  std::string_view s_;
  std::size_t at_ = 0;
};

/// Length of the well-formed UTF-8 sequence at the front, 0 when there is none.
std::size_t sequence(std::string_view s) {
  for (std::size_t n = 1; n <= 4 && n <= s.size(); ++n)
    if (is_utf8(s.substr(0, n))) return n;
  return 0;
}

}  // namespace

void add_json_string(std::string& out, std::string_view s) {
  bool clean = is_utf8(s);
  out += '"';
  for (std::size_t i = 0; i < s.size(); ++i) {
    char c = s[i];
    switch (c) {
      case '"':
        out += "\\\"";
        continue;
      case '\\':
        out += "\\\\";
        continue;
      case '\n':
        out += "\\n";
        continue;
      case '\r':
        out += "\\r";
        continue;
      case '\t':
        out += "\\t";
        continue;
      default:
        break;
    }
    if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    } else if (clean || static_cast<unsigned char>(c) < 0x80) {
      out += c;
    } else if (std::size_t n = sequence(s.substr(i)); n > 0) {
      out += s.substr(i, n);
      i += n - 1;
    } else {
      out += "\xEF\xBF\xBD";
    }
  }
  out += '"';
}

bool is_json(std::string_view s) { return is_utf8(s) && Checker(s).all(); }

}  // namespace sb::app
