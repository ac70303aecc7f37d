// SPDX-License-Identifier: MIT
#include "redis/link.h"

#include <gmock/gmock.h>

#include "redis/tests/recorder.h"

namespace sb::redis {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Recorder;

/// A link with a clock that stands, and a host that notes what is wanted of it: open, close, up, down and what is
/// written ("> PING"); outcomes of commands stand among them.
class Bench : public LinkHost, public Handler {
 public:
  explicit Bench(Options o = {}) : link(std::make_shared<const Options>(std::move(o)), *this, 1) {}

  // LinkHost, Handler
  void open() override { note("open"); }
  void close() override { note("close"); }
  void on_link_up() override { note("up"); }
  void on_link_down(error_code why, const std::string& detail) override {
    note("down: " + why.message() + (detail.empty() ? "" : ": " + detail));
  }
  void on_link_refused(const Outcome& o) override { refusals.push_back(o.refusal); }
  void on_outcome(Outcome& o, std::uint64_t tag) override {
    note(fmt::format("{} {}", tag, testing::show(o)));
    if (on_reply) on_reply();
  }

  void command(Args words, std::uint64_t tag, Millis timeout = Millis(1000)) {
    if (error_code e = link.command(now, words, *this, tag, timeout); e) note(fmt::format("{} {}", tag, e.message()));
  }
  /// The socket takes at most so many bytes of what waits.
  void write(std::size_t most = 1 << 20) {
    OutBuffer& out = link.pipeline().output();
    std::string bytes;
    while (!out.empty() && most > 0) {
      const std::string_view piece = out.front().substr(0, most);
      bytes += piece;
      most -= piece.size();
      link.pipeline().sent(piece.size());
    }
    ReplyReader reader;  // commands have the form of replies
    testing::feed(reader, bytes);
    while (Reply* r = reader.next()) {
      std::string line = ">";
      for (Reply::View word : r->root()) line += " " + std::string(word.text());
      note(line);
    }
  }
  void receive(std::string_view bytes) {
    testing::feed(reader_, bytes);
    while (Reply* r = reader_.next()) link.received(now, *r);
  }
  void advance(Millis d) {
    now += d;
    link.tick(now);
  }
  /// Until commands are taken.
  void connect() {
    link.start(now);
    link.opened(now);
    write();
    receive("+OK\r\n");
    ASSERT_EQ(link.state(), Link::State::up);
    calls();
  }
  std::vector<std::string> calls() { return std::exchange(calls_, {}); }

  MonoTime now{Seconds(1000)};
  Link link;
  std::function<void()> on_reply;
  std::vector<Refusal> refusals;

