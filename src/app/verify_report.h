// SPDX-License-Identifier: MIT
#pragma once
#include <string>

#include "app/verify_run.h"

namespace sb::app {

/// The result for people: figures, the first breaches by name, and the verdict as the last line. `where`: the nodes.
std::string verify_table(const VerifyOptions& o, const std::string& where, const VerifyResult& r);

/// The result as one line of JSON.
std::string verify_json(const VerifyOptions& o, const std::string& where, const VerifyResult& r);

}  // namespace sb::app
