// SPDX-License-Identifier: MIT
#pragma once
#include "base/result.h"

namespace sb::io {

/// What goes wrong with TLS. The first group: building a context from files; the second: one connection.
enum class tls_errc {
  certificate_file = 1,  ///< cannot be read, or is no PEM certificate
  key_file,              ///< cannot be read, is no PEM key, or is encrypted with another password
  key_mismatch,          ///< the key is not the certificate's
  ca_file,
  bad_setting,  ///< cipher list, protocol version, ALPN name

  not_tls,                 ///< the peer does not speak TLS (HTTP or MQTT in the clear, most often)
  no_common_version,       ///< no protocol version that both sides allow
  no_common_cipher,        ///< no cipher suite or signature algorithm that both sides allow
  no_common_protocol,      ///< ALPN: none of the client's protocols is ours
  certificate_missing,     ///< the peer gave no certificate where one is required
  certificate_unknown_ca,  ///< its chain ends at no authority that we know
  certificate_expired,     ///< or not valid yet
  certificate_wrong_name,  ///< it is for another server
  certificate_refused,     ///< anything else that is wrong with it
  alert,                   ///< the peer ended the connection with a fatal alert
  truncated,               ///< the connection ended without close_notify
  protocol,                ///< anything else that the protocol does not allow
};

const boost::system::error_category& tls_category();

inline error_code make_error_code(tls_errc e) { return {static_cast<int>(e), tls_category()}; }

}  // namespace sb::io

template <>
struct boost::system::is_error_code_enum<sb::io::tls_errc> : std::true_type {};
