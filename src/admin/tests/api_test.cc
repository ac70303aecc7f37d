// SPDX-License-Identifier: MIT
// The routes, over a control that the test plays.
#include "admin/api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <optional>

#include "admin/json.h"
#include "base/json.h"

namespace sb::admin {
namespace {

namespace json = boost::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

template <class T>
Answers<T> from(const std::string& node, T value) {
  Answers<T> a;
  a.nodes.push_back({node, std::move(value)});
  return a;
}

/// Answers what the test says, and notes what it was asked.
struct FakeControl final : Control {
  const std::string& node() const override { return name; }
  void status(const Where& where, Done<NodeStatus> done) override {
    asked.push_back("status " + where.node);
    if (hold)
      held = std::move(done);
    else
      done(statuses);
  }
  void clients(const Where& where, const ClientQuery& q, Done<ClientPage> done) override {
    asked.push_back("clients " + where.node + "," + std::to_string(q.limit) + "," + q.after + "," + q.filter);
    done(pages);
  }
  void kick(const Where& where, const std::string& client_id, Done<bool> done) override {
    asked.push_back("kick " + where.node + "," + client_id);
    done(kicked);
  }
  void drain(const Where& where, bool on, Done<DrainState> done) override {
    asked.push_back((on ? "drain " : "undrain ") + where.node);
    done(drained);
  }
  const std::string name = "n1";
  std::vector<std::string> asked;
  bool hold = false;
  Done<NodeStatus> held;
  Answers<NodeStatus> statuses = from("n1", good());
  Answers<ClientPage> pages = from("n1", ClientPage{});
  Answers<bool> kicked = from("n1", true);
  Answers<DrainState> drained = from("n1", DrainState{NodeState::draining, 3, ""});

  static NodeStatus good() {
    NodeStatus s;
    s.version = "1.2.3";
    s.uptime = Seconds(77);
    s.store = "embedded";
    s.listeners = {{"mqtt", "127.0.0.1:1883", true, 5}};
    return s;
  }
};

struct Answer {
  unsigned status = 0;
  std::string text;
  json::object body;
  std::vector<std::pair<std::string, std::string>> headers;
};

class ApiTest : public ::testing::Test {
 protected:
  Answer ask(const std::string& method, const std::string& target, const std::string& authorization = "") {
    http::ServerRequest r;
    const std::size_t q = std::min(target.find('?'), target.size());
    r.method = method;
    r.path = target.substr(0, q);
    r.query = target.substr(std::min(q + 1, target.size()));
    r.authorization = authorization;
    r.peer = "127.0.0.1:9";
    Answer a;
    api().handle(r, [&a](http::ServerResponse response) {
      a.status = response.status;
      a.text = response.body;
      if (auto v = parse_json(response.body, 8); v && v->is_object()) a.body = v->as_object();
      a.headers = response.headers;
    });
    return a;
  }
  Answer get(const std::string& target) { return ask("GET", target); }
  Answer post(const std::string& target) { return ask("POST", target); }
  Api& api() {
    if (!api_) api_.emplace(control, token);
    return *api_;
  }

  FakeControl control;
  std::string token;

