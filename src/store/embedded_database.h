// SPDX-License-Identifier: MIT
#pragma once
#include <rocksdb/db.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "store/embedded.h"
#include "store/embedded_wal_files.h"

namespace sb::store::embedded {

/// The column families, by what changes together.
enum class Family : std::uint8_t {
  meta,       ///< of the store itself
  logs,       ///< log → filter, head, …; log + member → what it has had
  entries,    ///< log + offset → message
  sessions,   ///< client → core of the record; client + filter → subscription
  progress,   ///< client + filter → cursor; client + packet id → under way. What changes with every message
  due,        ///< time + client → nothing
  connected,  ///< client → epoch
  retained,   ///< topic → message
  wills,      ///< number + client → will whose publication is not stored yet
};
inline constexpr std::size_t kFamilies = 9;
const char* to_string(Family f);

/// How much there is.
struct Counts {
  std::uint64_t sessions = 0, retained = 0;
  std::uint64_t retained_bytes = 0;  ///< keys and values
  bool operator==(const Counts&) const = default;
};

/// What the store knows of itself.
struct Meta {
  std::uint64_t run = 0;     ///< counts the times that it was opened; on the disk before anything else happens
  std::uint64_t forgot = 0;  ///< the run that found that a tail may have been lost: older generations go no further
  WallTime seen{};           ///< the last time that it knew
  Counts counts;
  bool bytes_known = true;  ///< false: written by a version that did not count retained bytes
};

/// The RocksDB of a store, open. Owner: the store thread; sync() may be called on another.
class Database {
 public:
  /// Null with the reason in `error`: what is wrong and what to do.
  static std::unique_ptr<Database> open(const EmbeddedOptions& options, std::string& error);
  /// For looking only: takes no lock, changes nothing.
  static std::unique_ptr<Database> open_to_read(const std::string& path, std::string& error);
  ~Database();

  /// A new one that holds nothing yet; null also when there is one.
  static std::unique_ptr<Database> create(const std::string& path, std::string& error);

  rocksdb::DB& db() { return *db_; }
  /// Any other way to write does not see all failures. What `batch` holds afterwards is for clearing only.
  rocksdb::Status write(const rocksdb::WriteOptions& options, rocksdb::WriteBatch& batch);
  rocksdb::ColumnFamilyHandle* family(Family f) { return families_[static_cast<std::size_t>(f)]; }
  rocksdb::ColumnFamilyHandle* family(std::uint32_t id);
  const Meta& meta() const { return meta_; }
  /// The run before ended without close_clean().
  bool unclean() const { return unclean_; }

  /// Everything up to now is on the disk when this returns.
  rocksdb::Status sync() { return db_->SyncWAL(); }
  /// Says for the next start that nothing is missing.
  rocksdb::Status close_clean();
  /// Says for the next start that it was made of an export: nothing may go on where the original stood, since that may
  /// have been behind what was exported.
  rocksdb::Status close_imported();

  /// Keys of Family::meta. All numbers are made of the run; `clean` is of a directory, not of what is in it.
  static constexpr std::string_view kCounts = "counts", kSeen = "seen", kRun = "run", kClean = "clean";
  static std::string record_of(const Counts& c);

 private:
  explicit Database(rocksdb::Env* env);
  rocksdb::Status open_families(const EmbeddedOptions& options);
  rocksdb::Status read_meta(bool& existed, std::uint64_t& concern);
  rocksdb::Status begin_run(WriteConcern concern);
  std::shared_ptr<WalFiles> files_;
  std::unique_ptr<rocksdb::Env> env_;  ///< of files_
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> families_;
  Meta meta_;
  bool unclean_ = false;
};

/// Options of every read of a range: only keys below `*end`.
rocksdb::ReadOptions reading_below(const rocksdb::Slice* end);
inline rocksdb::Slice slice(std::string_view s) { return {s.data(), s.size()}; }
inline std::string_view view(const rocksdb::Slice& s) { return {s.data(), s.size()}; }

}  // namespace sb::store::embedded
