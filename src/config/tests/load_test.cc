// SPDX-License-Identifier: MIT
#include "config/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "config/reload.h"

namespace sb::config {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

Config good(std::string_view toml) {
  Loaded l = load_text(toml, "t.toml");
  EXPECT_EQ(l.error_text(), "");
  return l.config;
}

std::string errors(std::string_view toml) { return load_text(toml, "t.toml").error_text(); }

TEST(Load, NothingGivesTheDefaults) {
  Config c = good("");
  EXPECT_EQ(c.listeners.size(), 4u);
  EXPECT_EQ(c.listeners[0].bind.text(), "127.0.0.1:1883");
  EXPECT_EQ(c.listeners[1].bind.text(), "");
  EXPECT_EQ(c.listeners[2].bind.text(), "127.0.0.1:8083");
  EXPECT_EQ(c.listeners[2].path, "/mqtt");
  EXPECT_EQ(c.listeners[3].bind.text(), "");
  EXPECT_EQ(c.sys.interval, 10u);
  EXPECT_THAT(diff(c, Config{}), IsEmpty());
}

TEST(Load, EveryKindOfValue) {
  Config c = good(R"(
[node]
name = "node-1.example_org"
shards = 4
[store]
kind = "memory"
[session]
shared_strategy = "least_inflight"
[sys]
interval = "1m"
[limits]
max_packet_size = "64KiB"
output_bytes = 100000
queued_bytes = "1 gb"
connect_timeout = 5
keep_alive_max = "1h"
output_stall = "60000ms"
drop_oldest = true
session_expiry_max = 4294967295
max_qos = 1
[features]
retain = false
[log]
level = "trace"
format = "json"
file = "/var/log/signalbox.log"
[response]
information = "réponse/"
)");
  EXPECT_EQ(c.node.name, "node-1.example_org");
  EXPECT_EQ(c.node.shards, 4);
  EXPECT_EQ(c.session.shared_strategy, SharedStrategy::least_inflight);
  EXPECT_EQ(c.sys.interval, 60u);
  EXPECT_EQ(c.limits.max_packet_size, 65536u);
  EXPECT_EQ(c.limits.output_bytes, 100000u);
  EXPECT_EQ(c.limits.queued_bytes, 1000000000u);
  EXPECT_EQ(c.limits.connect_timeout, 5u);
  EXPECT_EQ(c.limits.keep_alive_max, 3600u);
  EXPECT_EQ(c.limits.output_stall, 60u);
  EXPECT_TRUE(c.limits.drop_oldest);
  EXPECT_EQ(c.limits.session_expiry_max, 0xFFFFFFFFu);
  EXPECT_EQ(c.limits.max_qos, 1);
  EXPECT_FALSE(c.features.retain);
  EXPECT_EQ(c.log.level, LogLevel::trace);
  EXPECT_EQ(c.log.format, LogFormat::json);
  EXPECT_EQ(c.log.file, "/var/log/signalbox.log");
  EXPECT_EQ(c.response.information, "réponse/");
}

TEST(Load, Admin) {
  EXPECT_EQ(good("").admin.bind.text(), "127.0.0.1:18083");
  EXPECT_EQ(good("").node.drain_rate, 1000u);
  EXPECT_FALSE(good("[admin]\nbind = \"\"").admin.bind.enabled());
  const Config c = good("[admin]\nbind = \"0.0.0.0:80\"\ntoken_file = \"/t\"\nhosts = [\"a.example\"]");
  EXPECT_EQ(c.admin.token_file, "/t");
  EXPECT_EQ(c.admin.hosts, std::vector<std::string>{"a.example"});
  good("[admin]\nbind = \"localhost:80\"");
  good("[admin]\nbind = \"[::1]:80\"");
  EXPECT_EQ(errors("[admin]\nbind = \"0.0.0.0:80\""),
            "t.toml:2: admin.bind = \"0.0.0.0:80\": not a loopback address, so that others could run this broker; set "
            "admin.token_file, or bind to 127.0.0.1\n");
  EXPECT_EQ(errors("[admin]\nbind = \"unix:/x\""),
            "t.toml:2: admin.bind = \"unix:/x\": a unix socket, which HTTP is not spoken on; write an address such as "
            "\"127.0.0.1:18083\", or \"\" for off\n");
  EXPECT_EQ(errors("[admin]\nbind = \"127.0.0.1:1883\""),
            "t.toml:2: admin.bind = \"127.0.0.1:1883\": the same as listeners.mqtt.bind; give each listener its own "
            "address\n");
  EXPECT_EQ(errors("[admin]\nbind = \"127.0.0.1:0\"\n[listeners.mqtt]\nbind = \"127.0.0.1:0\""), "");
}

TEST(Load, Listeners) {
  Config c = good(R"(
[listeners.mqtt]
bind = "unix:/run/m.sock"
unix_mode = 0o600
proxy_protocol = "required"
[listeners.mqtts]
bind = "[::]:8883"
cert = "c.pem"
key = "k.pem"
client_ca = "ca.pem"
require_client_cert = true
identity_as_username = "san"
min_tls = 1.3
sni = [ "a.org=a.pem,a.key", { name = "b.org", cert = "b.pem", key = "b.key" } ]
[listeners.ws]
bind = ""
origins = ["https://example.org", "null"]
)");
  EXPECT_EQ(c.listeners[0].bind, Address::unix_socket("/run/m.sock"));
  EXPECT_EQ(c.listeners[0].unix_mode, 0600);
  EXPECT_EQ(c.listeners[0].proxy_protocol, ProxyProtocol::required);
  EXPECT_EQ(c.listeners[1].bind, Address::tcp("::", 8883));
  const TlsConfig& tls = c.listeners[1].tls;
  EXPECT_TRUE(tls.require_client_cert);
  EXPECT_EQ(tls.identity_as_username, CertificateName::san);
  EXPECT_EQ(tls.min_version, TlsVersion::v1_3);
  EXPECT_EQ(tls.sni, (std::vector<SniCertificate>{{"a.org", "a.pem", "a.key"}, {"b.org", "b.pem", "b.key"}}));
  EXPECT_FALSE(c.listeners[2].bind.enabled());
  EXPECT_EQ(c.listeners[2].origins, (std::vector<std::string>{"https://example.org", "null"}));
}

TEST(Load, ExtraListeners) {
  Config c = good(R"(
[[listeners.extra]]
type = "ws"
bind = "0.0.0.0:0"
path = "/other"
[[listeners.extra]]
bind = "localhost:2883"
type = "mqtt"
max_connections = 10
max_packet_size = "1KiB"
connect_timeout = "3s"
)");
  ASSERT_THAT(c.listeners, SizeIs(6));
  EXPECT_TRUE(c.listeners[4].extra);
  EXPECT_EQ(c.listeners[4].kind, ListenerKind::ws);
  EXPECT_EQ(c.listeners[4].path, "/other");
  EXPECT_EQ(listener_name(c, 5), "listeners.extra[1]");
  EXPECT_EQ(c.listeners[5].bind, Address::tcp("localhost", 2883));
  EXPECT_EQ(c.listeners[5].max_connections, 10u);
  EXPECT_EQ(limits_of(c, c.listeners[5]).max_packet_size, 1024u);
  EXPECT_EQ(limits_of(c, c.listeners[5]).connect_timeout, 3u);
  EXPECT_EQ(limits_of(c, c.listeners[4]).max_packet_size, c.limits.max_packet_size);
}

TEST(Load, LaterSourcesWin) {
  const char* toml = "[limits]\nmax_qos = 0\ninflight = 1\nreceive_maximum = 1\n";
  Loaded l =
      load_text(toml, "t.toml", {{"SIGNALBOX_LIMITS__INFLIGHT", "2"}, {"SIGNALBOX_LIMITS__RECEIVE_MAXIMUM", "2"}},
                {"limits.receive_maximum=7", "limits.receive_maximum=3"});
  EXPECT_EQ(l.error_text(), "");
  EXPECT_EQ(l.config.limits.max_qos, 0);
  EXPECT_EQ(l.config.limits.inflight, 2);
  EXPECT_EQ(l.config.limits.receive_maximum, 3);
  EXPECT_EQ(l.origins.at("limits.max_qos").text(), "t.toml:2");
  EXPECT_EQ(l.origins.at("limits.inflight").text(), "SIGNALBOX_LIMITS__INFLIGHT");
  EXPECT_EQ(l.origins.at("limits.receive_maximum").text(), "--set");
  EXPECT_FALSE(l.origins.contains("limits.topic_levels"));
}

TEST(Load, EnvironmentAndSet) {
  Loaded l = load_text("", "t.toml",
                       {{"SIGNALBOX_LISTENERS__WS__ORIGINS", "https://a.org, https://b.org"},
                        {"SIGNALBOX_LISTENERS__EXTRA__0__TYPE", "mqtts"},
                        {"SIGNALBOX_LISTENERS__EXTRA__0__BIND", "[::1]:8884"},
                        {"SIGNALBOX_LISTENERS__EXTRA__0__CERT", "c"},
                        {"SIGNALBOX_LISTENERS__EXTRA__0__KEY", "k"},
                        {"SIGNALBOX_FEATURES__RETAIN", "false"},
                        {"SIGNALBOX_LISTENERS__MQTT__BIND", ""},
                        {"SIGNALBOX_LISTENERS__MQTT__UNIX_MODE", "0640"},
                        {"SIGNALBOX_PORT_1883_TCP_ADDR", "10.0.0.1"},
                        {"SIGNALBOX_SERVICE_HOST", "10.0.0.1"}},
                       {"listeners.extra[0].sni=x.org=x.pem,x.key; y.org=y.pem,y.key",
                        "listeners.wss.origins=[\"https://c,d.org\"]", "log.file=a=b", "limits.log_bytes=1GiB"});
  EXPECT_EQ(l.error_text(), "");
  const Config& c = l.config;
  EXPECT_EQ(c.listeners[2].origins, (std::vector<std::string>{"https://a.org", "https://b.org"}));
  EXPECT_EQ(c.listeners[3].origins, (std::vector<std::string>{"https://c,d.org"}));
  ASSERT_THAT(c.listeners, SizeIs(5));
  EXPECT_EQ(c.listeners[4].kind, ListenerKind::mqtts);
  EXPECT_EQ(c.listeners[4].bind.text(), "[::1]:8884");
  EXPECT_EQ(c.listeners[4].tls.sni,
            (std::vector<SniCertificate>{{"x.org", "x.pem", "x.key"}, {"y.org", "y.pem", "y.key"}}));
  EXPECT_FALSE(c.listeners[0].bind.enabled());
  EXPECT_EQ(c.listeners[0].unix_mode, 0640);
  EXPECT_FALSE(c.features.retain);
  EXPECT_EQ(c.log.file, "a=b");
  EXPECT_EQ(c.limits.log_bytes, 1u << 30);
}

TEST(Load, ExtraListenersInOneSet) {
  Loaded l = load_text("", "t.toml", {}, {R"(listeners.extra=[{ type = "ws", bind = "127.0.0.1:1" }])"});
  EXPECT_EQ(l.error_text(), "");
  ASSERT_THAT(l.config.listeners, SizeIs(5));
  EXPECT_EQ(l.config.listeners[4].bind.text(), "127.0.0.1:1");
  EXPECT_EQ(l.origins.at("listeners.extra[0].bind").text(), "--set");
}

TEST(Load, AnonymousRule) {
  struct Case {
    const char *bind, *global, *own;
    bool allowed;
  };
  for (Case t : {Case{"127.0.0.1:1", "auto", "auto", true},
                 {"127.9.9.9:1", "auto", "auto", true},
                 {"[::1]:1", "auto", "auto", true},
                 {"localhost:1", "auto", "auto", true},
                 {"unix:/x", "auto", "auto", true},
                 {"0.0.0.0:1", "auto", "auto", false},
                 {"[::]:1", "auto", "auto", false},
                 {"127.example.org:1", "auto", "auto", false},
                 {"0.0.0.0:1", "yes", "auto", true},
                 {"0.0.0.0:1", "auto", "yes", true},
                 {"0.0.0.0:1", "yes", "no", false},
                 {"127.0.0.1:1", "no", "auto", false},
                 {"127.0.0.1:1", "no", "yes", true}}) {
    Loaded l = load_text("", "", {},
                         {std::string("listeners.mqtt.bind=") + t.bind, std::string("auth.allow_anonymous=") + t.global,
                          std::string("listeners.mqtt.allow_anonymous=") + t.own});
    EXPECT_EQ(l.error_text(), "");
    EXPECT_EQ(anonymous_allowed(l.config, l.config.listeners[0]), t.allowed) << t.bind << t.global << t.own;
  }
}

class LoadFile : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/sb_config_XXXXXX";
    dir_ = mkdtemp(pattern);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::string write(const std::string& name, const std::string& text) {
    std::string path = dir_ / name;
    std::ofstream(path) << text;
    return path;
  }
  std::filesystem::path dir_;
};

