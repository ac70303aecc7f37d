// SPDX-License-Identifier: MIT
#include "io/tls_errc.h"

namespace sb::io {
namespace {

class TlsCategory final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "tls"; }
  std::string message(int value) const override {
    switch (static_cast<tls_errc>(value)) {
      case tls_errc::certificate_file:
        return "the certificate file cannot be used";
      case tls_errc::key_file:
        return "the key file cannot be used";
      case tls_errc::key_mismatch:
        return "the private key does not belong to the certificate";
      case tls_errc::ca_file:
        return "the file of authorities cannot be used";
      case tls_errc::bad_setting:
        return "a TLS setting is wrong";
      case tls_errc::not_tls:
        return "the peer does not speak TLS";
      case tls_errc::no_common_version:
        return "no TLS version that both sides allow";
      case tls_errc::no_common_cipher:
        return "no cipher suite that both sides allow";
      case tls_errc::no_common_protocol:
        return "no ALPN protocol that both sides know";
      case tls_errc::certificate_missing:
        return "the peer gave no certificate";
      case tls_errc::certificate_unknown_ca:
        return "the peer's certificate is from an unknown authority";
      case tls_errc::certificate_expired:
        return "the peer's certificate is expired or not valid yet";
      case tls_errc::certificate_wrong_name:
        return "the peer's certificate is for another name";
      case tls_errc::certificate_refused:
        return "the peer's certificate is not accepted";
      case tls_errc::alert:
        return "the peer ended the connection with an alert";
      case tls_errc::truncated:
        return "the connection ended without close_notify";
      case tls_errc::protocol:
        return "TLS protocol error";
    }
    return "TLS error";
  }
};

}  // namespace

const boost::system::error_category& tls_category() {
  static const TlsCategory category;
  return category;
}

}  // namespace sb::io
