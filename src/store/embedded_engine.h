// SPDX-License-Identifier: MIT
#pragma once
#include <rocksdb/utilities/write_batch_with_index.h>

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "io/timers.h"
#include "store/embedded.h"
#include "store/embedded_database.h"
#include "store/embedded_replies.h"
#include "store/embedded_sync.h"

namespace sb::store::embedded {

/// One of the stores, as the engine sees it.
class Part {
 public:
  /// The database was opened, or opened again: what is kept in memory is read anew. Returns what is wrong.
  virtual std::string load() = 0;
  /// The last writes before the database is closed for good.
  virtual void before_close() {}
  /// About once a second while the store is up.
  virtual void on_tick() {}

 protected:
  ~Part() = default;
};

/// Writes what the three stores were asked for and answers when it is safe. What one shard asked within a turn, and as
/// much of the others as is there, is one write batch; while the disk syncs one, the next gathers. Answers leave in
/// the order of the requests, so that nobody sees what is not safe yet.
///
/// A write or sync that fails is final for the open database: everything that was not answered is refused, and so is
/// what comes, until the database could be opened again. Owner: the store thread.
class EmbeddedEngine final : public Engine {
 public:
  explicit EmbeddedEngine(const EmbeddedOptions& options);
  ~EmbeddedEngine() override;
  void add(Part& part) { parts_.push_back(&part); }
  /// Opens the database and loads the parts. Returns what is wrong, "" when it is open.
  std::string open();

  // --- Engine
  void start(io::EventLoop& loop) override;
  void on_requests_end() override;
  void stop() override;
  std::uint64_t outages() const override { return outages_; }
  void asked_knowing(std::uint64_t outages) override { asker_knows_ = outages == outages_; }
  bool on_turn_end() override;
  std::string unavailable() const override;

  // --- for the parts
  /// False while everything is refused, and for who does not know that it was.
  bool up() const { return up_ && asker_knows_; }
  const EmbeddedOptions& options() const { return options_; }
  Database& database() { return *database_; }
  rocksdb::DB& db() { return database_->db(); }
  /// Changes that nobody has to see before they are written.
  rocksdb::WriteBatch& batch() { return batch_; }
  rocksdb::ColumnFamilyHandle* family(Family f) { return database_->family(f); }

  // Changes that get() and range() see at once.
  void put(Family f, std::string_view key, std::string_view value);
  void erase(Family f, std::string_view key);
  /// Nothing when there is no such key. Errors of the database make the store unavailable and read as nothing.
  std::optional<std::string> get(Family f, std::string_view key);
  /// Keys from `from` on, below `*end`, with what was put and erased. `end` lives as long as the iterator.
  std::unique_ptr<rocksdb::Iterator> range(Family f, std::string_view from, const rocksdb::Slice* end);

  WallTime wall() const;
  /// A number that was never given before, in this run or another; higher than all of them.
  std::uint64_t number() { return database_->meta().run << kRunShift | next_number_++; }
  std::uint64_t run() const { return database_->meta().run; }
  bool bytes_known() const { return database_->meta().bytes_known; }
  /// Generations below come from before a crash that may have forgotten a tail.
  std::uint64_t trusted_generations() const { return database_->meta().forgot << kRunShift; }

  Counts counts;    ///< of what is stored; written with the batch that changes them
  WallTime seen{};  ///< the last time that the store was told

  /// Number of the write that what is asked now will be in, and of the last one that is safe.
  std::uint64_t write_now() const { return dirty() ? written_ + 1 : written_; }
  std::uint64_t safe() const { return options_.concern == WriteConcern::fsync ? synced_ : written_; }

  template <class T>
  void answer(std::function<void(result<T>)> done, result<T> value) {
    reply(std::make_unique<ReadyReply<T>>(std::move(done), std::move(value)));
  }
  template <class T>
  void answer_read(std::function<void(result<T>)> done, absl::AnyInvocable<result<T>()> read) {
    reply(std::make_unique<ReadReply<T>>(std::move(done), std::move(read)));
  }
  template <class T>
  void refuse(std::function<void(result<T>)> done) {
    answer<T>(std::move(done), make_error_code(ports::errc::unavailable));
  }
  void reply(std::unique_ptr<Reply> r);
  /// Something is damaged or failed: the store is not up behind this call.
  void fail(const std::string& what);

 private:
  static constexpr int kRunShift = 40;
  static constexpr std::size_t kBatchBytes = 1024 * 1024;  ///< a batch that is larger is written before the turn ends
  static constexpr std::size_t kBatchChanges = 10'000;
  struct Alarm final : io::Timer {
    void on_timer() override { call(); }
    std::function<void()> call;
  };

  bool dirty() const { return batch_.Count() > 0 || indexed_count_ > 0; }
  void merge_indexed();
  void commit();
  void put_seen();
  void plan_sync();
  void begin_sync();
  void synced(std::uint64_t upto, const rocksdb::Status& s);
  void give();
  void try_again();
  void tick();
  void set_unavailable(std::string why);

  const EmbeddedOptions options_;
  std::vector<Part*> parts_;
  std::unique_ptr<Database> database_;
  bool up_ = false, failed_ = false;
  std::uint64_t outages_ = 0;
  bool asker_knows_ = true;
  io::EventLoop* loop_ = nullptr;
  std::unique_ptr<SyncThread> sync_;
  Alarm sync_alarm_, retry_alarm_, tick_alarm_;
  Millis retry_{0};

  rocksdb::WriteBatch batch_;
  rocksdb::WriteBatchWithIndex indexed_;
  std::size_t indexed_count_ = 0;
  std::uint64_t next_number_ = 1;
  Counts counts_written_;
  WallTime seen_written_{};

  std::deque<std::unique_ptr<Reply>> replies_;  ///< in the order of the requests
  std::size_t prepared_ = 0;                    ///< of them, from the front
  std::uint64_t written_ = 0, synced_ = 0;      ///< numbers of writes
  std::uint64_t told_ = 0;                      ///< the last one that was made for tick()

  mutable std::mutex mutex_;
  std::string unavailable_;  ///< under mutex_
};

}  // namespace sb::store::embedded
