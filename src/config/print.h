// SPDX-License-Identifier: MIT
#pragma once
#include <string>

#include "config/load.h"

namespace sb::config {

/// The effective configuration as TOML that could be loaded again, each value with a comment that says where
/// it is from.
std::string print_effective(const Loaded& loaded);

/// The same as one JSON object: {"limits.max_qos": {"value": 2, "source": "default"}, …}. Sizes are in bytes,
/// durations in seconds, modes are strings in octal.
std::string print_json(const Loaded& loaded);

/// A configuration file with every key, its documentation and its default, each commented out:
/// deploy/signalbox.toml.
std::string print_sample();

/// The reference page: docs/configuration.md.
std::string print_markdown();

}  // namespace sb::config
