// SPDX-License-Identifier: MIT
#pragma once
#include <rocksdb/file_system.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "store/embedded_wal.h"

namespace sb::store::embedded {

/// Files whose write-ahead logs fail late: a write that fails looks good to RocksDB, nothing more is written, and every
/// sync from then on fails. RocksDB stops the process when a log is synced by one thread after a write by another has
/// failed (an assertion, which Debian's 7.8 has on), and the two cannot be kept apart without waiting for the disk.
/// Whoever writes asks error() afterwards.
///
/// They also know how far the logs were synced, which every write tells who reads them after a power failure.
class WalFiles final : public rocksdb::FileSystemWrapper {
 public:
  explicit WalFiles(const std::shared_ptr<rocksdb::FileSystem>& files) : FileSystemWrapper(files) {}
  const char* Name() const override { return "WalFiles"; }

  /// The first write that failed. Any thread.
  rocksdb::Status error() const;
  /// What of the logs made through this object is on the disk. Any thread.
  WalMark synced() const;

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* out,
                                    rocksdb::IODebugContext* dbg) override;

 private:
  class Log;
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  void fail(const rocksdb::IOStatus& s);
  rocksdb::IOStatus last() const;

  void synced(std::uint64_t log, std::uint64_t bytes);
  void gone(std::uint64_t log);

  std::atomic<bool> failed_{false};
  mutable std::mutex mutex_;
  WalMark synced_;           ///< under mutex_
  rocksdb::IOStatus error_;  ///< under mutex_
};

}  // namespace sb::store::embedded
