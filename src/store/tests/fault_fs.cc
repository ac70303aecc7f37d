// SPDX-License-Identifier: MIT
#include "store/tests/fault_fs.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace sb::store::test {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

class FaultFs::File final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  File(FaultFs& fs, std::string name, std::unique_ptr<rocksdb::FSWritableFile> f)
      : FSWritableFileOwnerWrapper(std::move(f)), fs_(fs), name_(std::move(name)) {}

  IOStatus Append(const rocksdb::Slice& data, const IOOptions& o, IODebugContext* d) override {
    if (IOStatus s = fs_.write_fault(); !s.ok()) return s;
    return wrote(data.size(), FSWritableFileOwnerWrapper::Append(data, o, d));
  }
  IOStatus Append(const rocksdb::Slice& data, const IOOptions& o, const rocksdb::DataVerificationInfo& v,
                  IODebugContext* d) override {
    if (IOStatus s = fs_.write_fault(); !s.ok()) return s;
    return wrote(data.size(), FSWritableFileOwnerWrapper::Append(data, o, v, d));
  }
  IOStatus Sync(const IOOptions& o, IODebugContext* d) override { return sync(o, d); }
  IOStatus Fsync(const IOOptions& o, IODebugContext* d) override { return sync(o, d); }

 private:
  IOStatus wrote(std::size_t n, IOStatus s) {
    std::lock_guard lock(fs_.mutex_);
    if (s.ok()) fs_.sizes_[name_].written += n;
    return s;
  }
  IOStatus sync(const IOOptions& o, IODebugContext* d) {
    bool log = name_.ends_with(".log");
    if (log) {
      ++fs_.log_syncs;
      if (fs_.fail_next_log_sync.exchange(false)) return IOStatus::IOError("injected: sync failed");
    }
    std::uint64_t upto;
    {
      std::lock_guard lock(fs_.mutex_);
      upto = fs_.sizes_[name_].written;
    }
    IOStatus s = FSWritableFileOwnerWrapper::Sync(o, d);
    std::lock_guard lock(fs_.mutex_);
    auto it = fs_.sizes_.find(name_);
    if (s.ok() && it != fs_.sizes_.end()) it->second.synced = std::max(it->second.synced, upto);
    return s;
  }
  FaultFs& fs_;
  const std::string name_;
};

IOStatus FaultFs::write_fault() const {
  switch (writes.load()) {
    case Fault::no_space:
      return IOStatus::NoSpace("injected: no space left on device");
    case Fault::io_error:
      return IOStatus::IOError("injected: I/O error");
    case Fault::none:
      break;
  }
  return IOStatus::OK();
}

IOStatus FaultFs::NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                  std::unique_ptr<rocksdb::FSWritableFile>* out, IODebugContext* dbg) {
  if (IOStatus s = write_fault(); !s.ok()) return s;
  std::unique_ptr<rocksdb::FSWritableFile> file;
  IOStatus s = FileSystemWrapper::NewWritableFile(name, options, &file, dbg);
  if (!s.ok()) return s;
  std::lock_guard lock(mutex_);
  sizes_[name] = {};
  *out = std::make_unique<File>(*this, name, std::move(file));
  return s;
}

IOStatus FaultFs::RenameFile(const std::string& from, const std::string& to, const IOOptions& options,
                             IODebugContext* dbg) {
  std::lock_guard lock(mutex_);
  IOStatus s = FileSystemWrapper::RenameFile(from, to, options, dbg);
  if (auto it = sizes_.find(from); s.ok() && it != sizes_.end()) {
    sizes_[to] = it->second;
    sizes_.erase(from);
  }
  return s;
}

IOStatus FaultFs::DeleteFile(const std::string& name, const IOOptions& options, IODebugContext* dbg) {
  std::lock_guard lock(mutex_);
  sizes_.erase(name);
  return FileSystemWrapper::DeleteFile(name, options, dbg);
}

void FaultFs::power_failure(const std::string& from, const std::string& to, std::mt19937& random) {
  namespace fs = std::filesystem;
  std::lock_guard lock(mutex_);  // the directory stands still
  fs::create_directories(to);
  for (auto& entry : fs::directory_iterator(from)) {
    std::string name = entry.path().string();
    if (entry.path().filename() == "LOCK" || entry.path().filename().string().starts_with("LOG")) continue;
    std::ifstream in(name, std::ios::binary);
    std::string bytes(static_cast<std::size_t>(entry.file_size()), '\0');
    in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    bytes.resize(static_cast<std::size_t>(in.gcount()));
    if (auto it = sizes_.find(name); it != sizes_.end()) {
      const std::uint64_t synced = it->second.synced, more = it->second.written - synced;
      std::uint64_t keep = synced;
      if (more > 0 && random() % 2) keep += random() % (more + 1);
      bytes.resize(std::min<std::uint64_t>(bytes.size(), keep));
      constexpr std::uint64_t kPage = 512;
      for (std::uint64_t at = synced; holes && at < bytes.size(); at = (at / kPage + 1) * kPage)
        if (random() % 4 == 0)
          std::fill(bytes.begin() + static_cast<long>(at),
                    bytes.begin() + static_cast<long>(std::min<std::uint64_t>(bytes.size(), (at / kPage + 1) * kPage)),
                    '\0');
    }
    std::ofstream out(fs::path(to) / entry.path().filename(), std::ios::binary);
    out << bytes;
  }
}

}  // namespace sb::store::test
