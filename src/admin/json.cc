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

json::object to_json(const std::string& node, const NodeStatus& s) {
  json::array listeners;
  for (auto& l : s.listeners)
    listeners.emplace_back(
        json::object{{"kind", l.kind}, {"address", l.address}, {"open", l.open}, {"connections", l.connections}});
  return {{"node", node},
          {"version", s.version},
          {"uptime", s.uptime.count()},
          {"state", to_string(s.state)},
          {"store",
           json::object{
               {"kind", s.store}, {"state", s.store_problem.empty() ? "up" : "down"}, {"reason", s.store_problem}}},
          {"memory", json::object{{"bytes", s.memory}, {"full", s.memory_full}}},
          {"shards", s.shards},
          {"connections", s.connections},
          {"clients", s.clients},
          {"subscriptions", s.subscriptions},
          {"retained", s.retained},
          {"messages", json::object{{"received", s.messages_received}, {"sent", s.messages_sent}}},
          {"listeners", std::move(listeners)}};
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
