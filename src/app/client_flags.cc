// SPDX-License-Identifier: MIT
#include "app/client_flags.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <random>

#include "app/flag_checks.h"
#include "base/utf8.h"
#include "model/topic.h"

namespace sb::app {
namespace {

using mqtt::Version;

constexpr std::uint16_t kWebSocketPort = 8083;  // of our broker's ws listener
constexpr std::uint32_t kForever = 0xFFFFFFFF;

[[noreturn]] void bad(const char* flag, const std::string& what) { throw CLI::ValidationError(flag, what); }

bool any_tls(const ClientFlags& f) {
  return f.tls || f.insecure || !f.cafile.empty() || !f.capath.empty() || !f.cert.empty() || !f.key.empty() ||
         !f.tls_version.empty() || !f.ciphers.empty() || !f.alpn.empty();
}

client::Target target_of(const ClientFlags& f, ClientSetup& setup) {
  client::Target t;
  if (!f.url.empty()) {
    if (!f.host.empty()) bad("--url", "the host is in the URL; leave out --host");
    if (f.port) bad("--url", "the port is in the URL; leave out --port");
    std::string problem;
    auto url = client::parse_url(f.url, problem);
    if (!url) bad("--url", fmt::format("{}; write mqtt://user:password@host:1883/topic", problem));
    setup.url_topic = url->topic;
    setup.options.username = url->username;
    setup.options.password = url->password;
    t = url->target;
    if (any_tls(f) && !t.tls) bad("--url", "TLS options need mqtts:// or wss://");
  } else {
    t.tls = any_tls(f);
    t.websocket = f.websocket || !f.path.empty();
    if (!f.host.empty()) t.host = f.host;
    t.port = f.port ? *f.port : t.websocket ? kWebSocketPort : client::default_port(t.tls, false);
  }
  if (!f.path.empty()) {
    if (!t.websocket) bad("--path", "is for WebSocket; add --ws");
    t.path = f.path.front() == '/' ? f.path : '/' + f.path;
  }
  if (!f.unix_path.empty()) {
    if (!f.host.empty() || f.port || !f.url.empty()) bad("--unix", "takes the place of --host, --port and --url");
    t.unix_path = f.unix_path;
  }
  return t;
}

Version version_of(const std::string& text) {
  if (text == "31" || text == "mqttv31" || text == "3.1") return Version::v31;
  if (text == "311" || text == "mqttv311" || text == "3.1.1") return Version::v311;
  if (text.empty() || text == "5" || text == "mqttv5") return Version::v5;
  bad("--protocol-version", fmt::format("\"{}\" is none; there are mqttv31, mqttv311 and mqttv5", text));
}

std::uint32_t expiry_of(const std::string& text) {
  if (text == "-1" || text == "∞" || text == "never") return kForever;
  std::uint32_t v = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size())
    bad("--session-expiry-interval", fmt::format("\"{}\" is no number of seconds; -1 means never", text));
  return v;
}

std::string client_id_of(const ClientFlags& f, const std::string& name) {
  if (!f.id.empty() && !f.id_prefix.empty()) bad("--id", "and --id-prefix exclude each other");
  if (!f.id.empty()) return f.id;
  if (!f.id_prefix.empty()) return fmt::format("{}{}", f.id_prefix, ::getpid());
  return fmt::format("sb-{}-{:08x}", name, std::random_device{}());
}

void set_session(const ClientFlags& f, client::Options& o) {
  bool v5 = o.version == Version::v5;
  o.clean_start = !f.keep_session;
  if (!f.session_expiry.empty()) {
    if (!v5) bad("--session-expiry-interval", "is of MQTT 5; leave out -V, or use -c");
    o.session_expiry = expiry_of(f.session_expiry);
  } else if (f.keep_session && v5 && !o.session_expiry) {
    o.session_expiry = kForever;  // what "not clean" meant before version 5
  }
  if ((f.keep_session || o.durable()) && f.id.empty())
    bad("--id", "is missing: a session that is kept is found again by its client id");
}

void set_will(const ClientFlags& f, std::string properties, client::Options& o) {
  if (f.will_topic.empty()) {
    if (!f.will_payload.empty() || f.will_retain || f.will_qos || !properties.empty())
      bad("--will-topic", "is missing for the will");
    return;
  }
  if (!model::is_topic_name(f.will_topic) || !is_mqtt_utf8(f.will_topic))
    bad("--will-topic", fmt::format("\"{}\" is no topic to publish to; it has no + and #", f.will_topic));
  if (f.will_payload.size() > 65535) bad("--will-payload", "has at most 65535 bytes");
  o.will = client::Will{f.will_topic, f.will_payload, std::move(properties), f.will_qos, f.will_retain};
}

void set_tls(const ClientFlags& f, client::Wiring& w) {
  if (!w.target.tls) return;
  if (f.cert.empty() != f.key.empty())
    bad(f.cert.empty() ? "--cert" : "--key", "is missing: --cert and --key go together");
  io::TlsClientConfig c;
  c.ca_file = f.cafile;
  c.ca_path = f.capath;
  c.cert_file = f.cert;
  c.key_file = f.key;
  c.key_password = f.key_password;
  c.ciphers = f.ciphers;
  c.verify = !f.insecure;
  if (f.tls_version == "tlsv1.3") c.min_version = io::TlsVersion::v1_3;
  if (!f.alpn.empty()) c.alpn = {f.alpn};
  std::string why;
  auto context = io::TlsContext::client(c, why);
  if (!context) bad("--tls", why);
  w.tls = std::move(*context);
}

}  // namespace