 private:
  void note(std::string line) { calls_.push_back(std::move(line)); }
  ReplyReader reader_;
  std::vector<std::string> calls_;
};

TEST(Link, ComesUpBehindItsHandshake) {
  Options o;
  o.username = "ann";
  o.password = "word";
  o.db = 3;
  o.scripts = {std::make_shared<const Script>("return 1")};
  o.primary_only = true;
  Bench b(o);
  b.command({"GET", "k"}, 1);
  EXPECT_THAT(b.calls(), ElementsAre("1 not connected"));
  b.link.start(b.now);
  b.link.opened(b.now);
  b.write();
  b.command({"GET", "k"}, 2);
  EXPECT_THAT(b.calls(), ElementsAre("open", "> AUTH ann word", "> SELECT 3", "> CLIENT SETNAME signalbox",
                                     "> SCRIPT LOAD return 1", "> ROLE", "2 not connected"));
  b.receive("+OK\r\n+OK\r\n+OK\r\n$3\r\nsha\r\n");
  EXPECT_THAT(b.calls(), IsEmpty());
  b.receive("*3\r\n$6\r\nmaster\r\n:1\r\n*0\r\n");
  EXPECT_THAT(b.calls(), ElementsAre("up"));
}

TEST(Link, TheHandshakeIsJudged) {
  struct Case {
    Options options;
    std::string_view replies, end;
  };
  Options none, password, optional, primary;
  password.password = optional.password = "secret";
  optional.password_optional = true;
  primary.primary_only = true;
  const Case cases[] = {
      {none, "+OK\r\n", "up"},
      {none, "-NOPERM this user has no permissions to run the 'client|setname' command\r\n", "up"},
      {none, "-NOAUTH Authentication required.\r\n",
       "down: Redis refused the connection: CLIENT SETNAME: NOAUTH Authentication required. (the URL has no password)"},
      {none, "-DENIED Redis is running in protected mode\r\n",
       "down: Redis refused the connection: CLIENT SETNAME: DENIED Redis is running in protected mode"},
      {none, "-ERR max number of clients reached\r\n",
       "down: Redis refused the connection: CLIENT SETNAME: ERR max number of clients reached"},
      {password,
       "-WRONGPASS invalid username-password pair or user is disabled.\r\n-NOAUTH Authentication required.\r\n",
       "down: Redis refused the connection: AUTH: WRONGPASS invalid username-password pair or user is disabled."},
      {password, "-ERR AUTH <password> called without any password configured for the default user.\r\n+OK\r\n",
       "down: Redis refused the connection: AUTH: ERR AUTH <password> called without any password configured for the "
       "default user."},
      {optional, "-ERR AUTH <password> called without any password configured for the default user.\r\n+OK\r\n", "up"},
      {primary, "+OK\r\n*1\r\n$6\r\nmaster\r\n", "up"},
      {primary, "+OK\r\n*1\r\n$5\r\nslave\r\n", "down: the server is not the primary: its role is slave"},
      {primary, "+OK\r\n-LOADING Redis is loading\r\n",
       "down: Redis refused the connection: ROLE: LOADING Redis is loading"},
  };
  for (const Case& c : cases) {
    Bench b(c.options);
    b.link.start(b.now);
    b.link.opened(b.now);
    b.write();
    b.calls();
    b.receive(c.replies);
    const auto calls = b.calls();
    ASSERT_FALSE(calls.empty()) << c.replies;
    EXPECT_EQ(calls.back(), c.end);
    EXPECT_EQ(calls.front() == "close", c.end != "up");
  }
}

TEST(Link, RepliesComeInTheOrderOfTheCommands) {
  Bench b;
  b.connect();
  b.command({"GET", "a"}, 7);
  b.command({"SET", "a", ""}, 8);
  b.command({"INCR", "a"}, 9);
  b.write();
  b.receive("$1\r\nx\r\n+OK\r\n-ERR value is not an integer or out of range\r\n");
  EXPECT_THAT(b.calls(), ElementsAre("> GET a", "> SET a ", "> INCR a", "7 done \"x\"", "8 done +OK",
                                     "9 refused -ERR value is not an integer or out of range"));
  EXPECT_THAT(b.refusals, ElementsAre(Refusal::other));
}

TEST(Link, WhatWasWrittenIsUnknownAndTheRestWasNotSent) {
  Bench b;
  b.connect();
  b.command({"SET", "a", "1"}, 1);
  b.command({"SET", "b", "1"}, 2);
  b.command({"SET", "c", "1"}, 3);
  const std::size_t one = encoded_size({"SET", "a", "1"});
  b.write(one + 1);  // a byte of the second
  b.calls();
  b.link.lost(b.now, make_error_code(errc::connection_closed));
  EXPECT_THAT(b.calls(),
              ElementsAre("close", "1 unknown: Redis closed the connection", "2 unknown: Redis closed the connection",
                          "3 not sent: Redis closed the connection", "down: Redis closed the connection"));
  EXPECT_TRUE(b.link.pipeline().output().empty());
}

TEST(Link, ADeadlineThatPassesEndsTheConnection) {
  Bench b;
  b.connect();
  b.command({"GET", "slow"}, 1, Millis(1000));
  b.command({"GET", "fast"}, 2, Millis(100));
  b.write();
  b.calls();
  EXPECT_EQ(b.link.wake_at(), b.now + Millis(100));
  b.advance(Millis(99));
  EXPECT_THAT(b.calls(), IsEmpty());
  b.advance(Millis(1));
  EXPECT_THAT(b.calls(), ElementsAre("close", "1 unknown: no answer in time", "2 unknown: no answer in time",
                                     "down: no answer in time: a command was not answered"));
  b.receive("+OK\r\n");  // of the old connection, and too late
  EXPECT_THAT(b.calls(), IsEmpty());
}

TEST(Link, ADeadlineThatWasMetDoesNothing) {
  Bench b;
  b.connect();
  b.command({"GET", "a"}, 1, Millis(100));
  b.command({"GET", "b"}, 2, Millis(1000));
  b.write();
  b.receive("$-1\r\n");
  b.calls();
  b.advance(Millis(500));
  EXPECT_THAT(b.calls(), IsEmpty());
  EXPECT_EQ(b.link.wake_at(), b.now + Millis(500));
}

TEST(Link, ProbesWhenNothingWasHeard) {
  Options o;
  o.probe_after = Millis(3000);
  o.command_timeout = Millis(1000);
  Bench b(o);
  b.connect();
  EXPECT_EQ(b.link.wake_at(), b.now + Millis(3000));
  b.advance(Millis(2999));
  b.write();
  EXPECT_THAT(b.calls(), IsEmpty());
  b.advance(Millis(1));
  b.write();
  EXPECT_THAT(b.calls(), ElementsAre("> PING"));
  b.receive("-NOPERM this user has no permissions to run the 'ping' command\r\n");
  EXPECT_EQ(b.link.wake_at(), b.now + Millis(3000));
  b.advance(Millis(3000));
  b.write();
  b.advance(Millis(1000));
  EXPECT_THAT(b.calls(), ElementsAre("> PING", "close", "down: no answer in time: a command was not answered"));
}

TEST(Link, AnAttemptHasADeadline) {
  Options o;
  o.connect_timeout = Millis(700);
  for (bool opened : {false, true}) {
    Bench b(o);
    b.link.start(b.now);
    if (opened) b.link.opened(b.now);
    b.write();
    b.calls();
    b.advance(Millis(699));
    EXPECT_THAT(b.calls(), IsEmpty());
    b.advance(Millis(1));
    EXPECT_THAT(b.calls(), ElementsAre("close", "down: no answer in time: no connection"));
  }
}

TEST(Link, PausesGrowWithinBoundsAndBeginAnewBehindASuccessThatLasted) {
  Options o;
  o.pause_min = Millis(100);
  o.pause_max = Millis(1000);
  Bench b(o);
  b.link.start(b.now);
  auto pause = [&] {
    b.link.lost(b.now, make_error_code(errc::connection_closed));
    const Millis p = b.link.wake_at() - b.now;
    b.now = b.link.wake_at();
    b.link.tick(b.now);
    return p;
  };
  for (int whole : {100, 200, 400, 800, 1000, 1000, 1000}) {
    const Millis p = pause();
    EXPECT_GE(p.count(), whole / 2);
    EXPECT_LE(p.count(), whole);
    EXPECT_EQ(b.link.state(), Link::State::connecting);
  }
  auto come_up = [&] {
    b.link.opened(b.now);
    b.write();
    b.receive("+OK\r\n");
    ASSERT_EQ(b.link.state(), Link::State::up);
  };
  come_up();
  EXPECT_GE(pause(), Millis(500));  // up and down at once: as bad as before
  come_up();
  b.now += Millis(1000);
  EXPECT_LE(pause(), Millis(100));
}

TEST(Link, AReplyThatNobodyAskedForEndsIt) {
  Bench b;
  b.connect();
  b.receive("+OK\r\n");
  EXPECT_THAT(b.calls(), ElementsAre("close", "down: what came is no reply of Redis: unasked: OK"));

  Bench unwritten;
  unwritten.connect();
  unwritten.command({"GET", "k"}, 1);
  unwritten.receive("+OK\r\n");
  EXPECT_THAT(unwritten.calls(), ElementsAre("close", "1 not sent: what came is no reply of Redis",
                                             "down: what came is no reply of Redis: unasked: OK"));
}

TEST(Link, ScriptsThatRedisForgotAreLoadedInFrontOfWhatIsSentThen) {
  Options o;
  o.scripts = {std::make_shared<const Script>("return 1"), std::make_shared<const Script>("return 2")};
  Bench b(o);
  b.link.start(b.now);
  b.link.opened(b.now);
  b.write();
  b.receive("+OK\r\n+a\r\n+b\r\n");
  b.command({"EVALSHA", "x", "0"}, 1);
  b.command({"EVALSHA", "x", "0"}, 2);
  b.write();
  b.calls();
  b.on_reply = [&] {
    b.on_reply = nullptr;
    b.command({"EVALSHA", "x", "0"}, 3);
  };
  b.receive("-NOSCRIPT No matching script. Please use EVAL.\r\n-NOSCRIPT No matching script. Please use EVAL.\r\n");
  b.write();
  EXPECT_THAT(b.calls(), ElementsAre("1 refused -NOSCRIPT No matching script. Please use EVAL.",
                                     "2 refused -NOSCRIPT No matching script. Please use EVAL.",
                                     "> SCRIPT LOAD return 1", "> SCRIPT LOAD return 2", "> EVALSHA x 0"));
  b.receive("+a\r\n+b\r\n:5\r\n");
  EXPECT_THAT(b.calls(), ElementsAre("3 done :5"));
}

TEST(Link, BoundsRefuseAndTakeOneThatIsTooLargeAlone) {
  Options o;
  o.bounds = {.commands = 2, .bytes = 100};
  Bench b(o);
  b.connect();
  const std::string large(200, 'x');
  b.command({"SET", "k", large}, 1);
  b.command({"GET", "k"}, 2);
  EXPECT_THAT(b.calls(), ElementsAre("2 too much waits for replies"));
  b.write();
  b.receive("+OK\r\n");
  b.calls();
  for (std::uint64_t tag : {3, 4, 5}) b.command({"GET", "k"}, tag);
  EXPECT_THAT(b.calls(), ElementsAre("5 too much waits for replies"));
}

TEST(Link, StopTellsWhatIsUnderWayAndNothingElse) {
  Bench b;
  b.connect();
  b.command({"GET", "k"}, 1);
  b.on_reply = [&] { b.command({"GET", "k"}, 2); };
  b.link.stop();
  EXPECT_THAT(b.calls(), ElementsAre("close", "1 not sent: the connection was ended here", "2 not connected"));
  EXPECT_EQ(b.link.wake_at(), kNever);
  b.advance(Seconds(100));
  b.link.lost(b.now, make_error_code(errc::connection_closed));
  EXPECT_THAT(b.calls(), IsEmpty());
}

TEST(Link, AHandlerMayStopIt) {
  Bench b;
  b.connect();
  b.command({"GET", "k"}, 1);
  b.write();
  b.calls();
  b.on_reply = [&] { b.link.stop(); };
  b.link.lost(b.now, make_error_code(errc::connection_closed));
  EXPECT_THAT(b.calls(), ElementsAre("close", "1 unknown: Redis closed the connection", "close"));
  EXPECT_EQ(b.link.state(), Link::State::idle);
}

}  // namespace
}  // namespace sb::redis
