// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "io/tests/test_certs.h"
#include "io/tls.h"

namespace sb::io {
namespace {

using sb::io::testing::TestCa;

/// A client by plain OpenSSL, which keeps the session of one connection for the next.
class ResumingClient {
 public:
  ResumingClient(const TestCa::Files& files, int version) : ctx_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_max_proto_version(ctx_, version);
    SSL_CTX_use_certificate_chain_file(ctx_, files.cert.c_str());
    SSL_CTX_use_PrivateKey_file(ctx_, files.key.c_str(), SSL_FILETYPE_PEM);
    SSL_CTX_set_session_cache_mode(ctx_, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_app_data(ctx_, this);
    SSL_CTX_sess_set_new_cb(ctx_, [](SSL* ssl, SSL_SESSION* session) {
      auto* self = static_cast<ResumingClient*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
      SSL_SESSION_free(std::exchange(self->session_, session));
      return 1;
    });
  }
  ~ResumingClient() {
    SSL_SESSION_free(session_);
    SSL_CTX_free(ctx_);
  }

  /// One connection to `server`: handshake, and what the server sends behind it.
  void connect(TlsStream& server) {
    SSL* ssl = SSL_new(ctx_);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    if (session_ != nullptr) SSL_set_session(ssl, session_);
    TlsOutput output{
        [](void* to, const char* data, std::size_t n) { BIO_write(static_cast<BIO*>(to), data, static_cast<int>(n)); },
        in};
    for (int round = 0; round < 4; ++round) {
      char buffer[100];
      SSL_read(ssl, buffer, sizeof buffer);
      char* data = nullptr;
      const long size = BIO_get_mem_data(out, &data);
      const std::string bytes(data, static_cast<std::size_t>(size));
      (void)BIO_reset(out);
      std::size_t n = 0;
      server.feed(bytes);
      while (server.read(buffer, sizeof buffer, n, output) == TlsStatus::ok) {
      }
    }
    SSL_shutdown(ssl);
    SSL_free(ssl);
  }

 private:
  SSL_CTX* ctx_;
  SSL_SESSION* session_ = nullptr;
};

class TlsResume : public ::testing::TestWithParam<int> {};

TEST_P(TlsResume, KeepsTheClientsIdentity) {
  TestCa ca;
  const TestCa::Files server_files = ca.issue("server", {}), device = ca.issue("device", {{"device-1"}});
  TlsServerConfig config{.cert_file = server_files.cert, .key_file = server_files.key};
  config.client_cert = TlsServerConfig::ClientCert::required;
  config.client_ca_file = ca.file();
  config.sni = {};
  std::string why;
  auto context = TlsContext::server(config, why), other = TlsContext::server(config, why);
  ASSERT_TRUE(context.has_value() && other.has_value()) << why;
  ResumingClient client(device, GetParam());
  for (int i = 0; i < 3; ++i) {
    TlsStream server(**context);
    client.connect(server);
    ASSERT_TRUE(server.established()) << (server.failure() ? server.failure()->detail : "");
    EXPECT_EQ(server.resumed(), i > 0);
    EXPECT_EQ(server.peer_identity(TlsIdentity::cn), "device-1");
  }
  // A context built anew has new ticket keys: its authorities may be others, so everybody is verified again.
  TlsStream server(**other);
  client.connect(server);
  EXPECT_TRUE(server.established());
  EXPECT_FALSE(server.resumed());
}

TEST_P(TlsResume, NotWithoutTickets) {
  TestCa ca;
  const TestCa::Files files = ca.issue("server", {});
  std::string why;
  auto context = TlsContext::server({.cert_file = files.cert, .key_file = files.key, .session_tickets = false}, why);
  ASSERT_TRUE(context.has_value()) << why;
  ResumingClient client(files, GetParam());
  for (int i = 0; i < 2; ++i) {
    TlsStream server(**context);
    client.connect(server);
    EXPECT_TRUE(server.established());
    EXPECT_FALSE(server.resumed());
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, TlsResume, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

}  // namespace
}  // namespace sb::io
