// SPDX-License-Identifier: MIT
#include "admin/from_json.h"

#include <algorithm>
#include <ctime>
#include <limits>
#include <string_view>

#include "base/json_members.h"

namespace sb::admin {

namespace json = boost::json;

namespace {

Millis millis(const json::object& o, std::string_view name) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  return Millis(static_cast<std::int64_t>(std::min(number_of(o, name), kMost)));
}

/// Calls `f` with each object in a list.
template <class F>
void each(const json::object& o, std::string_view name, F f) {
  for (auto& item : array_of(o, name))
    if (const json::object* member = item.if_object()) f(*member);
}

NodeState state_of(std::string_view name) {
  for (auto s : {NodeState::draining, NodeState::drained})
    if (name == to_string(s)) return s;
  return NodeState::serving;
}

std::uint8_t version_of(std::string_view text) { return text == "3.1" ? 3 : text == "3.1.1" ? 4 : 5; }

WallTime time_of(const std::string& text) {
  std::tm tm{};
  if (!::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &tm)) return WallTime{};
  return WallTime(Seconds(::timegm(&tm)));
}

ClusterStatus cluster_status(const json::object& o) {
  ClusterStatus c;
  c.name = text_of(o, "name");
  c.member = flag_of(o, "member");
  c.fresh = flag_of(o, "fresh");
  c.epoch = number_of(o, "epoch");
  c.lease = millis(o, "lease");
  const auto& routes = object_of(o, "routes");
  c.routes = number_of(routes, "own");
  c.peer_routes = number_of(routes, "others");
  each(o, "members", [&](const json::object& m) {
    c.members.push_back({text_of(m, "node"), text_of(m, "version"), number_of(m, "epoch"), number_of(m, "waiting"),
                         number_of(m, "unread")});
  });
  for (auto& name : array_of(o, "lost"))
    if (name.is_string()) c.lost.emplace_back(name.get_string());
  const auto& bus = object_of(o, "bus");
  if (const auto* heard = bus.if_contains("heard"); heard && heard->is_number()) c.heard = millis(bus, "heard");
  c.sent = number_of(bus, "sent");
  c.received = number_of(bus, "received");
  c.dropped = number_of(bus, "dropped");
  c.gaps = number_of(bus, "gaps");
  return c;
}

SharedStatus shared_status(const json::object& o) {
  SharedStatus s;
  s.cluster = cluster_status(object_of(o, "cluster"));
  const auto& logs = object_of(o, "logs");
  s.logs = {number_of(logs, "count"), number_of(logs, "messages"), number_of(logs, "bytes"), number_of(logs, "waiting"),
            millis(logs, "oldest")};
  each(o, "redis", [&](const json::object& r) {
    RedisServer& server = s.redis.emplace_back();
    server.address = text_of(r, "address");
    server.role = text_of(r, "role");
    server.problem = text_of(r, "reason");
    each(r, "replicas", [&](const json::object& m) {
      server.replicas.push_back(
          {text_of(m, "address"), text_of(m, "state"), number_of(m, "behind"), number_of(m, "seconds")});
    });
  });
  const auto& acknowledgement = object_of(o, "acknowledgement");
  s.acknowledged = text_of(acknowledgement, "means");
  for (auto& why : array_of(acknowledgement, "weak"))
    if (why.is_string()) s.weak.emplace_back(why.get_string());
  return s;
}

}  // namespace

NodeStatus node_status(const json::object& o) {
  NodeStatus s;
  s.version = text_of(o, "version");
  s.uptime = Seconds(millis(o, "uptime").count());
  s.state = state_of(text_of(o, "state"));
  const auto& store = object_of(o, "store");
  s.store = text_of(store, "kind");
  s.store_problem = text_of(store, "reason");
  const auto& memory = object_of(o, "memory");
  s.memory = number_of(memory, "bytes");
  s.memory_full = flag_of(memory, "full");
  s.shards = number_of(o, "shards");
  s.connections = number_of(o, "connections");
  s.clients = number_of(o, "clients");
  s.subscriptions = number_of(o, "subscriptions");
  s.retained = number_of(o, "retained");
  const auto& messages = object_of(o, "messages");
  s.messages_received = number_of(messages, "received");
  s.messages_sent = number_of(messages, "sent");
  each(o, "listeners", [&](const json::object& l) {
    s.listeners.push_back({text_of(l, "kind"), text_of(l, "address"), flag_of(l, "open"), number_of(l, "connections")});
  });
  if (o.contains("cluster")) s.shared = shared_status(o);
  return s;
}

model::ClientInfo client_info(const json::object& o) {
  model::ClientInfo c;
  c.client_id = text_of(o, "client_id");
  c.username = text_of(o, "username");
  c.peer = text_of(o, "address");
  c.version = version_of(text_of(o, "protocol"));
  c.durable = text_of(o, "session") == "durable";
  c.since = time_of(text_of(o, "connected_since"));
  c.subscriptions = static_cast<std::uint32_t>(number_of(o, "subscriptions"));
  c.in_flight = static_cast<std::uint32_t>(number_of(o, "in_flight"));
  return c;
}

DrainState drain_state(const json::object& o) {
  return {state_of(text_of(o, "state")), number_of(o, "connections"), text_of(o, "problem")};
}

}  // namespace sb::admin
