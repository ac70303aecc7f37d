// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/tls_errc.h"

struct ssl_ctx_st;
struct ssl_st;

/// TLS without sockets: ciphertext in, plaintext out and back, by OpenSSL.
namespace sb::io {

enum class TlsVersion : std::uint8_t { v1_2, v1_3 };

/// A further certificate of a server, chosen by the name that the client asks for.
struct TlsSniCertificate {
  std::string name;  ///< "mqtt.example.org", or "*.example.org" for one label more
  std::string cert_file, key_file;
};

struct TlsServerConfig {
  enum class ClientCert : std::uint8_t { none, optional, required };

  std::string cert_file;     ///< PEM: the certificate and its chain
  std::string key_file;      ///< PEM: its private key
  std::string key_password;  ///< of an encrypted key
  std::vector<TlsSniCertificate> sni;
  ClientCert client_cert = ClientCert::none;  ///< optional: a certificate that is given must still be valid
  std::string client_ca_file;                 ///< PEM: authorities for client certificates
  TlsVersion min_version = TlsVersion::v1_2;
  std::string ciphers;            ///< TLS 1.2, OpenSSL's syntax; "" = forward-secret AEAD suites
  std::string ciphersuites;       ///< TLS 1.3; "" = OpenSSL's default
  std::vector<std::string> alpn;  ///< e.g. {"mqtt"}; a client that names others only is refused; empty = not looked at
  bool session_tickets = true;    ///< stateless resumption; the key lives as long as the context
};

struct TlsClientConfig {
  std::string ca_file;  ///< PEM: authorities for the server's certificate; "" = the system's
  std::string ca_path;  ///< the same as a directory, hashed by `openssl rehash`
  std::string cert_file, key_file, key_password;
  TlsVersion min_version = TlsVersion::v1_2, max_version = TlsVersion::v1_3;
  std::string ciphers, ciphersuites;
  std::vector<std::string> alpn;
  bool verify = true;  ///< false: any server certificate will do (tests only)
};

/// Keys, certificates and rules that many connections share. Immutable, used from any thread. To reload build
/// a new one: connections keep what they need of the old one.
class TlsContext {
 public:
  /// On an error `why` names the setting or file and says what is wrong with it.
  static result<std::shared_ptr<const TlsContext>> server(const TlsServerConfig& config, std::string& why);
  static result<std::shared_ptr<const TlsContext>> client(const TlsClientConfig& config, std::string& why);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  /// What an operator should know, such as a certificate that is expired or will be soon.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  friend class TlsStream;
  explicit TlsContext(bool is_server);

  ssl_ctx_st* ctx_;
  bool server_;
  std::vector<std::string> warnings_;
};

/// Where ciphertext goes: called during the calls below, once per TLS record or flight; `data` is valid
/// during the call.
struct TlsOutput {
  void (*emit)(void* to, const char* data, std::size_t n);
  void* to;
};

enum class TlsStatus : std::uint8_t {
  ok,          ///< done; read: there are bytes
  want_input,  ///< all input is taken: feed() more
  closed,      ///< read: the peer sent close_notify; nothing more comes
  failed,      ///< see failure(); an alert for the peer was emitted; only destruction is left
};

struct TlsFailure {
  error_code error;
  std::string detail;  ///< for the log: OpenSSL's reason, the alert, or what is wrong with the certificate
};

/// Part of a client certificate that is used as a name.
enum class TlsIdentity : std::uint8_t {
  none,
  cn,   ///< common name of the subject (the last, most specific, one)
  dn,   ///< the whole subject (RFC 2253)
  san,  ///< the first subject alternative name that is a DNS name, an e-mail address or a URI
};

class TlsRecords;
struct TlsTraffic;

/// One connection. Owner: one thread.
///
/// Use: feed() a chunk, then read() until it is not `ok`; what is emitted goes to the socket. The handshake runs inside
/// handshake() or read(). A client calls handshake() first, without input.
///
/// Memory of an idle connection: there are no buffers while nothing is under way, but OpenSSL's state takes 13 KB (23
/// KB with a client certificate). A server therefore calls handshake() until it is `ok`, asks what it wants to know of
/// the peer, and calls compact(): then it is 0.5 KB.
class TlsStream {
 public:
  /// `server_name`: for a client the name to ask for and to verify (a DNS name or an IP address); "" = no
  /// name is checked.
  explicit TlsStream(const TlsContext& context, const std::string& server_name = {});
  ~TlsStream();
  TlsStream(TlsStream&& o) noexcept;
  TlsStream& operator=(TlsStream&&) = delete;

  /// Sets the input: bytes just received, which must stay until they are taken, that is until want_input.
  /// Input that is not yet taken must be gone before.
  void feed(std::string_view ciphertext) { input_ = ciphertext; }
  std::string_view pending_input() const { return input_; }

  /// Goes on with the handshake. `ok` when it is done (also later).
  TlsStatus handshake(TlsOutput out);
  bool established() const { return established_; }

  /// Server only, after the handshake and before the first read() or write(): hands the connection over to a record
  /// layer of our own (io/tls_records.h) and frees OpenSSL's state. Afterwards peer_identity(), alpn(), server_name()
  /// and the like have forgotten. False, and nothing has changed, when the connection is not of that kind (a client, a
  /// suite with CBC).
  bool compact();

  /// Up to `capacity` bytes of plaintext; `n` of them on `ok`, else 0. Runs the handshake first when it is
  /// not done.
  TlsStatus read(char* to, std::size_t capacity, std::size_t& n, TlsOutput out);

  /// Encrypts and emits all of `plaintext`; `ok` or `failed`. Only once established.
  TlsStatus write(std::string_view plaintext, TlsOutput out);

  /// Emits close_notify, once.
  void close(TlsOutput out);

  /// The connection ended (FIN): no error after close_notify, else `truncated`, which may be an attacker's
  /// work: then what was received may not be all that was sent. MQTT has lengths of its own, so the caller
  /// may choose not to care.
  error_code end_of_input() const;

  /// Null unless a call returned `failed`.
  const TlsFailure* failure() const { return failure_.get(); }

  /// Name from the peer's verified certificate; "" when there is none, or the part is missing or not valid
  /// UTF-8.
  std::string peer_identity(TlsIdentity kind) const;
  bool has_peer_certificate() const;
  std::string_view version() const;  ///< "TLSv1.3"
  std::string_view cipher() const;
  std::string_view alpn() const;         ///< agreed protocol, "" = none
  std::string_view server_name() const;  ///< that the client asked for, "" = none
  bool resumed() const;

 private:
  TlsStatus finish(int result);
  void fail(tls_errc error, std::string detail);
  void drop_traffic();

  ssl_st* ssl_;  ///< null once compact
  std::string_view input_;
  std::unique_ptr<TlsTraffic> traffic_;  ///< server, until it is known whether compact() is called
  std::unique_ptr<TlsRecords> records_;  ///< once compact
  std::unique_ptr<TlsFailure> failure_;
  bool established_ = false;
};

}  // namespace sb::io
