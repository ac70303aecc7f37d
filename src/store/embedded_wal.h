// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sb::store::embedded {

/// The number of a write-ahead log by the name of its file; nothing when the file is another.
std::optional<std::uint64_t> wal_number(std::string_view name);

/// What the writer of a write-ahead log knew to be on the disk when it wrote: of the logs from `first` on everything up
/// to `bytes` of `log`. Every write ends with one.
struct WalMark {
  std::uint64_t first = 0, log = 0;  ///< numbers of log files
  std::uint64_t bytes = 0;
  /// That byte `at` of log `number` was on the disk.
  bool covers(std::uint64_t number, std::uint64_t at) const {
    return first <= number && (number < log || (number == log && at < bytes));
  }
};
/// Bytes to put at the end of a write, as what RocksDB calls log data.
std::string encode(const WalMark& mark);

/// What a write-ahead log looks like after its writer ended.
struct WalState {
  /// Where the first record that is not whole begins; the size of the file when all are.
  std::uint64_t good = 0;
  /// That byte was on the disk, says a whole record behind it: this is no end that a power failure left, bytes have
  /// changed.
  bool corrupt = false;
};
WalState scan_wal(std::string_view bytes, std::uint64_t number);

/// Looks at the write-ahead logs of the database in `path`. Recovery stops at the first record that is not whole, which
/// is right for what was never synced (after a power failure any of its pages may be missing), and would silently
/// forget everything behind bytes that changed before. Returns where that is the case, "" when it is not.
std::string find_corrupt_wal(const std::string& path);

}  // namespace sb::store::embedded
