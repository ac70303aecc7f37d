// SPDX-License-Identifier: MIT
// Three nodes whose bus the test plays.
#include "app/cluster_control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "app/peer_messages.h"
#include "base/json_members.h"

namespace sb::app {
namespace {

using admin::Answers;
using admin::Problem;
using admin::Where;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Heard = cluster::Requests::Answers;

/// A node that has clients by their names, and answers at once.
struct FakeNode final : admin::Control {
  explicit FakeNode(std::string n) : name(std::move(n)) {}
  const std::string& node() const override { return name; }
  template <class T>
  void answer(const Where& where, T value, const Done<T>& done) {
    EXPECT_EQ(where.node, name) << "it speaks for itself only";
    ++asked;
    Answers<T> a;
    if (hangs)
      a.silent.push_back(name);
    else
      a.nodes.push_back({name, std::move(value)});
    done(std::move(a));
  }
  void status(const Where& where, Done<admin::NodeStatus> done) override {
    admin::NodeStatus s;
    s.version = "of " + name;
    s.clients = clients_here.size();
    answer(where, s, done);
  }
  void clients(const Where& where, const admin::ClientQuery& q, Done<admin::ClientPage> done) override {
    std::size_t at = 0;
    if (!q.after.empty()) {
      if (!q.after.starts_with(name + ":0:")) {
        Answers<admin::ClientPage> a;
        a.problem = Problem::bad_cursor;
        return done(a);
      }
      at = std::stoul(q.after.substr(name.size() + 3));
    }
    admin::ClientPage page;
    for (; at < clients_here.size() && page.clients.size() < q.limit; ++at)
      if (clients_here[at].find(q.filter) != std::string::npos)
        page.clients.push_back({clients_here[at], "", "", 5, false, WallTime{}, 0, 0});
    if (at < clients_here.size()) page.next = name + ":0:" + std::to_string(at);
    answer(where, page, done);
  }
  void kick(const Where& where, const std::string& id, Done<bool> done) override {
    answer(where, std::erase(clients_here, id) > 0, done);
  }
  void drain(const Where& where, bool on, Done<admin::DrainState> done) override {
    draining = on;
    answer(where,
           admin::DrainState{on ? admin::NodeState::draining : admin::NodeState::serving, clients_here.size(), problem},
           done);
  }
  const std::string name;
  std::vector<std::string> clients_here;
  std::string problem;
  bool hangs = false, draining = false;
  unsigned asked = 0;
};

/// Brings questions to the other nodes' own ClusterControl, as the bus does.
struct FakeBus final : PeerBus {
  std::vector<std::string> others() const override {
    std::vector<std::string> names;
    for (auto& [name, control] : nodes) names.push_back(name);
    return names;
  }
  void ask(const std::string& node, const std::string& kind, std::string body, cluster::Requests::Done done) override {
    asked.push_back(kind + " " + node);
    Heard heard;
    for (auto& [name, control] : nodes) {
      if (!node.empty() && name != node) continue;
      if (silent.contains(name)) {
        heard.missing.push_back(name);
      } else if (says.contains(name)) {
        heard.answers.push_back({name, says.at(name)});
      } else {
        unsigned replies = 0;
        control->serve(kind, body, [&, n = name](std::string text) {
          ++replies;
          heard.answers.push_back({n, std::move(text)});
        });
        EXPECT_EQ(replies, 1u);
      }
    }
    std::reverse(heard.answers.begin(), heard.answers.end());
    if (hold)
      held.push_back([done = std::move(done), heard] { done(heard); });
    else
      done(std::move(heard));
  }
  std::map<std::string, ClusterControl*> nodes;
  std::set<std::string> silent;
  std::map<std::string, std::string> says;  ///< instead
  std::vector<std::string> asked;
  bool hold = false;
  std::deque<std::function<void()>> held;
};

class ClusterControlTest : public ::testing::Test {
 protected:
  ClusterControlTest() { bus.nodes = {{"a", &far_a}, {"c", &far_c}}; }
  template <class T>
  struct Got : std::optional<Answers<T>> {
    admin::Control::Done<T> done() {
      return [this](Answers<T> answers) {
        EXPECT_FALSE(this->has_value()) << "twice";
        this->emplace(std::move(answers));
      };
    }
  };
  template <class T>
  static std::vector<std::string> names(const Answers<T>& a) {
    std::vector<std::string> out;
    for (auto& n : a.nodes) out.push_back(n.node);
    return out;
  }
  Answers<admin::NodeStatus> status(const std::string& node = "") {
    Got<admin::NodeStatus> got;
    control.status({node}, got.done());
    return got.value();
  }
  Answers<admin::ClientPage> page(admin::ClientQuery q, const std::string& node = "") {
    Got<admin::ClientPage> got;
    control.clients({node}, q, got.done());
    return got.value();
  }
  /// All pages: "node/client"; `silent`: of all of them.
  std::vector<std::string> list(std::size_t limit, const std::string& filter = "", const std::string& node = "",
                                std::vector<std::string>* silent = nullptr) {
    std::vector<std::string> out;
    admin::ClientQuery q;
    q.limit = limit;
    q.filter = filter;
    for (int pages = 0; pages < 100; ++pages) {
      const auto answers = page(q, node);
      q.after.clear();
      std::size_t here = 0;
      for (auto& n : answers.nodes) {
        EXPECT_TRUE(q.after.empty()) << "only the last may go on";
        for (auto& client : n.value.clients) out.push_back(n.node + "/" + client.client_id), ++here;
        q.after = n.value.next;
      }
      EXPECT_LE(here, limit);
      if (silent) silent->insert(silent->end(), answers.silent.begin(), answers.silent.end());
      if (q.after.empty()) return out;
    }
    ADD_FAILURE() << "it never ends";
    return out;
  }
  Answers<bool> kick(const std::string& id, const std::string& node = "") {
    Got<bool> got;
    control.kick({node}, id, got.done());
    return got.value();
  }
  Answers<admin::DrainState> drain(const std::string& node, bool on = true) {
    Got<admin::DrainState> got;
    control.drain({node}, on, got.done());
    return got.value();
  }

