// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdio>
#include <memory>

#include "app/commands.h"
#include "app/flag_checks.h"
#include "app/verify_report.h"
#include "app/verify_run.h"

namespace sb::app {
namespace {

constexpr const char* kFooter =
    "Publishes numbered messages of QoS 1 and 2 to subscribers with durable sessions, over MQTT 3.1.1 and 5,\n"
    "while connections are cut, subscribers are away and, if asked to, brokers are killed. Each client comes\n"
    "back with its session; publishers send again what was not acknowledged. In the end everybody connects, and\n"
    "when nothing new comes for --settle seconds the books are checked:\n"
    "\n"
    "  - every publish that was acknowledged (PUBACK, PUBCOMP) has come to every subscriber whose filters match it\n"
    "  - a message of QoS 2 on both sides has come exactly once\n"
    "  - the messages of one connection of a publisher on one topic with one QoS have come for the first time in the\n"
    "    order of sending; one that is sent again on another connection may overtake what was sent on the first only\n"
    "  - with --shared, all of this holds for the group as for one subscriber, except for the order\n"
    "  - with --volatile, it holds while a connection stands: what was first sent after SUBACK, and acknowledged\n"
    "    --margin seconds before the connection's last sign of life, has come; all else may come\n"
    "  - nothing has come that was not sent, or in other words, or to somebody whom it was not for\n"
    "  - every publish was answered, and no session was forgotten\n"
    "\n"
    "--margin is the time that a message may take from its acknowledgement to the subscriber: more than a cluster "
    "needs\n"
    "when its Redis fails over. Subscribers without sessions are expected to read as fast as the load comes: a broker\n"
    "that drops messages because a queue is full shows as a loss.\n"
    "\n"
    "With several nodes a client goes to another one, chosen at random, whenever its connection ends or is refused, "
    "and\n"
    "its session has to be there. An outside program that breaks things waits for the line \"everybody has "
    "connected\"\n"
    "on the standard error, does its work, and sends SIGUSR1 when all is whole again: publishing ends, everything "
    "comes\n"
    "in, the verdict follows. For that: --until-signal --cut 0 --away 0, and a short --keepalive, by which a node "
    "that\n"
    "hangs is noticed.\n"
    "\n"
    "A run in which nothing was acknowledged or delivered has failed. Works with any broker. SECONDS may be a\n"
    "range, as in 0.5..3, from which each time is chosen.\n"
    "\n"
    "Examples:\n"
    "  signalbox verify --duration 60\n"
    "  signalbox verify --node 10.0.0.1:1883 --node 10.0.0.2:1883 --fault-cmd ./break-something\n"
    "  signalbox verify --node a:1883,b:1883,c:1883 --volatile 10 --until-signal --cut 0 --away 0 -k 5 --json\n"
    "  signalbox verify --broker-cmd 'signalbox broker --config b.toml' --kills 200 --kill-every 0.5..2\n"
    "  signalbox verify -p 1884 --kill-pid-file m.pid --restart-cmd 'mosquitto -d -c m.conf' --kills 20\n"
    "  signalbox verify --rate 0 --publishers 50 --payload 100..4000 --json\n"
    "\n"
    "Exit status: 0 all promises held; 1 one was broken, or the run could not be made; 2 wrong command line.";

[[noreturn]] void bad(const char* flag, const std::string& what) { throw CLI::ValidationError(flag, what); }

/// The flags of one node of --node: host:port, or a URL.
ClientFlags flags_of(const ClientFlags& common, const std::string& node) {
  ClientFlags f = common;
  if (node.find("://") != std::string::npos) {
    f.url = node;
    return f;
  }
  auto colon = node.rfind(':');
  f.host = node.substr(0, colon);
  if (f.host.size() > 2 && f.host.front() == '[' && f.host.back() == ']') f.host = f.host.substr(1, f.host.size() - 2);
  if (colon == std::string::npos) return f;
  std::uint16_t port = 0;
  auto [end, error] = std::from_chars(node.data() + colon + 1, node.data() + node.size(), port);
  if (error != std::errc() || end != node.data() + node.size() || port == 0 || f.host.empty())
    bad("--node", fmt::format("\"{}\" is neither host:port nor a URL", node));
  f.port = port;
  return f;
}

void check(const VerifyOptions& o) {
  const ClientFlags& c = o.client;
  if (!o.nodes.empty() && (!c.host.empty() || c.port || !c.url.empty() || !c.unix_path.empty()))
    bad("--node", "takes the place of --host, --port, --url and --unix");
  if (o.payload.low < VerifyWire::kSmallest || o.payload.high > 16e6)
    bad("--payload", fmt::format("is between {} and 16000000 bytes; the smallest hold the name of the message",
                                 VerifyWire::kSmallest));
  if (o.subscribers + o.volatiles + o.shared == 0) bad("--subscribers", "are needed, or --volatile or --shared ones");
  if (o.volatile_publishers > o.publishers) bad("--volatile-publishers", "are some of the --publishers");
  if (!VerifyLedger::fits(o.publishers, o.topics, o.subscribers + o.volatiles + 1ull))
    bad("--topics", "times --publishers times --subscribers is more than 33 million: too much to keep books of");
  if (!o.broker.empty() && !(o.pid_files.empty() && o.restarts.empty()))
    bad("--broker-cmd", "takes the place of --kill-pid-file and --restart-cmd");
  if (o.pid_files.size() != o.restarts.size() && o.restarts.size() != 1)
    bad("--restart-cmd", "is given once for each --kill-pid-file, or once for all of them");
  bool can_kill = !o.broker.empty() || !o.pid_files.empty();
  if (o.kills && !can_kill) bad("--kills", "needs --broker-cmd, or --kill-pid-file and --restart-cmd");
  if (!o.kills && !o.pid_files.empty()) bad("--kill-pid-file", "needs --kills");
}

/// Reads a range; `what` is said when it is none.
void span_option(CLI::App& command, const char* name, Span& value, const char* text, const char* type) {
  auto read = [&value, name](const std::string& given) {
    auto span = parse_span(given);
    if (!span) bad(name, fmt::format("\"{}\" is no number and no range such as 0.5..3", given));
    value = *span;
  };
  command.add_option_function<std::string>(name, read, text)->type_name(type);
}

int run(const VerifyOptions& o) {
  check(o);
  std::vector<ClientSetup> setups;
  std::string where;
  for (const std::string& node : o.nodes) setups.push_back(prepare_client(flags_of(o.client, node), "verify"));
  if (setups.empty()) setups.push_back(prepare_client(o.client, "verify"));
  for (ClientSetup& s : setups) {
    auto addresses = client::resolve(s.wiring.target);
    if (!addresses) {
      fmt::print(stderr, "signalbox verify: cannot connect to {}: {}\n", s.wiring.target.name(),
                 addresses.error().message());
      return kFailure;
    }
    s.wiring.addresses = std::move(*addresses);
    where += (where.empty() ? "" : ", ") + s.wiring.target.name();
  }
  signal(SIGPIPE, SIG_IGN);
  VerifyResult result;
  std::string why;
  if (!run_verify(o, std::move(setups), result, why)) {
    fmt::print(stderr, "signalbox verify: {}\n", why);
    return kFailure;
  }
  std::string text = o.json ? verify_json(o, where, result) : verify_table(o, where, result);
  bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  return written && result.complaints.empty() ? kOk : kFailure;
}

}  // namespace

std::optional<Span> parse_span(const std::string& text) {
  auto dots = text.find("..");
  auto number = [](std::string_view s) -> std::optional<double> {
    double v = 0;
    auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), v);
    if (error != std::errc() || end != s.data() + s.size() || !(v >= 0 && v <= 1e9)) return std::nullopt;
    return v;
  };
  std::string_view all = text;
  auto low = number(all.substr(0, dots));
  auto high = dots == std::string::npos ? low : number(all.substr(dots + 2));
  if (!low || !high || *low > *high) return std::nullopt;
  return Span{*low, *high};
}

