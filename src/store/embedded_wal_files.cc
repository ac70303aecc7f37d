// SPDX-License-Identifier: MIT
#include "store/embedded_wal_files.h"

#include <utility>

namespace sb::store::embedded {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

class WalFiles::Log final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  Log(WalFiles& files, std::unique_ptr<rocksdb::FSWritableFile> f)
      : FSWritableFileOwnerWrapper(std::move(f)), files_(files) {}

  IOStatus Append(const Slice& data, const IOOptions& o, IODebugContext* d) override {
    return late([&] { return FSWritableFileOwnerWrapper::Append(data, o, d); });
  }
  IOStatus Append(const Slice& data, const IOOptions& o, const rocksdb::DataVerificationInfo& v,
                  IODebugContext* d) override {
    return late([&] { return FSWritableFileOwnerWrapper::Append(data, o, v, d); });
  }
  IOStatus Flush(const IOOptions& o, IODebugContext* d) override {
    return late([&] { return FSWritableFileOwnerWrapper::Flush(o, d); });
  }
  IOStatus Sync(const IOOptions& o, IODebugContext* d) override {
    return files_.failed() ? files_.last() : FSWritableFileOwnerWrapper::Sync(o, d);
  }
  IOStatus Fsync(const IOOptions& o, IODebugContext* d) override {
    return files_.failed() ? files_.last() : FSWritableFileOwnerWrapper::Fsync(o, d);
  }

 private:
  template <class F>
  IOStatus late(F write) {
    if (files_.failed()) return IOStatus::OK();
    if (IOStatus s = write(); !s.ok()) files_.fail(s);
    return IOStatus::OK();
  }
  WalFiles& files_;
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

rocksdb::Status WalFiles::error() const { return failed() ? rocksdb::Status(last()) : rocksdb::Status::OK(); }

IOStatus WalFiles::NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                   std::unique_ptr<rocksdb::FSWritableFile>* out, IODebugContext* dbg) {
  IOStatus s = FileSystemWrapper::NewWritableFile(name, options, out, dbg);
  if (s.ok() && name.ends_with(".log")) *out = std::make_unique<Log>(*this, std::move(*out));
  return s;
}

}  // namespace sb::store::embedded