 private:
  std::optional<Api> api_;
};

// ---------------------------------------------------------------- health and readiness

TEST_F(ApiTest, Health) {
  EXPECT_EQ(get("/health").text,
            "{\"status\":\"up\",\"node\":\"n1\",\"version\":\"1.2.3\",\"uptime\":77,\"store\":{\"state\":\"up\","
            "\"reason\":\"\"}}\n");
  EXPECT_THAT(control.asked, ElementsAre("status n1"));
  control.statuses.nodes[0].value.state = NodeState::drained;
  EXPECT_EQ(get("/health").status, 200u) << "it does what it was told";

  control.statuses.nodes[0].value.store_problem = "the disk is full";
  const Answer down = get("/health");
  EXPECT_EQ(down.status, 503u);
  EXPECT_EQ(down.body.at("reason"), "store: the disk is full");
  EXPECT_EQ(down.body.at("store").at("state"), "down");

  control.statuses = {};
  control.statuses.silent = {"n1"};
  const Answer stuck = get("/health");
  EXPECT_EQ(stuck.status, 503u);
  EXPECT_EQ(stuck.body.at("reason"), "a shard does not answer");
}

TEST_F(ApiTest, Ready) {
  NodeStatus drains = FakeControl::good(), stored = drains, closed = drains;
  drains.state = NodeState::draining;
  stored.store_problem = "no";
  closed.listeners[0].open = false;
  Answers<NodeStatus> silent;
  silent.silent = {"n1"};
  const struct {
    Answers<NodeStatus> answers;
    std::string reason;
  } rows[] = {
      {from("n1", FakeControl::good()), ""},
      {from("n1", drains), "draining"},
      {from("n1", stored), "the store is not available"},
      {from("n1", closed), "listener mqtt is closed"},
      {silent, "a shard does not answer"},
  };
  for (auto& row : rows) {
    control.statuses = row.answers;
    const Answer a = get("/ready");
    EXPECT_EQ(a.status, row.reason.empty() ? 200u : 503u) << row.reason;
    EXPECT_EQ(a.body.at("ready").as_bool(), row.reason.empty());
    EXPECT_EQ(a.body.contains("reason") ? std::string(a.body.at("reason").as_string()) : "", row.reason);
  }
}

// ---------------------------------------------------------------- the token

TEST_F(ApiTest, TheToken) {
  token = "s3cret-token";
  const struct {
    const char* authorization;
    unsigned status;
  } rows[] = {
      {"", 401},
      {"Bearer", 401},
      {"Bearer ", 401},
      {"Bearer s3cret-toke", 401},
      {"Bearer s3cret-tokenx", 401},
      {"Bearer S3cret-token", 401},
      {"Basic s3cret-token", 401},
      {"s3cret-token", 401},
      {"Bearer  s3cret-token", 401},
      {"Bearer s3cret-token", 200},
      {"bearer s3cret-token", 200},
  };
  for (auto& row : rows)
    EXPECT_EQ(ask("GET", "/api/v1/status", row.authorization).status, row.status) << row.authorization;
  EXPECT_EQ(ask("GET", "/api/v1/clients").status, 401u);
  EXPECT_EQ(ask("POST", "/api/v1/clients/x/kick").status, 401u);
  EXPECT_EQ(ask("POST", "/api/v1/nodes/n1/drain").status, 401u);
  EXPECT_EQ(ask("POST", "/api/v1/nodes/n1/undrain").status, 401u);
  const Answer a = get("/api/v1/status");
  ASSERT_EQ(a.headers.size(), 1u);
  EXPECT_EQ(a.headers[0].first, "WWW-Authenticate");

  EXPECT_EQ(get("/health").text, "{\"status\":\"up\"}\n") << "for supervisors, and no more than they need";
  EXPECT_EQ(ask("GET", "/health", "Bearer s3cret-token").body.at("version"), "1.2.3");
  EXPECT_EQ(get("/ready").status, 200u);

  api().set_token("another");
  EXPECT_EQ(ask("GET", "/api/v1/status", "Bearer s3cret-token").status, 401u);
  EXPECT_EQ(ask("GET", "/api/v1/status", "Bearer another").status, 200u);
}

// ---------------------------------------------------------------- status and clients

TEST_F(ApiTest, Status) {
  control.statuses.nodes.push_back({"n2", FakeControl::good()});
  control.statuses.silent = {"n3"};
  control.statuses.refused = {{"n4", "it starts"}};
  const Answer a = get("/api/v1/status");
  EXPECT_EQ(a.status, 200u);
  EXPECT_EQ(a.body.at("node"), "n1");
  ASSERT_EQ(a.body.at("nodes").as_array().size(), 2u);
  EXPECT_EQ(a.body.at("nodes").at(1).at("node"), "n2");
  EXPECT_EQ(a.body.at("nodes").at(0).at("listeners").at(0).at("address"), "127.0.0.1:1883");
  EXPECT_EQ(a.body.at("silent").at(0), "n3");
  EXPECT_EQ(json::serialize(a.body.at("refused")), R"([{"node":"n4","reason":"it starts"}])");
  EXPECT_EQ(get("/api/v1/status?node=n2").status, 200u);
  EXPECT_THAT(control.asked, ElementsAre("status ", "status n2"));
  control.statuses = {};
  control.statuses.problem = Problem::unknown_node;
  EXPECT_EQ(get("/api/v1/status?node=n9").text, "{\"error\":\"there is no node n9\"}\n");
  EXPECT_EQ(get("/api/v1/status?node=n9").status, 404u);
}

TEST_F(ApiTest, Clients) {
  ClientPage one;
  one.clients.push_back({"c\"1", "ada", "192.0.2.1:4000", 5, true, WallTime(Seconds(1'700'000'000)), 3, 2});
  ClientPage two;
  two.clients.push_back({"c2", "", "unix", 4, false, WallTime(Seconds(0)), 0, 0});
  two.next = "n2:0:7";
  control.pages = from("n1", one);
  control.pages.nodes.push_back({"n2", two});
  const Answer a = get("/api/v1/clients?limit=7&after=n1%3A0%3A3&filter=a+b%26");
  EXPECT_THAT(control.asked, ElementsAre("clients ,7,n1:0:3,a b&"));
  EXPECT_EQ(a.status, 200u);
  EXPECT_EQ(json::serialize(a.body.at("clients").at(0)),
            R"({"client_id":"c\"1","username":"ada","address":"192.0.2.1:4000","protocol":"5","node":"n1",)"
            R"("session":"durable","connected_since":"2023-11-14T22:13:20Z","subscriptions":3,"in_flight":2})");
  EXPECT_EQ(a.body.at("clients").at(1).at("node"), "n2");
  EXPECT_EQ(a.body.at("clients").at(1).at("protocol"), "3.1.1");
  EXPECT_EQ(a.body.at("clients").at(1).at("session"), "volatile");
  EXPECT_EQ(a.body.at("next"), "n2:0:7");
  EXPECT_THAT(a.body.at("silent").as_array(), IsEmpty());
}

TEST_F(ApiTest, WrongQuestions) {
  for (const char* query : {"limit=0", "limit=1001", "limit=-1", "limit=x", "limit=", "limit=1&limit=2", "filter=%",
                            "fliter=a", "limit=99999999999999999999"})
    EXPECT_EQ(get(std::string("/api/v1/clients?") + query).status, 400u) << query;
  EXPECT_THAT(get("/api/v1/clients?fliter=a").text, HasSubstr("limit, after, filter, node"));
  EXPECT_EQ(get("/health?x").status, 200u) << "some load balancers add something";
  EXPECT_EQ(get("/api/v1/status?x").status, 400u);
  EXPECT_EQ(post("/api/v1/clients/x/kick?force=1").status, 400u);
  EXPECT_EQ(post("/api/v1/clients/%FF/kick").status, 400u);
  EXPECT_EQ(post("/api/v1/clients/%00/kick").status, 400u);
  EXPECT_THAT(control.asked, ElementsAre("status n1"));
  control.pages = {};
  control.pages.problem = Problem::bad_cursor;
  EXPECT_EQ(get("/api/v1/clients?after=x").status, 400u);
  EXPECT_EQ(get("/api/v2/status").status, 404u);
  EXPECT_EQ(post("/api/v1/status").status, 405u);
  EXPECT_EQ(get("/api/v1/clients/x/kick").status, 405u) << "looking changes nothing";
}

// ---------------------------------------------------------------- what changes something

TEST_F(ApiTest, Kick) {
  control.kicked.nodes = {{"n1", false}, {"n2", true}};
  const Answer a = post("/api/v1/clients/a%2Fb%20c/kick");
  EXPECT_EQ(a.text, "{\"client_id\":\"a/b c\",\"node\":\"n2\",\"kicked\":true}\n");
  EXPECT_THAT(control.asked, ElementsAre("kick ,a/b c"));
  control.kicked = from("n1", false);
  EXPECT_EQ(post("/api/v1/clients/x/kick").status, 404u);
  control.kicked.silent = {"n2", "n3"};
  const Answer unknown = post("/api/v1/clients/x/kick");
  EXPECT_EQ(unknown.status, 504u) << "it may be there";
  EXPECT_THAT(unknown.text, HasSubstr("n2: no answer, n3: no answer"));
  control.kicked.silent.clear();
  control.kicked.refused = {{"n2", "it ends"}};
  EXPECT_EQ(post("/api/v1/clients/x/kick").status, 504u);
  EXPECT_THAT(post("/api/v1/clients/x/kick").text, HasSubstr("n2: it ends"));
}

TEST_F(ApiTest, Drain) {
  EXPECT_EQ(post("/api/v1/nodes/n1/drain").text, "{\"node\":\"n1\",\"state\":\"draining\",\"connections\":3}\n");
  control.drained = from("n1", DrainState{});
  EXPECT_EQ(post("/api/v1/nodes/n1/undrain").body.at("state"), "serving");
  EXPECT_THAT(control.asked, ElementsAre("drain n1", "undrain n1"));
  control.drained = from("n1", DrainState{NodeState::drained, 0, "listeners.mqtt: cannot listen"});
  EXPECT_EQ(post("/api/v1/nodes/n1/undrain").status, 500u);
  EXPECT_THAT(post("/api/v1/nodes/n1/undrain").text, HasSubstr("cannot listen"));
  control.drained = {};
  control.drained.silent = {"n1"};
  EXPECT_EQ(post("/api/v1/nodes/n1/drain").status, 504u);
  EXPECT_THAT(post("/api/v1/nodes/n1/drain").text, HasSubstr("n1: no answer; it may still drain"));
  control.drained = {};
  control.drained.refused = {{"n1", "its clock is odd"}};
  EXPECT_EQ(post("/api/v1/nodes/n1/drain").status, 502u);
  EXPECT_THAT(post("/api/v1/nodes/n1/drain").text, HasSubstr("n1: its clock is odd"));
  control.drained = {};
  control.drained.problem = Problem::unknown_node;
  EXPECT_EQ(post("/api/v1/nodes/n9/drain").status, 404u);
}

TEST_F(ApiTest, AnswersThatComeLater) {
  control.hold = true;
  http::ServerRequest r;
  r.method = "GET";
  r.path = "/api/v1/status";
  unsigned status = 0;
  {
    http::ServerRequest gone = r;
    api().handle(gone, [&](const http::ServerResponse& response) { status = response.status; });
  }
  EXPECT_EQ(status, 0u);
  control.held(control.statuses);
  EXPECT_EQ(status, 200u);
}

}  // namespace
}  // namespace sb::admin
