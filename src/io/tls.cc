// SPDX-License-Identifier: MIT
#include "io/tls.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cassert>
#include <cstring>

#include "io/tls_compact.h"
#include "io/tls_records.h"

namespace sb::io {
namespace {

/// Input and output of the call that is under way on this thread. A stream has one BIO without buffers for both ways:
/// memory BIOs would be a good part of what an idle connection costs. It is the stream's own, since a stream may go to
/// another thread between two calls, and the BIO carries the flags of the last one.
struct Window {
  std::string_view* input;
  TlsOutput output;
};
thread_local Window* window = nullptr;

int bio_read(BIO* bio, char* to, std::size_t size, std::size_t* taken) {
  BIO_clear_retry_flags(bio);
  *taken = std::min(size, window->input->size());
  if (*taken == 0) return BIO_set_retry_read(bio), 0;
  std::memcpy(to, window->input->data(), *taken);
  window->input->remove_prefix(*taken);
  return 1;
}

int bio_write(BIO* bio, const char* data, std::size_t size, std::size_t* taken) {
  BIO_clear_retry_flags(bio);
  window->output.emit(window->output.to, data, size);
  *taken = size;
  return 1;
}

long bio_ctrl(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* window_method() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "window");
    BIO_meth_set_read_ex(m, bio_read);
    BIO_meth_set_write_ex(m, bio_write);
    BIO_meth_set_ctrl(m, bio_ctrl);
    return m;
  }();
  return method;
}

BIO* window_bio() {
  BIO* bio = BIO_new(window_method());
  BIO_set_init(bio, 1);
  return bio;
}

/// Opens the window for one call of OpenSSL, with an empty error queue as SSL_get_error() wants it.
class Call {
 public:
  Call(std::string_view& input, TlsOutput output) : window_{&input, output}, outer_(window) {
    window = &window_;
    if (ERR_peek_error() != 0) ERR_clear_error();
  }
  ~Call() { window = outer_; }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

 private:
  Window window_;
  Window* outer_;
};

tls_errc verify_error(long verdict) {
  switch (verdict) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return tls_errc::certificate_expired;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return tls_errc::certificate_unknown_ca;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return tls_errc::certificate_wrong_name;
    default:
      return tls_errc::certificate_refused;
  }
}

tls_errc reason_error(int reason) {
  // Alerts of the peer are reasons of 1000 and more: the alert's number is the rest.
  if (reason >= SSL_AD_REASON_OFFSET) return tls_errc::alert;
  switch (reason) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:  // of a record: neither side of TLS would write it
    case SSL_R_BAD_RECORD_TYPE:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
      return tls_errc::not_tls;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
      return tls_errc::no_common_version;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SHARED_GROUPS:
      return tls_errc::no_common_cipher;
    case SSL_R_NO_APPLICATION_PROTOCOL:
      return tls_errc::no_common_protocol;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return tls_errc::certificate_missing;
    default:
      return tls_errc::protocol;
  }
}

bool is_ip_address(const std::string& s) {
  unsigned char buffer[16];
  return inet_pton(AF_INET, s.c_str(), buffer) == 1 || inet_pton(AF_INET6, s.c_str(), buffer) == 1;
}

}  // namespace

TlsStream::TlsStream(const TlsContext& context, const std::string& server_name) : ssl_(SSL_new(context.ctx_)) {
  BIO* bio = window_bio();
  SSL_set_bio(ssl_, bio, bio);
  if (context.server_) {
    SSL_set_accept_state(ssl_);
    traffic_ = std::make_unique<TlsTraffic>();
    SSL_set_app_data(ssl_, traffic_.get());
    return;
  }
  SSL_set_connect_state(ssl_);
  if (server_name.empty()) return;
  if (is_ip_address(server_name)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), server_name.c_str());
  } else {
    SSL_set_tlsext_host_name(ssl_,
                             server_name.c_str());  // "Literal IPv4 and IPv6 addresses are not permitted" (RFC 6066 3)
    SSL_set1_host(ssl_, server_name.c_str());
  }
}

TlsStream::~TlsStream() { SSL_free(ssl_); }

TlsStream::TlsStream(TlsStream&& o) noexcept
    : ssl_(std::exchange(o.ssl_, nullptr)),
      input_(o.input_),
      traffic_(std::move(o.traffic_)),
      records_(std::move(o.records_)),
      failure_(std::move(o.failure_)),
      established_(o.established_) {}

void TlsStream::fail(tls_errc error, std::string detail) {
  failure_ = std::make_unique<TlsFailure>(TlsFailure{error, std::move(detail)});
  input_ = {};
}

