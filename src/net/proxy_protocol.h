// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

/// The PROXY protocol, versions 1 and 2 (haproxy.org/download/3.0/doc/proxy-protocol.txt), without I/O: what
/// a load balancer writes before the client's bytes to say where the client is. Whoever may connect can write
/// one, so a listener reads it only when it is configured to.
namespace sb::net {

inline constexpr std::size_t kProxyV1Max = 107;  ///< bytes with CRLF: "a 108-byte buffer is always enough" (2.1)
/// Bytes of a version 2 header behind its first 16. The specification allows 65535; addresses (at most 216)
/// and the TLVs in use (a name, a certificate's subject, vendors' ids) stay far below this, and an unknown
/// peer is not let to fill more.
inline constexpr std::size_t kProxyV2Max = 4096;

/// One end of the proxied connection.
struct ProxyAddress {
  enum class Family : std::uint8_t { none, ipv4, ipv6, unix_socket };
  Family family = Family::none;
  std::array<std::uint8_t, 16> ip{};  ///< network order; ipv4: the first four
  std::uint16_t port = 0;
  std::string path;  ///< unix_socket; may be empty (unnamed), may begin with NUL (abstract)

  /// "192.0.2.1:1883", "[2001:db8::1]:1883", "unix:/path" or "" for none.
  std::string text() const;
  bool operator==(const ProxyAddress&) const = default;
};

/// PP2_TYPE_SSL (2.2.6): what the proxy says of the client's TLS.
struct ProxySsl {
  static constexpr std::uint8_t kTls = 1, kCertConnection = 2, kCertSession = 4;
  bool present = false;
  std::uint8_t client = 0;   ///< bits: came over TLS; gave a certificate on this connection; in this session
  std::uint32_t verify = 1;  ///< 0 = the client's certificate was verified
  std::string version;       ///< "TLSv1.3"
  std::string common_name;   ///< of the client certificate

  /// The certificate's common name when there was a certificate and it was verified, else "".
  std::string_view verified_name() const {
    return (client & (kCertConnection | kCertSession)) && verify == 0 ? std::string_view(common_name)
                                                                      : std::string_view();
  }
  bool operator==(const ProxySsl&) const = default;
};

struct ProxyHeader {
  std::uint8_t version = 0;  ///< 1 or 2
  bool local = false;        ///< the proxy speaks for itself (a health check): the real connection's addresses hold
  ProxyAddress source, destination;  ///< none: unknown to the proxy, the real connection's addresses hold
  std::string authority;             ///< PP2_TYPE_AUTHORITY: the server name that the client asked for
  ProxySsl ssl;
  std::size_t size = 0;  ///< bytes of the header; the client's bytes follow
  bool operator==(const ProxyHeader&) const = default;
};

enum class ProxyParse : std::uint8_t {
  need_more,  ///< so far it may be a header: call again with what is there and more
  absent,     ///< does not begin like a header: these are the client's bytes
  malformed,  ///< begins like one and is wrong: "the receiver MUST abort the connection"
  complete,
};

/// Reads the header at the start of `input`, which holds everything received so far. `out` is filled when
/// complete.
ProxyParse parse_proxy_header(std::string_view input, ProxyHeader& out);

/// A version 2 header as bytes: addresses of one family (or none: then AF_UNSPEC), authority and ssl when
/// they are there, and a CRC32C. Used by the gateway towards the brokers.
std::string encode_proxy_v2(const ProxyHeader& header);

}  // namespace sb::net
