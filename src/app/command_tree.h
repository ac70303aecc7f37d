// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace sb::app {

/// An option or a positional argument, as completion scripts and the man page describe it.
struct OptionInfo {
  std::vector<std::string> shorts;  ///< without dashes
  std::vector<std::string> longs;
  std::string value;                 ///< name of its value, "" = a flag
  std::vector<std::string> choices;  ///< values that are allowed, if they are few
  std::string description;
  std::string positional;  ///< name when it is positional, else ""
  bool required = false;
  bool repeats = false;

  bool takes_file() const;  ///< FILE, PATH or DIR is in the name of its value
  bool takes_key() const;   ///< its value is KEY=VALUE of the configuration
};

/// A command with what stands below it.
struct CommandInfo {
  std::string name;
  std::string path;  ///< "signalbox config print"
  std::string description;
  std::string footer;
  std::vector<OptionInfo> options;
  std::vector<CommandInfo> commands;
};

/// The tree of commands below (and with) `app`. Hidden ones (with an empty group) are left out.
CommandInfo describe(const CLI::App& app);

/// `root` and all commands below it, parents first.
std::vector<const CommandInfo*> flatten(const CommandInfo& root);

}  // namespace sb::app
