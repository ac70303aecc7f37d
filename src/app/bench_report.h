// SPDX-License-Identifier: MIT
#pragma once
#include <string>

#include "app/bench_run.h"

namespace sb::app {

/// The result for people: a few lines, with a warning when the figures say more of the generator than of the broker.
std::string bench_table(const BenchOptions& o, const client::Target& target, const BenchResult& r);

/// The result as one line of JSON. Fields that the scenario does not measure are left out.
std::string bench_json(const BenchOptions& o, const client::Target& target, const BenchResult& r);

}  // namespace sb::app
