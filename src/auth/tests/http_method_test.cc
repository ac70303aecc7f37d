// SPDX-License-Identifier: MIT
// The method and the source of rights that ask over HTTP, against a server that follows a script.
#include "auth/http_method.h"

#include <gtest/gtest.h>

#include <future>

#include "auth/http_rights.h"
#include "http/tests/script_server.h"

namespace sb::auth {
namespace {

using http::testing::Peer;
using http::testing::ScriptServer;
using mqtt::Reason;

std::unique_ptr<HttpBackEnd> back_end(http::ControlThread& thread, const ScriptServer& server, HttpAsked asked,
                                      std::uint32_t failures = 100) {
  HttpBackEnd::Options o;
  o.key = "test";
  o.asked = asked;
  o.url.host = "127.0.0.1";
  o.url.port = server.port();
  o.timeout = Seconds(30);
  o.breaker = {.failures = failures, .retry_after = Seconds(3600)};
  std::string why;
  auto made = HttpBackEnd::make(thread, std::move(o), why);
  return std::move(*made);
}

ports::Credentials shown(std::string_view client, std::optional<std::string_view> name,
                         std::optional<std::string_view> password, std::string_view peer = "192.0.2.1:1") {
  ports::Credentials who;
  who.client_id = client;
  who.username = name;
  who.password = password;
  who.peer = peer;
  return who;
}

std::future<Method::Answer> begin(HttpMethod& method, const ports::Credentials& who) {
  auto promise = std::make_shared<std::promise<Method::Answer>>();
  method.ask(who, true, [promise](Method::Answer a) { promise->set_value(std::move(a)); });
  return promise->get_future();
}

/// The reason; nothing = another method is asked.
std::optional<Reason> ask(HttpMethod& method, const ports::Credentials& who) {
  auto answer = begin(method, who).get();
  return answer ? std::optional(answer->reason) : std::nullopt;
}

/// Lets in whoever says "good", does not know "who?", and answers others with `other`.
ScriptServer::Script judge(std::string other) {
  return [other](Peer& p, int) {
    for (std::string q; !(q = p.request()).empty();) {
      if (q.find("\"password\":\"good\"") != q.npos)
        p.answer(R"({"result":"allow"})");
      else if (q.find("\"password\":\"who?\"") != q.npos)
        p.answer(R"({"result":"ignore"})");
      else
        p.answer(other);
    }
  };
}

TEST(HttpMethod, AnswersAreRememberedByAllThatWasShown) {
  ScriptServer server(judge(R"({"result":"deny"})"));
  http::ControlThread thread;
  HttpMethod method(back_end(thread, server, HttpAsked::login), {});
  const struct {
    ports::Credentials who;
    std::optional<Reason> reason;
    bool is_asked;
  } rows[] = {
      {shown("c", "ada", "good"), Reason::success, true},
      {shown("c", "ada", "good"), Reason::success, false},
      {shown("c", "ada", "good", "192.0.2.1:2"), Reason::success, false},
      {shown("c", "ada", "good", "192.0.2.2:1"), Reason::success, true},
      {shown("d", "ada", "good"), Reason::success, true},
      {shown("c", "bob", "good"), Reason::success, true},
      {shown("c", {}, "good"), Reason::success, true},
      {shown("c", "", "good"), Reason::success, true},
      {shown("c", "ada", "bad"), Reason::bad_user_name_or_password, true},
      {shown("c", "ada", "bad"), Reason::bad_user_name_or_password, false},
      {shown("c", "ada", ""), Reason::bad_user_name_or_password, true},
      {shown("c", "ada", {}), Reason::bad_user_name_or_password, true},
      {shown("c", "ada", "who?"), std::nullopt, true},
      {shown("c", "ada", "who?"), std::nullopt, false},
      {shown("c", {}, {}), std::nullopt, false},
      {shown("c", "", {}), std::nullopt, false},
      {shown("c", "ada", "\xFF"), Reason::bad_user_name_or_password, false},
      {shown("c", "ada", std::string_view("good\0", 5)), Reason::bad_user_name_or_password, false},
  };
  for (std::size_t i = 0; auto& row : rows) {
    const auto before = method.back_end().counts().sent;
    EXPECT_EQ(ask(method, row.who), row.reason) << "row " << i;
    EXPECT_EQ(method.back_end().counts().sent - before, row.is_asked ? 1u : 0u) << "row " << i;
    ++i;
  }
  EXPECT_EQ(method.remembered(), 4u);
}

TEST(HttpMethod, WhatIsNoAnswerIsNotRememberedAndOpensTheBreaker) {
  ScriptServer server(judge("nonsense"));
  http::ControlThread thread;
  HttpMethod method(back_end(thread, server, HttpAsked::login, 3), {});
  for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(method, shown("c", "ada", "bad")), Reason::server_unavailable);
  const auto counts = method.back_end().counts();
  EXPECT_EQ(counts.sent, 3u);
  EXPECT_EQ(counts.failed, 3u);
  EXPECT_EQ(counts.refused, 2u);
  EXPECT_EQ(ask(method, shown("c", "ada", "good")), Reason::server_unavailable) << "nobody is let in unasked";
}

TEST(HttpMethod, OneThatIsReplacedAnswersWhatWaits) {
  ScriptServer server([](Peer& p, int) {
    while (!p.request().empty()) {
    }
  });
  http::ControlThread thread;
  auto method = std::make_unique<HttpMethod>(back_end(thread, server, HttpAsked::login), HttpMethod::Options{});
  auto answer = begin(*method, shown("c", "ada", "good"));
  method.reset();
  EXPECT_EQ(answer.get()->reason, Reason::server_unavailable);
}

TEST(HttpRights, WhatBecomesOfAnAnswer) {
  const struct {
    std::string body;
    Reason reason;
    Seconds ttl;
  } rows[] = {
      {R"({"acl":{"pub":["a"]},"ttl":7})", Reason::success, Seconds(7)},
      {R"({"superuser":true})", Reason::success, Seconds(0)},
      {R"({"result":"deny"})", Reason::not_authorized, Seconds(0)},
      {R"({})", Reason::server_unavailable, Seconds(0)},
  };
  for (auto& row : rows) {
    ScriptServer server(judge(row.body));
    http::ControlThread thread;
    HttpRights rights(back_end(thread, server, HttpAsked::rights));
    std::promise<RightsSource::Answer> promise;
    rights.ask({"c", ""}, [&](RightsSource::Answer a) { promise.set_value(std::move(a)); });
    const auto answer = promise.get_future().get();
    EXPECT_EQ(answer.reason, row.reason) << row.body;
    EXPECT_EQ(answer.ttl, row.ttl) << row.body;
    EXPECT_EQ(answer.rules != nullptr, ok(row.reason)) << row.body;
    if (answer.rules) {
      EXPECT_TRUE(answer.rules->may_publish({"c", ""}, "a", false)) << row.body;
    }
  }
}

}  // namespace
}  // namespace sb::auth
