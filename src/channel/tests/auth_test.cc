// SPDX-License-Identifier: MIT
// Enhanced authentication [MQTT5 4.12]: at CONNECT and again on a connection that is up.
#include "channel/tests/recorder.h"

namespace sb::channel::test {
namespace {

/// Answers with the rows of a table, and writes down what it was given.
class Script final : public ports::AuthExchange {
 public:
  Script(Calls& calls, std::vector<Step> steps) : calls_(calls), steps_(std::move(steps)) {}
  Step step(std::string_view data) override {
    calls_.push_back(fmt::format("step {}", data));
    return steps_.at(next_++);
  }

 private:
  Calls& calls_;
  std::vector<Step> steps_;
  std::size_t next_ = 0;
};

using Steps = std::vector<ports::AuthExchange::Step>;
const ports::AuthExchange::Step kGoOn{Reason::continue_authentication, "challenge", ""};
const ports::AuthExchange::Step kDone{Reason::success, "proof", "user"};

struct AuthBench : Bench {
  /// CONNECT with method M, answered by `steps`; each later exchange takes the next list.
  explicit AuthBench(std::vector<Steps> lists) {
    host.exchange = [this, lists, next = std::size_t{0}](std::string_view method,
                                                         const auto&) mutable -> std::unique_ptr<ports::AuthExchange> {
      if (method != "M" || next == lists.size()) return nullptr;
      return std::make_unique<Script>(calls, lists[next++]);
    };
  }
  std::string connect_with(std::string_view method, std::string_view data) {
    mqtt::PropertyWriter w;
    w.text(PropertyId::authentication_method, method);
    if (!data.empty()) w.text(PropertyId::authentication_data, data);
    auto out = connect_out();
    out.properties = w.bytes();
    return in(connect(out));
  }
};

const std::string kConnack = "CONNACK receive=1024 packet=1048576 aliases=64 method=M";

TEST(Auth, OneStep) {
  AuthBench t({{kDone}});
  EXPECT_EQ(t.connect_with("M", "first"),
            "exchange M c; step first; authenticate c proven=user anonymous peer:1; open c as user clean; started → " +
                kConnack + " data=proof");
  EXPECT_EQ(t.channel->session().username, "user");
}

TEST(Auth, SeveralStepsAndNoDataIsNone) {
  AuthBench t({{kGoOn, {Reason::continue_authentication, "", ""}, {Reason::success, "", "user"}}});
  EXPECT_EQ(t.connect_with("M", ""), "exchange M c; step  → AUTH [continue authentication] method=M data=challenge");
  EXPECT_EQ(t.in(auth(Reason::continue_authentication, "M", "answer")),
            "step answer → AUTH [continue authentication] method=M");
  EXPECT_EQ(t.in(auth(Reason::continue_authentication, "M", "")),
            "step ; authenticate c proven=user anonymous peer:1; open c as user clean; started → " + kConnack);
}

TEST(Auth, RefusedAtAnyStep) {
  for (Reason r : {Reason::not_authorized, Reason::bad_user_name_or_password, Reason::server_unavailable}) {
    std::string end = fmt::format("; closed disconnected without session; close → CONNACK [{0}] why={0}", text(r));
    AuthBench at_once({{{r, "", ""}}});
    EXPECT_EQ(at_once.connect_with("M", "x"), "exchange M c; step x" + end);
    AuthBench later({{kGoOn, {r, "", ""}}});
    later.connect_with("M", "x");
    EXPECT_EQ(later.in(auth(Reason::continue_authentication, "M", "y")), "step y" + end);
  }
}

TEST(Auth, WhoIsProvenMayStillBeRefused) {
  AuthBench t({{kDone}});
  t.host.decision.reason = Reason::server_unavailable;
  EXPECT_EQ(t.connect_with("M", "x"),
            "exchange M c; step x; authenticate c proven=user anonymous peer:1; closed disconnected without session; "
            "close → CONNACK [server unavailable] why=server unavailable");
}

TEST(Auth, AnUnknownMethod) {
  AuthBench t({});
  EXPECT_EQ(t.connect_with("X", ""),
            "exchange X c; closed disconnected without session; close → CONNACK [bad authentication method] why=bad "
            "authentication method");
}

TEST(Auth, WhatMayComeBetweenConnectAndConnack) {
  const std::string error = "closed disconnected without session; close → CONNACK [protocol error] why=protocol error";
  const struct {
    const char* what;
    std::string bytes, happened;
  } rows[] = {
      {"another method", auth(Reason::continue_authentication, "N", "x"), error},
      {"no method", auth(Reason::continue_authentication, "", "x"), error},
      {"success", auth(Reason::success, "M", "x"), error},
      {"re-authenticate", auth(Reason::reauthenticate, "M", "x"), error},
      {"a PINGREQ", pingreq(), error},
      {"a PUBLISH", publish(Version::v5, {"t", "x"}), error},
      {"a SUBSCRIBE", subscribe(Version::v5, 1, {{"a", {}}}), error},
      {"a DISCONNECT", disconnect(Version::v5), "closed disconnected without session; close"},
  };
  for (const auto& row : rows) {
    AuthBench t({{kGoOn, kDone}});
    t.connect_with("M", "x");
    EXPECT_EQ(t.in(row.bytes), row.happened) << row.what;
  }
}

TEST(Auth, WithoutAMethodThereIsNoAuth) {
  Bench t;
  t.up();
  for (Reason r : {Reason::reauthenticate, Reason::continue_authentication}) {
    Bench b;
    b.up();
    EXPECT_EQ(b.in(auth(r, "M", "x")), "closed with_will; close → DISCONNECT [protocol error] why=protocol error");
  }
  for (Version v : {Version::v31, Version::v311}) {
    Bench old(v);
    old.up();
    EXPECT_EQ(old.in(auth(Reason::reauthenticate, "M", "x")), "closed with_will; close");
  }
}

TEST(Auth, AgainOnAConnectionThatIsUp) {
  AuthBench t({{kDone}, {kGoOn, kDone}, {kDone}});
  t.connect_with("M", "x");
  EXPECT_EQ(t.in(auth(Reason::reauthenticate, "M", "a")),
            "exchange M c; step a → AUTH [continue authentication] method=M data=challenge");
  // The connection serves on meanwhile.
  EXPECT_EQ(t.in(Pub{"t", "x"}), "route t x q0 as-it-came");
  EXPECT_EQ(t.in(auth(Reason::continue_authentication, "M", "b")), "step b → AUTH method=M data=proof");
  EXPECT_EQ(t.in(auth(Reason::reauthenticate, "M", "c")), "exchange M c; step c → AUTH method=M data=proof");
  EXPECT_TRUE(t.channel->up());
}

TEST(Auth, AgainAndRefused) {
  auto end = [](Reason r) { return fmt::format("closed with_will; close → DISCONNECT [{0}] why={0}", text(r)); };
  const struct {
    const char* what;
    std::vector<Steps> lists;
    std::string bytes, happened;
  } rows[] = {
      {"refused",
       {{kDone}, {{Reason::bad_user_name_or_password, "", ""}}},
       auth(Reason::reauthenticate, "M", "a"),
       "exchange M c; step a; " + end(Reason::not_authorized)},
      {"somebody else",
       {{kDone}, {{Reason::success, "", "other"}}},
       auth(Reason::reauthenticate, "M", "a"),
       "exchange M c; step a; " + end(Reason::not_authorized)},
      {"another method", {{kDone}, {kDone}}, auth(Reason::reauthenticate, "N", "a"), end(Reason::protocol_error)},
      {"a step of nothing",
       {{kDone}, {kDone}},
       auth(Reason::continue_authentication, "M", "a"),
       end(Reason::protocol_error)},
      {"success", {{kDone}, {kDone}}, auth(Reason::success, "M", "a"), end(Reason::protocol_error)},
      {"not offered any more",
       {{kDone}},
       auth(Reason::reauthenticate, "M", "a"),
       "exchange M c; " + end(Reason::bad_authentication_method)},
  };
  for (const auto& row : rows) {
    AuthBench t(row.lists);
    t.connect_with("M", "x");
    EXPECT_EQ(t.in(row.bytes), row.happened) << row.what;
  }
}

}  // namespace
}  // namespace sb::channel::test
