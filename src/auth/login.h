// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <mutex>

#include "auth/jwt.h"
#include "auth/password_method.h"
#include "ports/authenticator.h"

namespace sb::auth {

/// What a client shows in CONNECT, without enhanced authentication. The first method that knows what it is decides:
///
/// | what it shows                                | method                        | otherwise                  |
/// |----------------------------------------------|-------------------------------|----------------------------|
/// | certificate with an identity                 | that identity                 |                            |
/// | a JSON Web Token as password, and keys exist | the token                     | 0x86 bad user name         |
/// | a user name, and users exist                 | the user's password           | 0x86; 0x89 under overload  |
/// | nothing of that                              | AnonymousRule                 |                            |
///
/// A name that no method knows is refused as soon as there is one that checks names. Threads: any; answers may come on
/// a thread of its own.
class Login final : public ports::Authenticator {
 public:
  Login() : passwords_(nullptr, {.queue = kQueue}) {}

  void authenticate(const ports::Credentials& who, Done done) override;

  /// From now on these; null: the method is not there. What is under way ends with those that it began with.
  void set_users(std::shared_ptr<const PasswordUsers> users);
  void set_tokens(std::shared_ptr<const JwtVerifier> tokens);

 private:
  /// Passwords that wait: fewer than would take as long as a client has for its CONNECT.
  static constexpr std::size_t kQueue = 25;

  std::mutex mutex_;  ///< for the two
  bool has_users_ = false;
  std::shared_ptr<const JwtVerifier> tokens_;
  PasswordMethod passwords_;
};

}  // namespace sb::auth
