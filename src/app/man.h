// SPDX-License-Identifier: MIT
#pragma once
#include <string>

#include "app/command_tree.h"

namespace sb::app {

/// The man page (section 1, roff with the man macros) of a tree of commands.
std::string man_page(const CommandInfo& root, const std::string& version);

}  // namespace sb::app
