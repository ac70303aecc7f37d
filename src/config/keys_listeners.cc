// SPDX-License-Identifier: MIT
#include <array>

#include "config/keys.h"
#include "config/rows.h"

namespace sb::config {
namespace {

using enum Takes;

constexpr unsigned bit(ListenerKind k) { return 1u << static_cast<unsigned>(k); }
constexpr unsigned kTls = bit(ListenerKind::mqtts) | bit(ListenerKind::wss);
constexpr unsigned kWebSocket = bit(ListenerKind::ws) | bit(ListenerKind::wss);
constexpr unsigned kAll = bit(ListenerKind::mqtt) | bit(ListenerKind::ws) | kTls;
constexpr Bounds kPath{0, 4096};

constexpr std::array<std::string_view, kListenerKinds> kKinds = {"mqtt", "mqtts", "ws", "wss"};
constexpr std::array<std::string_view, 3> kAnonymous = {"auto", "yes", "no"};
constexpr std::array<std::string_view, 3> kProxyProtocol = {"off", "optional", "required"};
constexpr std::array<std::string_view, 4> kCertificateNames = {"none", "cn", "dn", "san"};
constexpr std::array<std::string_view, 2> kTlsVersions = {"1.2", "1.3"};

std::string check_url_path(const Value& v) {
  const auto& s = std::get<std::string>(v);
  if (!s.starts_with('/')) return "does not begin with \"/\"; write a path such as \"/mqtt\"";
  bool ok = s.find_first_of(" ?#") == std::string::npos;
  return ok ? "" : "has a space, \"?\" or \"#\"; write only the path of the URL, such as \"/mqtt\"";
}

std::string check_origins(const Value& v) {
  for (const auto& s : std::get<std::vector<std::string>>(v)) {
    auto scheme = s.find("://");
    bool ok = s == "null" || (scheme != std::string::npos && s.find('/', scheme + 3) == std::string::npos);
    if (!ok) return quote(s) + " is not an origin; write scheme and host, such as \"https://example.org\"";
  }
  return "";
}

void add_tls_keys(std::vector<Key>& out) {
  Rows<ListenerConfig> row(out, kTls);
  row.text("cert", SB_FIELD(tls.cert), kPath, reload,
           "PEM file with the certificate and its chain. Needed when the listener is on.");
  row.text("key", SB_FIELD(tls.key), kPath, reload, "PEM file with the private key of `cert`.");
  row.text("client_ca", SB_FIELD(tls.client_ca), kPath, reload,
           "PEM file with the authorities that client certificates are checked against. Empty: clients are "
           "not asked for "
           "a certificate.");
  row.boolean("require_client_cert", SB_FIELD(tls.require_client_cert), reload,
              "Refuse clients without a valid certificate. Needs `client_ca`.");
  row.choice("identity_as_username", SB_FIELD(tls.identity_as_username), kCertificateNames, reload,
             "Take the user name from the client certificate: its common name, its whole subject, or its "
             "first subject "
             "alternative name. Needs `client_ca`.");
  row.choice("min_tls", SB_FIELD(tls.min_version), kTlsVersions, reload, "Oldest TLS version that is accepted.");
  row.text("ciphers", SB_FIELD(tls.ciphers), kPath, reload,
           "OpenSSL cipher list for TLS 1.2. Empty: OpenSSL's default.");
  row.certificates("sni", SB_FIELD(tls.sni), reload,
                   "Further certificates, chosen by the server name that the client asks for: strings "
                   "`NAME=CERT_FILE,KEY_FILE`, or tables `{ name = …, cert = …, key = … }`.");
}

}  // namespace

void add_listener_keys(std::vector<Key>& out) {
  Rows<ListenerConfig> row(out, kAll);
  row.choice("type", SB_FIELD(kind), kKinds, restart, "What the listener speaks. Needed.").extra_only = true;
  row.address("bind", SB_FIELD(bind), restart,
              "Where to listen: `host:port`, `[IPv6]:port` or `unix:/path`. Port 0: a free port, which is printed at "
              "the start. Empty: the listener is off.");

  Rows<ListenerConfig> ws(out, kWebSocket);
  ws.text("path", SB_FIELD(path), {1, 1024}, restart, "Path of the WebSocket upgrade request.").check = check_url_path;
  ws.list("origins", SB_FIELD(origins), reload,
          "Values of the Origin header that browsers may come with, such as `https://example.org`. Empty: any.")
      .check = check_origins;
  add_tls_keys(out);

  row.choice("proxy_protocol", SB_FIELD(proxy_protocol), kProxyProtocol, restart,
             "Read a PROXY header, version 1 or 2, with the client's address from a load balancer. "
             "`optional` believes "
             "whoever sends one, so use it only where clients cannot connect directly.");
  row.choice("allow_anonymous", SB_FIELD(allow_anonymous), kAnonymous, reload,
             "Whether clients without a user name may come in here. `auto`: as `auth.allow_anonymous`.");
  row.number("max_connections", SB_FIELD(max_connections), {0, 0xFFFFFFFF}, reload,
             "Connections at once on this listener. 0: only `limits.connections` holds.");
  row.size("max_packet_size", SB_FIELD(max_packet_size), {16, 256 * 1024 * 1024, true}, reload,
           "Largest packet on this listener. 0: as `limits.max_packet_size`.");
  row.duration("connect_timeout", SB_FIELD(connect_timeout), {1, 3600, true}, reload,
               "Time to a complete CONNECT on this listener. 0: as `limits.connect_timeout`.");
  row.mode("unix_mode", SB_FIELD(unix_mode), restart, "Permissions of the socket file when `bind` is `unix:/path`.");
}

}  // namespace sb::config
