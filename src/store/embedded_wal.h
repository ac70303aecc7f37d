// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string>

namespace sb::store::embedded {

/// What a write-ahead log looks like after its writer ended.
struct WalState {
  /// Where the first record that is not whole begins; the size of the file when all are.
  std::uint64_t good = 0;
  /// A whole record lies behind it: this is no torn end, bytes in the middle have changed.
  bool corrupt = false;
};
WalState scan_wal(const std::string& bytes);

/// Looks at the write-ahead logs of the database in `path`. Recovery stops at the first record that is not whole, which
/// is right for the end that a power failure tore off, and would silently forget everything behind bytes that changed
/// in the middle. Returns where that is the case, "" when it is not.
std::string find_corrupt_wal(const std::string& path);

}  // namespace sb::store::embedded
