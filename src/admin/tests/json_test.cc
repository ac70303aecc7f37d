// SPDX-License-Identifier: MIT
// What one node says, another one understands.
#include "admin/json.h"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "admin/from_json.h"
#include "base/json.h"

namespace sb::admin {
namespace {

namespace json = boost::json;

json::object object(std::string_view text) { return parse_json(text, 16).value().as_object(); }

NodeStatus alone() {
  NodeStatus s;
  s.version = "1.2.3";
  s.uptime = Seconds(77);
  s.state = NodeState::drained;
  s.store = "redis";
  s.store_problem = "no primary";
  s.memory_full = true;
  s.memory = 1;
  s.shards = 2;
  s.connections = 3;
  s.clients = 4;
  s.subscriptions = 5;
  s.retained = 6;
  s.messages_received = 7;
  s.messages_sent = 8;
  s.listeners = {{"mqtt", "127.0.0.1:1883", true, 5}, {"ws", "[::1]:8083", false, 0}};
  return s;
}

NodeStatus among_others() {
  NodeStatus s = alone();
  SharedStatus& shared = s.shared.emplace();
  ClusterStatus& c = shared.cluster;
  c.name = "main";
  c.member = c.fresh = true;
  c.epoch = 1'795'398'486'702;
  c.lease = Millis(4200);
  c.heard = Millis(0);
  c.routes = 1;
  c.peer_routes = 2;
  c.members = {{"n2", "1.2.4", 7, 8, 9}, {"n3", "", 0, 0, 0}};
  c.lost = {"n4", "n5"};
  c.sent = 3;
  c.received = 4;
  c.dropped = 5;
  c.gaps = 6;
  shared.logs = {1, 2, 3, 4, Millis(5)};
  shared.redis = {{"r1:6379", "primary", "", {{"r2:6379", "online", 10, 1}}}, {"r3:6379", "", "not connected", {}}};
  shared.acknowledged = "somebody has it";
  shared.weak = {"he forgets", "and is alone"};
  return s;
}

TEST(AdminJson, AStatusSaysTheSameToAnotherNode) {
  for (const NodeStatus& s : {NodeStatus(), alone(), among_others()}) {
    const auto said = to_json("n1", s);
    const NodeStatus heard = node_status(object(json::serialize(said)));
    EXPECT_EQ(json::serialize(to_json("n1", heard)), json::serialize(said));
  }
  EXPECT_EQ(to_json("n1", among_others()).at("redis").at(0).at("replicas").at(0).at("behind"), 10);
  EXPECT_EQ(json::serialize(to_json("n1", among_others()).at("acknowledgement")),
            R"({"means":"somebody has it","weak":["he forgets","and is alone"]})");
  EXPECT_FALSE(to_json("n1", alone()).contains("cluster"));
  const NodeStatus never = node_status(object(R"({"cluster":{"bus":{"heard":null}}})"));
  EXPECT_LT(never.shared->cluster.heard, Millis(0));
}

TEST(AdminJson, AClientIsTheSameOnAnotherNode) {
  const model::ClientInfo clients[] = {
      {"c\"\x01/é", "ada", "192.0.2.1:4000", 5, true, WallTime(Seconds(1'700'000'000)), 3, 2},
      {"", "", "unix", 4, false, WallTime(Seconds(0)), 0, 0},
      {"three", "", "[::1]:7", 3, false, WallTime(Seconds(4'102'444'800)), 4'294'967'295u, 0}};
  for (auto& c : clients) {
    const auto said = to_json("n1", c);
    const model::ClientInfo heard = client_info(object(json::serialize(said)));
    EXPECT_EQ(json::serialize(to_json("n1", heard)), json::serialize(said));
    EXPECT_EQ(heard.since, c.since);
    EXPECT_EQ(heard.version, c.version);
  }
}

TEST(AdminJson, WhatAnotherVersionSaysDoesNoHarm) {
  for (const char* text :
       {"{}", R"({"uptime":-1,"state":7,"store":"x","memory":[],"listeners":{},"connections":"3","cluster":5})",
        R"({"state":"new","listeners":[1,{"kind":2}],"cluster":{"members":[1,{}],"lease":18446744073709551615},
            "redis":[{"replicas":[[]]}],"logs":[],"acknowledgement":{"weak":[7]}})",
        R"({"uptime":1e999,"connected_since":"tomorrow","protocol":6,"subscriptions":99999999999})"}) {
    const NodeStatus s = node_status(object(text));
    EXPECT_EQ(s.state, NodeState::serving) << text;
    EXPECT_EQ(s.connections, 0u) << text;
    EXPECT_EQ(client_info(object(text)).client_id, "") << text;
    EXPECT_EQ(drain_state(object(text)).problem, "") << text;
  }
}

}  // namespace
}  // namespace sb::admin
