// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "store/redis_log.h"

namespace sb::store {

struct RedisLog::LogBatch : redis::Batch {
  enum class Kind : std::uint8_t { members, messages };
  explicit LogBatch(Kind k) : kind(k) {}
  const Kind kind;
};

/// Joins, leaves and lower bounds.
struct RedisLog::Members final : LogBatch {
  Members() : LogBatch(Kind::members) {}
  struct Op {
    char kind;  ///< as log_scripts::members has them
    std::string member;
    Position low = {};
    Answers::Ptr<Joined> join = nullptr;
    Answers::Ptr<void> leave = nullptr;
  };
  std::vector<Op> ops;
  // of the answer:
  std::vector<std::int64_t> results;
  Position at;
  std::int64_t ended = 0;
};

/// Messages that become one entry.
struct RedisLog::Messages final : LogBatch {
  Messages() : LogBatch(Kind::messages) {}
  /// A part that is stored or skipped as a whole: a message with an origin, or some without.
  struct Segment {
    std::size_t end;  ///< in `entry`
    std::uint32_t messages;
    std::uint64_t footprint;
    ports::LogStore::Origin origin;
  };
  std::string entry;
  std::vector<Segment> segments;
  std::vector<model::MessagePtr> messages;  ///< until they are confirmed
  std::vector<Answers::Ptr<void>> slots;
  // of the latest answer:
  Position previous, first;
  std::uint32_t count = 0;  ///< 0: all were skipped, or nobody knows where they are
  bool placed = false;
  std::vector<std::uint32_t> skipped;  ///< messages
  /// All places that it was ever given.
  struct Place {
    Position first;
    std::uint32_t count;
  };
  std::vector<Place> places;
  bool noticed = false;  ///< watchers and peers were told
};

}  // namespace sb::store
