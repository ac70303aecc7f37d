// SPDX-License-Identifier: MIT
#include "app/config_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

namespace sb::app {

config::Sources ConfigOptions::sources() const { return {file, config::process_environment(), sets, true}; }

void add_config_options(CLI::App& command, ConfigOptions& options) {
  command.add_option("-c,--config", options.file, "Configuration file (TOML)")->type_name("FILE");
  command.add_option("-s,--set", options.sets, "Set one key; wins over environment and file; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

bool report_errors(const config::Loaded& loaded) {
  if (loaded.ok()) return true;
  std::size_t n = loaded.errors.size();
  fmt::print(stderr, "{}signalbox: {} error{} in the configuration\n", loaded.error_text(), n, n == 1 ? "" : "s");
  return false;
}

}  // namespace sb::app
