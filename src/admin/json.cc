// SPDX-License-Identifier: MIT
#include "admin/json.h"

#include <fmt/chrono.h>

#include <chrono>

namespace sb::admin {

namespace json = boost::json;

const char* to_string(NodeState s) {
  switch (s) {
    case NodeState::serving:
      return "serving";
    case NodeState::draining:
      return "draining";
    case NodeState::drained:
      return "drained";
  }
  return "";
}

std::string_view version_text(std::uint8_t version) {
  switch (version) {
    case 3:
      return "3.1";
    case 4:
      return "3.1.1";
    default:
      return "5";
  }
}

std::string time_text(WallTime t) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(t)));
}

json::array to_json(const std::vector<std::string>& names) {
  json::array out;
  for (auto& n : names) out.emplace_back(n);
  return out;
}

json::array to_json(const std::vector<Refusal>& refusals) {
  json::array out;
  for (auto& r : refusals) out.emplace_back(json::object{{"node", r.node}, {"reason", r.why}});
  return out;
}

namespace {

json::object cluster_json(const ClusterStatus& c) {
  json::array members;
  for (auto& m : c.members)
    members.emplace_back(json::object{
        {"node", m.node}, {"version", m.version}, {"epoch", m.epoch}, {"waiting", m.waiting}, {"unread", m.unread}});
  json::object bus{
      {"heard", nullptr}, {"sent", c.sent}, {"received", c.received}, {"dropped", c.dropped}, {"gaps", c.gaps}};
  if (c.heard >= Millis(0)) bus["heard"] = c.heard.count();
  return {{"name", c.name},
          {"member", c.member},
          {"epoch", c.epoch},
          {"lease", c.lease.count()},
          {"fresh", c.fresh},
          {"routes", json::object{{"own", c.routes}, {"others", c.peer_routes}}},
          {"members", std::move(members)},
          {"lost", to_json(c.lost)},
          {"bus", std::move(bus)}};
}

json::array redis_json(const std::vector<RedisServer>& servers) {
  json::array out;
  for (auto& s : servers) {
    json::array replicas;
    for (auto& r : s.replicas)
      replicas.emplace_back(
          json::object{{"address", r.address}, {"state", r.state}, {"behind", r.behind}, {"seconds", r.seconds}});
    out.emplace_back(json::object{
        {"address", s.address}, {"role", s.role}, {"reason", s.problem}, {"replicas", std::move(replicas)}});
  }
  return out;
}

}  // namespace

json::object acknowledgement_json(const SharedStatus& s) {
  return {{"means", s.acknowledged}, {"weak", to_json(s.weak)}};
}

json::object to_json(const std::string& node, const NodeStatus& s) {
  json::array listeners;
  for (auto& l : s.listeners)
    listeners.emplace_back(
        json::object{{"kind", l.kind}, {"address", l.address}, {"open", l.open}, {"connections", l.connections}});
  json::object out{{"node", node},
                   {"version", s.version},
                   {"uptime", s.uptime.count()},
                   {"state", to_string(s.state)},
                   {"store", json::object{{"kind", s.store},
                                          {"state", s.store_problem.empty() ? "up" : "down"},
                                          {"reason", s.store_problem}}},
                   {"memory", json::object{{"bytes", s.memory}, {"full", s.memory_full}}},
                   {"shards", s.shards},
                   {"connections", s.connections},
                   {"clients", s.clients},
                   {"subscriptions", s.subscriptions},
                   {"retained", s.retained},
                   {"messages", json::object{{"received", s.messages_received}, {"sent", s.messages_sent}}},
                   {"listeners", std::move(listeners)}};
  if (!s.shared) return out;
  const LogsStatus& logs = s.shared->logs;
  out["cluster"] = cluster_json(s.shared->cluster);
  out["logs"] = json::object{{"count", logs.logs},
                             {"messages", logs.messages},
                             {"bytes", logs.bytes},
                             {"waiting", logs.waiting},
                             {"oldest", logs.oldest.count()}};
  out["redis"] = redis_json(s.shared->redis);
  out["acknowledgement"] = acknowledgement_json(*s.shared);
  return out;
}

json::object to_json(const std::string& node, const model::ClientInfo& c) {
  return {{"client_id", c.client_id},
          {"username", c.username},
          {"address", c.peer},
          {"protocol", version_text(c.version)},
          {"node", node},
          {"session", c.durable ? "durable" : "volatile"},
          {"connected_since", time_text(c.since)},
          {"subscriptions", c.subscriptions},
          {"in_flight", c.in_flight}};
}

json::object to_json(const std::string& node, const DrainState& s) {
  return {{"node", node}, {"state", to_string(s.state)}, {"connections", s.connections}};
}

}  // namespace sb::admin
