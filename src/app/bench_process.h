// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <vector>

namespace sb::app {

/// What processes have used so far.
struct ProcessUse {
  double cpu_seconds = 0;       ///< user and system
  std::uint64_t rss_bytes = 0;  ///< resident memory
};

/// The sum over `pids`, from /proc. A process that is gone counts as nothing.
ProcessUse use_of(const std::vector<int>& pids);
bool process_exists(int pid);

/// CPU seconds of this process.
double own_cpu_seconds();

}  // namespace sb::app
