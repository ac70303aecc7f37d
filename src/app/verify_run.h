// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "app/client_flags.h"
#include "app/verify_client.h"
#include "app/verify_faults.h"
#include "app/verify_ledger.h"
#include "app/verify_options.h"

namespace sb::app {

/// What a run has shown.
struct VerifyResult {
  std::uint64_t seed = 0;
  std::string worst_pause_until;  ///< of a subscriber; UTC
  double publishing_seconds = 0, draining_seconds = 0;
  VerifyCounts counts;
  VerifyConduct conduct;
  FaultCounts faults;
  std::vector<std::string> findings;    ///< the first breaches of each kind, with all that is known of them
  std::vector<std::string> complaints;  ///< none: all promises held
};

/// complaints() of the books, and of what else must not happen.
std::vector<std::string> complaints(const VerifyCounts& counts, const VerifyConduct& conduct);

/// Runs it: connects everybody, publishes with disturbances, lets everything come in, checks. False when there is
/// nothing to judge, because the run could not be made or carried on; then `why` says the cause. `setups`: one for each
/// node. Blocks; SIGUSR1, SIGINT and SIGTERM end the publishing early, a second one of the latter the run.
bool run_verify(const VerifyOptions& options, std::vector<ClientSetup> setups, VerifyResult& out, std::string& why);

}  // namespace sb::app
