// SPDX-License-Identifier: MIT
#pragma once
#include <fmt/format.h>

#include <string>
#include <vector>

#include "redis/outcome.h"
#include "redis/reply_reader.h"

namespace sb::redis::testing {

/// A reply as text: `"text"`, `+status`, `-error`, `:1`, `nil`, `[a b]`.
inline std::string show(Reply::View v) {
  switch (v.type()) {
    case Reply::Type::nil:
      return "nil";
    case Reply::Type::text:
      return fmt::format("\"{}\"", v.text());
    case Reply::Type::status:
      return fmt::format("+{}", v.text());
    case Reply::Type::error:
      return fmt::format("-{}", v.text());
    case Reply::Type::integer:
      return fmt::format(":{}", *v.integer());
    case Reply::Type::array: {
      std::string out = "[";
      for (Reply::View element : v) out += (out.size() > 1 ? " " : "") + show(element);
      return out + "]";
    }
  }
  return "?";
}

inline std::string show(const Outcome& o) {
  switch (o.kind) {
    case Outcome::Kind::done:
      return "done " + show(o.value());
    case Outcome::Kind::refused:
      return "refused " + show(o.value());
    case Outcome::Kind::unknown:
      return "unknown: " + o.why.message();
    case Outcome::Kind::not_sent:
      return "not sent: " + o.why.message();
  }
  return "?";
}

/// Notes what it is told, with the tag in front.
struct Recorder : Handler {
  std::vector<std::string> lines;
  void on_outcome(Outcome& o, std::uint64_t tag) override { lines.push_back(fmt::format("{} {}", tag, show(o))); }
};

inline void feed(ReplyReader& reader, std::string_view bytes) {
  bytes.copy(reader.prepare(bytes.size()), bytes.size());
  reader.commit(bytes.size());
}

}  // namespace sb::redis::testing