  WallTime now{Seconds(1'700'000'000)}, far_now = now;
  FakeBus bus, deaf;  ///< the others ask nobody
  FakeNode a{"a"}, b{"b"}, c{"c"};
  ClusterControl far_a{a, deaf, [this] { return far_now; }}, far_c{c, deaf, [this] { return far_now; }};
  ClusterControl control{b, bus, [this] { return now; }};
};

// ---------------------------------------------------------------- status

TEST_F(ClusterControlTest, StatusIsThatOfAllNodes) {
  a.clients_here = {"1", "2"};
  const auto all = status();
  EXPECT_THAT(names(all), ElementsAre("a", "b", "c"));
  EXPECT_EQ(all.nodes[0].value.version, "of a");
  EXPECT_EQ(all.nodes[0].value.clients, 2u);
  EXPECT_THAT(all.silent, IsEmpty());

  EXPECT_THAT(names(status("c")), ElementsAre("c"));
  EXPECT_EQ(status("d").problem, Problem::unknown_node);
  EXPECT_THAT(bus.asked, ElementsAre("status ", "status c"));
  bus.asked.clear();
  EXPECT_THAT(names(status("b")), ElementsAre("b"));
  EXPECT_THAT(bus.asked, IsEmpty()) << "health needs nobody else";
}

TEST_F(ClusterControlTest, WhoDoesNotAnswerIsNamed) {
  bus.silent = {"c"};
  auto all = status();
  EXPECT_THAT(names(all), ElementsAre("a", "b"));
  EXPECT_THAT(all.silent, ElementsAre("c"));
  EXPECT_THAT(status("c").silent, ElementsAre("c"));

  b.hangs = true;
  EXPECT_THAT(status().silent, ElementsAre("b", "c"));
  bus.silent.clear();
  c.hangs = true;
  all = status();
  EXPECT_THAT(names(all), ElementsAre("a"));
  EXPECT_THAT(all.silent, ElementsAre("b"));
  ASSERT_EQ(all.refused.size(), 1u);
  EXPECT_EQ(all.refused[0].node, "c");
  EXPECT_EQ(all.refused[0].why, "a shard does not answer");
}

TEST_F(ClusterControlTest, AnswersOfOtherVersionsAreNamed) {
  bus.says = {{"a", R"({"error":"what?"})"}, {"c", "no json"}};
  for (const char* odd : {"no json", "[]", "{}", R"({"value":1,"value":2})", R"({"result":{}})"}) {
    bus.says["c"] = odd;
    const auto all = status();
    EXPECT_THAT(names(all), ElementsAre("b"));
    ASSERT_EQ(all.refused.size(), 2u) << odd;
    std::map<std::string, std::string> why;
    for (auto& r : all.refused) why[r.node] = r.why;
    EXPECT_EQ(why["a"], "what?");
    EXPECT_THAT(why["c"], HasSubstr("another version"));
  }
  bus.says = {{"c", R"({"value":{"new":[{}]},"more":1})"}};
  EXPECT_THAT(names(status()), ElementsAre("a", "b", "c")) << "what it says besides does no harm";
}

TEST_F(ClusterControlTest, UnknownQuestionsAreAnswered) {
  auto answer = [&](const std::string& kind, const std::string& body) {
    std::string out;
    far_a.serve(kind, body, [&](std::string text) { out = std::move(text); });
    return text_of(parse_message(out).value(), "error");
  };
  EXPECT_THAT(answer("reboot", "{}"), HasSubstr("does not know the question \"reboot\""));
  EXPECT_THAT(answer("", "{}"), HasSubstr("does not know"));
  for (const char* body : {"", "x", "[]", "{"}) EXPECT_THAT(answer("kick", body), HasSubstr("cannot be read"));
  EXPECT_EQ(a.asked, 0u);
}

// ---------------------------------------------------------------- clients

TEST_F(ClusterControlTest, ClientsComeNodeByNode) {
  a.clients_here = {"a1", "a2", "a3"};
  b.clients_here = {"b1"};
  c.clients_here = {"c1", "c2"};
  const std::vector<std::string> everybody{"a/a1", "a/a2", "a/a3", "b/b1", "c/c1", "c/c2"};
  for (std::size_t limit : {1, 2, 3, 4, 5, 6, 7, 1000}) EXPECT_EQ(list(limit), everybody) << limit;
  EXPECT_THAT(list(2, "2"), ElementsAre("a/a2", "c/c2"));
  EXPECT_THAT(list(1, "", "c"), ElementsAre("c/c1", "c/c2"));
  EXPECT_THAT(list(1, "", "b"), ElementsAre("b/b1"));
  EXPECT_EQ(page({}, "d").problem, Problem::unknown_node);
}

TEST_F(ClusterControlTest, AListGoesOnBehindWhoIsSilentOrGone) {
  a.clients_here = {"a1", "a2"};
  b.clients_here = {"b1"};
  c.clients_here = {"c1"};
  bus.silent = {"a"};
  std::vector<std::string> silent;
  EXPECT_THAT(list(1, "", "", &silent), ElementsAre("b/b1", "c/c1"));
  EXPECT_THAT(silent, ElementsAre("a"));
  bus.silent.clear();

  admin::ClientQuery q;
  q.limit = 1;
  q.after = page(q).nodes.back().value.next;
  EXPECT_EQ(q.after, "a:0:1");
  bus.nodes.erase("a");
  EXPECT_EQ(page(q).nodes.back().value.clients.front().client_id, "b1");
  q.after = "z:0:0";
  EXPECT_THAT(names(page(q)), IsEmpty()) << "nobody comes behind it";
  for (const char* odd : {"x", "b", "b:", "b:0", "b:0:", ":0:0", "b:x:0", "b:0:0x", "b:-1:0"}) {
    q.after = odd;
    EXPECT_EQ(page(q).problem, Problem::bad_cursor) << odd;
  }
  q.after = "c:1:0";
  EXPECT_EQ(page(q).problem, Problem::bad_cursor) << "as the node itself says";
  q.after = "b:0:0";
  EXPECT_EQ(page(q, "c").problem, Problem::bad_cursor);
}

TEST_F(ClusterControlTest, APageTakesNoMoreTimeThanItMay) {
  a.clients_here = {"a1"};
  b.clients_here = {"b1"};
  bus.hold = true;
  Got<admin::ClientPage> got;
  control.clients({}, {}, got.done());
  ASSERT_EQ(bus.held.size(), 1u);
  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begin < Seconds(1)) {
  }
  bus.held.front()();
  ASSERT_TRUE(got);
  EXPECT_THAT(names(*got), ElementsAre("a"));
  EXPECT_EQ(got->nodes[0].value.next, "b:0:0");
}

TEST_F(ClusterControlTest, APageIsBounded) {
  for (auto* n : {&a, &b, &c}) n->clients_here.assign(3, std::string(60'000, n->name[0]));
  const auto first = page({});
  EXPECT_THAT(names(first), ElementsAre("a", "b"));
  EXPECT_EQ(first.nodes.back().value.next, "c:0:0");
  EXPECT_EQ(list(1000).size(), 9u);
}

// ---------------------------------------------------------------- what changes something

TEST_F(ClusterControlTest, AClientIsKickedWhereverItIs) {
  b.clients_here = {"here"};
  c.clients_here = {"there/é\x01", "stays"};
  EXPECT_TRUE(kick("here").nodes.front().value);
  EXPECT_THAT(bus.asked, IsEmpty());

  const auto there = kick("there/é\x01");
  std::vector<std::string> had;
  for (auto& n : there.nodes)
    if (n.value) had.push_back(n.node);
  EXPECT_THAT(had, ElementsAre("c"));
  EXPECT_THAT(c.clients_here, ElementsAre("stays"));

  bus.silent = {"c"};
  const auto unknown = kick("stays");
  EXPECT_THAT(names(unknown), ElementsAre("a", "b"));
  EXPECT_FALSE(unknown.nodes[0].value || unknown.nodes[1].value);
  EXPECT_THAT(unknown.silent, ElementsAre("c"));
  bus.silent.clear();
  EXPECT_EQ(kick("stays", "d").problem, Problem::unknown_node);
  EXPECT_FALSE(kick("stays", "a").nodes.front().value);
  EXPECT_TRUE(kick("stays", "c").nodes.front().value);
}

TEST_F(ClusterControlTest, AnyNodeIsDrained) {
  c.clients_here = {"1", "2"};
  const auto state = drain("c");
  EXPECT_THAT(names(state), ElementsAre("c"));
  EXPECT_EQ(state.nodes[0].value.state, admin::NodeState::draining);
  EXPECT_EQ(state.nodes[0].value.connections, 2u);
  EXPECT_TRUE(c.draining && !a.draining && !b.draining);
  c.problem = "listeners.mqtt: in use";
  EXPECT_EQ(drain("c", false).nodes[0].value.problem, "listeners.mqtt: in use");
  EXPECT_FALSE(c.draining);
  drain("b");
  EXPECT_TRUE(b.draining);
  EXPECT_EQ(drain("d").problem, Problem::unknown_node);
  bus.silent = {"a"};
  EXPECT_THAT(drain("a").silent, ElementsAre("a"));
}

TEST_F(ClusterControlTest, WhatCameTooLateIsNotDone) {
  c.clients_here = {"1"};
  for (Seconds late : {Seconds(11), Seconds(-11), Seconds(86'400)}) {
    far_now = now + late;
    const auto refused = drain("c");
    ASSERT_EQ(refused.refused.size(), 1u);
    EXPECT_THAT(refused.refused[0].why, HasSubstr("clocks"));
    EXPECT_EQ(kick("1", "c").refused.size(), 1u);
    EXPECT_EQ(status("c").refused.size(), 0u) << "looking does no harm";
  }
  EXPECT_FALSE(c.draining);
  EXPECT_EQ(c.clients_here.size(), 1u);
  far_now = now + Seconds(9);
  EXPECT_TRUE(kick("1", "c").nodes.at(0).value);
}

}  // namespace
}  // namespace sb::app
