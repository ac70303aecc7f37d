// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "auth/replaceable.h"
#include "auth/scram_users.h"
#include "ports/authenticator.h"

namespace sb::auth {

/// SCRAM-SHA-256 as enhanced authentication [MQTT5 4.12]: client-first in CONNECT, server-first and client-final in
/// AUTH, server-final in CONNACK (or AUTH when re-authenticating). The password never crosses the wire and the broker
/// does not know it. Without channel binding: `p=` is refused. Threads: any.
class ScramAuthenticator final : public ports::EnhancedAuthenticator {
 public:
  /// `users`: null = the method is not offered.
  explicit ScramAuthenticator(std::shared_ptr<const ScramUsers> users) : users_(std::move(users)) {}

  std::unique_ptr<ports::AuthExchange> start(std::string_view method, const ports::Credentials& who) override;

  /// From now on these users; exchanges under way end with those that they began with.
  void replace(std::shared_ptr<const ScramUsers> users) { users_.set(std::move(users)); }

 private:
  Replaceable<ScramUsers> users_;
};

/// One exchange. The server's part of the nonce is given for the sake of test vectors.
std::unique_ptr<ports::AuthExchange> make_scram_exchange(std::shared_ptr<const ScramUsers> users, std::string nonce);

/// The client's side.
class ScramClient {
 public:
  ScramClient(std::string name, std::string password, std::string nonce = scram_nonce());
  ~ScramClient();
  ScramClient(const ScramClient&) = delete;
  ScramClient& operator=(const ScramClient&) = delete;

  /// client-first, for CONNECT.
  std::string first() const;
  /// client-final in answer to server-first. Takes as long as the iterations do.
  result<std::string> answer(std::string_view server_first);
  /// Whether server-final proves that the server knows the user: only then is it the right one.
  error_code verify(std::string_view server_final) const;

 private:
  std::string name_, password_, nonce_;
  Secret server_signature_;
  bool answered_ = false;
};

}  // namespace sb::auth
