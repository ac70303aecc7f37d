// SPDX-License-Identifier: MIT
#include "io/tls_records.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <functional>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "io/tests/test_certs.h"

namespace sb::io {
namespace {

using sb::io::testing::TestCa;

struct Certificates {
  TestCa ca;
  TestCa::Files server = ca.issue("server", {});
};
Certificates& certs() {
  static Certificates c;
  return c;
}

/// A client by plain OpenSSL against a compact server.
class Peers {
 public:
  explicit Peers(int version, const char* suites = nullptr, const std::function<void(SSL_CTX*)>& change = {})
      : ctx_(SSL_CTX_new(TLS_client_method())), server_(make_server()) {
    SSL_CTX_set_max_proto_version(ctx_, version);
    if (suites != nullptr && version == TLS1_3_VERSION) SSL_CTX_set_ciphersuites(ctx_, suites);
    if (suites != nullptr && version == TLS1_2_VERSION) SSL_CTX_set_cipher_list(ctx_, suites);
    if (change) change(ctx_);
    client = SSL_new(ctx_);
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(client, in_, out_);
    SSL_set_connect_state(client);
    for (int i = 0; i < 4; ++i) {
      SSL_do_handshake(client);
      const std::string bytes = sent();
      server_.feed(bytes);
      if (server_.handshake(output()) == TlsStatus::ok) break;
    }
    SSL_do_handshake(client);  // takes the last flight
    was_compact = server_.compact();
  }
  ~Peers() {
    SSL_free(client);
    SSL_CTX_free(ctx_);
  }
  Peers(const Peers&) = delete;

  /// What the client wrote since the last time.
  std::string sent() {
    char* data = nullptr;
    const long size = BIO_get_mem_data(out_, &data);
    std::string bytes(data, static_cast<std::size_t>(size));
    (void)BIO_reset(out_);
    return bytes;
  }
  /// The server takes `bytes`, `step` at a time, and reads in pieces of `capacity`.
  std::string take(const std::string& bytes, std::size_t step = 100000, std::size_t capacity = 1000) {
    std::string got, buffer(capacity, '\0');
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      server_.feed(std::string_view(bytes).substr(at, step));
      std::size_t n = 0;
      while ((status = server_.read(buffer.data(), capacity, n, output())) == TlsStatus::ok) got.append(buffer, 0, n);
      if (status == TlsStatus::want_input) {
        EXPECT_TRUE(server_.pending_input().empty());
      }
    }
    return got;
  }
  std::string client_reads() {
    std::string got;
    char buffer[5000];
    for (int n; (n = SSL_read(client, buffer, sizeof buffer)) > 0;) got.append(buffer, static_cast<std::size_t>(n));
    return got;
  }
  void server_writes(std::string_view text) { EXPECT_EQ(server_.write(text, output()), TlsStatus::ok); }
  TlsStream& server() { return server_; }
  TlsOutput output() {
    return {[](void* to, const char* data, std::size_t n) {
              auto* self = static_cast<Peers*>(to);
              ++self->records;
              self->largest = std::max(self->largest, n);
              BIO_write(self->in_, data, static_cast<int>(n));
            },
            this};
  }

  SSL* client;
  bool was_compact = false;
  TlsStatus status = TlsStatus::want_input;
  std::size_t records = 0, largest = 0;

 private:
  static TlsStream make_server() {
    std::string why;
    TlsServerConfig config{.cert_file = certs().server.cert, .key_file = certs().server.key};
    config.ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES";
    return TlsStream(**TlsContext::server(config, why));
  }

