// SPDX-License-Identifier: MIT
#pragma once
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>

namespace sb::store::test {

/// The machine's files, with faults: it knows how much of each file was synced, so that it can say what a power failure
/// leaves, and fails writes or syncs when told to.
class FaultFs final : public rocksdb::FileSystemWrapper {
 public:
  FaultFs() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "FaultFs"; }

  enum class Fault { none, no_space, io_error };
  std::atomic<Fault> writes{Fault::none};       ///< of every write
  std::atomic<bool> fail_next_log_sync{false};  ///< once, of a write-ahead log
  std::atomic<int> log_syncs{0};

  bool holes = false;  ///< power failures leave pages out (zeros) of what was not synced
  /// Copies the directory as a power failure would leave it: of each file what was synced, and perhaps some of what
  /// was not. Files that nobody wrote here are copied whole.
  void power_failure(const std::string& from, const std::string& to, std::mt19937& random);

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* out,
                                    rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* dbg) override;
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* dbg) override;

 private:
  class File;
  rocksdb::IOStatus write_fault() const;
  struct Size {
    std::uint64_t written = 0, synced = 0;
  };
  std::mutex mutex_;
  std::map<std::string, Size> sizes_;
};

}  // namespace sb::store::test
