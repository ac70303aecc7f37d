// SPDX-License-Identifier: MIT
#pragma once

namespace sb::app {

/// The program: parses the command line, runs the command and gives its exit code (see commands.h). Throws
/// nothing.
int run(int argc, char** argv);

}  // namespace sb::app
