// SPDX-License-Identifier: MIT
#pragma once
#include "app/bench_worker.h"

namespace sb::app {

/// Makes the clients of the scenario `connect`: each connects, disconnects and connects again while the run lasts. The
/// latency is the time from connect() to CONNACK.
void build_connect(BenchShared& shared, const client::Options& options);

/// Makes the clients of the scenario `idle`: each connects, subscribes if asked to, and stays.
void build_idle(BenchShared& shared, const client::Options& options);

}  // namespace sb::app
