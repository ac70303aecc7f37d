// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <vector>

#include "app/command_tree.h"

namespace sb::app {

/// Completion scripts for a tree of commands. `keys`: names of the configuration's keys, for --set.
std::string bash_completion(const CommandInfo& root, const std::vector<std::string>& keys);
std::string zsh_completion(const CommandInfo& root, const std::vector<std::string>& keys);
std::string fish_completion(const CommandInfo& root, const std::vector<std::string>& keys);

}  // namespace sb::app