TEST_F(LoadFile, ReadsTheFileAndNamesTheNode) {
  std::string path = write("a.toml", "[limits]\nmax_qos = 1\n");
  Loaded l = load({path, {}, {}, true});
  EXPECT_EQ(l.error_text(), "");
  EXPECT_EQ(l.config.limits.max_qos, 1);
  EXPECT_NE(l.config.node.name, "");
  EXPECT_EQ(l.origins.at("limits.max_qos").text(), path + ":2");
  EXPECT_EQ(load({path, {}, {"node.name=n1"}, true}).config.node.name, "n1");
}

TEST_F(LoadFile, FilesThatCannotBeRead) {
  std::string none = dir_ / "none.toml", dir = dir_, large = write("large.toml", std::string(1024 * 1024 + 1, '#'));
  EXPECT_EQ(load({none, {}, {}, true}).error_text(),
            none + ": cannot be read: No such file or directory; give the path of a TOML file\n");
  EXPECT_EQ(load({dir, {}, {}, true}).error_text(),
            dir + ": cannot be read: Is a directory; give the path of a TOML file\n");
  EXPECT_EQ(load({large, {}, {}, true}).error_text(), large + ": larger than 1MiB; give the path of a TOML file\n");
}

TEST_F(LoadFile, NamedFilesMustBeReadable) {
  std::string cert = write("c.pem", "x"),
              path = write("a.toml", "[listeners.mqtts]\nbind = \"127.0.0.1:1\"\ncert = \"" + cert +
                                         "\"\nkey = \"/nonexistent/k\"\n");
  std::vector<std::string> sets{"auth.scram_file=/nonexistent/s"};
  EXPECT_EQ(
      load({path, {}, sets, true}).error_text(),
      path +
          ":4: listeners.mqtts.key = \"/nonexistent/k\": cannot be read: No such file or directory; give the path "
          "of a readable file\n"
          "--set: auth.scram_file = \"/nonexistent/s\": cannot be read: No such file or directory; give the path "
          "of a readable file\n");
  EXPECT_EQ(load({path, {}, sets, false}).error_text(), "");
  sets = {"listeners.mqtts.bind="};  // off: its files do not matter
  EXPECT_EQ(load({path, {}, sets, true}).error_text(), "");
}

