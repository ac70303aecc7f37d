// SPDX-License-Identifier: MIT
#include "broker/group_part.h"

#include <fmt/format.h>

#include <charconv>
#include <iterator>

namespace sb::broker {

using model::Position;

std::string encode(const GroupPart& p) {
  std::string out = fmt::format("{} {} {}", p.members, p.upto.generation, p.upto.offset);
  for (auto* list : {&p.open, &p.held, &p.done}) {
    fmt::format_to(std::back_inserter(out), " {}", list->size());
    for (auto& at : *list) fmt::format_to(std::back_inserter(out), " {} {}", at.generation, at.offset);
  }
  return out;
}

std::optional<GroupPart> decode_group_part(std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  bool ok = true;
  auto number = [&] {
    std::uint64_t n = 0;
    while (at < end && *at == ' ') ++at;
    auto r = std::from_chars(at, end, n);
    ok &= r.ec == std::errc{};
    at = r.ptr;
    return n;
  };
  auto position = [&] {
    const auto generation = number();
    return Position{generation, number()};
  };
  GroupPart p;
  p.members = static_cast<std::uint32_t>(number());
  p.upto = position();
  for (auto* list : {&p.open, &p.held, &p.done})
    for (auto n = number(); ok && n > 0; --n) list->push_back(position());
  if (!ok || at != end) return std::nullopt;
  return p;
}

}  // namespace sb::broker
