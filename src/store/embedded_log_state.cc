// SPDX-License-Identifier: MIT
#include "store/embedded_log_state.h"

#include <absl/hash/hash.h>

#include <algorithm>

#include "store/embedded_encoding.h"

namespace sb::store::embedded {
namespace {
constexpr std::uint64_t kPieces = 64;  ///< of a log that is as large as it may be
}

Grain::Grain(const model::Limits& limits)
    : bytes(std::max<std::uint64_t>(1, std::min(limits.log_bytes, limits.logs_total_bytes) / kPieces)),
      messages(std::max<std::uint64_t>(1, limits.log_messages / kPieces)),
      age(limits.log_age == 0 ? Millis(0)
                              : std::max(Millis(1), Millis(Seconds(limits.log_age)) / static_cast<int>(kPieces))) {}

model::Position LogState::position(Offset offset) const {
  auto it = eras.end();
  while (it - 1 != eras.begin() && (it - 1)->first > offset) --it;
  return {(it - 1)->generation, offset};
}

LogState::Offset LogState::offset_of(model::Position p) const {
  Offset end = head;
  for (auto it = eras.end(); it != eras.begin(); end = it->first - 1) {
    --it;
    if (it->generation <= p.generation) return std::min(p.offset, end);
  }
  return 0;
}

bool LogState::append(std::uint64_t size, WallTime now, const Grain& grain) {
  auto full = [&](Offset before) {
    const Piece& p = pieces.back();
    return p.bytes >= grain.bytes || p.last - before >= grain.messages ||
           (grain.age.count() > 0 && p.newest - p.oldest >= grain.age);
  };
  auto before = [&] { return pieces.size() > 1 ? pieces[pieces.size() - 2].last : trimmed; };
  if (pieces.empty() || full(before())) pieces.push_back({head, 0, now, now});
  Piece& p = pieces.back();
  p.last = ++head;
  p.bytes += size;
  p.newest = now;
  bytes += size;
  return full(before());
}

void LogState::drop_to(Offset offset) {
  auto first = pieces.begin();
  for (; first != pieces.end() && first->last <= offset; ++first) {
    bytes -= first->bytes;
    trimmed = first->last;
  }
  pieces.erase(pieces.begin(), first);
  if (!pieces.empty() && offset > trimmed) {
    Piece& p = pieces.front();
    auto share = static_cast<std::uint64_t>(static_cast<double>(p.bytes) * static_cast<double>(offset - trimmed) /
                                            static_cast<double>(p.last - trimmed));
    p.bytes -= share;
    bytes -= share;
    trimmed = offset;
  }
  while (eras.size() > 1 && eras[1].first <= trimmed) eras.erase(eras.begin());
}

void LogState::begin_era(std::uint64_t generation) { eras.push_back({generation, head + 1}); }

std::string LogState::encode() const {
  std::string out(1, kFormat);
  Writer w(out);
  w.text(filter).number(trimmed).number(head).number(eras.size());
  for (auto& e : eras) w.number(e.generation).number(e.first);
  w.number(pieces.size());
  for (auto& p : pieces) w.number(p.last).number(p.bytes).time(p.oldest).time(p.newest);
  return out;
}

std::optional<LogState> LogState::decode(ports::LogId id, std::string_view value) {
  Reader r(value);
  LogState s;
  s.id = id;
  r.format();
  s.filter = r.text();
  s.trimmed = r.number();
  s.head = r.number();
  for (std::uint64_t n = r.number(); r.ok() && n > 0; --n) {
    std::uint64_t generation = r.number();
    s.eras.push_back({generation, r.number()});
  }
  for (std::uint64_t n = r.number(); r.ok() && n > 0; --n) {
    Piece p{};
    p.last = r.number();
    p.bytes = r.number();
    p.oldest = r.time();
    p.newest = r.time();
    s.bytes += p.bytes;
    s.pieces.push_back(p);
  }
  if (!r.done() || s.eras.empty() || s.trimmed > s.head) return {};
  return s;
}

LogState::Offset Members::lowest(Offset none) const {
  if (auto group = lows_.find(key(ports::kGroupMember)); group != lows_.end()) return group->second;
  Offset low = none;
  for (auto& [key, offset] : lows_) low = std::min(low, offset);
  return low;
}

Members::Key Members::key(std::string_view name) {
  absl::string_view n(name.data(), name.size());
  return {absl::HashOf(1, n), absl::HashOf(2, n)};
}

}  // namespace sb::store::embedded
