// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <memory>

#include "app/broker.h"
#include "app/commands.h"
#include "app/config_options.h"

namespace sb::app {
namespace {

constexpr const char* kFooter =
    "Without options the broker listens on 127.0.0.1:1883 and, for WebSocket, on 127.0.0.1:8083/mqtt.\n"
    "SIGTERM drains and ends it, SIGHUP loads the configuration again.\n"
    "\n"
    "Examples:\n"
    "  signalbox broker\n"
    "  signalbox broker --config /etc/signalbox/signalbox.toml\n"
    "  signalbox broker --set listeners.mqtt.bind=0.0.0.0:1883 --set auth.allow_anonymous=yes\n"
    "  SIGNALBOX_LOG__LEVEL=debug signalbox broker";

int start(const ConfigOptions& options) {
  auto reload = [options] { return config::load(options.sources()); };
  config::Loaded loaded = reload();
  if (!report_errors(loaded)) return kUsage;
  return run_broker(loaded.config, reload);
}

}  // namespace

void add_broker_command(CLI::App& app, Exit& exit) {
  auto* command = app.add_subcommand("broker", "Run a broker");
  auto options = std::make_shared<ConfigOptions>();
  add_config_options(*command, *options);
  command->footer(kFooter);
  command->callback([options, &exit] { exit.code = start(*options); });
}

}  // namespace sb::app
