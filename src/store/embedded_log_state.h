// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/flat_hash_map.h>
#include <absl/container/inlined_vector.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/limits.h"
#include "model/session_record.h"
#include "ports/log_store.h"

namespace sb::store::embedded {

/// How much of a log is accounted for in one piece: a small part of the bounds, so that they are met closely and a log
/// has few pieces.
struct Grain {
  explicit Grain(const model::Limits& limits);
  std::uint64_t bytes, messages;
  Millis age;  ///< 0 = not bounded in age
};

/// What is kept in memory of one log: nothing per message. Offsets count its messages from 1 for ever; a position is an
/// offset with the generation that it was given in.
struct LogState {
  using Offset = std::uint64_t;
  /// From offset `first` on positions have this generation.
  struct Era {
    std::uint64_t generation;
    Offset first;
  };
  /// A piece of the log: messages behind the piece before, up to `last`.
  struct Piece {
    Offset last;
    std::uint64_t bytes;
    WallTime oldest, newest;  ///< when they were appended
  };

  ports::LogId id = 0;
  std::string filter;
  absl::InlinedVector<Era, 1> eras;
  std::vector<Piece> pieces;
  Offset head = 0;     ///< last message
  Offset trimmed = 0;  ///< what is at or before it is gone
  std::uint64_t bytes = 0;

  std::uint64_t messages() const { return head - trimmed; }
  model::Position position(Offset offset) const;
  model::Position head_position() const { return position(head); }
  /// Where a reader that stands at `p` stands here: a position of a generation that ended is at most where it ended.
  Offset offset_of(model::Position p) const;

  /// Counts one more message. True when a piece became full: time to store what is known.
  bool append(std::uint64_t size, WallTime now, const Grain& grain);
  /// Forgets what is at or before `offset`. The bytes of a piece that is cut are shared out evenly.
  void drop_to(Offset offset);
  /// Another generation begins with the next message.
  void begin_era(std::uint64_t generation);

  std::string encode() const;
  static std::optional<LogState> decode(ports::LogId id, std::string_view value);
};

/// The members of a log and what they have had, for their minimum. Names stay on the disk: 128 bits of their hash tell
/// them apart.
class Members {
 public:
  using Offset = LogState::Offset;
  /// False when it is one already.
  bool add(std::string_view name, Offset low) { return lows_.try_emplace(key(name), low).second; }
  bool remove(std::string_view name) { return lows_.erase(key(name)) > 0; }
  /// Null when it is none.
  Offset* find(std::string_view name) {
    auto it = lows_.find(key(name));
    return it == lows_.end() ? nullptr : &it->second;
  }
  /// True while somebody keeps the log alive: the reader of a shared group does not.
  bool hold() const { return lows_.size() > lows_.count(key(ports::kGroupMember)); }
  std::size_t size() const { return lows_.size(); }
  /// What nobody needs any more ends here. Where a group reads, it alone says so.
  Offset lowest(Offset none) const;

 private:
  using Key = std::array<std::uint64_t, 2>;
  static Key key(std::string_view name);
  absl::flat_hash_map<Key, Offset> lows_;
};

}  // namespace sb::store::embedded
