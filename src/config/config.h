// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "config/address.h"
#include "model/limits.h"

/// The configuration of a node as plain typed data. Every field has one row in the table of keys (table.h),
/// and its default is the one written here (or in model/limits.h): the table reads it from a
/// default-constructed Config.
namespace sb::config {

enum class ListenerKind : std::uint8_t { mqtt, mqtts, ws, wss };
enum class Anonymous : std::uint8_t { automatic, yes, no };  ///< automatic is written "auto"
enum class ProxyProtocol : std::uint8_t { off, optional, required };
enum class CertificateName : std::uint8_t { none, cn, dn, san };
enum class TlsVersion : std::uint8_t { v1_2, v1_3 };
enum class StoreKind : std::uint8_t { memory, embedded, redis };
/// The first three are of the embedded store; of Redis: fsync, primary and replica.
enum class WriteConcern : std::uint8_t { fsync, interval, none, primary, replica };
enum class OnNoReplica : std::uint8_t { degrade, wait };
enum class SharedStrategy : std::uint8_t { round_robin, random, hash, least_inflight };
enum class LogLevel : std::uint8_t { trace, debug, info, warn, error };
enum class EventLog : std::uint8_t { none, refusals, all };
enum class LogFormat : std::uint8_t { text, json };

inline constexpr std::size_t kListenerKinds = 4;
constexpr bool is_tls(ListenerKind k) { return k == ListenerKind::mqtts || k == ListenerKind::wss; }
constexpr bool is_websocket(ListenerKind k) { return k == ListenerKind::ws || k == ListenerKind::wss; }
const char* to_string(ListenerKind k);

/// A certificate for one server name (SNI). Paths of PEM files.
struct SniCertificate {
  std::string name;  ///< host name, or "*.example.org"
  std::string cert;
  std::string key;
  bool operator==(const SniCertificate&) const = default;
};

/// TLS of one mqtts or wss listener. Paths of PEM files; "" = not given.
struct TlsConfig {
  std::string cert;       ///< certificate chain
  std::string key;        ///< private key
  std::string client_ca;  ///< authorities that client certificates are checked against
  bool require_client_cert = false;
  CertificateName identity_as_username = CertificateName::none;  ///< what of the client certificate is the user name
  TlsVersion min_version = TlsVersion::v1_2;
  std::string ciphers;              ///< OpenSSL cipher list for TLS 1.2, "" = OpenSSL's default
  std::vector<SniCertificate> sni;  ///< further certificates, by server name
};

/// One listening socket and what holds for the connections it accepts.
struct ListenerConfig {
  ListenerKind kind = ListenerKind::mqtt;
  bool extra = false;                ///< from [[listeners.extra]], not one of the four that always exist
  Address bind;                      ///< off = not listening
  std::string path = "/mqtt";        ///< ws, wss: path of the upgrade request
  std::vector<std::string> origins;  ///< ws, wss: allowed Origin headers; empty = any
  TlsConfig tls;                     ///< mqtts, wss
  ProxyProtocol proxy_protocol = ProxyProtocol::off;  ///< v1 and v2
  Anonymous allow_anonymous = Anonymous::automatic;   ///< automatic = as auth.allow_anonymous
  std::uint32_t max_connections = 0;                  ///< 0 = only limits.connections
  std::uint32_t max_packet_size = 0;                  ///< bytes, 0 = limits.max_packet_size
  std::uint32_t connect_timeout = 0;                  ///< seconds, 0 = limits.connect_timeout
  std::uint16_t unix_mode = 0660;                     ///< permissions of a unix: socket
};

struct NodeConfig {
  std::string name;                 ///< after load() never empty: the host name unless configured
  std::uint16_t shards = 0;         ///< 0 = one per core
  std::uint32_t drain_rate = 1000;  ///< connections a second
};

struct AdminConfig {
  Address bind = Address::tcp("127.0.0.1", 18083);  ///< tcp or off
  std::string token_file;                           ///< "" = no token is needed
  std::vector<std::string> hosts;                   ///< names beside its own
};

struct StoreConfig {
  StoreKind kind = StoreKind::embedded;
  std::string path;  ///< embedded: directory; after load() never empty
  WriteConcern write_concern = WriteConcern::fsync;
  std::uint32_t sync_interval = 100;  ///< milliseconds, with WriteConcern::interval
  std::uint32_t replicas = 1;         ///< with WriteConcern::replica
  OnNoReplica on_no_replica = OnNoReplica::degrade;
};

struct ClusterConfig {
  std::string name = "default";
  std::uint32_t lease = 5000;                     ///< milliseconds
  std::uint64_t inbox_bytes = 64ull << 20;
};

struct RedisConfig {
  std::string url;
  std::string ca_file;  ///< "" = whom the system trusts
  std::string prefix = "sb:";
  std::uint64_t redo_bytes = 512ull << 20;
  std::uint32_t hold = 10'000;  ///< milliseconds
};

struct SessionConfig {
  SharedStrategy shared_strategy = SharedStrategy::round_robin;
};

struct SysConfig {
  std::uint32_t interval = 10;  ///< seconds between $SYS publications, 0 = off
};

struct AuthConfig {
  Anonymous allow_anonymous = Anonymous::automatic;  ///< automatic = on loopback and unix listeners only
  std::string scram_file;                            ///< "" = SCRAM is not offered
  std::string password_file;                         ///< "" = no passwords
  std::string acl_file;                              ///< "" = everything is allowed
  struct Jwt {
    std::string secret_file, rs256_file, es256_file, jwks_file;  ///< "" = none; all "" = tokens are not looked at
    bool secret_base64 = false;
    std::string issuer, audience;  ///< "" = any, none
    std::string username_claim = "sub";
    bool match_username = false;
    std::string client_id_claim = "client_id", client_id;  ///< "" = none, any
    bool require_expiry = true;
    std::uint32_t leeway = 30;  ///< seconds
  } jwt;
  struct Redis {
    std::string url;      ///< "" = is not asked
    std::string ca_file;  ///< "" = whom the system trusts
    std::string prefix = "sb:";
    std::uint32_t timeout = 2000;  ///< milliseconds
    std::uint32_t cache = 60;      ///< seconds
  } redis;
  std::string certificate_map;  ///< "" = the identity of a certificate is the user name
  struct Http {
    std::string url, acl_url;         ///< "" = is not asked
    std::string ca_file, token_file;  ///< "" = whom the system trusts, no token
    std::uint32_t timeout = 3000;     ///< milliseconds
    std::uint32_t cache = 60;         ///< seconds
    std::uint32_t acl_ttl = 300;      ///< seconds
    std::uint32_t max_pending = 1000;
    std::uint32_t failures = 5;
    std::uint32_t retry_after = 10;  ///< seconds
  } http;
};

struct BansConfig {
  std::string file;            ///< "" = none
  std::uint32_t flapping = 0;  ///< connects, 0 = off
  std::uint32_t flapping_window = 60;
  std::uint32_t failures = 0;  ///< refused logins, 0 = off
  std::uint32_t failures_window = 60;
  std::uint32_t time = 300;  ///< seconds, as the windows
};

struct EventsConfig {
  EventLog log = EventLog::refusals;
  bool topics = false;
};

struct ResponseConfig {
  std::string information;  ///< v5 Response Information, "" = none
};

struct ServerConfig {
  std::string reference;  ///< v5 Server Reference, "" = none
};

struct LogConfig {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
  std::string file;  ///< "" = standard error
};

/// mqtt, mqtts, ws, wss with their default addresses, in this order.
std::vector<ListenerConfig> default_listeners();

struct Config {
  NodeConfig node;
  AdminConfig admin;
  std::vector<ListenerConfig> listeners =
      default_listeners();  ///< the four of ListenerKind in order, then the extra ones
  StoreConfig store;
  ClusterConfig cluster;
  RedisConfig redis;
  model::Limits limits;
  model::Features features;
  SessionConfig session;
  SysConfig sys;
  AuthConfig auth;
  BansConfig bans;
  EventsConfig events;
  ResponseConfig response;
  ServerConfig server;
  LogConfig log;
};

/// "listeners.mqtt" or "listeners.extra[0]": the prefix of the keys of listener `index`.
std::string listener_name(const Config& c, std::size_t index);

/// Whether a client without a user name may come in on `l`: its own setting, else auth.allow_anonymous, else
/// only if the listener's address is a loopback address or a unix socket.
bool anonymous_allowed(const Config& c, const ListenerConfig& l);

/// limits.* with the overrides of `l`.
model::Limits limits_of(const Config& c, const ListenerConfig& l);

}  // namespace sb::config
