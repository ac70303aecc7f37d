// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <string>

#include "io/tls_keys.h"

namespace sb::io {

/// A server's record layer after the handshake, TLS 1.2 and 1.3 with the AEAD suites, in about 400 bytes. OpenSSL's SSL
/// object with what hangs on it takes 13 KB, 23 KB with a client certificate, and most connections of a broker are idle
/// most of the time. The handshake and the ciphers stay OpenSSL's. Owner: one thread.
///
/// What it does not do ends the connection with unexpected_message: renegotiation, authentication after the handshake,
/// a KeyUpdate in more than one record.
class TlsRecords {
 public:
  explicit TlsRecords(const TlsTraffic& traffic);

  /// As TlsStream's. On `failed` the alert is emitted and `why` filled in.
  TlsStatus read(std::string_view& input, char* to, std::size_t capacity, std::size_t& n, TlsOutput out,
                 TlsFailure& why);
  void write(std::string_view plaintext, TlsOutput out);
  void close(TlsOutput out);
  bool peer_closed() const { return peer_closed_; }

  TlsVersion version() const { return version_; }
  TlsSuite suite() const { return write_.suite; }

 private:
  enum class Type : std::uint8_t { change_cipher_spec = 20, alert = 21, handshake = 22, application_data = 23 };
  enum class Alert : std::uint8_t {
    close_notify = 0,
    unexpected_message = 10,
    bad_record_mac = 20,
    record_overflow = 22,
    decode_error = 50,
    user_canceled = 90,
  };
  struct Wrong {
    Alert alert;
    const char* detail;  ///< null: nothing is wrong
  };

  /// Bytes of the nonce that stand in each record: GCM in TLS 1.2.
  std::size_t explicit_nonce() const {
    return version_ == TlsVersion::v1_2 && suite() != TlsSuite::chacha20_poly1305 ? 8 : 0;
  }
  Wrong check_header(std::string_view header) const;
  /// Cuts the next record off `input`; "" when it is not all there: then `input` is empty.
  std::string_view next_record(std::string_view& input, Wrong& wrong);
  Wrong open(std::string_view record, char* to, std::size_t& size, Type& type);
  Wrong take_handshake(std::string_view content, TlsOutput out);
  void seal(Type type, std::string_view plaintext, TlsOutput out);
  evp_cipher_ctx_st* start(TlsKeys& keys, const char* explicit_part, Type type, const char* header,
                           std::size_t plaintext_size) const;

  TlsKeys read_, write_;
  std::unique_ptr<std::string> partial_;  ///< a record whose rest has not come
  std::unique_ptr<std::string> plain_;    ///< plaintext that the caller had no room for, from plain_at_ on
  std::uint32_t plain_at_ = 0;
  std::uint16_t max_fragment_;
  TlsVersion version_;
  bool closed_ = false, peer_closed_ = false;
};

}  // namespace sb::io
