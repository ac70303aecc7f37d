// SPDX-License-Identifier: MIT
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "io/tls.h"
#include "io/tls_compact.h"

namespace sb::io {
namespace {

constexpr int kWarnDays = 14;
/// Forward secrecy and an AEAD: what every TLS 1.2 stack of the last ten years has.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
/// AES-128 first: the suite that everybody must have (RFC 8446 9.1), the cheapest in time, and its SHA-256 in memory.
constexpr const char* kSuites = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

/// What the callbacks of a server's SSL_CTX need. It is the SSL_CTX's ex_data, so that it lives as long as
/// the last connection and not only as long as the TlsContext.
struct ServerData {
  std::vector<std::pair<std::string, SSL_CTX*>> sni;
  std::string alpn;  ///< wire form: length, name, length, name…

  ~ServerData() {
    for (auto& [name, ctx] : sni) SSL_CTX_free(ctx);
  }
  SSL_CTX* find(std::string_view asked) const {
    const std::size_t dot = asked.find('.');
    SSL_CTX* wildcard = nullptr;
    for (const auto& [name, ctx] : sni) {
      if (same_name(name, asked)) return ctx;
      if (name.starts_with("*.") && dot != std::string_view::npos && dot != 0 &&
          same_name(std::string_view(name).substr(1), asked.substr(dot))) {
        wildcard = ctx;
      }
    }
    return wildcard;
  }
};

int data_index() {
  static const int index = SSL_CTX_get_ex_new_index(
      0, nullptr, nullptr, nullptr,
      [](void*, void* data, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<ServerData*>(data); });
  return index;
}

int choose_certificate(SSL* ssl, int*, void* arg) {
  const char* asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (asked == nullptr) return SSL_TLSEXT_ERR_NOACK;
  if (SSL_CTX* other = static_cast<ServerData*>(arg)->find(asked)) SSL_set_SSL_CTX(ssl, other);
  return SSL_TLSEXT_ERR_OK;
}

int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size,
                    void* arg) {
  const std::string& ours = static_cast<ServerData*>(arg)->alpn;
  unsigned char* chosen = nullptr;
  int found = SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(ours.data()),
                                    static_cast<unsigned>(ours.size()), in, in_size);
  *out = chosen;
  // "the server SHALL send a fatal no_application_protocol alert" (RFC 7301 3.2): what is meant for another
  // protocol must not be taken for ours.
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/// Without this OpenSSL would ask at the terminal.
int give_password(char* to, int size, int, void* password) {
  const auto* text = static_cast<const std::string*>(password);
  if (text == nullptr || text->size() > static_cast<std::size_t>(size)) return -1;
  return static_cast<int>(text->copy(to, static_cast<std::size_t>(size)));
}

/// The newest error of OpenSSL as text, which leaves its queue empty.
std::string newest_error() {
  const unsigned long e = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(e);
  std::string text = reason != nullptr     ? reason
                     : ERR_SYSTEM_ERROR(e) ? std::strerror(ERR_GET_REASON(e))
                                           : "no reason given";
  ERR_clear_error();
  return text;
}

/// Builds an SSL_CTX step by step; after the first error `error` stays and the steps do nothing.
class Builder {
 public:
  Builder(SSL_CTX* ctx, std::string& why, std::vector<std::string>& warnings)
      : ctx_(ctx), why_(why), warnings_(warnings) {}

  error_code error;