  SSL_CTX* ctx_;
  TlsStream server_;
  BIO *in_, *out_;
};

struct Row {
  const char* name;
  int version;
  const char* suites;
};
void PrintTo(const Row& r, std::ostream* os) { *os << r.name; }

class TlsRecordsTable : public ::testing::TestWithParam<Row> {};

TEST_P(TlsRecordsTable, CarriesBytesHoweverTheyAreCut) {
  for (std::size_t step : {1u, 7u, 4096u, 100000u}) {
    for (std::size_t capacity : {1u, 100u, 16384u, 20000u}) {
      if (step * capacity < 700) continue;
      Peers peers(GetParam().version, GetParam().suites);
      ASSERT_TRUE(peers.was_compact);
      EXPECT_FALSE(peers.server().compact()) << "twice";
      std::string expected;
      for (std::size_t size : {1u, 15u, 16u, 17u, 1000u, 16384u, 40000u}) {
        const std::string text(size, static_cast<char>('a' + size % 26));
        SSL_write(peers.client, text.data(), static_cast<int>(size));
        expected += text;
      }
      EXPECT_EQ(peers.take(peers.sent(), step, capacity), expected);
      peers.server_writes("x");
      peers.server_writes(expected);
      EXPECT_EQ(peers.client_reads(), "x" + expected);
      EXPECT_EQ(peers.server().end_of_input(), tls_errc::truncated);
      SSL_shutdown(peers.client);
      peers.take(peers.sent(), step);
      EXPECT_EQ(peers.status, TlsStatus::closed);
      EXPECT_EQ(peers.server().end_of_input(), error_code());
      peers.server_writes("farewell");
      peers.server().close(peers.output());
      peers.server().close(peers.output());
      EXPECT_EQ(peers.client_reads(), "farewell");
      EXPECT_EQ(SSL_get_shutdown(peers.client), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
  }
}

TEST_P(TlsRecordsTable, DamageIsFoundInEveryByte) {
  Peers probe(GetParam().version, GetParam().suites);
  SSL_write(probe.client, "secret", 6);
  const std::size_t size = probe.sent().size();
  for (std::size_t i = 0; i < size; ++i) {
    Peers peers(GetParam().version, GetParam().suites);
    SSL_write(peers.client, "secret", 6);
    std::string bytes = peers.sent();
    bytes[i] = static_cast<char>(bytes[i] ^ 4);
    EXPECT_EQ(peers.take(bytes), "") << i;
    if (peers.status == TlsStatus::want_input) {
      EXPECT_TRUE(i == 3 || i == 4) << "only a longer length can wait for more: " << i;
      continue;
    }
    ASSERT_EQ(peers.status, TlsStatus::failed) << i;
    EXPECT_EQ(peers.server().failure()->error, tls_errc::protocol);
    peers.client_reads();
    EXPECT_EQ(SSL_get_shutdown(peers.client) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN) << "the alert came: " << i;
    EXPECT_EQ(peers.take(bytes), "") << "nothing after a failure";
  }
}

TEST_P(TlsRecordsTable, RepeatedRecordIsRefused) {
  Peers peers(GetParam().version, GetParam().suites);
  SSL_write(peers.client, "once", 4);
  const std::string bytes = peers.sent();
  EXPECT_EQ(peers.take(bytes + bytes), "once");
  EXPECT_EQ(peers.status, TlsStatus::failed);
}

TEST_P(TlsRecordsTable, MaxFragmentLengthIsKept) {
  Peers peers(GetParam().version, GetParam().suites,
              [](SSL_CTX* ctx) { SSL_CTX_set_tlsext_max_fragment_length(ctx, TLSEXT_max_fragment_length_512); });
  ASSERT_TRUE(peers.was_compact);
  peers.largest = peers.records = 0;
  peers.server_writes(std::string(2000, 'x'));
  EXPECT_EQ(peers.records, 4u);
  EXPECT_LE(peers.largest, 512u + 5 + 8 + 17);
  EXPECT_EQ(peers.client_reads(), std::string(2000, 'x'));
}

INSTANTIATE_TEST_SUITE_P(Suites, TlsRecordsTable,
                         ::testing::Values(Row{"1.3 AES-128", TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256"},
                                           Row{"1.3 AES-256", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384"},
                                           Row{"1.3 ChaCha20", TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256"},
                                           Row{"1.2 AES-128", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256"},
                                           Row{"1.2 AES-256", TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384"},
                                           Row{"1.2 ChaCha20", TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305"}));

TEST(TlsRecords, OtherSuitesStayWithOpenssl) {
  Peers peers(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256");
  EXPECT_TRUE(peers.server().established());
  EXPECT_FALSE(peers.was_compact);
  SSL_write(peers.client, "hello", 5);
  EXPECT_EQ(peers.take(peers.sent()), "hello");
  peers.server_writes("world");
  EXPECT_EQ(peers.client_reads(), "world");
}

TEST(TlsRecords, KeysAreUpdatedInBothDirections) {
  for (const char* suite : {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
    Peers peers(TLS1_3_VERSION, suite);
    for (int i = 0; i < 3; ++i) {
      for (int request : {SSL_KEY_UPDATE_NOT_REQUESTED, SSL_KEY_UPDATE_REQUESTED}) {
        SSL_key_update(peers.client, request);
        SSL_write(peers.client, "hello", 5);
        EXPECT_EQ(peers.take(peers.sent(), 3), "hello");
        peers.server_writes("world");
        EXPECT_EQ(peers.client_reads(), "world");
      }
    }
  }
}

TEST(TlsRecords, RenegotiationIsRefused) {
  Peers peers(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256");
  SSL_renegotiate(peers.client);
  SSL_do_handshake(peers.client);
  EXPECT_EQ(peers.take(peers.sent()), "");
  ASSERT_EQ(peers.status, TlsStatus::failed);
  EXPECT_EQ(peers.server().failure()->detail, "renegotiation");
}

TEST(TlsRecords, PaddingIsTakenOff) {
  Peers peers(TLS1_3_VERSION, nullptr, [](SSL_CTX* ctx) { SSL_CTX_set_block_padding(ctx, 256); });
  SSL_write(peers.client, "hello", 5);
  const std::string bytes = peers.sent();
  EXPECT_GT(bytes.size(), 256u);
  EXPECT_EQ(peers.take(bytes, 100000, 5), "hello");
}

TEST(TlsRecords, BytesBehindFinishedAreNotLost) {
  std::string why;
  auto context = TlsContext::server({.cert_file = certs().server.cert, .key_file = certs().server.key}, why);
  auto client_context = TlsContext::client({.verify = false}, why);
  TlsStream server(**context), client(**client_context);
  std::string to_server, to_client;
  auto into = [](std::string& s) {
    return TlsOutput{[](void* to, const char* d, std::size_t n) { static_cast<std::string*>(to)->append(d, n); }, &s};
  };
  client.handshake(into(to_server));
  server.feed(to_server);
  server.handshake(into(to_client));
  to_server.clear();
  client.feed(to_client);
  ASSERT_EQ(client.handshake(into(to_server)), TlsStatus::ok);
  client.write("CONNECT", into(to_server));
  server.feed(to_server);
  to_client.clear();
  ASSERT_EQ(server.handshake(into(to_client)), TlsStatus::ok);
  ASSERT_TRUE(server.compact());
  char buffer[100];
  std::size_t n = 0;
  ASSERT_EQ(server.read(buffer, sizeof buffer, n, into(to_client)), TlsStatus::ok);
  EXPECT_EQ(std::string_view(buffer, n), "CONNECT");
  server.write("CONNACK", into(to_client));
  client.feed(to_client);  // the ticket and our answer
  ASSERT_EQ(client.read(buffer, sizeof buffer, n, into(to_server)), TlsStatus::ok);
  EXPECT_EQ(std::string_view(buffer, n), "CONNACK");
}

TEST(TlsRecords, KeysAreChangedBeforeTheyAreUsedUp) {
  // The other end is a second object whose directions are turned round.
  TlsTraffic ours, theirs;
  ours.client_secret = theirs.server_secret = std::string(32, 'c');
  ours.server_secret = theirs.client_secret = std::string(32, 's');
  ours.server_sequence = theirs.client_sequence = (1u << 24) - 1;
  TlsRecords server(ours), client(theirs);
  std::string wire, back, got;
  auto into = [](std::string& s) {
    return TlsOutput{[](void* to, const char* d, std::size_t n) { static_cast<std::string*>(to)->append(d, n); }, &s};
  };
  for (const char* text : {"one ", "two ", "three"}) server.write(text, into(wire));
  EXPECT_EQ(wire.size(), 3 * (5 + 1 + 16) + 13 + (5 + 5 + 1 + 16)) << "with one KeyUpdate";
  std::string_view input = wire;
  char buffer[100];
  std::size_t n = 0;
  TlsFailure why;
  while (client.read(input, buffer, sizeof buffer, n, into(back), why) == TlsStatus::ok) got.append(buffer, n);
  EXPECT_EQ(got, "one two three");
  EXPECT_EQ(back, "");
}

#if defined(__GLIBC__) && !defined(SIGNALBOX_SANITIZED)
TEST(TlsRecords, IdleConnectionIsSmall) {
  constexpr std::size_t kCount = 200;
  std::vector<std::unique_ptr<TlsStream>> idle;
  idle.reserve(2 * kCount);
  auto one = [&idle] {
    Peers peers(TLS1_3_VERSION);
    idle.push_back(std::make_unique<TlsStream>(std::move(peers.server())));
  };
  for (std::size_t i = 0; i < kCount; ++i) one();
  const std::size_t before = mallinfo2().uordblks;
  for (std::size_t i = 0; i < kCount; ++i) one();
  EXPECT_LT((mallinfo2().uordblks - before) / kCount, 800u);
}
#endif

TEST(TlsRecords, ManyConnectionsShareTheCache) {
  std::vector<std::unique_ptr<Peers>> all;
  for (int i = 0; i < 300; ++i) all.push_back(std::make_unique<Peers>(TLS1_3_VERSION));
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < all.size(); i += round == 1 ? 7 : 1) {
      SSL_write(all[i]->client, "ping", 4);
      EXPECT_EQ(all[i]->take(all[i]->sent()), "ping");
      all[i]->server_writes("pong");
      EXPECT_EQ(all[i]->client_reads(), "pong");
    }
    all.erase(all.begin() + 10, all.begin() + 20);
  }
}

}  // namespace
}  // namespace sb::io