TEST(Load, ProcessEnvironment) {
  setenv("SIGNALBOX_LIMITS__MAX_QOS", "1", 1);
  Variables v = process_environment();
  unsetenv("SIGNALBOX_LIMITS__MAX_QOS");
  EXPECT_THAT(v, ::testing::Contains(std::pair<std::string, std::string>("SIGNALBOX_LIMITS__MAX_QOS", "1")));
}

TEST(Load, AllErrorsAtOnceInTheOrderOfTheSources) {
  Loaded l = load_text("[limits]\nmax_qos = 3\n[log]\nlevel = \"loud\"\n[node]\nshards = -1\n", "t.toml",
                       {{"SIGNALBOX_LIMITS__INFLIGHT", "0"}}, {"sys.interval=x"});
  ASSERT_THAT(l.errors, SizeIs(5));
  EXPECT_EQ(l.errors[0].where, "t.toml:2");
  EXPECT_EQ(l.errors[1].where, "t.toml:4");
  EXPECT_EQ(l.errors[2].where, "t.toml:6");
  EXPECT_EQ(l.errors[3].where, "environment SIGNALBOX_LIMITS__INFLIGHT");
  EXPECT_EQ(l.errors[4].where, "--set");
  EXPECT_THAT(diff(l.config, Config{}), IsEmpty()) << "what is in error keeps its default";
}

TEST(Load, NotToml) {
  EXPECT_THAT(errors("[limits]\nmax_qos = = 1\n"), ::testing::StartsWith("t.toml:2:11: not valid TOML: "));
  EXPECT_THAT(errors("a = 1\na = 2\n"), ::testing::StartsWith("t.toml:2:"));
  EXPECT_THAT(errors(std::string(100000, '[')), ::testing::StartsWith("t.toml:1:"));
}

}  // namespace
}  // namespace sb::config
