// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "config/load.h"
#include "config/nearest.h"

namespace sb::config {
namespace {

// What is wrong in a file, and the whole of what is said about it.
struct FileCase {
  const char* toml;
  const char* text;
};

const FileCase kFileCases[] = {
    // --- values
    {"limits.max_qos = 3", "f:1: limits.max_qos = 3: out of bounds; write a whole number from 0 to 2 (default 2)"},
    {"limits.max_qos = -1", "f:1: limits.max_qos = -1: negative; write a whole number from 0 to 2 (default 2)"},
    {"limits.max_qos = \"2\"",
     "f:1: limits.max_qos = \"2\": not a whole number; write a whole number from 0 to 2 (default 2)"},
    {"limits.max_qos = 1.5",
     "f:1: limits.max_qos = 1.5: not a whole number; write a whole number from 0 to 2 (default 2)"},
    {"limits.max_qos = [1]",
     "f:1: limits.max_qos = [1 values]: not a whole number; write a whole number from 0 to 2 (default 2)"},
    {"limits.max_qos = 1979-05-27",
     "f:1: limits.max_qos = a date or time: not a whole number; write a whole number from 0 to 2 (default 2)"},
    {"limits.topic_levels = 65536",
     "f:1: limits.topic_levels = 65536: out of bounds; write a whole number from 1 to 1024 (default 128)"},
    {"limits.drop_oldest = \"true\"",
     "f:1: limits.drop_oldest = \"true\": not a boolean; write true or false (default false)"},
    {"limits.max_packet_size = \"4M\"",
     "f:1: limits.max_packet_size = \"4M\": unknown unit \"M\"; write a size from 16 to 256MiB: bytes, or a number "
     "with B, "
     "KiB, MiB, GiB, KB, MB or GB (default \"1MiB\")"},
    {"limits.max_packet_size = \"1GiB\"",
     "f:1: limits.max_packet_size = \"1GiB\": out of bounds; write a size from 16 to 256MiB: bytes, or a number with "
     "B, "
     "KiB, MiB, GiB, KB, MB or GB (default \"1MiB\")"},
    {"limits.max_packet_size = \"99999999999999999999\"",
     "f:1: limits.max_packet_size = \"99999999999999999999\": too large; write a size from 16 to 256MiB: bytes, or a "
     "number "
     "with B, KiB, MiB, GiB, KB, MB or GB (default \"1MiB\")"},
    {"limits.max_packet_size = \"99999999999 TiB\"",
     "f:1: limits.max_packet_size = \"99999999999 TiB\": too large; write a size from 16 to 256MiB: bytes, or a number "
     "with "
     "B, KiB, MiB, GiB, KB, MB or GB (default \"1MiB\")"},
    {"limits.max_packet_size = true",
     "f:1: limits.max_packet_size = true: not a size; write a size from 16 to 256MiB: bytes, or a number with B, KiB, "
     "MiB, "
     "GiB, KB, MB or GB (default \"1MiB\")"},
    {"listeners.mqtt.max_packet_size = 1",
     "f:1: listeners.mqtt.max_packet_size = 1: out of bounds; write a size from 16 to 256MiB, or 0: bytes, or a number "
     "with "
     "B, KiB, MiB, GiB, KB, MB or GB (default 0)"},
    {"limits.connect_timeout = \"1500ms\"",
     "f:1: limits.connect_timeout = \"1500ms\": not a whole number of seconds; write a duration from 1s to 3600s: "
     "seconds, "
     "or a number with s, m, h or d (default \"10s\")"},
    {"limits.connect_timeout = \"soon\"",
     "f:1: limits.connect_timeout = \"soon\": does not begin with a whole number; write a duration from 1s to 3600s: "
     "seconds, or a number with s, m, h or d (default \"10s\")"},
    {"limits.connect_timeout = 0",
     "f:1: limits.connect_timeout = 0: out of bounds; write a duration from 1s to 3600s: seconds, or a number with s, "
     "m, h "
     "or d (default \"10s\")"},
    {"sys.interval = -5",
     "f:1: sys.interval = -5: negative; write a duration from 0s to 86400s: seconds, or a number with s, m, h or d "
     "(default "
     "\"10s\")"},
    {"log.level = \"verbose\"",
     "f:1: log.level = \"verbose\": not one of the choices; write \"trace\", \"debug\", \"info\", \"warn\" or "
     "\"error\" "
     "(default \"info\")"},
    {"auth.allow_anonymous = true",
     "f:1: auth.allow_anonymous = true: not one of the choices; write \"auto\", \"yes\" or \"no\" (default \"auto\")"},
    {"store.kind = \"redis\"",
     "f:1: redis.url: missing; write where Redis is, such as \"redis://127.0.0.1:6379\""},
    {"store.write_concern = \"replica\"",
     "f:1: store.write_concern: one of Redis; with the embedded store write \"fsync\", \"interval\" or \"none\""},
    {"auth.http.url = \"auth.example.org\"",
     "f:1: auth.http.url = \"auth.example.org\": does not begin with http:// or https://; write a URL such as "
     "\"https://auth.example.org/mqtt\""},
    {"auth.http.acl_url = \"http://u:p@h/\"",
     "f:1: auth.http.acl_url = \"http://u:p@h/\": has a user or a password in it; put what the server wants into "
     "`auth.http.token_file`"},
    {"log.file = 1", "f:1: log.file = 1: not a string; write a string of at most 4096 bytes (default \"\")"},
    {"log.file = \"a\\u0000\"",
     "f:1: log.file = \"a\\u0000\": has a control character; write a string of at most 4096 bytes (default \"\")"},
    {"node.name = \"a b\"",
     "f:1: node.name = \"a b\": has other characters than letters, digits, \"-\", \"_\" and \".\"; leave them out"},
    {"response.information = \"a/#\"",
     "f:1: response.information = \"a/#\": has a wildcard; clients publish to topics below it, so leave out \"+\" and "
     "\"#\""},
    {"listeners.mqtt.unix_mode = 660",
     "f:1: listeners.mqtt.unix_mode = 660: not octal permissions; write permissions in octal, such as \"0660\" "
     "(default "
     "\"0660\")"},
    {"listeners.mqtt.unix_mode = \"0999\"",
     "f:1: listeners.mqtt.unix_mode = \"0999\": not octal permissions; write permissions in octal, such as \"0660\" "
     "(default "
     "\"0660\")"},
    {"listeners.ws.path = \"mqtt\"",
     "f:1: listeners.ws.path = \"mqtt\": does not begin with \"/\"; write a path such as \"/mqtt\""},
    {"listeners.ws.path = \"/a?b\"",
     "f:1: listeners.ws.path = \"/a?b\": has a space, \"?\" or \"#\"; write only the path of the URL, such as "
     "\"/mqtt\""},
    {"listeners.ws.origins = \"https://a\"",
     "f:1: listeners.ws.origins = \"https://a\": not a list; write a list of strings (default [])"},
    {"listeners.ws.origins = [1]",
     "f:1: listeners.ws.origins = [1 values]: 1 in it is not a string; write a list of strings (default [])"},
    {"listeners.ws.origins = [\"example.org\"]",
     "f:1: listeners.ws.origins = [1 values]: \"example.org\" is not an origin; write scheme and host, such as "
     "\"https://example.org\""},
    {"listeners.mqtts.sni = [\"a=b\"]",
     "f:1: listeners.mqtts.sni = [1 values]: number 1 in it lacks a name, a certificate or a key; write a list of "
     "\"NAME=CERT_FILE,KEY_FILE\" (default [])"},
    {"listeners.mqtts.sni = [\"a=b,c\", {name = \"a\"}]",
     "f:1: listeners.mqtts.sni = [2 values]: number 2 in it lacks a name, a certificate or a key; write a list of "
     "\"NAME=CERT_FILE,KEY_FILE\" (default [])"},
    // --- names
    {"[limits]\ntopic_levls = 1", "f:2: limits.topic_levls: no such key; did you mean limits.topic_levels?"},
    {"max_qos = 1", "f:1: max_qos: no such key; did you mean limits.max_qos?"},
    {"\"limits.max_qos\" = 1", "f:1: \"limits.max_qos\": no such key; did you mean limits.max_qos?"},
    {"\"\\u001b[31m\" = 1", "f:1: \"\\u001B[31m\": no such key; `signalbox config print --sample` shows all"},
    {"[limits]\nwholly_different = 1",
     "f:2: limits.wholly_different: no such key; `signalbox config print --sample` shows all"},
    {"[limts]\nmax_qos = 1", "f:1: limts: no such section; did you mean [limits]?"},
    {"[elsewhere]\nmax_qos = 1", "f:1: elsewhere: no such section; `signalbox config print --sample` shows all"},
    {"limits = 3", "f:1: limits: a section, not a key; write [limits] and its keys below it"},
    {"[limits.max_qos]\nx = 1", "f:1: limits.max_qos: a key, not a section; write max_qos = … in [limits]"},
    {"[listeners.mqtt]\ncert = \"x\"", "f:2: listeners.mqtt.cert: only for mqtts and wss listeners; remove it"},
    {"[listeners.mqtts]\norigins = []", "f:2: listeners.mqtts.origins: only for ws and wss listeners; remove it"},
    {"[listeners.ws]\ntype = \"mqtt\"",
     "f:2: listeners.ws.type: only for [[listeners.extra]]; this listener's type is fixed, so remove it"},
    {"[listeners.mqttt]\nbind = \"\"", "f:1: listeners.mqttt: no such section; did you mean [listeners.mqtt]?"},
    {"[listeners.extra]\nbind = \"\"",
     "f:1: listeners.extra: not a list of tables; write [[listeners.extra]] with type and bind"},
    {"listeners.extra = [1]",
     "f:1: listeners.extra: not a list of tables; write [[listeners.extra]] with type and bind"},
    // --- what belongs together
    {"[[listeners.extra]]\nbind = \"127.0.0.1:1\"",
     "f:1: listeners.extra[0].type: missing; write \"mqtt\", \"mqtts\", \"ws\" or \"wss\""},
    {"[[listeners.extra]]\ntype = \"mqtt\"",
     "f:1: listeners.extra[0].bind: missing; write an address, or \"\" for off"},
    {"[[listeners.extra]]\ntype = \"tcp\"\nbind = \"\"",
     "f:2: listeners.extra[0].type = \"tcp\": not one of the choices; write \"mqtt\", \"mqtts\", \"ws\" or \"wss\" "
     "(default "
     "\"mqtt\")"},
    {"[[listeners.extra]]\ntype = \"mqtt\"\nbind = \"127.0.0.1:1883\"",
     "f:3: listeners.extra[0].bind = \"127.0.0.1:1883\": the same as listeners.mqtt.bind; give each listener its own "
     "address"},
    {"[listeners.mqtts]\nbind = \"127.0.0.1:8883\"\nkey = \"k\"",
     "f:2: listeners.mqtts.cert: missing; TLS needs a certificate: write the path of a PEM file"},
    {"[listeners.wss]\nbind = \"127.0.0.1:8884\"\ncert = \"c\"",
     "f:2: listeners.wss.key: missing; TLS needs a private key: write the path of a PEM file"},
    {"[auth]\nacl_file = \"a\"\nhttp.acl_url = \"http://h/\"",
     "f:2: auth.acl_file = \"a\": means nothing beside auth.http.acl_url; leave out one of them"},
    {"[listeners.wss]\nidentity_as_username = \"cn\"",
     "f:2: listeners.wss.client_ca: missing; client certificates are checked against an authority: write the path of a "
     "PEM "
     "file"},
};

TEST(Errors, InAFile) {
  for (const auto& t : kFileCases) {
    EXPECT_EQ(load_text(t.toml, "f").error_text(), std::string(t.text) + '\n') << t.toml;
  }
}

// `bind = value`, and what is wrong with the value.
struct BindCase {
  const char* value;
  const char* problem;
};

const BindCase kBindCases[] = {
    {"1883", "a port without a host"},
    {":1883", "a port without a host (0.0.0.0 is every IPv4 address, [::] every address)"},
    {"localhost", "no port"},
    {"localhost:", "the port is not a number from 0 to 65535"},
    {"localhost:65536", "the port is not a number from 0 to 65535"},
    {"localhost:+1", "the port is not a number from 0 to 65535"},
    {"::1:1883", "an IPv6 address must stand in brackets"},
    {"[::1]", "no port after the bracket"},
    {"[::g]:1", "not an IPv6 address between the brackets"},
    {"[::1:1", "no port after the bracket"},
    {"256.0.0.1:1", "neither an IPv4 address nor a host name before the port"},
    {"a host:1", "neither an IPv4 address nor a host name before the port"},
    {"tcp://localhost:1", "has a scheme, as a URL has"},
    {"unix:", "no path after \"unix:\""},
};

TEST(Errors, Addresses) {
  for (const auto& t : kBindCases) {
    std::string set = std::string("listeners.ws.bind=") + t.value;
    std::string expected = std::string("--set: listeners.ws.bind = \"") + t.value + "\": " + t.problem +
                           "; write \"host:port\", \"[IPv6]:port\", \"unix:/path\", or \"\" for off (default "
                           "\"127.0.0.1:8083\")\n";
    EXPECT_EQ(load_text("", "f", {}, {set}).error_text(), expected);
  }
  std::string path(108, 'x');
  EXPECT_NE(load_text("", "f", {}, {"listeners.ws.bind=unix:" + path}).error_text().find("a unix socket allows 107"),
            std::string::npos);
}

TEST(Errors, InEnvironmentAndSet) {
  Variables environment{{"SIGNALBOX_LOGS__LEVEL", "info"},
                        {"SIGNALBOX_LIMITS__MAX_QOS", "two"},
                        {"SIGNALBOX_LIMITS__DROP_OLDEST", "yes"},
                        {"SIGNALBOX_LIMITS__INFLIGHT", "99999999999999999999999"},
                        {"SIGNALBOX_LOG__FILE", "\xff"}};
  EXPECT_EQ(load_text("", "f", environment).error_text(),
            "environment SIGNALBOX_LOGS__LEVEL: logs.level: no such key; did you mean log.level?\n"
            "environment SIGNALBOX_LIMITS__MAX_QOS: limits.max_qos = \"two\": not a whole number; write a whole number "
            "from 0 to 2 "
            "(default 2)\n"
            "environment SIGNALBOX_LIMITS__DROP_OLDEST: limits.drop_oldest = \"yes\": not a boolean; write true or "
            "false (default "
            "false)\n"
            "environment SIGNALBOX_LIMITS__INFLIGHT: limits.inflight = \"99999999999999999999999\": out of bounds; "
            "write a whole "
            "number from 1 to 65535 (default 1024)\n"
            "environment SIGNALBOX_LOG__FILE: log.file = \"\xEF\xBF\xBD\": not valid UTF-8; write a string of at most "
            "4096 bytes "
            "(default \"\")\n");
  EXPECT_EQ(
      load_text("", "f", {}, {"log.level", "=x", "limits=1", "listeners.extra[0]=x", "listeners.extra[999].bind=x"})
          .error_text(),
      "--set: \"log.level\": not of the form key=value; write for example --set log.level=debug\n"
      "--set: \"=x\": not of the form key=value; write for example --set log.level=debug\n"
      "--set: limits: a section, not a key; write [limits] and its keys below it\n"
      "--set: listeners.extra[0]: a listener, not a key; write listeners.extra[0].bind\n"
      "--set: listeners.extra[999].bind: too many extra listeners; at most 256 are possible\n"
      "listeners.extra[0].type: missing; write \"mqtt\", \"mqtts\", \"ws\" or \"wss\"\n"
      "listeners.extra[0].bind: missing; write an address, or \"\" for off\n");
}

TEST(Errors, LongValuesAreShortened) {
  std::string text =
      load_text("", "f", {}, {"log.level=" + std::string(63, 'x') + "ééé" + std::string(100, 'y')}).error_text();
  EXPECT_NE(text.find("\"" + std::string(63, 'x') + "…\": not one of"), std::string::npos) << text;
}

TEST(Nearest, Distance) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("bind", "bnid"), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
}

}  // namespace
}  // namespace sb::config
