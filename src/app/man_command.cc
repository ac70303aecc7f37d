// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/commands.h"
#include "app/man.h"

namespace sb::app {

void add_man_command(CLI::App& app, Exit& exit) {
  auto* command = app.add_subcommand("man", "Print the man page (roff)");
  command->footer(
      "Examples:\n"
      "  signalbox man | man -l -\n"
      "  signalbox man > /usr/local/share/man/man1/signalbox.1");
  command->callback([&app, &exit] {
    fmt::print("{}", man_page(describe(app), SIGNALBOX_VERSION));
    exit.code = kOk;
  });
}

}  // namespace sb::app
