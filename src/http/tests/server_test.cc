// SPDX-License-Identifier: MIT
// The server against clients that send what they like.
#include "http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <thread>

#include "http/tests/raw_client.h"

namespace sb::http {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::RawClient;
using ::testing::StartsWith;

constexpr Millis kShort{200};

/// A server that says what it was asked, or keeps it for the test to answer.
struct Bench {
  explicit Bench(Server::Options o = {}) {
    o.host = "127.0.0.1";
    server = *Server::open(thread, std::move(o), [this](ServerRequest r, Reply reply) {
      if (r.path == "/later") {
        std::lock_guard lock(mutex);
        kept.push_back(std::move(reply));
        return changed.notify_all();
      }
      if (r.path == "/empty") return reply({204, "", "", {}});
      if (r.path == "/large") return reply({200, std::string(32 * 1024 * 1024, 'x'), "text/plain", {}});
      reply({200, r.method + " " + r.path + "?" + r.query + " " + r.body, "text/plain", {{"X-Test", "yes"}}});
    });
    server->start();
  }
  /// What somebody asked for /later.
  Reply take() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return !kept.empty(); });
    Reply r = std::move(kept.front());
    kept.pop_front();
    return r;
  }
  std::string ask(const std::string& text) {
    RawClient c(server->address());
    c.send(text);
    return c.status_and_body();
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::deque<Reply> kept;
  ControlThread thread;
  std::unique_ptr<Server> server;
};

std::string get(std::string_view target, std::string_view headers = "", std::string_view method = "GET") {
  return std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(headers) +
         "\r\n";
}
std::string post(std::string_view target, std::string_view body, std::string_view headers = "") {
  return get(target, std::string(headers) + "Content-Length: " + std::to_string(body.size()) + "\r\n", "POST") +
         std::string(body);
}
Server::Options brief(Millis timeout = kShort) {
  Server::Options o;
  o.timeout = timeout;
  return o;
}

TEST(HttpServer, OneConnectionManyRequests) {
  Bench b;
  RawClient c(b.server->address());
  for (int i = 0; i < 3; ++i) {
    c.send(get("/a/b%20c?d=e"));
    const std::string answer = c.answer();
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    for (const char* part :
         {"\r\nContent-Type: text/plain\r\n", "\r\nX-Test: yes\r\n", "\r\nCache-Control: no-store\r\n",
          "\r\nX-Content-Type-Options: nosniff\r\n", "\r\nDate: ", " GMT\r\n"})
      EXPECT_THAT(answer, HasSubstr(part));
    EXPECT_THAT(answer, ::testing::EndsWith("\r\n\r\nGET /a/b%20c?d=e "));
  }
  c.send(post("/x", "hello"));
  EXPECT_EQ(c.status_and_body(), "200 POST /x? hello");
  c.send(get("/x", "Transfer-Encoding: chunked\r\n", "POST") + "5\r\nhello\r\n0\r\n\r\n");
  EXPECT_EQ(c.status_and_body(), "200 POST /x? hello");
  c.send(get("/empty"));
  EXPECT_EQ(c.status_and_body(), "204 ");
  c.send(get("/last", "Connection: close\r\n"));
  EXPECT_EQ(c.status_and_body(), "200 GET /last? ");
  EXPECT_TRUE(c.closed());
}

TEST(HttpServer, RequestsThatComeTogether) {
  Bench b;
  RawClient c(b.server->address());
  c.send(get("/1") + post("/2", "two") + get("/later") + get("/4"));
  EXPECT_EQ(c.status_and_body(), "200 GET /1? ");
  EXPECT_EQ(c.status_and_body(), "200 POST /2? two");
  b.take()({200, "three", "text/plain", {}});
  EXPECT_EQ(c.status_and_body(), "200 three");
  EXPECT_EQ(c.status_and_body(), "200 GET /4? ");
}

TEST(HttpServer, HeadIsGetWithoutBody) {
  Bench b;
  RawClient c(b.server->address());
  c.send(get("/x", "", "HEAD") + get("/y"));
  EXPECT_THAT(c.answer(true), HasSubstr("\r\nContent-Length: 9\r\n"));
  EXPECT_EQ(c.status_and_body(), "200 GET /y? ");
}

