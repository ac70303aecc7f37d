// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/flat_hash_map.h>

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "base/hash_map.h"
#include "model/limits.h"
#include "ports/log_store.h"

namespace sb::store {

/// Logs in memory. Answers at once. Owner: one thread.
class MemoryLogs final : public ports::LogStore {
 public:
  using LogId = ports::LogId;
  /// Told when the log of a filter begins (its id) and ends (0), before join or leave answer.
  using OnLog = std::function<void(std::string_view filter, LogId log)>;

  MemoryLogs(const model::Limits& limits, OnLog on_log);

  void join(std::string_view filter, std::string_view member, Done<Joined> done) override;
  void leave(std::string_view filter, std::string_view member) override;
  void release(std::string_view filter, std::string_view member, model::Position low) override;
  void append(std::vector<Append> batch, Done<void> done) override;
  void read(LogId log, model::Position after, std::size_t max, Done<ports::LogPage> done) override;
  void attach(LogId log, ports::LogWatcher* w, Done<model::Position> done) override;
  void detach(LogId log, ports::LogWatcher* w) override;

  std::size_t count() const { return logs_.size(); }
  /// Messages held for a filter, 0 when it has no log.
  std::size_t messages(std::string_view filter) const;

 private:
  static constexpr std::size_t kTrimMessages = 256, kTrimBytes = 1024 * 1024;
  struct Log {
    LogId id;
    std::string filter;
    std::deque<ports::StoredMessage> messages;
    std::size_t bytes = 0;
    model::Position head, first_lost;  ///< first_lost: what is at or before it was trimmed
    StringMap<model::Position> members;
    std::vector<ports::LogWatcher*> watchers;
    /// Messages and bytes at which the members are looked at again.
    std::size_t trim_at = kTrimMessages, trim_at_bytes = kTrimBytes;
  };
  void trim(Log& log);
  void drop_front(Log& log);

  const model::Limits limits_;
  OnLog on_log_;
  const std::uint64_t generation_;
  LogId next_id_ = 1;
  std::size_t bytes_ = 0;  ///< of all logs
  StringMap<std::unique_ptr<Log>> by_filter_;
  absl::flat_hash_map<LogId, Log*> logs_;
};

}  // namespace sb::store
