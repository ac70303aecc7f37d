// SPDX-License-Identifier: MIT
#pragma once
#include <functional>

#include "config/load.h"

namespace sb::app {

/// Loads the configuration again from the sources that the program was started with. The result may have
/// errors; then nothing of it may be used. See config/reload.h for what to do with it.
using Reloader = std::function<config::Loaded()>;

/// Runs a broker until SIGTERM or SIGINT has drained it; SIGHUP reloads. Prints `listening KIND ADDRESS` for
/// each listener and then `ready` on standard output. Implemented in broker.cc.
/// @return the exit code (commands.h)
int run_broker(const config::Config& config, Reloader reload);

}  // namespace sb::app
