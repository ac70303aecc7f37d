// SPDX-License-Identifier: MIT
// The client against servers that follow a script, good ones and bad ones.
#include "http/client.h"

#include <gtest/gtest.h>

#include <future>

#include "http/tests/script_server.h"
#include "io/tests/test_certs.h"

namespace sb::http {
namespace {

using testing::Peer;
using testing::ScriptServer;

constexpr Millis kLong{30'000}, kShort{150};

Client::Options at(std::uint16_t port, std::string host = "127.0.0.1", bool tls = false) {
  Client::Options o;
  o.server.host = std::move(host);
  o.server.port = port;
  o.server.tls = tls;
  return o;
}

struct Bench {
  explicit Bench(Client::Options options) {
    std::string why;
    auto made = Client::make(thread, std::move(options), why);
    EXPECT_TRUE(made) << why;
    client = std::move(*made);
  }
  std::future<result<Response>> post(std::string body = "?", Millis timeout = kLong) {
    auto promise = std::make_shared<std::promise<result<Response>>>();
    client->post({"/x?y", std::move(body), {{"Content-Type", "text/plain"}}, timeout},
                 [promise](result<Response> r) { promise->set_value(std::move(r)); });
    return promise->get_future();
  }
  /// "200 body", or the error.
  static std::string text(result<Response> r) {
    return r ? std::to_string(r->status) + " " + r->body : r.error().message();
  }
  std::string ask(std::string body = "?", Millis timeout = kLong) { return text(post(std::move(body), timeout).get()); }

  ControlThread thread;
  std::unique_ptr<Client> client;
};

const std::string kTimeout = make_error_code(errc::timeout).message();

void echo(Peer& p, int) {
  for (std::string request; !(request = p.request()).empty();) p.answer(request.substr(request.find("\r\n\r\n") + 4));
}

TEST(HttpClient, WhatItSends) {
  std::promise<std::string> seen;
  ScriptServer server([&](Peer& p, int) {
    seen.set_value(p.request());
    p.answer("");
  });
  Bench b(at(server.port()));
  EXPECT_EQ(b.ask("hello"), "200 ");
  EXPECT_EQ(seen.get_future().get(), "POST /x?y HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port()) +
                                         "\r\nUser-Agent: signalbox\r\nContent-Type: text/plain\r\nContent-Length: 5"
                                         "\r\n\r\nhello");
}

TEST(HttpClient, AConnectionIsUsedAgain) {
  ScriptServer server(echo);
  Bench b(at(server.port()));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(b.ask(std::to_string(i)), "200 " + std::to_string(i));
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, UnlessTheServerDoesNotWantThat) {
  ScriptServer server([](Peer& p, int) {
    p.request();
    p.answer("bye", "Connection: close\r\n");
    p.request();
  });
  Bench b(at(server.port()));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(b.ask(), "200 bye");
  EXPECT_EQ(server.connections(), 3);
}

TEST(HttpClient, AConnectionThatWasClosedMeanwhileIsNoError) {
  ScriptServer server([](Peer& p, int) {
    p.request();
    p.answer("once");
  });
  Bench b(at(server.port()));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(b.ask(), "200 once");
}

TEST(HttpClient, OneThatClosesOnAFreshConnectionIs) {
  ScriptServer server([](Peer& p, int) { p.request(); });
  Bench b(at(server.port()));
  EXPECT_NE(b.ask().substr(0, 3), "200");
  EXPECT_EQ(server.connections(), 1) << "and it is not asked again";
}

TEST(HttpClient, BadAnswers) {
  const std::string huge(100'000, 'x');
  const struct {
    const char* what;
    std::string answer;
  } rows[] = {
      {"garbage", "SSH-2.0-OpenSSH_9.2\r\n"},
      {"half a body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"},
      {"half a header", "HTTP/1.1 200 OK\r\nContent-"},
      {"a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"},
      {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"},
      {"a body that is too large", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + huge},
      {"a body of unknown length that is too large", "HTTP/1.1 200 OK\r\n\r\n" + huge},
      {"chunks that are too large", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n186A0\r\n" + huge},
      {"a chunk that is none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\n"},
      {"a header that is too large", "HTTP/1.1 200 OK\r\nX: " + huge + "\r\n\r\n"},
      {"continue", "HTTP/1.1 100 Continue\r\n\r\n"},
      {"switching", "HTTP/1.1 101 Switching Protocols\r\n\r\n"},
  };
  for (auto& row : rows) {
    ScriptServer server([&](Peer& p, int) {
      p.request();
      p.send(row.answer);
    });
    Bench b(at(server.port()));
    auto answer = b.post().get();
    EXPECT_FALSE(answer) << row.what << ": " << answer->status;
    EXPECT_NE(answer.error(), errc::timeout) << row.what;
  }
}

TEST(HttpClient, WhatFollowsAnAnswerIsNoAnswer) {
  ScriptServer server([](Peer& p, int n) {
    p.request();
    p.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + std::to_string(n) +
           "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged");
    p.request();
  });
  Bench b(at(server.port()));
  EXPECT_EQ(b.ask(), "200 1");
  EXPECT_EQ(b.ask(), "200 2");
}

TEST(HttpClient, TheDeadlineCoversAllOfIt) {
  const struct {
    const char* what;
    ScriptServer::Script script;
  } rows[] = {
      {"no answer",
       [](Peer& p, int) {
         while (!p.request().empty()) {
         }
       }},
      {"half an answer",
       [](Peer& p, int) {
         p.request();
         p.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
         p.request();
       }},
      {"an answer without end",
       [](Peer& p, int) {
         p.request();
         p.send("HTTP/1.1 200 OK\r\n");
         while (p.send("X: y\r\n")) std::this_thread::sleep_for(Millis(20));
       }},
  };
  for (auto& row : rows) {
    ScriptServer server(row.script);
    Bench b(at(server.port()));
    EXPECT_EQ(b.ask("?", kShort), kTimeout) << row.what;
  }
  ScriptServer plain([](Peer& p, int) {
    while (!p.request().empty()) {
    }
  });
  Bench b(at(plain.port(), "127.0.0.1", true));
  EXPECT_EQ(b.ask("?", kShort), kTimeout) << "TLS is waited for";
}

TEST(HttpClient, WhoeverWaitsForAConnectionHasADeadlineToo) {
  ScriptServer server([](Peer& p, int) {
    while (!p.request().empty()) {
    }
  });
  auto options = at(server.port());
  options.connections = 1;
  options.waiting = 1;
  Bench b(options);
  auto first = b.post(), second = b.post("?", kShort), third = b.post();
  EXPECT_EQ(third.get().error(), errc::busy);
  EXPECT_EQ(second.get().error(), errc::timeout);
  auto fourth = b.post("?", kShort);
  EXPECT_EQ(fourth.get().error(), errc::timeout) << "there was room again";
  b.client.reset();
  EXPECT_EQ(first.get().error(), errc::closed);
}

TEST(HttpClient, NoMoreConnectionsThanItMayHave) {
  std::atomic<int> at_once{0}, most{0};
  ScriptServer server([&](Peer& p, int) {
    while (!p.request().empty()) {
      const int now = ++at_once;
      for (int was = most; was < now && !most.compare_exchange_weak(was, now);) {
      }
      --at_once;
      p.answer("ok");
    }
  });
  auto options = at(server.port());
  options.connections = 3;
  Bench b(options);
  std::vector<std::future<result<Response>>> all;
  for (int i = 0; i < 200; ++i) all.push_back(b.post());
  for (auto& f : all) EXPECT_EQ(Bench::text(f.get()), "200 ok");
  EXPECT_LE(server.connections(), 3);
  EXPECT_LE(most, 3);
}

TEST(HttpClient, NobodyListens) {
  std::uint16_t port;
  {
    port = ScriptServer([](Peer&, int) {}).port();
  }
  Bench b(at(port));
  EXPECT_FALSE(b.post().get());
}

TEST(HttpClient, AHostThatDoesNotExist) {
  Bench b(at(80, "no-such-host.invalid"));
  EXPECT_FALSE(b.post("?", kShort).get());
}

TEST(HttpClient, AThreadThatEndsAnswersWhatWaits) {
  ScriptServer server([](Peer& p, int) {
    while (!p.request().empty()) {
    }
  });
  std::future<result<Response>> answer;
  {
    Bench b(at(server.port()));
    answer = b.post();
  }
  EXPECT_EQ(answer.get().error(), errc::closed);
}

TEST(ControlThread, CallsAgainAndAgain) {
  std::promise<void> thrice;
  ControlThread thread;
  thread.every(Millis(1), [&, n = std::make_shared<int>(0)] {
    if (++*n == 3) thrice.set_value();
  });
  thrice.get_future().wait();
}

TEST(HttpClient, OverTls) {
  io::testing::TestCa ca, other("Other CA");
  const auto good = ca.issue("good", {.common_names = {"x"}, .alternative_names = "DNS:localhost,IP:127.0.0.1"});
  const auto elsewhere = ca.issue("elsewhere", {.common_names = {"localhost"}, .alternative_names = "DNS:example.org"});
  const auto late = ca.issue("late", {.alternative_names = "DNS:localhost,IP:127.0.0.1", .valid_until = -60});
  const struct {
    const char* what;
    io::testing::TestCa::Files files;
    std::string host, ca;
    bool in;
  } rows[] = {
      {"a name", good, "localhost", ca.file(), true},
      {"an address", good, "127.0.0.1", ca.file(), true},
      {"another name", elsewhere, "localhost", ca.file(), false},
      {"another address", elsewhere, "127.0.0.1", ca.file(), false},
      {"another authority", good, "localhost", other.file(), false},
      {"the system's authorities", good, "localhost", "", false},
      {"a certificate that has ended", late, "localhost", ca.file(), false},
  };
  for (auto& row : rows) {
    ScriptServer server(echo, row.files.cert, row.files.key);
    auto options = at(server.port(), row.host, true);
    options.ca_file = row.ca;
    Bench b(options);
    for (int i = 0; i < 2; ++i) {
      auto answer = b.post("secret").get();
      EXPECT_EQ(answer.has_value(), row.in) << row.what;
      if (!row.in) {
        EXPECT_NE(answer.error(), errc::timeout) << row.what;
      }
    }
    EXPECT_EQ(server.connections(), row.in ? 1 : 2) << row.what;
  }
}

TEST(HttpClient, AFileOfAuthoritiesThatIsNone) {
  ControlThread thread;
  auto options = at(443, "localhost", true);
  options.ca_file = "/dev/null";
  std::string why;
  EXPECT_FALSE(Client::make(thread, options, why));
  EXPECT_TRUE(why.starts_with("/dev/null: ")) << why;
}

}  // namespace
}  // namespace sb::http