void add_verify_command(CLI::App& app, Exit& exit) {
  auto* command = app.add_subcommand("verify", "Prove that a broker keeps what it acknowledges");
  auto o = std::make_shared<VerifyOptions>();
  auto number = [&](const char* name, auto& value, const char* text, double low, double high) {
    command->add_option(name, value, text)->type_name("N")->check(within(low, high));
  };
  auto span = [&](const char* name, Span& value, const char* text) {
    span_option(*command, name, value, text, "SECONDS");
  };
  auto words = [&](const char* name, auto& value, const char* text, const char* type) {
    return command->add_option(name, value, text)->type_name(type)->allow_extra_args(false);
  };
  command->option_defaults()->group("Load");
  number("--publishers", o->publishers, "Publishers; 10 by default", 1, 1e5);
  number("--subscribers", o->subscribers, "Subscribers with durable sessions; 10 by default", 0, 1e5);
  number("--volatile", o->volatiles, "Further subscribers without sessions; none by default", 1, 1e5);
  number("--volatile-publishers", o->volatile_publishers, "How many publishers have no session; none by default", 1,
         1e5);
  number("--topics", o->topics, "Topics, on all of which each publisher publishes; 10 by default", 1, 1e5);
  command->add_option("-q,--qos", o->qos, "QoS of publishers and subscribers; mixed by default")
      ->type_name("QOS")
      ->check(CLI::IsMember({"1", "2", "mixed"}));
  span_option(*command, "--payload", o->payload, "Bytes of a message, or a range; 64 by default", "BYTES");
  number("--window", o->window, "Unacknowledged publishes of each publisher; 20 by default", 1, 65000);
  number("--rate", o->rate, "Publishes a second of all publishers together; 2000 by default, 0 = full speed", 0, 1e9);
  number("--duration", o->duration, "Seconds of publishing, or longer until all kills are done; 10 by default", 0.1,
         1e6);
  number("--settle", o->settle,
         "Seconds without anything new, from a broker that answers, that end the run; 2 by default", 0.1, 1e4);
  number("--patience", o->patience, "The same while something is missing; five times --settle by default", 0.1, 1e4);
  number("--drain", o->drain, "Seconds that everything has to come in after the publishing; 120 by default", 1, 1e6);
  number("--margin", o->margin, "Seconds that a message may take to a subscriber without a session; 10 by default", 0,
         1e5);
  command->add_flag("--until-signal", o->until_signal, "Publishes until SIGUSR1, SIGINT or SIGTERM");
  command->add_flag("--overlap", o->overlap, "Subscribers have filters that overlap");
  number("--shared", o->shared, "Further subscribers that share one subscription; none by default", 1, 1e5);
  number("--seed", o->seed, "Makes the same random choices again; a new one by default", 1, 1e18);
  command->option_defaults()->group("Disturbances");
  span("--cut", o->cut, "Time between connections that are cut; 0.2..1 by default, 0 = none is");
  span("--away", o->away,
       "Time that a subscriber stays away, a quarter of them at once; 0.5..3 by default, 0 = none is");
  words("--broker-cmd", o->broker, "The broker as a command in the foreground: started, killed, started again", "CMD");
  words("--kill-pid-file", o->pid_files,
        "File with the process id of a broker to kill; one for each node, in their order", "FILE");
  words("--restart-cmd", o->restarts, "Shell command that starts it again, once for each file", "CMD");
  number("--kills", o->kills, "How many times a broker gets SIGKILL", 1, 1e6);
  span("--kill-every", o->kill_every, "Time from a restart to the next kill; 1..3 by default");
  number("--restart-limit", o->restart, "Seconds after which a killed broker has to accept clients; 60 by default", 0.1,
         1e6);
  words("--fault-cmd", o->fault, "Shell command that breaks something, and ends when it is whole again", "CMD");
  span("--fault-every", o->fault_every, "Time between these; 2..10 by default");
  command->option_defaults()->group("Report");
  command->add_flag("--json", o->json, "One line of JSON");
  command->option_defaults()->group("Connection");
  words("--node", o->nodes,
        "Host:port or URL of a node, once for each or with commas: clients are spread over them and move", "NODE")
      ->delimiter(',');
  number("--connect-timeout", o->connect_timeout, "Seconds until a node that does not answer is left; 10 by default",
         0.1, 1e4);
  add_client_flags(*command, o->client, {.session = false});
  command->get_option("--protocol-version")
      ->description("mqttv31, mqttv311 or mqttv5 (31, 311, 5); by default 3.1.1 and 5 by turns");
  command->footer(kFooter);
  command->callback([o, &exit] { exit.code = run(*o); });
}

}  // namespace sb::app
