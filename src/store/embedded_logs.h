// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/flat_hash_map.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/hash_map.h"
#include "ports/log_store.h"
#include "store/embedded_engine.h"
#include "store/embedded_log_state.h"

namespace sb::store::embedded {

/// Logs on the disk. An entry is a message under its log and offset; what is known of a log is stored when it begins,
/// when a piece of it is full and when it is trimmed, and found again after a crash by reading on from there.
class EmbeddedLogs final : public ports::LogStore, public Part {
 public:
  using LogId = ports::LogId;
  EmbeddedLogs(EmbeddedEngine& engine, OnLog on_log);
  ~EmbeddedLogs();

  void join(std::string_view filter, std::string_view member, Done<Joined> done) override;
  void leave(std::string_view filter, std::string_view member) override;
  void release(std::string_view filter, std::string_view member, model::Position low) override;
  void append(std::vector<Append> batch, Done<void> done) override;
  void read(LogId log, model::Position after, std::size_t max, Done<ports::LogPage> done) override;
  void attach(LogId log, ports::LogWatcher* w, Done<model::Position> done) override;
  void detach(LogId log, ports::LogWatcher* w) override;

  // --- Part
  std::string load() override;
  void before_close() override;
  void on_tick() override;

  std::size_t count() const { return logs_.size(); }
  /// Messages held for a filter, 0 when it has no log.
  std::uint64_t messages(std::string_view filter) const;

 private:
  static constexpr std::uint64_t kTrimMessages = 256, kTrimBytes = 1024 * 1024;
  static constexpr std::uint64_t kLowStep = 64;     ///< a member's low is stored when it passes a multiple of this
  static constexpr std::size_t kOldPerTick = 5000;  ///< logs that are looked at for old messages
  class AppendReply;
  class AttachReply;
  struct Watch {
    ports::LogWatcher* watcher;
    LogState::Offset from;  ///< it hears of what lies behind
  };
  struct Log : LogState {
    Members members;
    std::vector<Watch> watches;
    Offset noticed = 0;  ///< watchers were told up to here
    Offset stored = 0;   ///< head that the disk knows of the log without reading entries
    /// Messages and bytes at which the members are looked at again.
    std::uint64_t trim_at = kTrimMessages, trim_at_bytes = kTrimBytes;
  };
  using Logs = absl::flat_hash_map<LogId, std::unique_ptr<Log>>;

  Log* find(std::string_view filter);
  void store(Log& log);
  void put_member(const Log& log, std::string_view member, LogState::Offset low);
  void delete_entries(LogId log, LogState::Offset from, LogState::Offset upto);
  void drop_to(Log& log, LogState::Offset offset);
  void trim(Log& log);
  void bound(Log& log);
  void append_one(Log& log, const model::MessageView& m, WallTime now);
  result<ports::LogPage> read_page(LogId log, model::Position after, std::size_t max, LogState::Offset upto);
  void notice(LogId log, model::Position previous, const ports::StoredMessage& m);
  std::string load_all();
  std::string find_heads();
  void announce(const Logs& before);
  void catch_up_watchers(Logs& before);
  void check_members();
  bool is_orphan(std::string_view member, const std::string& filter);

  EmbeddedEngine& engine_;
  OnLog on_log_;
  const model::Limits limits_;
  const Grain grain_;
  std::uint64_t bytes_ = 0;  ///< of all logs
  Logs logs_;
  absl::flat_hash_map<std::string_view, Log*, StringHash, std::equal_to<>> by_filter_;  ///< views of Log::filter
  std::vector<LogId> to_age_;  ///< what is left of a walk over all logs
  std::string check_from_;     ///< where looking for orphans goes on, "" = all was looked at
};

}  // namespace sb::store::embedded
