// SPDX-License-Identifier: MIT
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/utf8.h"
#include "io/tls.h"

namespace sb::io {
namespace {

/// The text as UTF-8, or "" when it is not text that MQTT could carry. A NUL inside, which would make
/// "admin\0.example.org" another name for C code, is among what is refused.
std::string clean(std::string_view text) { return is_mqtt_utf8(text) ? std::string(text) : std::string(); }

std::string text_of(const ASN1_STRING* s) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, s);
  if (size < 0) return ERR_clear_error(), std::string();
  std::string out = clean({reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size)});
  OPENSSL_free(utf8);
  return out;
}

std::string common_name(const X509_NAME* subject) {
  int last = -1;
  for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0;) last = i;
  return last < 0 ? std::string() : text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
}

std::string whole_name(const X509_NAME* subject) {
  BIO* memory = BIO_new(BIO_s_mem());
  // RFC 2253, but with UTF-8 as it is instead of hexadecimal escapes
  X509_NAME_print_ex(memory, subject, 0, XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB));
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);
  std::string out = clean({data, static_cast<std::size_t>(size)});
  BIO_free(memory);
  return out;
}

std::string first_alternative_name(X509* cert) {
  auto* names = static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(cert, NID_subject_alt_name, nullptr, nullptr));
  std::string out;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS && name->type != GEN_EMAIL && name->type != GEN_URI) continue;
    out = text_of(name->d.ia5);
    break;
  }
  GENERAL_NAMES_free(names);
  return out;
}

}  // namespace

std::string TlsStream::peer_identity(TlsIdentity kind) const {
  X509* cert = ssl_ != nullptr ? SSL_get0_peer_certificate(ssl_) : nullptr;
  if (cert == nullptr || !established_ || SSL_get_verify_result(ssl_) != X509_V_OK) return {};
  switch (kind) {
    case TlsIdentity::none:
      return {};
    case TlsIdentity::cn:
      return common_name(X509_get_subject_name(cert));
    case TlsIdentity::dn:
      return whole_name(X509_get_subject_name(cert));
    case TlsIdentity::san:
      return first_alternative_name(cert);
  }
  return {};
}

}  // namespace sb::io
