// SPDX-License-Identifier: MIT
#pragma once
#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/hash_map.h"
#include "store/embedded.h"
#include "store/log_peers.h"
#include "store/redis_answers.h"
#include "store/redis_engine.h"
#include "store/redis_keys.h"
#include "store/redis_log.h"
#include "store/redis_log_list.h"
#include "store/redis_log_members.h"
#include "store/redis_log_reader.h"

namespace sb::store {

/// Logs in Redis, shared by the nodes of a cluster. PROTOCOLS 3, 7 and 9. Owner: the store thread.
class RedisLogs final : public ports::LogStore, public LogsOfPeers, public RedisPart, io::Timer {
 public:
  using LogId = ports::LogId;
  /// `peers` null: this node is alone.
  RedisLogs(RedisEngine& engine, OnLog on_log, LogPeers* peers);
  ~RedisLogs();
  /// Asks for all logs that there are, and announces them; `done`: what is wrong, "" = nothing.
  void load(Millis within, std::function<void(std::string)> done);

  void join(std::string_view filter, std::string_view member, Done<Joined> done) override;
  void leave(std::string_view filter, std::string_view member) override;
  void release(std::string_view filter, std::string_view member, model::Position low) override;
  void append(std::vector<Append> batch, Done<void> done) override;
  void read(LogId log, model::Position after, std::size_t max, Done<ports::LogPage> done) override;
  void abandon(std::string_view filter, std::string_view member) override { away(filter, member); }
  void away(std::string_view filter, std::string_view member) override;
  void attach(LogId log, ports::LogWatcher* w, Done<model::Position> done) override;
  void detach(LogId log, ports::LogWatcher* w) override;

  /// For who looks after the node.
  struct Lag {
    std::size_t logs = 0;
    std::uint64_t messages = 0, bytes = 0;  ///< that are stored, when Redis last said
    std::size_t waiting = 0;                ///< bytes of messages that were not sent yet
    Millis oldest{0};                       ///< for how long the oldest request waits for its answer
  };
  Lag lag() const { return {by_filter_.size(), messages_, bytes_, waiting_bytes_, answers_.oldest(now())}; }

  // --- LogsOfPeers
  void peer_log_began(std::string_view filter, std::uint64_t incarnation) override;
  void peer_log_ended(std::string_view filter, std::uint64_t incarnation) override;
  void peer_appended(std::string_view filter, const AppendedRun& run) override;
  void compare_heads() override;
  void compare_head(std::string_view filter) override;

  // --- RedisPart
  void on_tick() override;
  void on_turn_end() override;
  void on_connected() override {
    compare_heads();
    to_list_.clear();
    for (auto& [id, log] : by_id_) to_list_.push_back(id);
  }
  bool busy() const override { return !answers_.empty(); }

  // --- for the logs
  redis::Writer& writer() { return engine_.writer(); }
  const RedisKeys& keys() const { return engine_.keys(); }
  LogPeers* peers() const { return peers_; }
  const std::string& writer_name() const { return writer_name_; }
  /// Of all logs of this node.
  LogMemory& memory() { return memory_; }
  Answers& answers() { return answers_; }
  MonoTime now() const { return engine_.loop().now(); }
  /// That one entry has at most.
  std::size_t entry_messages() const { return entry_messages_; }
  std::size_t entry_bytes() const { return entry_bytes_; }
  /// As arguments of the append script.
  struct Bounds {
    std::string messages, grain_bytes, grain_messages, age, grain_age;
  };
  const Bounds& bounds() const { return bounds_; }
  /// That the log may have with the next batch.
  std::uint64_t bytes_for(const RedisLog& log) const;
  void counted(RedisLog& log, std::uint64_t bytes, std::uint64_t messages);
  void add_waiting(std::size_t bytes) { waiting_bytes_ += bytes; }
  void take_waiting(std::size_t bytes) { waiting_bytes_ -= bytes; }
  std::uint64_t new_incarnation();
  void seen_incarnation(std::uint64_t n) { last_incarnation_ = std::max(last_incarnation_, n); }
  void join(const std::string& filter, std::string member, Answers::Ptr<Joined> slot);
  /// Somebody has joined: told when all nodes know of the log.
  void joined(RedisLog& log);
  /// A batch was confirmed.
  void appended(RedisLog& log);
  /// What its tail lacks is to be read.
  void note_hole(RedisLog& log);
  /// Redis has the log again, with another incarnation.
  void made_again(RedisLog& log);
  /// Redis has it no more, and all have left it.
  void ended(RedisLog& log);
  /// The log is no more.
  void retire(RedisLog& log);

 private:
  static constexpr Millis kHole{5};  ///< that a notice may be late
  static constexpr std::size_t kHeadsPerTick = 200;
  static constexpr std::size_t kTailPage = 1000;
  static constexpr std::uint64_t kSoftMessages = 1000, kSoftBytes = 1024 * 1024;

  RedisLog* find(std::string_view filter);
  RedisLog* find(LogId id);
  RedisLog& make(std::string_view filter, std::uint64_t incarnation);
  void announce(RedisLog& log);
  LogList& list_of(const std::string& filter);
  bool stuck(const RedisLog& log) const;
  void on_timer() override;
  void read_tail(RedisLog& log);
  void tail_read(LogId id, const result<ports::LogPage>& page);
  void compare_some();
  void compare(LogId id);
  void list_some();
  void trim(RedisLog& log);
  void see_to_some();
  void look_up(RedisLog& log, const std::vector<std::string>& lowest);
  void looked_up(LogId id, const std::string& member, const LogMembers::Found& found);

  RedisEngine& engine_;
  OnLog on_log_;
  LogPeers* const peers_;
  const model::Limits limits_;
  const std::string writer_name_;
  LogMemory memory_;
  Bounds bounds_;
  std::size_t entry_messages_, entry_bytes_;
  RedisCalls call_;
  LogReader reader_;
  Answers answers_;
  LogId next_id_ = 1;
  std::uint64_t next_first_ = 0;  ///< number of the first batch of the next log that is made here
  std::uint64_t last_incarnation_ = 0;
  std::size_t waiting_bytes_ = 0;           ///< of messages that were not sent yet
  std::uint64_t bytes_ = 0, messages_ = 0;  ///< of all logs, as far as is known
  StringMap<std::unique_ptr<RedisLog>> by_filter_;
  absl::flat_hash_map<LogId, RedisLog*> by_id_;
  std::vector<std::unique_ptr<RedisLog>> gone_;  ///< until the end of the turn
  std::vector<std::unique_ptr<LogList>> lists_;
  std::vector<LogId> holes_, to_see_to_;
  std::deque<LogId> to_compare_;  ///< from its end
  std::size_t comparing_ = 0;
  std::vector<LogId> to_list_;  ///< once more, since Redis may have forgotten that
  std::vector<LogId> doubts_;   ///< what is missing in their tails is not in Redis, a moment ago
  LogMembers members_;
  StringMap<MonoTime> suspects_;  ///< members without a record, by log and name: since when
  std::uint64_t ticks_ = 0;
};

}  // namespace sb::store
