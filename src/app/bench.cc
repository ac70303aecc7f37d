// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <memory>
#include <thread>

#include "app/bench_flow.h"
#include "app/bench_process.h"
#include "app/bench_report.h"
#include "app/bench_run.h"
#include "app/commands.h"
#include "app/flag_checks.h"

namespace sb::app {
namespace {

constexpr const char* kFooter =
    "Scenarios:\n"
    "  fanout   publishers (1) on one topic, every subscriber (100) gets all\n"
    "  fanin    publishers (100) on topics of their own, every subscriber (1) gets all by a wildcard\n"
    "  pairs    as many publishers as subscribers (10), each pair has a topic\n"
    "  shared   publishers (10), subscribers (10) in one shared group: each message goes to one of them\n"
    "  connect  clients (100) that connect, disconnect and connect again\n"
    "  idle     connections (10000) that only stay; with --subscribe each has a subscription\n"
    "\n"
    "Each message carries its time and a number, by which loss, duplicates and order are checked. Without --rate a\n"
    "publisher has at most --window messages that are not yet delivered and, with QoS 1 and 2, acknowledged.\n"
    "Works with any broker of MQTT 3.1.1 or 5.\n"
    "\n"
    "Examples:\n"
    "  signalbox bench fanout --subs 1000\n"
    "  signalbox bench pairs -q 1 --rate 20000 --duration 10 --json\n"
    "  signalbox bench fanin --pid $(pidof signalbox)\n"
    "  signalbox bench idle --conns 50000 --pid $(pidof mosquitto) -p 1884\n"
    "  signalbox bench connect -L wss://broker.example/mqtt --cafile ca.pem\n"
    "\n"
    "Exit status: 0 when it was measured (whatever the figures are), 1 failure, 2 wrong command line.";

[[noreturn]] void bad(const char* flag, const std::string& what) { throw CLI::ValidationError(flag, what); }

Scenario scenario_of(const std::string& name) {
  if (name == "connect") return Scenario::connect;
  if (name == "idle") return Scenario::idle;
  if (name == "fanout") return Scenario::fanout;
  if (name == "fanin") return Scenario::fanin;
  if (name == "shared") return Scenario::shared;
  return Scenario::pairs;
}

void set_counts(BenchOptions& o) {
  auto or_else = [](std::uint32_t& n, std::uint32_t otherwise) {
    if (n == 0) n = otherwise;
  };
  switch (o.scenario) {
    case Scenario::fanout:
      or_else(o.pubs, 1), or_else(o.subs, 100);
      break;
    case Scenario::fanin:
      or_else(o.pubs, 100), or_else(o.subs, 1);
      break;
    case Scenario::shared:
      or_else(o.pubs, 10), or_else(o.subs, 10);
      break;
    case Scenario::connect:
      or_else(o.conns, 100);
      break;
    case Scenario::idle:
      or_else(o.conns, 10'000);
      break;
    case Scenario::pairs:
      if (o.pubs && o.subs && o.pubs != o.subs)
        bad("--subs", "and --pubs are the same number for pairs; give one of them");
      or_else(o.pubs, o.subs ? o.subs : 10);
      o.subs = o.pubs;
  }
}

void set_pids(BenchOptions& o) {
  for (auto& item : o.pid_list) {
    int pid = 0;
    auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), pid);
    if (error != std::errc() || end != item.data() + item.size() || !process_exists(pid))
      bad("--pid", fmt::format("\"{}\" is no process of this machine", item));
    o.pids.push_back(pid);
  }
}

int run(BenchOptions o) {
  o.scenario = scenario_of(o.scenario_name);
  set_counts(o);
  set_pids(o);
  if (o.publishes() && o.payload < sizeof(BenchStamp))
    bad("--payload", fmt::format("is at least {} bytes: time, number and sender of the message", sizeof(BenchStamp)));
  ClientSetup setup = prepare_client(o.client, "bench");
  auto addresses = client::resolve(setup.wiring.target);
  if (!addresses) {
    fmt::print(stderr, "signalbox bench: cannot connect to {}: {}\n", setup.wiring.target.name(),
               addresses.error().message());
    return kFailure;
  }
  setup.wiring.addresses = std::move(*addresses);
  client::Target target = setup.wiring.target;
  signal(SIGPIPE, SIG_IGN);
  std::unique_ptr<BenchResult> result;
  std::string why;
  if (!run_bench(o, std::move(setup), result, why)) {
    fmt::print(stderr, "signalbox bench: {}\n", why);
    return kFailure;
  }
  std::string text = o.json ? bench_json(o, target, *result) : bench_table(o, target, *result);
  bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  return written ? kOk : kFailure;
}

}  // namespace

void add_bench_command(CLI::App& app, Exit& exit) {
  auto* command = app.add_subcommand("bench", "Measure a broker");
  auto o = std::make_shared<BenchOptions>();
  const char* g = "Load";
  command->add_option("scenario", o->scenario_name, "connect, idle, fanout, fanin, pairs or shared")
      ->required()
      ->type_name("SCENARIO")
      ->check(CLI::IsMember({"connect", "idle", "fanout", "fanin", "pairs", "shared"}));
  auto number = [&](const char* name, auto& value, const char* text, double low, double high) {
    command->add_option(name, value, text)->group(g)->type_name("N")->check(within(low, high));
  };
  number("--pubs", o->pubs, "Publishers", 1, 1e6);
  number("--subs", o->subs, "Subscribers", 1, 1e6);
  number("--conns", o->conns, "connect, idle: connections", 1, 1e6);
  number("-q,--qos", o->qos, "Quality of service of publishers and subscribers; 0 by default", 0, 2);
  number("--payload", o->payload, "Bytes of a message; 64 by default", 0, 16e6);
  number("--window", o->window, "Messages under way of each publisher; 32 by default", 1, 65000);
  number("--rate", o->rate, "Messages a second of all publishers together; 0 = full speed, the default", 0, 1e9);
  number("--duration", o->duration, "Seconds to measure; 5 by default", 0.1, 1e6);
  number("--warmup", o->warmup, "Seconds before that; 1 by default", 0, 1e6);
  number("--threads", o->threads, "Threads of the generator; 1 by default", 1, 256);
  number("--parallel", o->parallel, "Connections opened at once; 200 by default", 1, 1e5);
  number("--sources", o->sources, "Local addresses 127.0.0.2 and up to connect from", 0, 60000);
  command->add_flag("--subscribe", o->subscribe, "idle: each connection has a subscription")->group(g);
  g = "Report";
  command
      ->add_option("--pid", o->pid_list,
                   "Process of the broker on this machine: adds its CPU time and memory; several "
                   "with commas")
      ->group(g)
      ->type_name("PID")
      ->delimiter(',')
      ->allow_extra_args(false);
  command->add_flag("--json", o->json, "One line of JSON")->group(g);
  add_client_flags(*command, o->client, {.session = false});
  command->footer(kFooter);
  command->callback([o, &exit] { exit.code = run(*o); });
}

}  // namespace sb::app
