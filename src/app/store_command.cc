// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>

#include "app/commands.h"
#include "app/config_options.h"
#include "app/report_text.h"
#include "store/embedded_tools.h"

namespace sb::app {
namespace {

constexpr const char* kCheckFooter =
    "Reads the whole store: checksums, every record, and whether the records fit together. A store in use can be\n"
    "checked too. Exit code 0: all is well; 1: something was found.\n"
    "\n"
    "Examples:\n"
    "  signalbox store check\n"
    "  signalbox store check /var/lib/signalbox";
constexpr const char* kStatsFooter =
    "Examples:\n"
    "  signalbox store stats --config /etc/signalbox/signalbox.toml\n"
    "  signalbox store stats --json | jq .messages";
constexpr const char* kExportFooter =
    "One line of JSON per record. Of a store in use it is a copy of one moment; of a damaged one, what can be read,\n"
    "with exit code 1. Import makes a store of it again.\n"
    "\n"
    "Examples:\n"
    "  signalbox store export --file store.jsonl\n"
    "  signalbox store export | gzip > store.jsonl.gz";
constexpr const char* kImportFooter =
    "Makes a new store: the directory must not hold one yet.\n"
    "\n"
    "Examples:\n"
    "  signalbox store import /var/lib/signalbox --file store.jsonl\n"
    "  zcat store.jsonl.gz | signalbox store import";

struct Options {
  ConfigOptions config;
  std::string path;  ///< "" = as configured
  std::string file;  ///< "" = standard output or input
  bool json = false;
};

int complain(int code, const std::string& text) {
  fmt::print(stderr, "signalbox store: {}\n", text);
  return code;
}

/// Fills in options.path. An exit code when there is none.
std::optional<int> find_path(Options& options) {
  if (!options.path.empty()) return std::nullopt;
  config::Loaded loaded = config::load(options.config.sources());
  if (!report_errors(loaded)) return kUsage;
  options.path = loaded.config.store.path;
  if (options.path.empty()) return complain(kUsage, "store.path: this user has no home directory; name the directory");
  return std::nullopt;
}

std::string text_of(const store::StoreStats& s) {
  ReportTable t;
  t.line("sessions", "{}, {} of them connected when it was written", s.sessions, s.connected);
  t.line("subscribed", "{} filters, {} packet ids under way", s.subscriptions, s.packet_ids);
  t.line("logs", "{}, with {} members", s.logs, s.members);
  t.line("messages", "{}, {} bytes", s.messages, s.message_bytes);
  t.line("retained", "{}", s.retained);
  t.line("disk", "{} bytes", s.disk_bytes);
  return t.text();
}

std::string json_of(const store::StoreStats& s) {
  JsonLine j;
  j.number("sessions", s.sessions);
  j.number("connected", s.connected);
  j.number("subscriptions", s.subscriptions);
  j.number("packet_ids", s.packet_ids);
  j.number("logs", s.logs);
  j.number("members", s.members);
  j.number("messages", s.messages);
  j.number("message_bytes", s.message_bytes);
  j.number("retained", s.retained);
  j.number("disk_bytes", s.disk_bytes);
  return j.done();
}

int check(const Options& options) {
  std::vector<std::string> findings;
  store::StoreStats stats;
  std::string error = store::check_store(options.path, findings, stats);
  for (auto& f : findings) fmt::print("{}\n", f);
  if (!error.empty()) return complain(kFailure, error);
  fmt::print("{}{}\n", text_of(stats), findings.empty() ? "all is well" : fmt::format("{} findings", findings.size()));
  return findings.empty() ? kOk : kFailure;
}

int stats(const Options& options) {
  store::StoreStats stats;
  if (std::string error = store::store_stats(options.path, stats); !error.empty()) return complain(kFailure, error);
  fmt::print("{}", options.json ? json_of(stats) : text_of(stats));
  return kOk;
}

int export_to(const Options& options) {
  std::ofstream file;
  if (!options.file.empty()) {
    file.open(options.file, std::ios::binary | std::ios::trunc);
    if (!file) return complain(kFailure, fmt::format("--file {}: {}", options.file, std::strerror(errno)));
  }
  std::vector<std::string> lost;
  std::string error = store::export_store(options.path, options.file.empty() ? std::cout : file, lost);
  for (auto& l : lost) complain(kFailure, l);
  if (!error.empty()) return complain(kFailure, error);
  return lost.empty() ? kOk : complain(kFailure, "everything else was written");
}

int import_from(const Options& options) {
  std::ifstream file;
  if (!options.file.empty()) {
    file.open(options.file, std::ios::binary);
    if (!file) return complain(kFailure, fmt::format("--file {}: {}", options.file, std::strerror(errno)));
  }
  std::string error = store::import_store(options.path, options.file.empty() ? std::cin : file);
  return error.empty() ? kOk : complain(kFailure, error);
}

/// A command about one store; answers its options.
std::shared_ptr<Options> add(CLI::App& parent, Exit& exit, const char* name, const char* what, const char* footer,
                             int (*run)(const Options&)) {
  auto* command = parent.add_subcommand(name, what);
  auto options = std::make_shared<Options>();
  command->add_option("directory", options->path, "Directory of the store; without it, store.path of the configuration")
      ->type_name("DIR");
  add_config_options(*command, options->config);
  command->footer(footer);
  command->callback([options, run, &exit] {
    auto code = find_path(*options);
    exit.code = code ? *code : run(*options);
  });
  return options;
}

}  // namespace

void add_store_command(CLI::App& app, Exit& exit) {
  auto* command = app.add_subcommand("store", "Look after an embedded store");
  command->require_subcommand(1);
  add(*command, exit, "check", "Look for damage", kCheckFooter, check);
  auto of_stats = add(*command, exit, "stats", "Count what a store holds", kStatsFooter, stats);
  command->get_subcommand("stats")->add_flag("--json", of_stats->json, "Print one JSON object");
  auto of_export = add(*command, exit, "export", "Write a store as text", kExportFooter, export_to);
  command->get_subcommand("export")
      ->add_option("--file", of_export->file, "Where to, instead of standard output")
      ->type_name("FILE");
  auto of_import = add(*command, exit, "import", "Make a store of what export wrote", kImportFooter, import_from);
  command->get_subcommand("import")
      ->add_option("--file", of_import->file, "Where from, instead of standard input")
      ->type_name("FILE");
}

}  // namespace sb::app
