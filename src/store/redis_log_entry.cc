// SPDX-License-Identifier: MIT
#include "store/redis_log_entry.h"

#include <fmt/format.h>

#include <charconv>

#include "store/embedded_encoding.h"

namespace sb::store {

void add_to_entry(std::string& entry, const model::MessageView& m) {
  const embedded::MessageHeader header(m);
  embedded::Writer(entry).number(header.size + m.bytes());
  entry.append(header.bytes, header.size).append(m.topic).append(m.properties).append(m.payload);
}

std::optional<std::vector<model::MessageView>> messages_of_entry(std::string_view entry) {
  std::vector<model::MessageView> all;
  embedded::Reader r(entry);
  while (r.ok() && !r.done()) {
    const std::string_view bytes = r.text();
    auto m = r.ok() ? embedded::decode_message(bytes) : std::nullopt;
    if (!m) return {};
    all.push_back(*m);
  }
  if (!r.ok() || all.empty()) return {};
  return all;
}

std::string to_id(model::Position p) { return fmt::format("{}-{}", p.generation, p.offset); }

std::optional<model::Position> position_of_id(std::string_view id) {
  model::Position p;
  const char *at = id.data(), *end = at + id.size();
  auto generation = std::from_chars(at, end, p.generation);
  if (generation.ec != std::errc() || generation.ptr == end || *generation.ptr != '-') return {};
  auto offset = std::from_chars(generation.ptr + 1, end, p.offset);
  if (offset.ec != std::errc() || offset.ptr != end) return {};
  return p;
}

std::vector<model::Position> positions_of_ids(std::string_view ids) {
  std::vector<model::Position> all;
  while (!ids.empty()) {
    const auto end = ids.find(' ');
    if (auto p = position_of_id(ids.substr(0, end))) all.push_back(*p);
    ids = end == std::string_view::npos ? std::string_view() : ids.substr(end + 1);
  }
  return all;
}

}  // namespace sb::store
