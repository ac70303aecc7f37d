// SPDX-License-Identifier: MIT
#include "io/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "io/tests/test_certs.h"

namespace sb::io {
namespace {

using sb::io::testing::TestCa;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ClientCert = TlsServerConfig::ClientCert;

struct Certificates {
  TestCa ca, other_ca{"Other CA"};
  TestCa::Files server = ca.issue("server", {{"localhost"}, "DNS:localhost,IP:127.0.0.1"});
  TestCa::Files second = ca.issue("second", {{"second"}, "DNS:mqtt.example.org"});
  TestCa::Files wildcard = ca.issue("wildcard", {{"wildcard"}, "DNS:*.example.net"});
  TestCa::Files expired = ca.issue("expired", {{"localhost"}, "DNS:localhost", -7200, -60});
  TestCa::Files soon = ca.issue("soon", {{"localhost"}, "DNS:localhost", -7200, 3 * 24 * 3600});
  TestCa::Files future = ca.issue("future", {{"localhost"}, "DNS:localhost", 3600, 7200});
  TestCa::Files locked = ca.issue("locked", {}, "secret");
  TestCa::Files device =
      ca.issue("device", {{"devices", "device-1"}, "IP:192.0.2.1,email:d1@example.org,DNS:d1.example.org"});
  TestCa::Files stranger = other_ca.issue("stranger", {{"stranger"}, "DNS:localhost"});
  TestCa::Files nul = ca.issue("nul", {{std::string("admin\0x", 7)}, ""});
};

Certificates& certs() {
  static Certificates c;
  return c;
}

/// Both ends of a connection, with what was emitted and not yet fed to the other.
struct Pair {
  struct End {
    TlsStream stream;
    std::string out, received;
    std::size_t emissions = 0;
    bool closed = false;
    TlsOutput output() {
      return {[](void* to, const char* data, std::size_t n) {
                static_cast<End*>(to)->out.append(data, n);
                ++static_cast<End*>(to)->emissions;
              },
              this};
    }
    std::function<void()> on_established;  ///< may call compact()
    void take(std::string_view input) {
      stream.feed(input);
      if (on_established && stream.handshake(output()) == TlsStatus::ok) std::exchange(on_established, nullptr)();
      char buffer[1000];
      std::size_t n = 0;
      TlsStatus status;
      while ((status = stream.read(buffer, sizeof buffer, n, output())) == TlsStatus::ok) received.append(buffer, n);
      closed |= status == TlsStatus::closed;
      if (status == TlsStatus::want_input) {
        EXPECT_TRUE(stream.pending_input().empty());
      }
    }
  };
  End client, server;

  Pair(const TlsContext& c, const TlsContext& s, const std::string& name)
      : client{TlsStream(c, name)}, server{TlsStream(s)} {}

