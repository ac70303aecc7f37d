// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string_view>

#include "redis/errc.h"
#include "redis/refusal.h"
#include "redis/reply.h"

namespace sb::redis {

/// What became of a command.
struct Outcome {
  enum class Kind : std::uint8_t {
    done,      ///< Redis did it
    refused,   ///< Redis answered with an error: it did nothing
    unknown,   ///< it was written, at least in part, and no answer will come: Redis may have done it
    not_sent,  ///< no byte of it left
  };
  Kind kind = Kind::done;
  Refusal refusal = Refusal::other;  ///< refused
  Reply* reply = nullptr;            ///< done, refused: may be moved from; valid during the call
  error_code why;                    ///< unknown, not_sent

  bool done() const { return kind == Kind::done; }
  bool refused_as(Refusal r) const { return kind == Kind::refused && refusal == r; }
  Reply::View value() const { return reply ? reply->root() : Reply().root(); }
  /// In words, for logs. Has what Redis said, which may quote arguments.
  std::string text() const {
    return kind == Kind::refused ? std::string(value().text()) : kind == Kind::done ? "done" : why.message();
  }
};

/// What outcomes are told to. Owner: the loop's thread of the connection.
class Handler {
 public:
  /// Exactly once for each command that was taken, in the order of the commands. `tag` as given with the command. New
  /// commands may be given from within.
  virtual void on_outcome(Outcome& outcome, std::uint64_t tag) = 0;

 protected:
  ~Handler() = default;
};

}  // namespace sb::redis
