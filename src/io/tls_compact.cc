// SPDX-License-Identifier: MIT
#include "io/tls_compact.h"

#include <openssl/ssl.h>

#include <string_view>

namespace sb::io {
namespace {

std::string from_hex(std::string_view hex) {
  auto value = [](char c) { return c <= '9' ? c - '0' : (c | 32) - 'a' + 10; };
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) out += static_cast<char>(value(hex[i]) << 4 | value(hex[i + 1]));
  return out;
}

/// `line`: "LABEL client_random secret", the last two in hexadecimal. Called when a secret is made.
void note_secret(const SSL* ssl, const char* line) {
  auto* traffic = static_cast<TlsTraffic*>(SSL_get_app_data(ssl));
  if (traffic == nullptr) return;
  const std::string_view text = line;
  const std::string_view secret = text.substr(text.rfind(' ') + 1);
  if (text.starts_with("CLIENT_TRAFFIC_SECRET_0 ")) {
    traffic->client_secret = from_hex(secret);
  } else if (text.starts_with("SERVER_TRAFFIC_SECRET_0 ")) {
    traffic->server_secret = from_hex(secret);
    traffic->server_sequence = 0;
  }
}

/// Called with the header of each record that is written: after Finished, and so with the traffic secret, tickets.
void count_record(int write, int, int type, const void*, std::size_t, SSL* ssl, void*) {
  auto* traffic = static_cast<TlsTraffic*>(SSL_get_app_data(ssl));
  if (traffic != nullptr && write == 1 && type == SSL3_RT_HEADER) ++traffic->server_sequence;
}

bool suite_of(const SSL_CIPHER* cipher, TlsSuite& suite) {
  switch (SSL_CIPHER_get_cipher_nid(cipher)) {
    case NID_aes_128_gcm:
      suite = TlsSuite::aes_128_gcm;
      return true;
    case NID_aes_256_gcm:
      suite = TlsSuite::aes_256_gcm;
      return true;
    case NID_chacha20_poly1305:
      suite = TlsSuite::chacha20_poly1305;
      return true;
    default:
      return false;
  }
}

}  // namespace

void note_traffic(SSL_CTX* ctx) {
  SSL_CTX_set_keylog_callback(ctx, note_secret);
  SSL_CTX_set_msg_callback(ctx, count_record);
}

bool complete_traffic(SSL* ssl, TlsTraffic& t) {
  const SSL_SESSION* session = SSL_get_session(ssl);
  if (!suite_of(SSL_get_current_cipher(ssl), t.suite) || SSL_has_pending(ssl) != 0) return false;
  if (const int code = SSL_SESSION_get_max_fragment_length(session); code != 0) {
    t.max_fragment = std::size_t{256} << code;  // 1 is 2^9 (RFC 6066 4)
  }
  if (SSL_version(ssl) == TLS1_3_VERSION) {
    t.version = TlsVersion::v1_3;
    const std::size_t size = t.suite == TlsSuite::aes_256_gcm ? 48 : 32;
    return t.client_secret.size() == size && t.server_secret.size() == size;
  }
  if (SSL_version(ssl) != TLS1_2_VERSION) return false;
  t.version = TlsVersion::v1_2;
  t.client_sequence = t.server_sequence = 1;  // each side sent Finished with the new keys
  t.client_secret.resize(SSL_MAX_MASTER_KEY_LENGTH);
  t.client_secret.resize(SSL_SESSION_get_master_key(session, reinterpret_cast<unsigned char*>(t.client_secret.data()),
                                                    t.client_secret.size()));
  unsigned char random[SSL3_RANDOM_SIZE];
  SSL_get_client_random(ssl, random, sizeof random);
  t.client_random.assign(random, random + sizeof random);
  SSL_get_server_random(ssl, random, sizeof random);
  t.server_random.assign(random, random + sizeof random);
  return t.client_secret.size() == SSL_MAX_MASTER_KEY_LENGTH;
}

}  // namespace sb::io
