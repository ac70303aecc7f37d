// SPDX-License-Identifier: MIT
#include "app/cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "app/commands.h"
#include "config/nearest.h"

namespace sb::app {
namespace {

constexpr const char* kFooter =
    "Examples:\n"
    "  signalbox broker --config /etc/signalbox/signalbox.toml\n"
    "  signalbox sub -t 'sensors/#'\n"
    "  signalbox pub -t sensors/kitchen -m 21.5\n"
    "  signalbox config print --sample > signalbox.toml";

const CLI::App& deepest(const CLI::App& app) {
  auto chosen = app.get_subcommands();
  return chosen.empty() ? app : deepest(*chosen.front());
}

std::string command_line(const CLI::App& app) {
  const CLI::App* parent = app.get_parent();
  return parent ? fmt::format("{} {}", command_line(*parent), app.get_name()) : app.get_name();
}

std::string unknown(const char* what, const std::string& name, const std::vector<std::string>& names) {
  std::string near = config::nearest(name, names);
  return fmt::format("no {} \"{}\"{}", what, name, near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near));
}

// CLI11 says only that something is missing or too much; what is misspelt is told what it may have been.
std::string reason(const CLI::App& at, const CLI::Error& e) {
  std::vector<std::string> commands, options;
  for (const auto* c : at.get_subcommands([](const CLI::App*) { return true; })) commands.push_back(c->get_name());
  for (const auto* o : at.get_options()) {
    for (const auto& name : o->get_lnames()) options.push_back("--" + name);
  }
  for (const auto& word : at.remaining()) {
    if (word.starts_with('-')) return unknown("option", word, options);
    if (!commands.empty()) return unknown("command", word, commands);
  }
  return e.what();
}

std::string failure(const CLI::App* app, const CLI::Error& e) {
  const CLI::App& at = deepest(*app);
  return fmt::format("signalbox: {}\n`{} --help` shows what there is.\n", reason(at, e), command_line(at));
}

void add_commands(CLI::App& app, Exit& exit) {
  app.name("signalbox");
  app.set_version_flag("--version", "signalbox " SIGNALBOX_VERSION, "Print the version");
  app.failure_message(failure);
  app.require_subcommand(1);
  add_broker_command(app, exit);
  add_pub_command(app, exit);
  add_sub_command(app, exit);
  add_bench_command(app, exit);
  add_verify_command(app, exit);
  add_ctl_command(app, exit);
  add_store_command(app, exit);
  add_passwd_command(app, exit);
  add_config_command(app, exit);
  add_completion_command(app, exit);
  add_man_command(app, exit);
  app.footer(kFooter);  // last, since commands start with the footer of their parent
}

}  // namespace

int run(int argc, char** argv) {
  try {
    CLI::App app("Signalbox: an MQTT broker, and tools for it.");
    Exit exit;
    add_commands(app, exit);
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
      return app.exit(e) == 0 ? kOk : kUsage;  // help and version come this way, too
    }
    return exit.code;
  } catch (const std::exception& e) {
    fmt::print(stderr, "signalbox: {}\n", e.what());
    return kFailure;
  }
}

}  // namespace sb::app
