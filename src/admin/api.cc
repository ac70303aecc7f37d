// SPDX-License-Identifier: MIT
#include "admin/api.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <boost/json/serialize.hpp>
#include <charconv>
#include <optional>

#include "admin/json.h"
#include "base/log.h"
#include "base/utf8.h"
#include "http/target.h"

namespace sb::admin {

namespace json = boost::json;
using http::error_response;
using http::Reply;
using http::ServerResponse;

namespace {

/// Comparing hashes takes the same time wherever two tokens differ.
std::string hash_of(std::string_view token) {
  std::string out(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(),
         reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

/// What stands behind "Bearer ", whose letters may be small or large (RFC 9110 11.1).
std::optional<std::string_view> bearer(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() <= kScheme.size()) return std::nullopt;
  for (std::size_t i = 0; i < kScheme.size(); ++i)
    if ((authorization[i] | 0x20) != kScheme[i]) return std::nullopt;
  return authorization.substr(kScheme.size());
}

void say(const Reply& reply, unsigned status, const json::object& what) {
  ServerResponse r;
  r.status = status;
  r.body = json::serialize(what) + '\n';
  reply(std::move(r));
}

/// "b: no answer, c: its reason": who has not said what was asked, "" = all have.
template <class T>
std::string missing(const Answers<T>& answers) {
  std::string out;
  auto add = [&out](const std::string& node, std::string_view why) {
    out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", node, why);
  };
  for (auto& n : answers.silent) add(n, "no answer");
  for (auto& r : answers.refused) add(r.node, r.why);
  return out;
}

/// True when nobody was asked, which the reply has said then.
bool failed(const Reply& reply, Problem p, const std::string& node) {
  switch (p) {
    case Problem::none:
      return false;
    case Problem::unknown_node:
      reply(error_response(404, "there is no node " + node));
      return true;
    case Problem::bad_cursor:
      reply(error_response(400, "after: not the \"next\" of an earlier page; leave it out to start again"));
      return true;
  }
  return false;
}

/// The parameters of a request; nothing when they are wrong, which the reply has said then.
std::optional<http::Query> query_of(const http::ServerRequest& r, const Reply& reply,
                                    const std::vector<std::string_view>& known) {
  auto q = http::Query::parse(r.query);
  if (!q) {
    reply(error_response(400, "the query cannot be decoded, or names something twice"));
  } else if (const std::string* name = q->stranger(known)) {
    std::string names;
    for (auto k : known) names.append(names.empty() ? "" : ", ").append(k);
    reply(error_response(400, fmt::format("there is no parameter \"{}\" here, but: {}", name->substr(0, 100), names)));
    q.reset();
  }
  return q;
}

std::string text(const http::Query& q, std::string_view name) {
  const std::string* value = q.find(name);
  return value ? *value : std::string();
}

/// This node's own answer, null when it has not answered.
const NodeStatus* own(const Answers<NodeStatus>& answers) {
  return answers.nodes.empty() ? nullptr : &answers.nodes.front().value;
}

constexpr const char* kStuck = "a shard does not answer";

}  // namespace

Api::Api(Control& control, std::string token) : control_(control) {
  set_token(std::move(token));
  add("GET", "/health", Access::open, &Api::health);
  add("GET", "/ready", Access::open, &Api::ready);
  add("GET", "/api/v1/status", Access::token, &Api::status);
  add("GET", "/api/v1/clients", Access::token, &Api::clients);
  add("POST", "/api/v1/clients/{id}/kick", Access::token, &Api::kick);
  auto drain_to = [](bool on) {
    return [on](const Api* api, const Request& r, const Parts& p, const Reply& reply) { api->drain(r, p, reply, on); };
  };
  add("POST", "/api/v1/nodes/{name}/drain", Access::token, drain_to(true));
  add("POST", "/api/v1/nodes/{name}/undrain", Access::token, drain_to(false));
}

template <class F>
void Api::add(const char* method, const char* pattern, Access access, F f) {
  router_.add(method, pattern, [this, access, f](const Request& r, const Parts& parts, const Reply& reply) {
    if (access == Access::open || may(r)) return std::invoke(f, this, r, parts, reply);
    if (refusals_.pass())
      log::warn("admin refused peer={} path=\"{}\": no token, or a wrong one", r.peer, log::name(r.path));
    auto answer = error_response(401, "this needs the token of admin.token_file, as Authorization: Bearer");
    answer.headers.emplace_back("WWW-Authenticate", "Bearer");
    reply(std::move(answer));
  });
}

void Api::set_token(std::string token) {
  std::lock_guard lock(mutex_);
  token_hash_ = token.empty() ? std::string() : hash_of(token);
  OPENSSL_cleanse(token.data(), token.size());
}

bool Api::may(const Request& r) const {
  std::lock_guard lock(mutex_);
  if (token_hash_.empty()) return true;
  const auto shown = bearer(r.authorization);
  return shown && CRYPTO_memcmp(hash_of(*shown).data(), token_hash_.data(), token_hash_.size()) == 0;
}

void Api::handle(const Request& request, const Reply& reply) const { router_.route(request, reply); }

// ---------------------------------------------------------------- for load balancers and supervisors

/// Whether the process does its work; a node that drains does.
void Api::health(const Request& r, const Parts&, const Reply& reply) const {
  control_.status({control_.node()}, [reply, all = may(r), node = control_.node()](const Answers<NodeStatus>& answers) {
    const NodeStatus* s = own(answers);
    const std::string reason = !s ? kStuck : s->store_problem.empty() ? "" : "store: " + s->store_problem;
    json::object out{{"status", reason.empty() ? "up" : "down"}};
    if (all && !reason.empty()) out["reason"] = reason;
    if (all) out["node"] = node;
    if (all && s) {
      out["version"] = s->version;
      out["uptime"] = s->uptime.count();
      out["store"] = json::object{{"state", s->store_problem.empty() ? "up" : "down"}, {"reason", s->store_problem}};
      if (s->shared) out["acknowledgement"] = acknowledgement_json(*s->shared);
    }
    say(reply, reason.empty() ? 200 : 503, out);
  });
}

/// Whether new clients should come here.
void Api::ready(const Request&, const Parts&, const Reply& reply) const {
  control_.status({control_.node()}, [reply](const Answers<NodeStatus>& answers) {
    const NodeStatus* s = own(answers);
    std::string reason;
    if (!s)
      reason = kStuck;
    else if (s->state != NodeState::serving)
      reason = to_string(s->state);
    else if (!s->store_problem.empty())
      reason = "the store is not available";
    if (s && reason.empty())
      for (auto& l : s->listeners)
        if (!l.open) reason = "listener " + l.kind + " is closed";
    json::object out{{"ready", reason.empty()}};
    if (!reason.empty()) out["reason"] = reason;
    say(reply, reason.empty() ? 200 : 503, out);
  });
}

// ---------------------------------------------------------------- for operators

void Api::status(const Request& r, const Parts&, const Reply& reply) const {
  const auto q = query_of(r, reply, {"node"});
  if (!q) return;
  const std::string node = text(*q, "node");
  control_.status({node}, [reply, node, asked = control_.node()](const Answers<NodeStatus>& answers) {
    if (failed(reply, answers.problem, node)) return;
    json::array nodes;
    for (auto& n : answers.nodes) nodes.emplace_back(to_json(n.node, n.value));
    say(reply, 200,
        {{"node", asked},
         {"nodes", std::move(nodes)},
         {"silent", to_json(answers.silent)},
         {"refused", to_json(answers.refused)}});
  });
}

void Api::clients(const Request& r, const Parts&, const Reply& reply) const {
  const auto q = query_of(r, reply, {"limit", "after", "filter", "node"});
  if (!q) return;
  ClientQuery query;
  if (const std::string* limit = q->find("limit")) {
    const char* end = limit->data() + limit->size();
    const auto [at, error] = std::from_chars(limit->data(), end, query.limit);
    if (error != std::errc() || at != end || query.limit < 1 || query.limit > ClientQuery::kMostClients)
      return reply(error_response(400, fmt::format("limit: a number from 1 to {}", ClientQuery::kMostClients)));
  }
  query.after = text(*q, "after");
  query.filter = text(*q, "filter");
  const std::string node = text(*q, "node");
  control_.clients({node}, query, [reply, node](const Answers<ClientPage>& answers) {
    if (failed(reply, answers.problem, node)) return;
    json::array clients;
    std::string next;
    for (auto& n : answers.nodes) {
      for (auto& c : n.value.clients) clients.emplace_back(to_json(n.node, c));
      if (!n.value.next.empty()) next = n.value.next;
    }
    say(reply, 200,
        {{"clients", std::move(clients)},
         {"next", next},
         {"silent", to_json(answers.silent)},
         {"refused", to_json(answers.refused)}});
  });
}

void Api::kick(const Request& r, const Parts& parts, const Reply& reply) const {
  if (!query_of(r, reply, {})) return;
  const std::string& id = parts[0];
  if (!is_mqtt_utf8(id)) return reply(error_response(400, "a client id is UTF-8"));
  control_.kick({}, id, [reply, id, peer = r.peer](const Answers<bool>& answers) {
    for (auto& n : answers.nodes) {
      if (!n.value) continue;
      log::info("kicked client={} node={} by={}", log::name(id), n.node, peer);
      return say(reply, 200, {{"client_id", id}, {"node", n.node}, {"kicked", true}});
    }
    const std::string none = fmt::format("no client \"{}\" is connected", id);
    const std::string unknown = missing(answers);
    if (unknown.empty()) return reply(error_response(404, none));
    reply(error_response(504, none + " to the nodes that answered; it may be elsewhere: " + unknown));
  });
}

void Api::drain(const Request& r, const Parts& parts, const Reply& reply, bool on) const {
  if (!query_of(r, reply, {})) return;
  const std::string& node = parts[0];
  control_.drain({node}, on, [reply, node, on, peer = r.peer](const Answers<DrainState>& answers) {
    if (failed(reply, answers.problem, node)) return;
    if (!answers.refused.empty()) return reply(error_response(502, missing(answers)));
    if (answers.nodes.empty())
      return reply(error_response(504, fmt::format("{}: no answer; it may still {}", node, on ? "drain" : "undrain")));
    const DrainState& s = answers.nodes.front().value;
    log::info("{} node={} by={} connections={}", on ? "drain" : "undrain", node, peer, s.connections);
    if (!s.problem.empty()) return reply(error_response(500, s.problem));
    say(reply, 200, to_json(node, s));
  });
}

}  // namespace sb::admin
