// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "mqtt/reason.h"
#include "ports/authorizer.h"

namespace sb::ports {

/// What is known of a client when it asks to come in. The views live as long as the call.
struct Credentials {
  std::string_view client_id;
  std::optional<std::string_view> username;
  std::optional<std::string_view> password;  ///< bytes, not necessarily text
  std::string_view tls_identity;             ///< from the client certificate, "" = none
  std::string_view proven;  ///< user name that an enhanced authentication has proven: nothing else counts; "" = none
  std::string_view peer;    ///< "address:port" or "unix", for logs
  bool anonymous_allowed = false;  ///< by the listener's rule (loopback only unless configured otherwise)
};

/// The answer to Credentials.
struct AuthDecision {
  mqtt::Reason reason = mqtt::Reason::success;
  std::string username;  ///< the name that rights are checked for; may differ from the one given (certificate identity)
  RightsPtr rights;      ///< given with what was shown (a token); null: those of the user name
  WallTime end = kNoExpiry;  ///< of what was shown: the connection ends then
};

/// One method of plain authentication (user name and password, certificate, nothing). Threads: called on any shard.
class Authenticator {
 public:
  using Done = std::function<void(AuthDecision)>;
  virtual ~Authenticator() = default;
  /// Calls `done` exactly once: before it returns, or later on any thread. `who` is for the time of the call.
  virtual void authenticate(const Credentials& who, Done done) = 0;
};

/// One running enhanced authentication of one connection [MQTT5 4.12]. Owner: the channel's shard.
class AuthExchange {
 public:
  struct Step {
    mqtt::Reason reason;   ///< continue_authentication, success, or the refusal
    std::string data;      ///< Authentication Data for the client
    std::string username;  ///< on success: who it is
  };
  virtual ~AuthExchange() = default;
  /// `data`: Authentication Data of the client's CONNECT or AUTH packet (bytes).
  virtual Step step(std::string_view data) = 0;
};

/// The enhanced authentication methods that the broker offers. Threads: called on any shard.
class EnhancedAuthenticator {
 public:
  virtual ~EnhancedAuthenticator() = default;
  /// A new exchange, or null when the method is not offered (answered with 0x8C).
  virtual std::unique_ptr<AuthExchange> start(std::string_view method, const Credentials& who) = 0;
};

}  // namespace sb::ports
