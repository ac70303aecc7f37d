// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "io/tls.h"

struct evp_cipher_ctx_st;

namespace sb::io {

enum class TlsSuite : std::uint8_t { aes_128_gcm, aes_256_gcm, chacha20_poly1305 };

/// What a server's handshake leaves behind for the records that follow it.
struct TlsTraffic {
  TlsVersion version = TlsVersion::v1_3;
  TlsSuite suite = TlsSuite::aes_128_gcm;
  std::size_t max_fragment = 16384;  ///< plaintext bytes of a record that the client takes (RFC 6066 4)
  std::string client_secret,
      server_secret;  ///< TLS 1.3: application traffic secrets; TLS 1.2: the first is the master secret
  std::string client_random, server_random;                ///< TLS 1.2
  std::uint64_t client_sequence = 0, server_sequence = 0;  ///< numbers of the next records

  TlsTraffic() = default;
  TlsTraffic(const TlsTraffic&) = delete;
  TlsTraffic& operator=(const TlsTraffic&) = delete;
  ~TlsTraffic();
};

/// The keys of one direction. `secret`: what the next ones are made from (TLS 1.3).
struct TlsKeys {
  std::array<unsigned char, 48> secret{};
  std::array<unsigned char, 32> key{};
  std::array<unsigned char, 12> iv{};
  TlsSuite suite = TlsSuite::aes_128_gcm;
  bool encrypt = false;
  std::uint64_t sequence = 0;  ///< number of the next record
  std::uint64_t id = 0;        ///< of these keys, in the thread's cache of contexts

  TlsKeys() = default;
  TlsKeys(const TlsKeys&) = delete;
  TlsKeys& operator=(const TlsKeys&) = delete;
  ~TlsKeys();

  /// Key and iv from a traffic secret (RFC 8446 7.3).
  void install(const std::string& traffic_secret);
  /// The keys after a KeyUpdate (RFC 8446 7.2).
  void next();
  /// The context with this key, from the thread's cache. Valid until the next call on this thread.
  evp_cipher_ctx_st* context();

 private:
  void derive();
  void forget();
};

/// The keys of a TLS 1.2 connection (RFC 5246 6.3), seen from the server.
void install_v1_2(const TlsTraffic& traffic, TlsKeys& read, TlsKeys& write);

}  // namespace sb::io