  void common(TlsVersion min, const std::string& ciphers, const std::string& suites) {
    // Without buffers while idle; a stream emits all that it is given, so a write is never left half done.
    SSL_CTX_set_mode(ctx_, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(ctx_, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                  SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_session_cache_mode(ctx_, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(ctx_, 0);  // input is a window in memory: there is no system call to save
    SSL_CTX_set_min_proto_version(ctx_, min == TlsVersion::v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    if (SSL_CTX_set_cipher_list(ctx_, ciphers.empty() ? kCiphers : ciphers.c_str()) != 1) {
      fail(tls_errc::bad_setting, fmt::format("ciphers \"{}\": {}", ciphers, newest_error()));
    }
    if (SSL_CTX_set_ciphersuites(ctx_, suites.empty() ? kSuites : suites.c_str()) != 1) {
      fail(tls_errc::bad_setting, fmt::format("ciphersuites \"{}\": {}", suites, newest_error()));
    }
  }

  void server_rules(const TlsServerConfig& config, ServerData* data) {
    common(config.min_version, config.ciphers, config.ciphersuites);
    if (!data->alpn.empty()) SSL_CTX_set_alpn_select_cb(ctx_, choose_protocol, data);
    if (config.client_cert != TlsServerConfig::ClientCert::none) {
      authorities(config.client_ca_file, true);
      const bool required = config.client_cert == TlsServerConfig::ClientCert::required;
      SSL_CTX_set_verify(ctx_, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
    }
    // Tickets carry the session, so the server keeps nothing. One is enough: a client makes one connection at
    // a time.
    SSL_CTX_set_session_id_context(ctx_, reinterpret_cast<const unsigned char*>("signalbox"), 9);
    SSL_CTX_set_num_tickets(ctx_, config.session_tickets ? 1 : 0);
    if (!config.session_tickets) SSL_CTX_set_options(ctx_, SSL_OP_NO_TICKET);
    note_traffic(ctx_);
  }

  void certificate(const std::string& cert_file, const std::string& key_file, const std::string& password) {
    if (!readable(cert_file, tls_errc::certificate_file) || !readable(key_file, tls_errc::key_file)) return;
    if (SSL_CTX_use_certificate_chain_file(ctx_, cert_file.c_str()) != 1) {
      return fail(tls_errc::certificate_file,
                  fmt::format("{}: no usable PEM certificate: {}", cert_file, newest_error()));
    }
    SSL_CTX_set_default_passwd_cb(ctx_, give_password);
    SSL_CTX_set_default_passwd_cb_userdata(ctx_, const_cast<std::string*>(&password));
    const bool loaded = SSL_CTX_use_PrivateKey_file(ctx_, key_file.c_str(), SSL_FILETYPE_PEM) == 1;
    SSL_CTX_set_default_passwd_cb_userdata(ctx_, nullptr);
    // A key of the certificate's type that does not fit is found while it is loaded, another type only by the
    // check.
    const unsigned long e = ERR_peek_last_error();
    if ((!loaded && ERR_GET_LIB(e) == ERR_LIB_X509 && ERR_GET_REASON(e) == X509_R_KEY_VALUES_MISMATCH) ||
        (loaded && SSL_CTX_check_private_key(ctx_) != 1)) {
      ERR_clear_error();
      return fail(tls_errc::key_mismatch,
                  fmt::format("{}: the key is not the one of the certificate in {}", key_file, cert_file));
    }
    if (!loaded) {
      return fail(tls_errc::key_file, fmt::format("{}: no usable PEM private key (or its password is wrong): {}",
                                                  key_file, newest_error()));
    }
    warn_of_expiry(SSL_CTX_get0_certificate(ctx_), cert_file);
  }

  void authorities(const std::string& file, bool tell_clients) {
    if (!readable(file, tls_errc::ca_file)) return;
    if (SSL_CTX_load_verify_file(ctx_, file.c_str()) != 1) {
      return fail(tls_errc::ca_file, fmt::format("{}: no usable PEM certificates: {}", file, newest_error()));
    }
    if (!tell_clients) return;
    SSL_CTX_set_client_CA_list(ctx_, SSL_load_client_CA_file(file.c_str()));
    ERR_clear_error();
  }

  std::string alpn(const std::vector<std::string>& names) {
    std::string wire;
    for (const auto& name : names) {
      if (name.empty() || name.size() > 255)
        fail(tls_errc::bad_setting, fmt::format("alpn \"{}\": 1 to 255 bytes", name));
      wire += static_cast<char>(name.size());
      wire += name;
    }
    return wire;
  }

  void fail(tls_errc code, std::string text) {
    if (error) return;
    error = code;
    why_ = std::move(text);
  }

 private:
  bool readable(const std::string& file, tls_errc code) {
    if (error) return false;
    if (FILE* f = std::fopen(file.c_str(), "re")) return std::fclose(f), true;
    fail(code, file.empty() ? "no file is given" : fmt::format("{}: {}", file, std::strerror(errno)));
    return false;
  }

  void warn_of_expiry(X509* cert, const std::string& file) {
    auto warn = [&](const char* what, const ASN1_TIME* when) {
      struct tm t = {};
      ASN1_TIME_to_tm(when, &t);
      warnings_.push_back(fmt::format("{}: the certificate {} {:04}-{:02}-{:02} {:02}:{:02} UTC", file, what,
                                      t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min));
    };
    const ASN1_TIME *from = X509_get0_notBefore(cert), *until = X509_get0_notAfter(cert);
    int days = 0, seconds = 0;
    if (X509_cmp_current_time(from) > 0) warn("is not valid before", from);
    if (X509_cmp_current_time(until) < 0) return warn("expired on", until);
    if (ASN1_TIME_diff(&days, &seconds, nullptr, until) == 1 && days < kWarnDays) warn("expires on", until);
  }

  SSL_CTX* ctx_;
  std::string& why_;
  std::vector<std::string>& warnings_;
};

}  // namespace

TlsContext::TlsContext(bool is_server)
    : ctx_(SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method())), server_(is_server) {}

TlsContext::~TlsContext() { SSL_CTX_free(ctx_); }

result<std::shared_ptr<const TlsContext>> TlsContext::server(const TlsServerConfig& config, std::string& why) {
  std::shared_ptr<TlsContext> context(new TlsContext(true));
  SSL_CTX* ctx = context->ctx_;
  Builder build(ctx, why, context->warnings_);
  auto* data = new ServerData;
  SSL_CTX_set_ex_data(ctx, data_index(), data);

  data->alpn = build.alpn(config.alpn);
  build.server_rules(config, data);
  build.certificate(config.cert_file, config.key_file, config.key_password);
  for (const auto& extra : config.sni) {
    // SSL_set_SSL_CTX() takes not only the certificate but also the ciphers, authorities and callbacks of the
    // other one.
    SSL_CTX* other = SSL_CTX_new(TLS_server_method());
    data->sni.emplace_back(extra.name, other);
    Builder more(other, why, context->warnings_);
    more.error = build.error;
    more.server_rules(config, data);
    more.certificate(extra.cert_file, extra.key_file, config.key_password);
    build.error = more.error;
  }
  if (!data->sni.empty()) {
    SSL_CTX_set_tlsext_servername_callback(ctx, choose_certificate);
    SSL_CTX_set_tlsext_servername_arg(ctx, data);
  }
  if (build.error) return build.error;
  return std::shared_ptr<const TlsContext>(std::move(context));
}

result<std::shared_ptr<const TlsContext>> TlsContext::client(const TlsClientConfig& config, std::string& why) {
  std::shared_ptr<TlsContext> context(new TlsContext(false));
  SSL_CTX* ctx = context->ctx_;
  Builder build(ctx, why, context->warnings_);
  build.common(config.min_version, config.ciphers, config.ciphersuites);
  if (config.max_version == TlsVersion::v1_2) SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
  if (!config.cert_file.empty()) build.certificate(config.cert_file, config.key_file, config.key_password);
  if (config.verify) {
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
    if (!config.ca_path.empty() && SSL_CTX_load_verify_dir(ctx, config.ca_path.c_str()) != 1)
      build.fail(tls_errc::ca_file, fmt::format("{}: {}", config.ca_path, newest_error()));
    if (!config.ca_file.empty()) {
      build.authorities(config.ca_file, false);
    } else if (config.ca_path.empty() && SSL_CTX_set_default_verify_paths(ctx) != 1) {
      build.fail(tls_errc::ca_file, fmt::format("the system's authorities: {}", newest_error()));
    }
  }
  const std::string alpn = build.alpn(config.alpn);
  SSL_CTX_set_alpn_protos(ctx, reinterpret_cast<const unsigned char*>(alpn.data()), static_cast<unsigned>(alpn.size()));
  if (build.error) return build.error;
  return std::shared_ptr<const TlsContext>(std::move(context));
}

}  // namespace sb::io
