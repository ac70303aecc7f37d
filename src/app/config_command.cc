// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "app/commands.h"
#include "app/config_options.h"
#include "config/print.h"

namespace sb::app {
namespace {

constexpr const char* kPrintFooter =
    "Sources, the weakest first: defaults, file, environment (SIGNALBOX_LIMITS__MAX_QOS=1), --set.\n"
    "\n"
    "Examples:\n"
    "  signalbox config print --config signalbox.toml\n"
    "  signalbox config print --json | jq '.[\"limits.max_qos\"]'\n"
    "  signalbox config print --sample > signalbox.toml";

constexpr const char* kCheckFooter =
    "Examples:\n"
    "  signalbox config check /etc/signalbox/signalbox.toml";

struct PrintOptions {
  ConfigOptions config;
  bool sample = false, markdown = false, json = false;
};

// A closed pipe or a full disk must not look like success.
int put(const std::string& text) {
  bool ok = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!ok) fmt::print(stderr, "signalbox: cannot write to standard output\n");
  return ok ? kOk : kFailure;
}

int print(const PrintOptions& options) {
  if (options.sample) return put(config::print_sample());
  if (options.markdown) return put(config::print_markdown());
  config::Loaded loaded = config::load(options.config.sources());
  if (!report_errors(loaded)) return kUsage;
  return put(options.json ? config::print_json(loaded) : config::print_effective(loaded));
}

int check(const ConfigOptions& options) {
  if (!report_errors(config::load(options.sources()))) return kUsage;
  return put(fmt::format("{}: ok\n", options.file));
}

void add_print(CLI::App& parent, Exit& exit) {
  auto* command = parent.add_subcommand("print", "Print the configuration in effect, with the source of each value");
  auto options = std::make_shared<PrintOptions>();
  add_config_options(*command, options->config);
  auto* json = command->add_flag("--json", options->json, "Print it as one JSON object");
  auto* sample = command->add_flag("--sample", options->sample, "Print a commented configuration file instead");
  auto* markdown = command->add_flag("--markdown", options->markdown, "Print the reference page instead");
  json->excludes(sample)->excludes(markdown);
  sample->excludes(markdown);
  command->footer(kPrintFooter);
  command->callback([options, &exit] { exit.code = print(*options); });
}

void add_check(CLI::App& parent, Exit& exit) {
  auto* command = parent.add_subcommand("check", "Check a configuration file, with the environment and --set");
  auto options = std::make_shared<ConfigOptions>();
  command->add_option("file", options->file, "Configuration file (TOML)")->type_name("FILE")->required();
  command->add_option("-s,--set", options->sets, "Set one key; wins over environment and file; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command->footer(kCheckFooter);
  command->callback([options, &exit] { exit.code = check(*options); });
}

}  // namespace

void add_config_command(CLI::App& app, Exit& exit) {
  auto* command = app.add_subcommand("config", "Print or check a configuration");
  command->require_subcommand(1);
  add_print(*command, exit);
  add_check(*command, exit);
}

}  // namespace sb::app
