// SPDX-License-Identifier: MIT
#include "app/command_tree.h"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace sb::app {
namespace {

// CLI11 writes the values of an IsMember check as "TYPE:{a,b}" into the type name.
void read_type(const std::string& type, OptionInfo& out) {
  auto open = type.find('{'), close = type.rfind('}');
  out.value = type.substr(0, type.find(':'));
  if (open == std::string::npos || close == std::string::npos || close < open) return;
  std::string list = type.substr(open + 1, close - open - 1);
  for (std::size_t begin = 0; begin <= list.size();) {
    auto end = std::min(list.find(',', begin), list.size());
    std::string choice = list.substr(begin, end - begin);
    out.choices.push_back(choice.substr(0, choice.find("->")));
    begin = end + 1;
  }
}

OptionInfo describe(const CLI::Option& option) {
  OptionInfo out;
  out.shorts = option.get_snames();
  out.longs = option.get_lnames();
  out.description = option.get_description();
  out.required = option.get_required();
  out.repeats = option.get_items_expected_max() > 1;
  if (option.get_positional()) out.positional = option.get_name(true);
  if (option.get_items_expected_max() > 0) read_type(option.get_type_name(), out);
  return out;
}

CommandInfo describe(const CLI::App& app, const std::string& above) {
  CommandInfo out;
  out.name = app.get_name();
  out.path = above.empty() ? out.name : above + ' ' + out.name;
  out.description = app.get_description();
  out.footer = app.get_footer();
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_group().empty()) out.options.push_back(describe(*option));
  }
  for (const CLI::App* below : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (below->get_name().empty()) {  // an option group: its options are those of the command
      for (const CLI::Option* option : below->get_options()) out.options.push_back(describe(*option));
    } else if (!below->get_group().empty()) {
      out.commands.push_back(describe(*below, out.path));
    }
  }
  return out;
}

void collect(const CommandInfo& command, std::vector<const CommandInfo*>& out) {
  out.push_back(&command);
  for (const auto& below : command.commands) collect(below, out);
}

}  // namespace

bool OptionInfo::takes_file() const {
  for (const char* word : {"FILE", "PATH", "DIR"}) {
    if (value.find(word) != std::string::npos) return true;
  }
  return false;
}

bool OptionInfo::takes_key() const { return value == "KEY=VALUE"; }

CommandInfo describe(const CLI::App& app) { return describe(app, ""); }

std::vector<const CommandInfo*> flatten(const CommandInfo& root) {
  std::vector<const CommandInfo*> out;
  collect(root, out);
  return out;
}

}  // namespace sb::app
