// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/embedded_encoding.h"
#include "store/redis_session_row.h"

namespace sb::store {

/// A batch of a SessionRow.
struct SessionRow::Piece final : redis::Batch {
  enum class Kind : std::uint8_t { claim, change, end, take, fired, taken };
  explicit Piece(Kind k) : kind(k) {}
  const Kind kind;
  std::uint64_t life = 0;  ///< of the node, in which it was made
  bool has_answer = false;
  bool ends = false;                              ///< a claim that ended a session and left none: an end, from then on
  std::uint64_t epoch = 0;                        ///< change, end, and a claim that was answered
  std::vector<std::unique_ptr<SessionJob>> jobs;  ///< who is to be told; one, but for changes
  RecordFields fields;                            ///< change: until Redis has them
  std::uint64_t before = 0;                       ///< change: number of the one before it
  error_code why;                                 ///< it was not stored
  ClaimAnswer claim;
  std::unique_ptr<OwnedSession> before_claim;  ///< what this node owned, until the claim is confirmed
  TakeAnswer take;
  std::uint64_t incarnation = 0;     ///< end
  std::vector<std::string> filters;  ///< end
};

template <class J>
std::unique_ptr<J> SessionRow::take_front() {
  auto job = std::unique_ptr<J>(static_cast<J*>(jobs_.front().release()));
  jobs_.pop_front();
  return job;
}

/// 0 when it is none.
inline std::uint64_t number_of(std::string_view word) {
  std::uint64_t n = 0;
  for (char c : word) {
    if (c < '0' || c > '9') return 0;
    n = n * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return n;
}

/// Of "node-epoch nonce node".
inline std::uint64_t nonce_of(std::string_view owner) {
  const auto space = std::min(owner.find(' '), owner.size());
  owner.remove_prefix(std::min(space + 1, owner.size()));
  return number_of(owner.substr(0, owner.find(' ')));
}

/// Of a field `f<number>`, when there is one.
inline std::optional<FiredWill> read_fired(std::string_view number, std::string_view value) {
  const auto end = value.find('\n');
  if (end == value.npos) return {};
  auto w = decode_will(value.substr(end + 1));
  if (!w) return {};
  return FiredWill{std::string(number), std::move(*w)};
}

}  // namespace sb::store
