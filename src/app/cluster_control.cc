// SPDX-License-Identifier: MIT
#include "app/cluster_control.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "app/peer_messages.h"
#include "base/json_members.h"
#include "base/log.h"

namespace sb::app {

using admin::Answers;
using admin::Where;
using Heard = cluster::Requests::Answers;

namespace {

template <class T>
void sort_by_name(Answers<T>& a) {
  std::sort(a.nodes.begin(), a.nodes.end(), [](auto& x, auto& y) { return x.node < y.node; });
  std::sort(a.silent.begin(), a.silent.end());
}

/// The node that a page goes on at, from "NODE:SHARD:PLACE"; nothing when it has not that form.
std::optional<std::string> node_of_cursor(std::string_view cursor) {
  const std::size_t colon = cursor.find(':');
  if (colon == cursor.npos || colon == 0) return std::nullopt;
  const auto rest = cursor.substr(colon + 1);
  const std::size_t second = rest.find(':');
  auto is_number = [](std::string_view s) {
    return !s.empty() && s.size() < 20 && s.find_first_not_of("0123456789") == s.npos;
  };
  if (second == rest.npos || !is_number(rest.substr(0, second)) || !is_number(rest.substr(second + 1)))
    return std::nullopt;
  return std::string(cursor.substr(0, colon));
}

/// Where the list of a node begins.
std::string first_of(const std::string& node) { return node + ":0:0"; }

}  // namespace

ClusterControl::ClusterControl(admin::Control& local, PeerBus& bus, Clock clock)
    : local_(local), bus_(bus), clock_(std::move(clock)) {}

/// True when there is no such node; then `done` has heard so.
template <class T>
bool ClusterControl::is_unknown(const Where& where, const Done<T>& done) const {
  const auto others = bus_.others();
  if (where.all() || std::find(others.begin(), others.end(), where.node) != others.end()) return false;
  Answers<T> nobody;
  nobody.problem = admin::Problem::unknown_node;
  done(std::move(nobody));
  return true;
}

/// The node itself and the others answer at once or later, in any order.
template <class T>
struct ClusterControl::Gathering {
  Answers<T> answers;
  Done<T> done;
  unsigned waits = 0;
  void one() {
    if (--waits > 0) return;
    sort_by_name(answers);
    std::exchange(done, nullptr)(std::move(answers));
  }
};

// ---------------------------------------------------------------- status

void ClusterControl::status(const Where& where, Done<admin::NodeStatus> done) {
  if (is_own(where)) return local_.status(where, std::move(done));
  if (is_unknown(where, done)) return;
  auto g = std::make_shared<Gathering<admin::NodeStatus>>();
  g->done = std::move(done);
  g->waits = where.all() ? 2 : 1;
  bus_.ask(where.node, "status", "{}", [g](const Heard& heard) {
    add_answers(heard, g->answers);
    g->one();
  });
  if (!where.all()) return;
  local_.status({node()}, [g](Answers<admin::NodeStatus> own) {
    for (auto& n : own.nodes) g->answers.nodes.push_back(std::move(n));
    for (auto& s : own.silent) g->answers.silent.push_back(std::move(s));
    g->one();
  });
}

// ---------------------------------------------------------------- clients

/// A page under way: nodes in the order of their names.
struct ClusterControl::Listing {
  std::vector<std::string> nodes;
  std::size_t at = 0;        ///< the node that is asked
  admin::ClientQuery query;  ///< for it
  std::size_t bytes = 0;
  bool asked = false;
  std::chrono::steady_clock::time_point until;
  Answers<admin::ClientPage> answers;
  Done<admin::ClientPage> done;
};

void ClusterControl::clients(const Where& where, const admin::ClientQuery& query, Done<admin::ClientPage> done) {
  if (is_own(where)) return local_.clients(where, query, std::move(done));
  if (is_unknown(where, done)) return;
  auto l = std::make_shared<Listing>();
  l->query = query;
  l->done = std::move(done);
  l->until = std::chrono::steady_clock::now() + kPageTime;
  if (where.all()) {
    l->nodes = bus_.others();
    l->nodes.push_back(node());
    std::sort(l->nodes.begin(), l->nodes.end());
  } else {
    l->nodes = {where.node};
  }
  if (!query.after.empty()) {
    const auto begin = node_of_cursor(query.after);
    if (!begin || (!where.all() && *begin != where.node)) {
      l->answers.problem = admin::Problem::bad_cursor;
      return l->done(std::move(l->answers));
    }
    const auto it = std::lower_bound(l->nodes.begin(), l->nodes.end(), *begin);
    l->at = static_cast<std::size_t>(it - l->nodes.begin());
    if (it == l->nodes.end() || *it != *begin) l->query.after.clear();  // it is gone, and its clients with it
  }
  list(l);
}

void ClusterControl::list(const std::shared_ptr<Listing>& l) {
  const bool over = l->at == l->nodes.size();
  const bool full = l->query.limit == 0 || l->bytes >= kPageBytes;
  if (over || full || (l->asked && std::chrono::steady_clock::now() >= l->until)) {
    if (!over) {
      if (l->answers.nodes.empty()) l->answers.nodes.push_back({node(), {}});
      l->answers.nodes.back().value.next = first_of(l->nodes[l->at]);
    }
    return std::exchange(l->done, nullptr)(std::move(l->answers));
  }
  l->asked = true;
  const std::string& name = l->nodes[l->at];
  if (name == node())
    return local_.clients({name}, l->query, [this, l](Answers<admin::ClientPage> a) { listed(l, std::move(a)); });
  bus_.ask(name, "clients", clients_question(l->query), [this, l](const Heard& heard) {
    Answers<admin::ClientPage> a;
    add_answers(heard, a);
    listed(l, std::move(a));
  });
}

/// What the node has said; then the next one is asked, if there is room.
void ClusterControl::listed(const std::shared_ptr<Listing>& l, Answers<admin::ClientPage> answers) {
  if (answers.problem != admin::Problem::none) {
    Answers<admin::ClientPage> nobody;
    nobody.problem = answers.problem;
    return std::exchange(l->done, nullptr)(std::move(nobody));
  }
  bool more = false;
  for (auto& n : answers.nodes) {
    auto& found = n.value.clients;
    if (found.size() > l->query.limit) found.resize(l->query.limit);
    l->query.limit -= found.size();
    for (auto& c : found) l->bytes += c.client_id.size() + c.username.size() + sizeof c;
    more |= !n.value.next.empty();
    l->answers.nodes.push_back(std::move(n));
  }
  for (auto& s : answers.silent) l->answers.silent.push_back(std::move(s));
  for (auto& r : answers.refused) l->answers.refused.push_back(std::move(r));
  if (more) return std::exchange(l->done, nullptr)(std::move(l->answers));
  ++l->at;
  l->query.after.clear();
  list(l);
}

// ---------------------------------------------------------------- what changes something

void ClusterControl::kick(const Where& where, const std::string& client_id, Done<bool> done) {
  if (is_own(where)) return local_.kick(where, client_id, std::move(done));
  if (is_unknown(where, done)) return;
  if (!where.all()) return kick_elsewhere(where.node, client_id, {}, std::move(done));
  local_.kick({node()}, client_id, [this, client_id, done = std::move(done)](Answers<bool> own) mutable {
    const bool had_it = std::any_of(own.nodes.begin(), own.nodes.end(), [](auto& n) { return n.value; });
    if (had_it) return done(std::move(own));
    kick_elsewhere("", client_id, std::move(own), std::move(done));
  });
}

void ClusterControl::kick_elsewhere(const std::string& node, const std::string& client_id, Answers<bool> so_far,
                                    Done<bool> done) {
  bus_.ask(node, "kick", change_question(client_id, local_.node(), clock_()),
           [so_far = std::move(so_far), done = std::move(done)](const Heard& heard) mutable {
             add_answers(heard, so_far);
             sort_by_name(so_far);
             done(std::move(so_far));
           });
}

void ClusterControl::drain(const Where& where, bool on, Done<admin::DrainState> done) {
  if (is_own(where)) return local_.drain(where, on, std::move(done));
  if (is_unknown(where, done)) return;
  bus_.ask(where.node, on ? "drain" : "undrain", change_question("", node(), clock_()),
           [done = std::move(done)](const Heard& heard) {
             Answers<admin::DrainState> answers;
             add_answers(heard, answers);
             done(std::move(answers));
           });
}

// ---------------------------------------------------------------- for other nodes

void ClusterControl::serve(std::string_view kind, std::string_view body, std::function<void(std::string)> reply) {
  const auto question = parse_message(body);
  if (!question) return reply(refusal_text("the question cannot be read: is it of another version?"));
  const Where here{node()};
  if (kind == "status")
    return local_.status(here, [reply](const Answers<admin::NodeStatus>& a) { reply(answer_text(a)); });
  if (kind == "clients")
    return local_.clients(here, parse_clients_question(*question),
                          [reply](const Answers<admin::ClientPage>& a) { reply(answer_text(a)); });
  const bool changes = kind == "kick" || kind == "drain" || kind == "undrain";
  if (!changes)
    return reply(refusal_text(fmt::format("its version does not know the question \"{}\"", kind.substr(0, 64))));

  const std::string by = text_of(*question, "by");
  if (const std::string why = check_age(*question, clock_()); !why.empty()) {
    log::warn("{} asked by node={} is refused: {}", kind, log::name(by), why);
    return reply(refusal_text(why));
  }
  if (kind == "kick") {
    const std::string id = text_of(*question, "client_id");
    return local_.kick(here, id, [reply, id, by](const Answers<bool>& a) {
      if (!a.nodes.empty() && a.nodes.front().value)
        log::info("kicked client={} by node={}", log::name(id), log::name(by));
      reply(answer_text(a));
    });
  }
  log::info("{} asked by node={}", kind, log::name(by));
  local_.drain(here, kind == "drain", [reply](const Answers<admin::DrainState>& a) { reply(answer_text(a)); });
}

}  // namespace sb::app