void add_client_flags(CLI::App& command, ClientFlags& f, ClientFlagGroups groups) {
  command.set_help_flag("--help", "Print this help and exit");
  const char* g = "Connection";
  command.add_option("-h,--host", f.host, "Host of the broker; 127.0.0.1 by default")->group(g)->type_name("HOST");
  command.add_option("-p,--port", f.port, "Port; by default 1883, with TLS 8883, with WebSocket 8083")
      ->group(g)
      ->type_name("PORT")
      ->check(within(1, 65535));
  command.add_option("-L,--url", f.url, "mqtt[s]://[user[:password]@]host[:port][/topic], or ws[s]:// with a path")
      ->group(g)
      ->type_name("URL");
  command.add_option("--unix", f.unix_path, "Connect to a unix socket")->group(g)->type_name("PATH");
  command.add_option("-u,--username", f.username, "User name")->group(g)->type_name("NAME");
  command.add_option("-P,--pw", f.password, "Password")->group(g)->type_name("PASSWORD");
  command
      .add_option("-V,--protocol-version", f.version,
                  "mqttv31, mqttv311 or mqttv5 (31, 311, 5); by default 5, or 3.1.1 if the broker knows no 5")
      ->group(g)
      ->type_name("VERSION");
  command.add_option("-k,--keepalive", f.keep_alive, "Keep alive in seconds, 0 = none; 60 by default")
      ->group(g)
      ->type_name("SECONDS")
      ->check(within(0, 65535));
  command.add_option("-A,--bind", f.bind_address, "Local IP address to connect from")->group(g)->type_name("ADDRESS");
  command.add_flag("--ws", f.websocket, "MQTT over WebSocket")->group(g);
  command.add_option("--path", f.path, "Path of the WebSocket, /mqtt by default; implies --ws")
      ->group(g)
      ->type_name("PATH");
  command.add_flag("--nodelay", f.nodelay, "No Nagle algorithm; it is always off, the flag is there for compatibility")
      ->group(g);
  command.add_flag("-d,--debug", f.debug, "Say what happens, on standard error")->group(g);
  command.add_flag("--quiet", f.quiet, "No messages on standard error")->group(g);

  g = "TLS (any of these turns it on)";
  command.add_flag("--tls,--tls-use-os-certs", f.tls, "TLS; the system's authorities vouch for the broker")->group(g);
  command.add_option("--cafile", f.cafile, "Authorities that vouch for the broker (PEM)")->group(g)->type_name("FILE");
  command.add_option("--capath", f.capath, "The same as a directory of hashed certificates")
      ->group(g)
      ->type_name("DIR");
  command.add_option("--cert", f.cert, "Client certificate (PEM)")->group(g)->type_name("FILE");
  command.add_option("--key", f.key, "Its private key (PEM)")->group(g)->type_name("FILE");
  command.add_option("--key-password", f.key_password, "Password of the key file")->group(g)->type_name("PASSWORD");
  command.add_flag("--insecure", f.insecure, "Accept any certificate: whoever answers can read and change everything")
      ->group(g);
  command.add_option("--tls-version", f.tls_version, "Lowest version: tlsv1.2 (the default) or tlsv1.3")
      ->group(g)
      ->type_name("VERSION")
      ->check(CLI::IsMember({"tlsv1.2", "tlsv1.3"}));
  command.add_option("--ciphers", f.ciphers, "Cipher list for TLS 1.2, as OpenSSL writes it")
      ->group(g)
      ->type_name("LIST");
  command.add_option("--tls-alpn", f.alpn, "Application protocol to ask for, e.g. mqtt")->group(g)->type_name("NAME");
  if (!groups.session) return;

  g = "Session";
  command.add_option("-i,--id", f.id, "Client id; a random one by default")->group(g)->type_name("ID");
  command.add_option("-I,--id-prefix", f.id_prefix, "Client id made of this and the process id")
      ->group(g)
      ->type_name("PREFIX");
  command.add_flag("-c,--disable-clean-session", f.keep_session, "Keep the session, and go on with an earlier one")
      ->group(g);
  command
      .add_option("-x,--session-expiry-interval", f.session_expiry,
                  "Seconds for which the broker keeps the session; -1 = forever, the default with -c")
      ->group(g)
      ->type_name("SECONDS");
  command.add_option("-D,--property", f.properties, "MQTT 5 property, see below")
      ->group(g)
      ->type_name("PACKET NAME VALUE")
      ->type_size(3, 4)
      ->expected(-1)
      ->allow_extra_args(false);
  command.add_option("--will-topic", f.will_topic, "The broker publishes to it when the connection breaks")
      ->group(g)
      ->type_name("TOPIC");
  command.add_option("--will-payload", f.will_payload, "Payload of the will")->group(g)->type_name("TEXT");
  command.add_option("--will-qos", f.will_qos, "QoS of the will")->group(g)->type_name("0|1|2")->check(within(0, 2));
  command.add_flag("--will-retain", f.will_retain, "The will is retained")->group(g);
}

