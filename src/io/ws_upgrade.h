// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

/// The HTTP upgrade to WebSocket (RFC 6455 4) for MQTT, without I/O. `X-Forwarded-For` and its kin are not
/// read: anybody can send them; the PROXY protocol (net/proxy_protocol.h) says where a client really is.
namespace sb::io {

inline constexpr std::size_t kWsMaxRequest = 8 * 1024;  ///< bytes of the request with its headers; above: 431

/// What a listener accepts.
struct WsUpgradeRules {
  std::string path = "/mqtt";        ///< compared with the request's path without its query; else 404
  std::vector<std::string> origins;  ///< empty = any, else see origin_allowed(); a request without Origin always may
};

/// What became of a request.
struct WsUpgradeResult {
  enum class Kind { need_more, accept, reject };
  Kind kind = Kind::need_more;
  std::string response;       ///< accept, reject: bytes to send; after a reject the connection is to be closed
  unsigned status = 0;        ///< HTTP status of `response`
  std::string reason;         ///< reject: text for the log
  std::string_view protocol;  ///< accept: the chosen subprotocol, "mqtt" or "mqttv3.1" (static)
  std::size_t consumed = 0;   ///< accept: bytes of the last input that belong to the request; what follows are frames
};

/// One request, as it comes in. Lives until the connection is upgraded. Owner: the connection's shard.
class WsUpgrade {
 public:
  /// `rules` must outlive the upgrade.
  explicit WsUpgrade(const WsUpgradeRules& rules) : rules_(rules) {}

  /// Takes the next bytes of the connection. After accept or reject it must not be called again.
  WsUpgradeResult feed(std::string_view input);

 private:
  const WsUpgradeRules& rules_;
  std::string head_;  ///< what came so far; at most kWsMaxRequest bytes
};

/// True when `origins` is empty or holds `origin` (ASCII case does not matter), or "*", or a pattern such as
/// `https://*.example.com` that `origin` fits: any subdomain, at any depth, but not example.com itself.
bool origin_allowed(const std::vector<std::string>& origins, std::string_view origin);

/// The value of Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 4.2.2).
std::string ws_accept_key(std::string_view key);

/// The client's side of the upgrade.
class WsClientHandshake {
 public:
  struct Options {
    std::string host;               ///< value of Host: name, and port if it is not the scheme's
    std::string target = "/mqtt";   ///< path and query
    std::string protocol = "mqtt";  ///< offered subprotocol; the server must choose it
    std::string origin;             ///< "" = none
  };
  explicit WsClientHandshake(Options options);

  /// The request to send.
  const std::string& request() const { return request_; }

  struct Answer {
    enum class Kind { need_more, accept, reject };
    Kind kind = Kind::need_more;
    std::string reason;        ///< reject: what is wrong
    unsigned status = 0;       ///< HTTP status, 0 when there is none
    std::size_t consumed = 0;  ///< accept: bytes of the last input that belong to the answer
  };
  /// Takes the next bytes of the connection.
  Answer feed(std::string_view input);

 private:
  Answer verify() const;

  std::string protocol_, key_, request_, head_;
};

}  // namespace sb::io
