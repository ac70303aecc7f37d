// SPDX-License-Identifier: MIT
#pragma once
#include <string>

#include "config/config.h"

namespace sb::app {

/// Directs the log as configured: text or JSON lines, to standard error or a file that is appended to (and opened again
/// on reload, so that it can be rotated). What is wrong with the file, "" = nothing; then the log stays where it was.
std::string set_up_logging(const config::LogConfig& c);

}  // namespace sb::app