ClientSetup prepare_client(const ClientFlags& f, const std::string& name) {
  ClientSetup s;
  client::Options& o = s.options;
  s.wiring.target = target_of(f, s);
  o.version = version_of(f.version);
  s.version_given = !f.version.empty();
  std::string will_properties;
  s.properties = parse_properties(f.properties, o, will_properties);
  if (s.properties.any && o.version != Version::v5) bad("--property", "is of MQTT 5; leave out -V");
  if (s.properties.any || !f.session_expiry.empty()) s.version_given = true;  // it cannot be done with another
  if (f.username) o.username = f.username;
  if (f.password) o.password = f.password;
  if (o.password && !o.username && o.version != Version::v5) bad("--pw", "needs --username before MQTT 5");
  if (o.password && !o.username) s.version_given = true;
  if (o.username && !is_mqtt_utf8(*o.username)) bad("--username", "is not UTF-8");
  o.keep_alive = f.keep_alive;
  s.client_id = client_id_of(f, name);
  if (!is_mqtt_utf8(s.client_id) || s.client_id.size() > 65535) bad("--id", "is no UTF-8 text of at most 65535 bytes");
  set_session(f, o);
  set_will(f, std::move(will_properties), o);
  set_tls(f, s.wiring);
  if (o.version == Version::v31) s.wiring.websocket_protocol = "mqttv3.1";
  if (!f.bind_address.empty()) {
    s.source = client::parse_ip(f.bind_address);
    if (!s.source) bad("--bind", fmt::format("\"{}\" is no IP address", f.bind_address));
  }
  return s;
}

}  // namespace sb::app
