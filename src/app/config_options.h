// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <vector>

#include "config/load.h"

namespace CLI {
class App;
}

namespace sb::app {

/// The options of every command that takes a configuration. Must live as long as the command.
struct ConfigOptions {
  std::string file;
  std::vector<std::string> sets;
  /// The sources that the options, and the environment of now, name.
  config::Sources sources() const;
};

/// Adds --config FILE and --set KEY=VALUE.
void add_config_options(CLI::App& command, ConfigOptions& options);

/// Prints all errors on standard error. @return true when there are none
bool report_errors(const config::Loaded& loaded);

}  // namespace sb::app
