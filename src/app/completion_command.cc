// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "app/commands.h"
#include "app/completion.h"
#include "config/table.h"

namespace sb::app {
namespace {

constexpr const char* kFooter =
    "Examples:\n"
    "  source <(signalbox completion bash)\n"
    "  signalbox completion zsh > \"${fpath[1]}/_signalbox\"\n"
    "  signalbox completion fish > ~/.config/fish/completions/signalbox.fish";

int print(const CLI::App& app, const std::string& shell) {
  std::vector<std::string> keys;
  for (const auto& e : config::entries(config::Config{})) keys.push_back(e.name);
  CommandInfo root = describe(app);
  std::string script = shell == "bash"  ? bash_completion(root, keys)
                       : shell == "zsh" ? zsh_completion(root, keys)
                                        : fish_completion(root, keys);
  fmt::print("{}", script);
  return kOk;
}

}  // namespace

void add_completion_command(CLI::App& app, Exit& exit) {
  auto* command = app.add_subcommand("completion", "Print a completion script for a shell");
  auto shell = std::make_shared<std::string>();
  command->add_option("shell", *shell, "The shell")
      ->type_name("SHELL")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(kFooter);
  command->callback([&app, shell, &exit] { exit.code = print(app, *shell); });
}

}  // namespace sb::app
