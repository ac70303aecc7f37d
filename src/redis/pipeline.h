// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>

#include "base/out_buffer.h"
#include "base/time.h"
#include "redis/command.h"
#include "redis/outcome.h"

namespace sb::redis {

/// The commands under way on one connection: what is to be written, and who waits for which reply. No I/O.
class Pipeline {
 public:
  /// Of what waits for a reply.
  struct Bounds {
    std::size_t commands = 65536;
    std::size_t bytes = 64u << 20;  ///< encoded; one command that is larger is taken when nothing else waits
  };

  explicit Pipeline(Bounds bounds) : bounds_(bounds) {}

  /// Whether the bounds allow the command.
  bool has_room(Args command) const;
  /// Takes a command. Its outcome goes to `handler`, which outlives it.
  void add(Args command, Handler& handler, std::uint64_t tag, MonoTime deadline);
  bool empty() const { return waiting_.empty(); }
  std::size_t size() const { return waiting_.size(); }

  /// What is to be written; sent() says how much of it was, and takes it away.
  OutBuffer& output() { return output_; }
  void sent(std::size_t bytes) {
    output_.consume(bytes);
    sent_ += bytes;
  }

  /// Takes the reply to the oldest command: its handler, to be told, with the outcome. False when nothing was asked.
  struct Answered {
    Handler* handler = nullptr;
    std::uint64_t tag = 0;
    Outcome outcome;
  };
  bool answer(Reply& reply, Answered& to);
  /// Nothing more comes: tells everybody. Commands that are added meanwhile stay.
  void fail(error_code why);

  /// No deadline is earlier than this.
  MonoTime earliest() const { return earliest_; }
  /// Whether a deadline has passed. Looks at all only when it may be.
  bool expired(MonoTime now);

 private:
  void clear();
  struct Entry {
    Handler* handler;
    std::uint64_t tag;
    MonoTime deadline;
    std::uint64_t begin;  ///< of its bytes, counted from the first of the connection
    std::size_t bytes;
  };

  Bounds bounds_;
  OutBuffer output_;
  std::deque<Entry> waiting_;
  std::size_t bytes_ = 0;  ///< of waiting_
  std::uint64_t added_ = 0, sent_ = 0;
  MonoTime earliest_ = kNever;
};

}  // namespace sb::redis
