// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>

namespace sb::io {

/// The memory of this process, and what it may have. Owner: one thread.
class ProcessMemory {
 public:
  ProcessMemory();
  ~ProcessMemory();
  ProcessMemory(const ProcessMemory&) = delete;
  ProcessMemory& operator=(const ProcessMemory&) = delete;

  /// Bytes in use that cannot be given back by dropping file pages; 0 when the system does not say. A few microseconds.
  std::size_t resident() const;
  /// Gives free memory of the heap back to the system. Takes its time.
  static void trim();
  /// What the machine has, or the control group of this process allows.
  static std::size_t available();

 private:
  int statm_ = -1;
};

}  // namespace sb::io
