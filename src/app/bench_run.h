// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <string>

#include "app/bench_histogram.h"
#include "app/bench_options.h"
#include "app/bench_process.h"
#include "app/bench_worker.h"

namespace sb::app {

/// What a run has measured.
struct BenchResult {
  double seconds = 0;      ///< measured, without warm-up and drain
  BenchCounts measured;    ///< during these
  BenchCounts total;       ///< from the first to the last message
  std::uint64_t lost = 0;  ///< deliveries that never came, over the whole run
  Histogram latency;
  std::uint32_t receivers_per_message = 1;
  // Processes given with --pid, and our own, during the measured seconds
  double broker_cpu_seconds = 0, own_cpu_seconds = 0;
  std::uint64_t rss_before = 0, rss_after = 0;  ///< bytes, before the first connection and at the end
  // idle
  double opening_seconds = 0, opening_cpu_seconds = 0;
  std::uint32_t open = 0;  ///< connections
};

/// Runs the scenario. False when it could not be measured; then `why` says the cause. Blocks; SIGINT ends it early.
bool run_bench(const BenchOptions& options, ClientSetup setup, std::unique_ptr<BenchResult>& out, std::string& why);

}  // namespace sb::app