  /// Hands bytes over, `step` at a time, until both are silent.
  void run(std::size_t step = 100000) {
    client.stream.handshake(client.output());
    while (!client.out.empty() || !server.out.empty()) {
      for (auto [from, to] : {std::pair(&client, &server), std::pair(&server, &client)}) {
        std::string bytes = std::exchange(from->out, {});
        for (std::size_t at = 0; at < bytes.size(); at += step) to->take(std::string_view(bytes).substr(at, step));
      }
    }
  }
  error_code client_error() const { return client.stream.failure() ? client.stream.failure()->error : error_code(); }
  error_code server_error() const { return server.stream.failure() ? server.stream.failure()->error : error_code(); }
};

std::shared_ptr<const TlsContext> server_context(const TlsServerConfig& config) {
  std::string why;
  auto r = TlsContext::server(config, why);
  EXPECT_TRUE(r.has_value()) << why;
  return r.has_value() ? *r : nullptr;
}
std::shared_ptr<const TlsContext> client_context(const TlsClientConfig& config) {
  std::string why;
  auto r = TlsContext::client(config, why);
  EXPECT_TRUE(r.has_value()) << why;
  return r.has_value() ? *r : nullptr;
}

TlsServerConfig server_config() { return {.cert_file = certs().server.cert, .key_file = certs().server.key}; }
TlsClientConfig client_config() { return {.ca_file = certs().ca.file()}; }

// ---- handshakes

struct Handshake {
  const char* name;
  void (*change)(TlsServerConfig& server, TlsClientConfig& client, std::string& asked);
  error_code client_error = {}, server_error = {};
  void (*check)(Pair& pair) = nullptr;
};
void PrintTo(const Handshake& c, std::ostream* os) { *os << c.name; }

void use(TlsServerConfig& s, const TestCa::Files& f) { s.cert_file = f.cert, s.key_file = f.key; }
void use(TlsClientConfig& c, const TestCa::Files& f) { c.cert_file = f.cert, c.key_file = f.key; }
void want_client_cert(TlsServerConfig& s, ClientCert how) { s.client_cert = how, s.client_ca_file = certs().ca.file(); }
void add_sni(TlsServerConfig& s) {
  s.sni = {{"mqtt.example.org", certs().second.cert, certs().second.key},
           {"*.example.net", certs().wildcard.cert, certs().wildcard.key}};
}
std::string cn_of_server(Pair& p) { return p.client.stream.peer_identity(TlsIdentity::cn); }

const Handshake kHandshakes[] = {
    {"plain",
     [](auto&, auto&, auto&) {},
     {},
     {},
     [](Pair& p) {
       EXPECT_EQ(p.server.stream.server_name(), "localhost");
       EXPECT_EQ(p.server.stream.alpn(), "");
       EXPECT_FALSE(p.server.stream.has_peer_certificate());
       EXPECT_EQ(p.server.stream.peer_identity(TlsIdentity::cn), "");
       EXPECT_EQ(cn_of_server(p), "localhost");
     }},
    {"by address",
     [](auto&, auto&, auto& asked) { asked = "127.0.0.1"; },
     {},
     {},
     [](Pair& p) { EXPECT_EQ(p.server.stream.server_name(), ""); }},
    {"wrong name", [](auto&, auto&, auto& asked) { asked = "other"; }, tls_errc::certificate_wrong_name,
     tls_errc::alert},
    {"wrong address", [](auto&, auto&, auto& asked) { asked = "127.0.0.2"; }, tls_errc::certificate_wrong_name,
     tls_errc::alert},
    {"no name checked", [](auto&, auto&, auto& asked) { asked = ""; }},
    {"client knows another CA", [](auto&, auto& c, auto&) { c.ca_file = certs().other_ca.file(); },
     tls_errc::certificate_unknown_ca, tls_errc::alert},
    {"client does not verify",
     [](auto&, auto& c, auto& asked) { c.ca_file = "", c.verify = false, asked = "other"; },
     {},
     {},
     [](Pair& p) { EXPECT_EQ(cn_of_server(p), ""); }},
    {"server expired", [](auto& s, auto&, auto&) { use(s, certs().expired); }, tls_errc::certificate_expired,
     tls_errc::alert},
    {"server not valid yet", [](auto& s, auto&, auto&) { use(s, certs().future); }, tls_errc::certificate_expired,
     tls_errc::alert},
    {"encrypted key", [](auto& s, auto&, auto&) { use(s, certs().locked), s.key_password = "secret"; }},
    // SNI
    {"SNI",
     [](auto& s, auto&, auto& asked) { add_sni(s), asked = "mqtt.example.org"; },
     {},
     {},
     [](Pair& p) { EXPECT_EQ(cn_of_server(p), "second"); }},
    {"SNI in capitals",
     [](auto& s, auto&, auto& asked) { add_sni(s), asked = "MQTT.Example.ORG"; },
     {},
     {},
     [](Pair& p) { EXPECT_EQ(cn_of_server(p), "second"); }},
    {"SNI wildcard",
     [](auto& s, auto&, auto& asked) { add_sni(s), asked = "a.example.net"; },
     {},
     {},
     [](Pair& p) { EXPECT_EQ(cn_of_server(p), "wildcard"); }},
    {"SNI wildcard is one label", [](auto& s, auto&, auto& asked) { add_sni(s), asked = "a.b.example.net"; },
     tls_errc::certificate_wrong_name, tls_errc::alert},
    {"SNI unknown: first certificate",
     [](auto& s, auto&, auto&) { add_sni(s); },
     {},
     {},
     [](Pair& p) { EXPECT_EQ(cn_of_server(p), "localhost"); }},
    {"SNI keeps client certificates and ALPN",
     [](auto& s, auto& c, auto& asked) {
       add_sni(s), want_client_cert(s, ClientCert::required), use(c, certs().device);
       s.alpn = c.alpn = {"mqtt"};
       asked = "mqtt.example.org";
     },
     {},
     {},
     [](Pair& p) {
       EXPECT_EQ(p.server.stream.peer_identity(TlsIdentity::cn), "device-1");
       EXPECT_EQ(p.server.stream.alpn(), "mqtt");
     }},
    {"SNI keeps refusing",
     [](auto& s, auto& c, auto& asked) {
       add_sni(s), want_client_cert(s, ClientCert::required), use(c, certs().stranger), asked = "mqtt.example.org";
     },
     tls_errc::alert, tls_errc::certificate_unknown_ca},
    // ALPN
    {"ALPN",
     [](auto& s, auto& c, auto&) {
       s.alpn = {"x", "mqtt"}, c.alpn = {"mqtt"};
     },
     {},
     {},
     [](Pair& p) {
       EXPECT_EQ(p.client.stream.alpn(), "mqtt");
       EXPECT_EQ(p.server.stream.alpn(), "mqtt");
     }},
    {"ALPN not offered", [](auto& s, auto&, auto&) { s.alpn = {"mqtt"}; }},
    {"ALPN not looked at", [](auto&, auto& c, auto&) { c.alpn = {"h2"}; }},
    {"ALPN of something else",
     [](auto& s, auto& c, auto&) {
       s.alpn = {"mqtt"}, c.alpn = {"h2", "http/1.1"};
     },
     tls_errc::alert, tls_errc::no_common_protocol},
    // client certificates
    {"client certificate",
     [](auto& s, auto& c, auto&) { want_client_cert(s, ClientCert::required), use(c, certs().device); },
     {},
     {},
     [](Pair& p) {
       auto& server = p.server.stream;
       EXPECT_TRUE(server.has_peer_certificate());
       EXPECT_EQ(server.peer_identity(TlsIdentity::none), "");
       EXPECT_EQ(server.peer_identity(TlsIdentity::cn), "device-1");
       EXPECT_EQ(server.peer_identity(TlsIdentity::dn), "CN=device-1,CN=devices,O=Example Ü");
       EXPECT_EQ(server.peer_identity(TlsIdentity::san), "d1@example.org");
     }},
    {"client certificate with a NUL in its name",
     [](auto& s, auto& c, auto&) { want_client_cert(s, ClientCert::required), use(c, certs().nul); },
     {},
     {},
     [](Pair& p) {
       EXPECT_EQ(p.server.stream.peer_identity(TlsIdentity::cn), "");
       EXPECT_EQ(p.server.stream.peer_identity(TlsIdentity::san), "");
     }},
    {"client certificate optional", [](auto& s, auto&, auto&) { want_client_cert(s, ClientCert::optional); }},
    {"client certificate missing", [](auto& s, auto&, auto&) { want_client_cert(s, ClientCert::required); },
     tls_errc::alert, tls_errc::certificate_missing},
    {"client certificate of another CA",
     [](auto& s, auto& c, auto&) { want_client_cert(s, ClientCert::optional), use(c, certs().stranger); },
     tls_errc::alert, tls_errc::certificate_unknown_ca},
    {"client certificate expired",
     [](auto& s, auto& c, auto&) { want_client_cert(s, ClientCert::required), use(c, certs().expired); },
     tls_errc::alert, tls_errc::certificate_expired},
};

enum class Layer { openssl, own };

class TlsHandshake : public ::testing::TestWithParam<std::tuple<Handshake, TlsVersion, Layer>> {};

TEST_P(TlsHandshake, Works) {
  const auto& [row, version, layer] = GetParam();
  TlsServerConfig s = server_config();
  TlsClientConfig c = client_config();
  std::string asked = "localhost";
  row.change(s, c, asked);
  if (version == TlsVersion::v1_2) c.max_version = version;
  auto server = server_context(s), client = client_context(c);
  ASSERT_TRUE(server && client);
  for (std::size_t step : {std::size_t{100000}, std::size_t{1}}) {
    Pair pair(*client, *server, asked);
    if (layer == Layer::own) {
      pair.server.on_established = [&pair, &check = row.check, v1_3 = version == TlsVersion::v1_3] {
        if (check && v1_3) check(pair);  // with TLS 1.2 the client is not ready yet
        EXPECT_TRUE(pair.server.stream.compact());
      };
    }
    pair.run(step);
    EXPECT_EQ(pair.client_error(), row.client_error)
        << (pair.client.stream.failure() ? pair.client.stream.failure()->detail : "");
    EXPECT_EQ(pair.server_error(), row.server_error)
        << (pair.server.stream.failure() ? pair.server.stream.failure()->detail : "");
    if (row.client_error) continue;
    ASSERT_TRUE(pair.client.stream.established() && pair.server.stream.established());
    EXPECT_EQ(pair.server.stream.version(), version == TlsVersion::v1_2 ? "TLSv1.2" : "TLSv1.3");
    if (row.check && layer == Layer::openssl) row.check(pair);
    ASSERT_EQ(pair.client.stream.write("hello", pair.client.output()), TlsStatus::ok);
    ASSERT_EQ(pair.server.stream.write(std::string(50000, 'x'), pair.server.output()), TlsStatus::ok);
    pair.run(step);
    EXPECT_EQ(pair.server.received, "hello");
    EXPECT_EQ(pair.client.received, std::string(50000, 'x'));
  }
}

INSTANTIATE_TEST_SUITE_P(Table, TlsHandshake,
                         ::testing::Combine(::testing::ValuesIn(kHandshakes),
                                            ::testing::Values(TlsVersion::v1_2, TlsVersion::v1_3),
                                            ::testing::Values(Layer::openssl, Layer::own)));

TEST(Tls, OldVersionIsRefusedWithAnAlert) {
  TlsServerConfig s = server_config();
  s.min_version = TlsVersion::v1_3;
  auto server = server_context(s);
  // ClientHello of TLS 1.2 without extensions
  std::string body = std::string("\x03\x03", 2) + std::string(32, 'r') + std::string("\x00\x00\x02\xC0\x2B\x01\x00", 7);
  std::string hello = std::string("\x16\x03\x01\x00", 4) + static_cast<char>(body.size() + 4) +
                      std::string("\x01\x00\x00", 3) + static_cast<char>(body.size()) + body;
  Pair::End end{TlsStream(*server)};
  end.take(hello);
  ASSERT_NE(end.stream.failure(), nullptr);
  EXPECT_EQ(end.stream.failure()->error, tls_errc::no_common_version);
  EXPECT_EQ(end.out, std::string("\x15\x03\x03\x00\x02\x02\x46", 7)) << "fatal protocol_version";
}

TEST(Tls, OtherProtocolsAreNamed) {
  auto server = server_context(server_config());
  for (std::string_view input : {std::string_view("GET / HTTP/1.1\r\n\r\n"),
                                 std::string_view("\x10\x0C\x00\x04MQTT\x04\x02\x00\x3C\x00\x00", 14)}) {
    Pair::End end{TlsStream(*server)};
    end.take(input);
    ASSERT_NE(end.stream.failure(), nullptr);
    EXPECT_EQ(end.stream.failure()->error, tls_errc::not_tls) << end.stream.failure()->detail;
    EXPECT_EQ(end.stream.end_of_input(), tls_errc::truncated);
    std::size_t n;
    char buffer[1];
    EXPECT_EQ(end.stream.read(buffer, 1, n, end.output()), TlsStatus::failed);
    end.stream.close(end.output());
  }
}

TEST(Tls, CloseNotifyAndTruncation) {
  auto server = server_context(server_config()), client = client_context(client_config());
  Pair pair(*client, *server, "localhost");
  pair.run();
  EXPECT_EQ(pair.server.stream.end_of_input(), tls_errc::truncated);
  pair.client.stream.write("last words", pair.client.output());
  pair.client.stream.close(pair.client.output());
  pair.client.stream.close(pair.client.output());
  EXPECT_EQ(pair.client.emissions, 4u) << "hello, finished, data, one close_notify";
  pair.run();
  EXPECT_EQ(pair.server.received, "last words");
  EXPECT_TRUE(pair.server.closed);
  EXPECT_EQ(pair.server.stream.end_of_input(), error_code());
  // The other direction is still open.
  EXPECT_EQ(pair.server.stream.write("farewell", pair.server.output()), TlsStatus::ok);
  pair.run();
  EXPECT_EQ(pair.client.received, "farewell");
}

TEST(Tls, DamagedRecordEndsInAnAlert) {
  auto server = server_context(server_config()), client = client_context(client_config());
  Pair pair(*client, *server, "localhost");
  pair.run();
  pair.client.stream.write("secret", pair.client.output());
  pair.client.out.back() = static_cast<char>(pair.client.out.back() ^ 1);
  pair.run();
  EXPECT_EQ(pair.server_error(), tls_errc::protocol);
  EXPECT_EQ(pair.server.received, "");
  EXPECT_EQ(pair.client_error(), tls_errc::alert);
}

TEST(Tls, SmallReadsLeaveNothingBehind) {
  auto server = server_context(server_config()), client = client_context(client_config());
  Pair pair(*client, *server, "localhost");
  pair.run();
  for (int i = 0; i < 3; ++i) pair.client.stream.write("0123456789", pair.client.output());
  std::string bytes = std::exchange(pair.client.out, {});
  pair.server.stream.feed(bytes);
  std::string got;
  char buffer[7];
  std::size_t n = 0;
  while (pair.server.stream.read(buffer, sizeof buffer, n, pair.server.output()) == TlsStatus::ok)
    got.append(buffer, n);
  EXPECT_EQ(got, "012345678901234567890123456789");
}

TEST(Tls, StreamsOutliveTheirContextAndMove) {
  TlsServerConfig s = server_config();
  add_sni(s);
  s.alpn = {"mqtt"};
  TlsClientConfig c = client_config();
  c.alpn = {"mqtt"};
  auto server = server_context(s), client = client_context(c);
  Pair first(*client, *server, "mqtt.example.org");
  server.reset();
  client.reset();
  Pair pair = std::move(first);
  pair.run();
  EXPECT_EQ(pair.client.stream.alpn(), "mqtt");
  EXPECT_EQ(cn_of_server(pair), "second");
}

TEST(Tls, ManyHandshakesShareTheThread) {
  auto server = server_context(server_config()), client = client_context(client_config());
  std::vector<std::unique_ptr<Pair>> pairs;
  for (int i = 0; i < 8; ++i) pairs.push_back(std::make_unique<Pair>(*client, *server, "localhost"));
  for (auto& p : pairs) p->client.stream.handshake(p->client.output());
  for (auto& p : pairs) p->server.take(std::exchange(p->client.out, {}));
  pairs.erase(pairs.begin() + 2, pairs.begin() + 4);  // in the middle of a handshake
  for (auto& p : pairs) p->run(100);
  for (auto& p : pairs) EXPECT_TRUE(p->server.stream.established() && p->client.stream.established());
}

// ---- contexts

struct BadConfig {
  const char* name;
  void (*change)(TlsServerConfig&);
  tls_errc error;
  std::string (*what)();
};
void PrintTo(const BadConfig& c, std::ostream* os) { *os << c.name; }

std::string not_pem() {
  std::string file = certs().ca.directory() + "/text";
  std::ofstream(file) << "no certificate\n";
  return file;
}

const BadConfig kBadConfigs[] = {
    {"no certificate", [](auto& s) { s.cert_file = ""; }, tls_errc::certificate_file,
     [] { return std::string("no file"); }},
    {"missing certificate", [](auto& s) { s.cert_file = "/none.pem"; }, tls_errc::certificate_file,
     [] { return std::string("/none.pem: No such file or directory"); }},
    {"missing key", [](auto& s) { s.key_file = "/none.key"; }, tls_errc::key_file,
     [] { return std::string("/none.key: No such"); }},
    {"certificate is text", [](auto& s) { s.cert_file = not_pem(); }, tls_errc::certificate_file, not_pem},
    {"key is text", [](auto& s) { s.key_file = not_pem(); }, tls_errc::key_file, not_pem},
    {"certificate and key swapped", [](auto& s) { std::swap(s.cert_file, s.key_file); }, tls_errc::certificate_file,
     [] { return certs().server.key; }},
    {"key of another certificate", [](auto& s) { s.key_file = certs().second.key; }, tls_errc::key_mismatch,
     [] { return certs().second.key; }},
    {"key password missing", [](auto& s) { use(s, certs().locked); }, tls_errc::key_file,
     [] { return certs().locked.key; }},
    {"key password wrong", [](auto& s) { use(s, certs().locked), s.key_password = "x"; }, tls_errc::key_file,
     [] { return certs().locked.key; }},
    {"missing CA", [](auto& s) { s.client_cert = ClientCert::required; }, tls_errc::ca_file,
     [] { return std::string("no file"); }},
    {"CA is text", [](auto& s) { s.client_cert = ClientCert::required, s.client_ca_file = not_pem(); },
     tls_errc::ca_file, not_pem},
    {"ciphers", [](auto& s) { s.ciphers = "FOO"; }, tls_errc::bad_setting, [] { return std::string("FOO"); }},
    {"ciphersuites", [](auto& s) { s.ciphersuites = "FOO"; }, tls_errc::bad_setting, [] { return std::string("FOO"); }},
    {"ALPN", [](auto& s) { s.alpn = {""}; }, tls_errc::bad_setting, [] { return std::string("alpn"); }},
    {"SNI key of another certificate",
     [](auto& s) {
       s.sni = {{"a", certs().second.cert, certs().server.key}};
     },
     tls_errc::key_mismatch, [] { return certs().second.cert; }},
};

class TlsBadConfig : public ::testing::TestWithParam<BadConfig> {};
TEST_P(TlsBadConfig, IsNamed) {
  TlsServerConfig s = server_config();
  GetParam().change(s);
  std::string why;
  auto r = TlsContext::server(s, why);
  ASSERT_TRUE(r.has_error());
  EXPECT_EQ(r.error(), GetParam().error) << why;
  EXPECT_THAT(why, HasSubstr(GetParam().what()));
}
INSTANTIATE_TEST_SUITE_P(Table, TlsBadConfig, ::testing::ValuesIn(kBadConfigs));

TEST(TlsContext, WarnsOfExpiry) {
  auto warnings = [](const TestCa::Files& files) {
    TlsServerConfig s = server_config();
    use(s, files);
    return server_context(s)->warnings();
  };
  EXPECT_THAT(warnings(certs().server), IsEmpty());
  EXPECT_THAT(warnings(certs().expired), ElementsAre(HasSubstr("expired.pem: the certificate expired on 20")));
  EXPECT_THAT(warnings(certs().soon), ElementsAre(HasSubstr("the certificate expires on 20")));
  EXPECT_THAT(warnings(certs().future), ElementsAre(HasSubstr("is not valid before"), HasSubstr("expires on")));
}

}  // namespace
}  // namespace sb::io