/// What a call of OpenSSL that returned `result` <= 0 means.
TlsStatus TlsStream::finish(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return TlsStatus::want_input;
    case SSL_ERROR_ZERO_RETURN:
      return TlsStatus::closed;
    default:
      break;
  }
  const unsigned long e = ERR_peek_error();  // the first is the cause, the others are its consequences
  const char* reason = ERR_reason_error_string(e);
  const long verdict = SSL_get_verify_result(ssl_);
  if (ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict != X509_V_OK) {
    fail(verify_error(verdict), X509_verify_cert_error_string(verdict));
  } else {
    fail(reason_error(ERR_GET_REASON(e)), reason != nullptr ? reason : "unknown");
  }
  ERR_clear_error();
  return TlsStatus::failed;
}

TlsStatus TlsStream::handshake(TlsOutput out) {
  if (failure_) return TlsStatus::failed;
  if (established_) return TlsStatus::ok;
  Call call(input_, out);
  const int result = SSL_do_handshake(ssl_);
  if (result != 1) {
    const TlsStatus status = finish(result);
    if (status != TlsStatus::closed) return status;
    fail(tls_errc::truncated, "close_notify during the handshake");
    return TlsStatus::failed;
  }
  established_ = true;
  return TlsStatus::ok;
}

TlsStatus TlsStream::read(char* to, std::size_t capacity, std::size_t& n, TlsOutput out) {
  n = 0;
  if (const TlsStatus status = handshake(out); status != TlsStatus::ok) return status;
  if (records_) {
    TlsFailure why;
    const TlsStatus status = records_->read(input_, to, capacity, n, out, why);
    if (status == TlsStatus::failed) fail(static_cast<tls_errc>(why.error.value()), std::move(why.detail));
    return status;
  }
  drop_traffic();
  // SSL_read() with nothing to read would take and free a buffer of 16 KiB to find that out.
  if (input_.empty() && SSL_has_pending(ssl_) == 0) {
    return SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN ? TlsStatus::closed : TlsStatus::want_input;
  }
  Call call(input_, out);
  const int result = SSL_read_ex(ssl_, to, capacity, &n);
  return result == 1 ? TlsStatus::ok : finish(result);
}

TlsStatus TlsStream::write(std::string_view plaintext, TlsOutput out) {
  assert(established_);
  if (failure_) return TlsStatus::failed;
  if (plaintext.empty()) return TlsStatus::ok;
  if (records_) return records_->write(plaintext, out), TlsStatus::ok;
  drop_traffic();
  std::string_view nothing;
  Call call(nothing, out);
  std::size_t written = 0;
  const int result = SSL_write_ex(ssl_, plaintext.data(), plaintext.size(), &written);
  if (result == 1) return TlsStatus::ok;
  if (finish(result) != TlsStatus::failed) fail(tls_errc::protocol, "cannot write now");
  return TlsStatus::failed;
}

void TlsStream::close(TlsOutput out) {
  if (failure_ || !established_) return;
  if (records_) return records_->close(out);
  if (SSL_get_shutdown(ssl_) & SSL_SENT_SHUTDOWN) return;
  drop_traffic();
  std::string_view nothing;
  Call call(nothing, out);
  SSL_shutdown(ssl_);
}

bool TlsStream::compact() {
  if (!established_ || failure_ || !traffic_) return false;
  const bool possible = complete_traffic(ssl_, *traffic_);
  if (possible) {
    records_ = std::make_unique<TlsRecords>(*traffic_);
    SSL_free(std::exchange(ssl_, nullptr));
    traffic_.reset();
  } else {
    drop_traffic();
  }
  return possible;
}

/// The connection stays OpenSSL's.
void TlsStream::drop_traffic() {
  if (!traffic_) return;
  SSL_set_app_data(ssl_, nullptr);
  traffic_.reset();
}

error_code TlsStream::end_of_input() const {
  const bool closed = records_ ? records_->peer_closed() : (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0;
  return closed ? error_code() : make_error_code(tls_errc::truncated);
}

bool TlsStream::has_peer_certificate() const { return ssl_ != nullptr && SSL_get0_peer_certificate(ssl_) != nullptr; }
bool TlsStream::resumed() const { return ssl_ != nullptr && SSL_session_reused(ssl_) == 1; }

std::string_view TlsStream::version() const {
  if (records_) return records_->version() == TlsVersion::v1_3 ? "TLSv1.3" : "TLSv1.2";
  return SSL_get_version(ssl_);
}

std::string_view TlsStream::cipher() const {
  if (!records_) return SSL_get_cipher_name(ssl_);
  switch (records_->suite()) {
    case TlsSuite::aes_128_gcm:
      return "AES128-GCM";
    case TlsSuite::aes_256_gcm:
      return "AES256-GCM";
    case TlsSuite::chacha20_poly1305:
      return "CHACHA20-POLY1305";
  }
  return {};
}

std::string_view TlsStream::alpn() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  if (ssl_ != nullptr) SSL_get0_alpn_selected(ssl_, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::string_view TlsStream::server_name() const {
  const char* name = ssl_ != nullptr ? SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name) : nullptr;
  return name != nullptr ? std::string_view(name) : std::string_view();
}

}  // namespace sb::io
