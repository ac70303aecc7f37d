// SPDX-License-Identifier: MIT
#pragma once
#include <charconv>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sb::cluster {

/// Id of a bus entry: the epoch of the sender, and the number of the entry in its stream.
struct StreamId {
  std::uint64_t epoch = 0, sequence = 0;
  friend auto operator<=>(const StreamId&, const StreamId&) = default;

  std::string text() const { return std::to_string(epoch) + "-" + std::to_string(sequence); }
  static std::optional<StreamId> parse(std::string_view s) {
    StreamId id;
    const char* end = s.data() + s.size();
    auto [dash, e1] = std::from_chars(s.data(), end, id.epoch);
    if (e1 != std::errc() || dash == end || *dash != '-') return std::nullopt;
    auto [rest, e2] = std::from_chars(dash + 1, end, id.sequence);
    return e2 == std::errc() && rest == end ? std::optional(id) : std::nullopt;
  }
};

}  // namespace sb::cluster
