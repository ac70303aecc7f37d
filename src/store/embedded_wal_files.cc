// SPDX-License-Identifier: MIT
#include "store/embedded_wal_files.h"

#include <algorithm>
#include <utility>

namespace sb::store::embedded {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

class WalFiles::Log final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  Log(WalFiles& files, std::uint64_t number, std::unique_ptr<rocksdb::FSWritableFile> f)
      : FSWritableFileOwnerWrapper(std::move(f)), files_(files), number_(number) {}
  ~Log() override {
    if (synced_ < written_) files_.gone(number_);
  }

  IOStatus Append(const Slice& data, const IOOptions& o, IODebugContext* d) override {
    return late([&] { return wrote(data.size(), FSWritableFileOwnerWrapper::Append(data, o, d)); });
  }
  IOStatus Append(const Slice& data, const IOOptions& o, const rocksdb::DataVerificationInfo& v,
                  IODebugContext* d) override {
    return late([&] { return wrote(data.size(), FSWritableFileOwnerWrapper::Append(data, o, v, d)); });
  }
  IOStatus Flush(const IOOptions& o, IODebugContext* d) override {
    return late([&] { return FSWritableFileOwnerWrapper::Flush(o, d); });
  }
  IOStatus Sync(const IOOptions& o, IODebugContext* d) override {
    return sync([&] { return FSWritableFileOwnerWrapper::Sync(o, d); });
  }
  IOStatus Fsync(const IOOptions& o, IODebugContext* d) override {
    return sync([&] { return FSWritableFileOwnerWrapper::Fsync(o, d); });
  }

 private:
  template <class F>
  IOStatus late(F write) {
    if (files_.failed()) return IOStatus::OK();
    if (IOStatus s = write(); !s.ok()) files_.fail(s);
    return IOStatus::OK();
  }
  template <class F>
  IOStatus sync(F do_sync) {
    if (files_.failed()) return files_.last();
    const std::uint64_t upto = written_;
    IOStatus s = do_sync();
    if (s.ok()) files_.synced(number_, synced_ = upto);
    return s;
  }
  IOStatus wrote(std::size_t n, IOStatus s) {
    if (s.ok()) written_ += n;
    return s;
  }
  WalFiles& files_;
  const std::uint64_t number_;
  std::atomic<std::uint64_t> written_{0}, synced_{0};  ///< bytes
};

void WalFiles::fail(const IOStatus& s) {
  std::lock_guard lock(mutex_);
  if (error_.ok()) error_ = s;
  failed_.store(true, std::memory_order_release);
}

IOStatus WalFiles::last() const {
  std::lock_guard lock(mutex_);
  return error_;
}

WalMark WalFiles::synced() const {
  std::lock_guard lock(mutex_);
  return synced_;
}

void WalFiles::synced(std::uint64_t log, std::uint64_t bytes) {
  std::lock_guard lock(mutex_);
  if (log < synced_.log) return;
  synced_.log = log;
  synced_.bytes = bytes;
}

/// A log was closed before all of it was synced, since it is not needed any more: nothing is known of its end.
void WalFiles::gone(std::uint64_t log) {
  std::lock_guard lock(mutex_);
  synced_.first = std::max(synced_.first, log + 1);
}

rocksdb::Status WalFiles::error() const { return failed() ? rocksdb::Status(last()) : rocksdb::Status::OK(); }

IOStatus WalFiles::NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                   std::unique_ptr<rocksdb::FSWritableFile>* out, IODebugContext* dbg) {
  IOStatus s = FileSystemWrapper::NewWritableFile(name, options, out, dbg);
  const auto number = wal_number(name);
  if (!s.ok() || !number) return s;
  {
    std::lock_guard lock(mutex_);
    if (synced_.first == 0) synced_.first = *number;
  }
  *out = std::make_unique<Log>(*this, *number, std::move(*out));
  return s;
}

}  // namespace sb::store::embedded