TEST(HttpServer, WhatItRefuses) {
  const std::string big(100'000, 'x'), head(9'000, 'x');
  const struct {
    const char* what;
    std::string request, answer;
  } rows[] = {
      {"garbage", "\x16\x03\x01\x02\r\n\r\n", "400 "},
      {"no version", "GET /\r\n\r\n", "400 "},
      {"another protocol", "PRI * HTTP/2.0\r\n\r\n", "400 "},
      {"a bad length", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", "400 "},
      {"two lengths", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400 "},
      {"a bad chunk", get("/", "Transfer-Encoding: chunked\r\n", "POST") + "Z\r\n", "400 "},
      {"a long target", "GET /" + head + " HTTP/1.1\r\nHost: localhost\r\n\r\n", "431 "},
      {"a long head", get("/", "X: " + head + "\r\n"), "431 "},
      {"an endless head", "GET / HTTP/1.1\r\nX: " + big, "431 "},
      {"a long body", post("/", big), "413 "},
      {"chunks without end", get("/", "Transfer-Encoding: chunked\r\n", "POST") + "186A0\r\n" + big, "413 "},
      {"no host", "GET / HTTP/1.1\r\n\r\n", "400 "},
      {"two hosts", "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", "400 "},
      {"an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "403 "},
      {"a name of somebody else", "GET / HTTP/1.1\r\nHost: rebind.example\r\n\r\n", "403 "},
      {"another site", post("/", "", "Origin: http://evil.example\r\n"), "403 "},
      {"no site", post("/", "", "Origin: null\r\n"), "403 "},
      {"two sites", post("/", "", "Origin: http://localhost\r\nOrigin: http://evil.example\r\n"), "403 "},
      {"the whole URL", "GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", "400 "},
      {"for a proxy", "CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", "400 "},
      {"100-continue", post("/", "", "Expect: 100-continue\r\n"), "417 "},
  };
  Bench b;
  for (auto& row : rows) EXPECT_THAT(b.ask(row.request), StartsWith(row.answer)) << row.what;
}

TEST(HttpServer, WhatItDoesNotRefuse) {
  const struct {
    const char* what;
    std::string request;
  } rows[] = {
      {"a head of nearly 8 KiB", get("/", "X: " + std::string(8'000, 'x') + "\r\n")},
      {"a body of 64 KiB", post("/", std::string(64 * 1024, 'x'))},
      {"1.0 without a host", "GET / HTTP/1.0\r\n\r\n"},
      {"its own site", post("/", "", "Origin: http://localhost\r\n")},
      {"to look, from another site", get("/", "Origin: http://evil.example\r\n")},
  };
  Bench b;
  for (auto& row : rows) EXPECT_THAT(b.ask(row.request), StartsWith("200 ")) << row.what;
}

TEST(HttpServer, AfterWhatItDidNotUnderstandItCloses) {
  Bench b;
  RawClient c(b.server->address());
  c.send("nonsense\r\n\r\n" + get("/x") + std::string(200'000, 'x'));
  EXPECT_THAT(c.status_and_body(), StartsWith("400 "));
  EXPECT_TRUE(c.closed());
  EXPECT_FALSE(c.reset()) << "what it did not read must not take the answer away";
}

TEST(HttpServer, NamesOfItsOwn) {
  Server::Options o;
  o.hosts = HostRules({"broker.example"});
  Bench b(std::move(o));
  const std::string request = "GET / HTTP/1.1\r\nHost: Broker.Example:8080\r\n\r\n";
  EXPECT_THAT(b.ask(request), StartsWith("200 "));
  b.server->set_hosts(HostRules());
  EXPECT_THAT(b.ask(request), StartsWith("403 "));
}

TEST(HttpServer, AnswersFromAnotherThreadOnce) {
  Bench b;
  RawClient c(b.server->address());
  c.send(get("/later"));
  std::thread([reply = b.take()] {
    reply({200, "one", "text/plain", {}});
    reply({200, "two", "text/plain", {}});
  }).join();
  EXPECT_EQ(c.status_and_body(), "200 one");
  c.send(get("/x"));
  EXPECT_EQ(c.status_and_body(), "200 GET /x? ");
}

TEST(HttpServer, AnAnswerToAnEarlierRequestIsNoneToThis) {
  Bench b;
  RawClient c(b.server->address());
  c.send(get("/later"));
  Reply first = b.take();
  first({200, "one", "text/plain", {}});
  EXPECT_EQ(c.status_and_body(), "200 one");
  c.send(get("/later"));
  Reply second = b.take();
  first({200, "one again", "text/plain", {}});
  second({200, "two", "text/plain", {}});
  EXPECT_EQ(c.status_and_body(), "200 two");
}

TEST(HttpServer, AnAnswerForWhoHasLeft) {
  Bench b;
  Reply reply;
  {
    RawClient c(b.server->address());
    c.send(get("/later"));
    reply = b.take();
  }
  reply({200, "too late", "text/plain", {}});
  EXPECT_THAT(b.ask(get("/x")), StartsWith("200 "));
}

// ---------------------------------------------------------------- time

TEST(HttpServer, ARequestHasToComeInTime) {
  const std::string request = post("/x", "hello");
  for (std::size_t n : {std::size_t{1}, request.size() / 2, request.size() - 1}) {
    Bench b(brief());
    RawClient c(b.server->address());
    c.send(request.substr(0, n));
    EXPECT_THAT(c.status_and_body(), StartsWith("408 ")) << n;
    EXPECT_TRUE(c.closed());
  }
}

TEST(HttpServer, DripsDoNotMakeTheTimeLonger) {
  Bench b(brief());
  RawClient c(b.server->address());
  const std::string request = get("/x");
  std::size_t sent = 0;
  while (sent < request.size() && !c.hears(20)) c.send(request.substr(sent++, 1));
  EXPECT_LT(sent, request.size());
  EXPECT_THAT(c.status_and_body(), StartsWith("408 "));
}

TEST(HttpServer, AnAnswerThatDoesNotCome) {
  Bench b(brief());
  RawClient c(b.server->address());
  c.send(get("/later"));
  Reply reply = b.take();
  EXPECT_THAT(c.status_and_body(), StartsWith("504 "));
  reply({200, "late", "text/plain", {}});
  EXPECT_TRUE(c.closed());
}

TEST(HttpServer, AnAnswerThatNobodyTakes) {
  Bench b(brief());
  RawClient c(b.server->address());
  c.send(get("/large"));
  std::this_thread::sleep_for(3 * kShort);  // the time that is to be over is the server's
  EXPECT_EQ(c.answer(), "") << "cut off";
}

TEST(HttpServer, AnIdleConnectionIsClosed) {
  Server::Options o;
  o.idle = kShort;
  Bench b(std::move(o));
  RawClient fresh(b.server->address()), used(b.server->address());
  used.send(get("/x"));
  EXPECT_THAT(used.status_and_body(), StartsWith("200 "));
  EXPECT_TRUE(used.closed());
  EXPECT_TRUE(fresh.closed());
}

// ---------------------------------------------------------------- bounds

TEST(HttpServer, WhoIsIdleMakesWay) {
  Server::Options o;
  o.connections = 3;
  Bench b(std::move(o));
  std::vector<std::unique_ptr<RawClient>> all;
  for (int i = 0; i < 20; ++i) {
    all.push_back(std::make_unique<RawClient>(b.server->address()));
    all.back()->send(get("/x"));
    EXPECT_EQ(all.back()->status_and_body(), "200 GET /x? ") << i;
  }
  for (int i = 0; i < 17; ++i) EXPECT_TRUE(all[i]->closed()) << i;
  for (int i = 17; i < 20; ++i) EXPECT_FALSE(all[i]->hears(0)) << i;
}

TEST(HttpServer, WhoIsNotIdleDoesNot) {
  Server::Options o;
  o.connections = 2;
  Bench b(std::move(o));
  RawClient one(b.server->address()), two(b.server->address());
  one.send(get("/later"));
  two.send("GET /x HT");
  Reply reply = b.take();
  RawClient three(b.server->address());
  three.send(get("/x"));
  EXPECT_FALSE(three.hears(100)) << "it waits";
  reply({200, "one", "text/plain", {}});
  EXPECT_EQ(one.status_and_body(), "200 one");
  EXPECT_EQ(three.status_and_body(), "200 GET /x? ") << "the first was idle then";
  two.send("TP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(two.status_and_body(), "200 GET /x? ");
}

// ---------------------------------------------------------------- the end

TEST(HttpServer, StopWaitsForWhatIsUnderWay) {
  Bench b;
  RawClient idle(b.server->address()), busy(b.server->address());
  idle.send(get("/x"));
  idle.answer();
  busy.send(get("/later"));
  Reply reply = b.take();
  std::thread stopping([&] { b.server->stop(Millis(20'000)); });
  EXPECT_TRUE(idle.closed());
  reply({200, "done", "text/plain", {}});
  EXPECT_THAT(busy.answer(), HasSubstr("\r\nConnection: close\r\n"));
  EXPECT_TRUE(busy.closed());
  busy.shut_write();
  stopping.join();
}

TEST(HttpServer, ButNotForEver) {
  Bench b;
  RawClient c(b.server->address());
  c.send(get("/later"));
  Reply reply = b.take();
  b.server->stop(kShort);
  EXPECT_TRUE(c.closed());
  reply({200, "late", "text/plain", {}});
}

TEST(HttpServer, AnAddressInUse) {
  Bench b;
  Server::Options o;
  o.host = "127.0.0.1";
  const std::string address = b.server->address();
  o.port = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  auto second = Server::open(b.thread, std::move(o), [](ServerRequest, const Reply&) {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().value(), EADDRINUSE);
}

TEST(HttpServer, ManyAtOnce) {
  Bench b;
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        RawClient c(b.server->address());
        for (int n = 0; n < 3; ++n) {
          c.send(post("/x", "hi"));
          good += c.status_and_body() == "200 POST /x? hi";
        }
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(good, 8 * 50 * 3);
}

}  // namespace
}  // namespace sb::http
