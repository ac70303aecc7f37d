// SPDX-License-Identifier: MIT
// A connection to a real Redis.
#include "redis/connection.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "io/tests/test_certs.h"
#include "redis/tests/bench.h"
#include "redis/tests/listening_socket.h"

namespace sb::redis {
namespace {

using testing::ask;
using ::testing::HasSubstr;
using testing::Life;
using testing::RedisServer;
using ::testing::StartsWith;
using testing::TestLoop;

/// What the tests agree on: short pauses, deadlines that no healthy answer misses.
Options options() {
  Options o;
  o.pause_max = Millis(200);
  o.connect_timeout = o.command_timeout = Millis(20000);
  return o;
}

ConnectionPtr connect(TestLoop& loop, const Endpoint& to, Options o, Life* life = nullptr) {
  auto c = Connection::make(loop, to, std::make_shared<const Options>(std::move(o)), life);
  c->start();
  return c;
}

TEST(RedisConnection, WorksOverTcpIpv6AndUnixSockets) {
  NEEDS_REDIS();
  RedisServer server;
  TestLoop loop;
  for (const Endpoint& e : {server.endpoint(), Endpoint{"::1", server.port(), ""},
                            Endpoint{"localhost", server.port(), ""}, Endpoint{"", 0, server.unix_path()}}) {
    Options o = options();
    o.db = 2;
    o.client_name = "tester";
    auto c = connect(loop, e, o);
    ASSERT_TRUE(loop.until([&] { return c->up(); })) << e.text();
    EXPECT_EQ(ask(loop, *c, {"SET", "k", "v"}), "done +OK");
    EXPECT_EQ(ask(loop, *c, {"GET", "k"}), "done \"v\"");
    EXPECT_EQ(ask(loop, *c, {"CLIENT", "GETNAME"}), "done \"tester\"");
    EXPECT_THAT(ask(loop, *c, {"CLIENT", "INFO"}), HasSubstr("db=2"));
  }
}

TEST(RedisConnection, TellsWhyItCannotComeUp) {
  NEEDS_REDIS();
  RedisServer server({"--requirepass", "right"});
  TestLoop loop;
  Options wrong = options(), none = options();
  wrong.password = "wrong";
  const struct {
    Endpoint to;
    Options options;
    std::string_view line;
  } cases[] = {
      {server.endpoint(), wrong, "down: Redis refused the connection: AUTH: WRONGPASS"},
      {server.endpoint(), none, "down: Redis refused the connection: CLIENT SETNAME: NOAUTH"},
      {{"127.0.0.1", testing::free_port(), ""}, none, "down: Connection refused"},
      {{"", 0, "/nowhere/socket"}, none, "down: No such file or directory"},
      {{"", 0, std::string(200, 'x')}, none, "down: the host name has no address"},
      {{"name.invalid", 1, ""}, none, "down: the host name has no address"},
  };
  for (const auto& c : cases) {
    Life life;
    auto connection = connect(loop, c.to, c.options, &life);
    ASSERT_TRUE(loop.until([&] { return life.downs >= 2; })) << c.line;  // and tries again
    EXPECT_EQ(life.ups, 0);
    EXPECT_THAT(life.lines.front(), StartsWith(std::string(c.line)));
  }
  Options right = options();
  right.password = "right";
  auto c = connect(loop, server.endpoint(), right);
  EXPECT_TRUE(loop.until([&] { return c->up(); }));
}

TEST(RedisConnection, AUserWithFewRightsHasThemOnly) {
  NEEDS_REDIS();
  RedisServer server;
  ASSERT_EQ(server.ask({"ACL", "SETUSER", "reader", "on", ">word", "~*", "-@all", "+get"}), "OK");
  TestLoop loop;
  Options o = options();
  o.username = "reader";
  o.password = "word";
  o.probe_after = Millis(10);  // PING is not allowed, and its refusal an answer
  Life life;
  auto c = connect(loop, server.endpoint(), o, &life);
  ASSERT_TRUE(loop.until([&] { return c->up(); }));
  EXPECT_EQ(ask(loop, *c, {"GET", "k"}), "done nil");
  EXPECT_THAT(ask(loop, *c, {"SET", "k", "v"}), StartsWith("refused -NOPERM"));
  ASSERT_TRUE(loop.until([&] { return server.ask({"ACL", "LOG"}).find("ping") != std::string::npos; }));
  EXPECT_EQ(ask(loop, *c, {"GET", "k"}), "done nil");
  EXPECT_EQ(life.downs, 0);
}

TEST(RedisConnection, TlsIsVerified) {
  NEEDS_REDIS();
  io::testing::TestCa ca, other("Another CA");
  const auto files = ca.issue("redis", {.common_names = {"localhost"}, .alternative_names = "IP:127.0.0.1"});
  const std::uint16_t port = testing::free_port();
  RedisServer server({"--tls-port", std::to_string(port), "--tls-cert-file", files.cert, "--tls-key-file", files.key,
                      "--tls-ca-cert-file", ca.file(), "--tls-auth-clients", "no"});
  TestLoop loop;
  std::string why;
  auto context = [&](const std::string& authority) { return *io::TlsContext::client({.ca_file = authority}, why); };
  Options o = options();
  o.tls = context(ca.file());
  auto c = connect(loop, {"127.0.0.1", port, ""}, o);
  ASSERT_TRUE(loop.until([&] { return c->up(); }));
  const std::string big(3 << 20, 'x');
  EXPECT_EQ(ask(loop, *c, {"SET", "k", big}), "done +OK");
  EXPECT_EQ(ask(loop, *c, {"GET", "k"}), "done \"" + big + "\"");

  Life stranger, misnamed, plain;
  o.tls = context(other.file());
  auto c2 = connect(loop, {"127.0.0.1", port, ""}, o, &stranger);
  o.tls = context(ca.file());
  auto c3 = connect(loop, {"::1", port, ""}, o, &misnamed);
  ASSERT_TRUE(loop.until([&] { return stranger.downs > 0 && misnamed.downs > 0; }));
  EXPECT_EQ(stranger.why, io::tls_errc::certificate_unknown_ca);
  EXPECT_EQ(misnamed.why, io::tls_errc::certificate_wrong_name);
  EXPECT_EQ(stranger.ups + misnamed.ups, 0);
  o.connect_timeout = Millis(500);
  auto c4 = connect(loop, server.endpoint(), o, &plain);  // whose port has no TLS
  ASSERT_TRUE(loop.until([&] { return plain.downs > 0; }));
  EXPECT_EQ(plain.ups, 0);
}

/// Turns the loop until a client has connected and said something; answers that, and resets the connection.
bool answer_and_reset(TestLoop& loop, testing::ListeningSocket& server, std::string_view answer) {
  if (!loop.until([&] { return testing::readable(server.fd()); })) return false;
  const int client = ::accept(server.fd(), nullptr, nullptr);
  char said[16384];
  const bool done = loop.until([&] { return testing::readable(client); }) && ::recv(client, said, sizeof said, 0) > 0 &&
                    ::send(client, answer.data(), answer.size(), 0) == static_cast<ssize_t>(answer.size());
  const linger hard{1, 0};
  setsockopt(client, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  ::close(client);
  return done;
}

TEST(RedisConnection, WhyTlsFailedIsSaidAlsoWhenTheServerResets) {
  io::testing::TestCa ca;
  testing::ListeningSocket server;
  TestLoop loop;
  std::string why;
  Options o = options();
  o.tls = *io::TlsContext::client({.ca_file = ca.file()}, why);
  Life life;
  auto c = connect(loop, server.endpoint(), o, &life);
  using namespace std::string_view_literals;
  ASSERT_TRUE(
      answer_and_reset(loop, server, "\x16\x03\x03\0\x04\xff\0\0\0"sv));  // a handshake message that there is not
  ASSERT_TRUE(loop.until([&] { return life.downs > 0; }));
  EXPECT_EQ(life.why, io::tls_errc::protocol) << life.lines.at(0);
}

TEST(RedisConnection, AHundredThousandCommandsComeBackInOrder) {
  NEEDS_REDIS();
  RedisServer server;
  TestLoop loop;
  struct InOrder : Handler {
    std::uint64_t next = 0, wrong = 0;
    void on_outcome(Outcome& o, std::uint64_t tag) override {
      wrong += tag != next || o.value().text() != std::to_string(tag);
      ++next;
    }
  } handler;
  auto c = connect(loop, server.endpoint(), options());
  ASSERT_TRUE(loop.until([&] { return c->up(); }));
  constexpr std::uint64_t kCommands = 100'000;
  std::uint64_t given = 0;
  ASSERT_TRUE(loop.until([&] {
    while (given < kCommands && !c->command({"ECHO", std::to_string(given)}, handler, given)) ++given;
    return handler.next == kCommands;
  }));
  EXPECT_EQ(handler.wrong, 0u);
  EXPECT_EQ(c->pending(), 0u);
}

TEST(RedisConnection, ATurnsCommandsGoOutTogether) {
  NEEDS_REDIS();
  RedisServer server;
  TestLoop loop;
  auto c = connect(loop, server.endpoint(), options());
  ASSERT_TRUE(loop.until([&] { return c->up(); }));
  int replies = 0;
  loop.post_fn([&] {
    for (int i = 0; i < 1000; ++i) call(*c, {"INCR", "n"}, [&](Outcome&) { ++replies; });
    EXPECT_EQ(c->pending(), 1000u);
  });
  ASSERT_TRUE(loop.until([&] { return replies == 1000; }));
  // Redis counts its reads: connecting, these, and INFO itself; without gathering there would be a thousand.
  const std::string info = server.ask({"INFO", "stats"});
  const std::size_t at = info.find("total_reads_processed:");
  ASSERT_NE(at, info.npos);
  EXPECT_LT(std::stoi(info.substr(at + 22)), 100);
}

TEST(RedisConnection, LargeValuesPass) {
  NEEDS_REDIS();
  RedisServer server;
  TestLoop loop;
  auto c = connect(loop, server.endpoint(), options());
  ASSERT_TRUE(loop.until([&] { return c->up(); }));
  const std::string big(10 << 20, 'b');
  EXPECT_EQ(ask(loop, *c, {"SET", "big", big}), "done +OK");
  std::string got;
  call(*c, {"GET", "big"}, [&](Outcome& o) { got = o.value().text(); });
  ASSERT_TRUE(loop.until([&] { return !got.empty(); }));
  EXPECT_TRUE(got == big);
}

TEST(RedisConnection, AServerThatForgotTheScriptsGetsThemAgain) {
  NEEDS_REDIS();
  RedisServer server;
  TestLoop loop;
  auto script = std::make_shared<const Script>("return {KEYS[1], ARGV[1]}");
  Options o = options();
  o.scripts = {script};
  auto c = connect(loop, server.endpoint(), o);
  ASSERT_TRUE(loop.until([&] { return c->up(); }));
  auto run = [&] {
    std::string out;
    call_script(*c, *script, {"k"}, {"a"}, [&](Outcome& r) { out = testing::show(r); });
    EXPECT_TRUE(loop.until([&] { return !out.empty(); }));
    return out;
  };
  EXPECT_EQ(run(), "done [\"k\" \"a\"]");
  ASSERT_EQ(server.ask({"SCRIPT", "FLUSH"}), "OK");
  EXPECT_THAT(ask(loop, *c, {"EVALSHA", script->sha, "1", "k", "a"}), StartsWith("refused -NOSCRIPT"));
  EXPECT_EQ(ask(loop, *c, {"EVALSHA", script->sha, "1", "k", "a"}), "done [\"k\" \"a\"]");
  ASSERT_EQ(server.ask({"SCRIPT", "FLUSH"}), "OK");
  EXPECT_EQ(run(), "done [\"k\" \"a\"]");
}

TEST(RedisConnection, AServerThatHangsMakesItUnknownAndIsFoundAgain) {
  NEEDS_REDIS();
  RedisServer server;
  TestLoop loop;
  Life life;
  Options o = options();
  o.connect_timeout = Millis(500);
  auto c = connect(loop, server.endpoint(), o, &life);
  ASSERT_TRUE(loop.until([&] { return c->up(); }));
  server.pause();
  EXPECT_EQ(ask(loop, *c, {"SET", "k", "v"}, Millis(100)), "unknown: no answer in time");
  EXPECT_FALSE(c->up());
  EXPECT_EQ(ask(loop, *c, {"GET", "k"}), "not sent: not connected");
  server.resume();
  ASSERT_TRUE(loop.until([&] { return c->up(); }));
  EXPECT_THAT(ask(loop, *c, {"ECHO", "back"}), "done \"back\"");
  EXPECT_EQ(life.ups, 2);
}

TEST(RedisConnection, AProbeFindsAServerThatHangs) {
  NEEDS_REDIS();
  RedisServer server;
  TestLoop loop;
  Life life;
  Options o = options();
  o.probe_after = Millis(50);
  o.command_timeout = Millis(300);
  auto c = connect(loop, server.endpoint(), o, &life);
  ASSERT_TRUE(loop.until([&] { return c->up(); }));
  server.pause();
  EXPECT_TRUE(loop.until([&] { return life.downs > 0; }));
  EXPECT_EQ(life.why, errc::timed_out);
  server.resume();
  EXPECT_TRUE(loop.until([&] { return c->up(); }));
}

TEST(RedisConnection, AServerThatIsKilledIsFoundAgain) {
  NEEDS_REDIS();
  RedisServer server;
  TestLoop loop;
  auto c = connect(loop, server.endpoint(), options());
  ASSERT_TRUE(loop.until([&] { return c->up(); }));
  server.pause();  // so that it dies with the command before it
  std::string out;
  call(*c, {"SET", "k", "v"}, [&](Outcome& o) { out = testing::show(o); });
  for (int i = 0; i < 3; ++i) loop.run_once(Millis(0));
  server.kill();
  ASSERT_TRUE(loop.until([&] { return !out.empty(); }));
  EXPECT_THAT(out, StartsWith("unknown: "));
  server.start();
  ASSERT_TRUE(loop.until([&] { return c->up(); }));
  EXPECT_EQ(ask(loop, *c, {"GET", "k"}), "done nil");
}

TEST(RedisConnection, AConnectionThatRedisKillsIsMadeAnew) {
  NEEDS_REDIS();
  RedisServer server;
  TestLoop loop;
  Life life;
  auto c = connect(loop, server.endpoint(), options(), &life);
  ASSERT_TRUE(loop.until([&] { return c->up(); }));
  ASSERT_EQ(server.ask({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}), "1");
  ASSERT_TRUE(loop.until([&] { return life.ups == 2; }));
  EXPECT_EQ(life.downs, 1);
  EXPECT_EQ(ask(loop, *c, {"ECHO", "back"}), "done \"back\"");
}

TEST(RedisConnection, AnEndThatComesTogetherWithAnAnswerIsSeen) {
  NEEDS_REDIS();
  RedisServer server;
  TestLoop loop;
  Life life;
  Options o = options();
  o.probe_after = o.command_timeout = Seconds(1000);
  auto c = connect(loop, server.endpoint(), o, &life);
  ASSERT_TRUE(loop.until([&] { return c->up(); }));
  std::string out;
  call(*c, {"SET", "k", "v"}, [&](Outcome& answer) { out = testing::show(answer); });
  loop.run_once(Millis(0));
  while (server.ask({"EXISTS", "k"}) != "1") std::this_thread::sleep_for(Millis(1));
  ASSERT_EQ(server.ask({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}), "1");
  ASSERT_TRUE(loop.until([&] { return life.downs == 1; }));
  EXPECT_EQ(out, "done +OK");
}

TEST(RedisConnection, EverySocketHasANumberOfItsOwn) {
  NEEDS_REDIS();
  RedisServer server;
  TestLoop loop;
  std::vector<std::uint64_t> ids;
  for (int i = 0; i < 20; ++i) {
    auto c = connect(loop, server.endpoint(), options());
    ASSERT_TRUE(loop.until([&] { return c->up(); }));
    ids.push_back(c->socket_id());
    c.reset();
    loop.run_once(Millis(0));
  }
  EXPECT_TRUE(std::is_sorted(ids.begin(), ids.end()));
  EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
}

TEST(RedisConnection, MayEndInItsOwnCalls) {
  NEEDS_REDIS();
  RedisServer server;
  TestLoop loop;
  struct Ender : ConnectionListener {
    ConnectionPtr connection;
    int calls = 0;
    void on_up(Connection&) override { ++calls, connection.reset(); }
    void on_down(Connection&, error_code, const std::string&) override { ++calls, connection.reset(); }
  };
  Ender up, down;
  auto o = std::make_shared<const Options>(options());
  up.connection = Connection::make(loop, server.endpoint(), o, &up);
  down.connection = Connection::make(loop, {"127.0.0.1", testing::free_port(), ""}, o, &down);
  up.connection->start();
  down.connection->start();
  ASSERT_TRUE(loop.until([&] { return up.calls && down.calls; }));

  auto c = connect(loop, server.endpoint(), options());
  ASSERT_TRUE(loop.until([&] { return c->up(); }));
  std::vector<std::string> outcomes;
  for (int i = 0; i < 3; ++i) {
    call(*c, {"ECHO", std::to_string(i)}, [&](Outcome& out) {
      outcomes.push_back(testing::show(out));
      c.reset();
    });
  }
  ASSERT_TRUE(loop.until([&] { return outcomes.size() == 3; }));
  EXPECT_EQ(outcomes.at(0), "done \"0\"");
  EXPECT_EQ(outcomes.at(1), "unknown: the connection was ended here");
  EXPECT_EQ(outcomes.at(2), "unknown: the connection was ended here");
}

}  // namespace
}  // namespace sb::redis
