// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "app/commands.h"
#include "app/ctl_client.h"
#include "app/ctl_text.h"
#include "app/flag_checks.h"
#include "http/target.h"

namespace sb::app {
namespace {

namespace json = boost::json;

constexpr const char* kFooter =
    "Talks to the admin listener of a broker (admin.bind), any one of a cluster: what is asked is asked of all its\n"
    "nodes. One that does not answer is named, and the exit code is 1 then. Exit code 0: done; 1: refused, not found,\n"
    "or not all have answered; 2: no broker answers, or wrong use.\n"
    "\n"
    "Examples:\n"
    "  signalbox ctl status\n"
    "  signalbox ctl --url https://broker-1.example.org --token-file ~/.signalbox-token clients";
constexpr const char* kStatusFooter =
    "Examples:\n"
    "  signalbox ctl status\n"
    "  signalbox ctl status --json | jq '.nodes[].clients'";
constexpr const char* kClientsFooter =
    "Examples:\n"
    "  signalbox ctl clients\n"
    "  signalbox ctl clients --filter sensor- --limit 20\n"
    "  signalbox ctl clients --limit 0 --json | jq -r '.clients[].client_id'";
constexpr const char* kKickFooter =
    "Wherever in the cluster it is connected. The client gets DISCONNECT 0x98 (MQTT 5) and may come back; bans.file\n"
    "keeps it out.\n"
    "\n"
    "Examples:\n"
    "  signalbox ctl kick sensor-17\n"
    "  signalbox ctl kick -- -an-odd-name";
constexpr const char* kDrainFooter =
    "The node takes no connections, and sends those that it has away at node.drain_rate. What is durable is saved.\n"
    "Any node of its cluster can be asked. With --wait its progress goes to standard error.\n"
    "It goes on to run: undrain takes it into service again, SIGTERM ends it.\n"
    "\n"
    "Examples:\n"
    "  signalbox ctl drain\n"
    "  signalbox ctl drain broker-1 --wait && systemctl stop signalbox";
constexpr const char* kUndrainFooter =
    "Examples:\n"
    "  signalbox ctl undrain\n"
    "  signalbox ctl undrain broker-1";

constexpr std::size_t kPage = 1000;
constexpr Millis kPoll{200}, kTell{1000};
constexpr Seconds kPatience{15};  // with a node that does not answer while it drains

struct Options {
  CtlOptions common;
  std::string filter, client, node;
  std::size_t limit = 100;
  bool wait = false;
};
using Answer = CtlClient::Answer;

int complain(int code, const std::string& text) {
  fmt::print(stderr, "signalbox ctl: {}\n", text);
  return code;
}

int failed(const Answer& a) { return complain(a.status == 0 ? kUsage : kFailure, a.why); }

/// A closed pipe or a full disk must not look like success.
int put(const std::string& text) {
  const bool ok = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  return ok ? kOk : complain(kFailure, "cannot write to standard output");
}

int put(const Options& o, const json::object& answer, const std::string& text) {
  return put(o.common.json ? json::serialize(answer) + '\n' : text);
}

/// What was found is printed all the same.
int tell_missing(const json::object& answer, int code) {
  const std::string missing = missing_text(answer);
  return missing.empty() ? code : complain(kFailure, missing);
}

int status(CtlClient& c, const Options& o) {
  const Answer a = c.ask("GET", "/api/v1/status");
  if (!a.good()) return failed(a);
  return tell_missing(a.json, put(o, a.json, status_text(a.json)));
}

int clients(CtlClient& c, const Options& o) {
  json::object all{{"clients", json::array()}, {"next", ""}, {"silent", json::array()}, {"refused", json::array()}};
  json::array& found = all["clients"].as_array();
  const std::size_t limit = o.limit ? o.limit : SIZE_MAX;
  std::string next;
  do {
    std::string target = fmt::format("/api/v1/clients?limit={}", std::min(kPage, limit - found.size()));
    if (!o.filter.empty()) target += "&filter=" + http::percent_encode(o.filter);
    if (!next.empty()) target += "&after=" + http::percent_encode(next);
    Answer a = c.ask("GET", target);
    if (!a.good()) return failed(a);
    for (auto& client : array_of(a.json, "clients")) found.push_back(client);
    next = text_of(a.json, "next");
    for (const char* list : {"silent", "refused"})  // a page names those that were asked for it
      for (auto& item : array_of(a.json, list)) all[list].as_array().push_back(item);
  } while (!next.empty() && found.size() < limit);
  all["next"] = next;
  const int code = put(o, all, clients_text(found));
  if (!next.empty() && !o.common.json)
    fmt::print(stderr, "signalbox ctl: there may be more; see --limit and --filter\n");
  return tell_missing(all, code);
}

int kick(CtlClient& c, const Options& o) {
  const Answer a = c.ask("POST", fmt::format("/api/v1/clients/{}/kick", http::percent_encode(o.client)));
  if (!a.good()) return failed(a);
  return put(o, a.json, fmt::format("kicked {} from {}\n", shown(o.client), text_of(a.json, "node")));
}

std::string drain_text(const json::object& state) {
  return fmt::format("{} is {}, {} connections\n", text_of(state, "node"), text_of(state, "state"),
                     number_of(state, "connections"));
}

/// Until the node has no connections any more; what it says then. How far it is goes to standard error now and then.
Answer wait_until_drained(CtlClient& c, const Options& o, const std::string& node) {
  auto heard = std::chrono::steady_clock::now(), told = heard;
  for (;; std::this_thread::sleep_for(kPoll)) {
    Answer a = c.ask("GET", "/api/v1/status?node=" + http::percent_encode(node));
    const auto now = std::chrono::steady_clock::now();
    const json::array& nodes = array_of(a.json, "nodes");
    if (!a.good()) return a;
    if (nodes.empty() || !nodes[0].is_object()) {  // busy, perhaps
      if (now - heard < kPatience) continue;
      a.status = 504;
      a.why = missing_text(a.json);
      return a;
    }
    heard = now;
    const json::object& n = nodes[0].get_object();
    const std::string state = text_of(n, "state");
    if (state == "draining") {
      if (now - told < kTell || o.common.json) continue;
      told = now;
      fmt::print(stderr, "{}", drain_text(n));
      continue;
    }
    a.json = {{"node", node}, {"state", state}, {"connections", number_of(n, "connections")}};
    if (state == "drained") return a;
    a.status = 409;
    a.why = fmt::format("{} is {} again: somebody has undrained it", node, state);
    return a;
  }
}

/// The name of the node that is asked, when none is given.
Answer find_node(CtlClient& c, std::string& node) {
  Answer a;
  a.status = 200;
  if (!node.empty()) return a;
  a = c.ask("GET", "/api/v1/status");
  if (a.good()) node = text_of(a.json, "node");
  return a;
}

int change(CtlClient& c, const Options& o, const char* what) {
  std::string node = o.node;
  if (const Answer found = find_node(c, node); !found.good()) return failed(found);
  Answer a = c.ask("POST", fmt::format("/api/v1/nodes/{}/{}", http::percent_encode(node), what));
  if (a.good() && o.wait) a = wait_until_drained(c, o, node);
  return a.good() ? put(o, a.json, drain_text(a.json)) : failed(a);
}

int drain(CtlClient& c, const Options& o) { return change(c, o, "drain"); }
int undrain(CtlClient& c, const Options& o) { return change(c, o, "undrain"); }

/// They may stand before and behind the name of the command.
void add_common(CLI::App& command, CtlOptions& o) {
  command.add_option("--url", o.url, "Where the admin listener is")->type_name("URL")->capture_default_str();
  command.add_option("--token-file", o.token_file, "File with the token, as admin.token_file of the broker")
      ->type_name("FILE");
  command.add_option("--ca-file", o.ca_file, "Authorities (PEM) for https, in place of those of the system")
      ->type_name("FILE");
  command.add_flag("--json", o.json, "Print one JSON object");
}

}  // namespace

void add_ctl_command(CLI::App& app, Exit& exit) {
  auto* ctl = app.add_subcommand("ctl", "Look at a running broker, and operate it");
  auto o = std::make_shared<Options>();
  ctl->require_subcommand(1);
  add_common(*ctl, o->common);
  ctl->footer(kFooter);
  auto add = [&](const char* name, const char* what, const char* footer, int (*run)(CtlClient&, const Options&)) {
    auto* command = ctl->add_subcommand(name, what);
    add_common(*command, o->common);
    command->footer(footer);
    command->callback([o, run, &exit] {
      std::string why;
      auto client = CtlClient::make(o->common, why);
      exit.code = client ? run(*client, *o) : complain(kUsage, why);
    });
    return command;
  };
  add("status", "Show how the nodes are", kStatusFooter, status);
  auto* list = add("clients", "List the clients that are connected", kClientsFooter, clients);
  list->add_option("--filter", o->filter, "Only those with this in their client id, user name or address")
      ->type_name("TEXT");
  list->add_option("--limit", o->limit, "So many at most; 0: all")->type_name("N")->capture_default_str();
  add("kick", "Close the connection of a client", kKickFooter, kick)
      ->add_option("client", o->client, "Client id")
      ->type_name("CLIENT")
      ->required();
  auto* draining = add("drain", "Take a node out of service", kDrainFooter, drain);
  draining->add_flag("--wait", o->wait, "Until it has no connections any more");
  auto* undraining = add("undrain", "Take a node into service again", kUndrainFooter, undrain);
  for (auto* command : {draining, undraining})
    command->add_option("node", o->node, "Name of the node; without it, the one that is asked")->type_name("NODE");
}

}  // namespace sb::app
