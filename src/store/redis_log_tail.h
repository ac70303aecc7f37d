// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "ports/log_store.h"
#include "store/log_peers.h"
#include "store/redis_log_memory.h"

namespace sb::store {

/// Puts what is heard of one log into the order of positions: batches of this node and notices of others come in any
/// order, and some not at all. What is missing has to be read from the log. Owner: the store thread.
class LogTail {
 public:
  LogTail(ports::LogId log, LogMemory& memory) : log_(log), memory_(memory) {}

  /// False before start(), and when nobody watches any more.
  bool runs() const { return runs_; }
  /// What lies at or before `head` was there before. What has come meanwhile is told with go_on(). Nothing happens when
  /// all watchers left while the head was looked up: what comes then passes unseen, and at() would be behind for good.
  void start(model::Position head);
  void go_on() { drain(); }
  /// The watcher hears of nothing before listen(). Returns the number of this attachment.
  std::uint64_t attach(ports::LogWatcher* w) {
    watches_.push_back({w, ++attachments_, kNowhere});
    return attachments_;
  }
  /// From at() on. False when it was detached meanwhile.
  bool listen(std::uint64_t attachment);
  void detach(ports::LogWatcher* w);
  void detach(std::uint64_t attachment);
  bool watched() const { return !watches_.empty(); }
  /// The last position that was told.
  model::Position at() const { return at_; }

  /// What was appended, or a piece of it again.
  void add(const AppendedRun& run);
  /// What was read from the log behind at(), which reaches `upto`.
  void add_page(const std::vector<ports::StoredMessage>& messages, model::Position upto);
  /// Messages in front of what has come are missing.
  bool hole() const { return !waiting_.empty() || overflowed_; }

 private:
  struct Watch {
    ports::LogWatcher* watcher;
    std::uint64_t attachment;
    model::Position from;  ///< it hears of what lies behind
  };
  static constexpr model::Position kNowhere{UINT64_MAX, UINT64_MAX};
  static constexpr std::size_t kWaitingBytes = 4 * 1024 * 1024;  ///< behind holes; beyond, it is read from the log
  void tell(const ports::StoredMessage& m);
  void tell(const AppendedRun& run);
  bool follows(const AppendedRun& run) const;
  void drain();
  void left();

  const ports::LogId log_;
  LogMemory& memory_;
  bool runs_ = false;
  model::Position at_;
  std::vector<Watch> watches_;
  std::uint64_t attachments_ = 0;
  std::map<model::Position, AppendedRun> waiting_;  ///< by first position, behind holes
  std::size_t waiting_bytes_ = 0;
  bool overflowed_ = false;
};

}  // namespace sb::store
