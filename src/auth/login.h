// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <cstddef>
#include <memory>
#include <mutex>

#include "auth/certificate_map.h"
#include "auth/jwt.h"
#include "auth/method.h"
#include "auth/password_method.h"
#include "auth/replaceable.h"
#include "auth/rights_keeper.h"

namespace sb::auth {

/// Who a client is: a chain of methods, of which the first that knows what was shown decides.
///
/// | place in the chain | knows                                       | otherwise                                |
/// |--------------------|---------------------------------------------|------------------------------------------|
/// | certificate        | a certificate with an identity              | 0x87 when the map has no user for it     |
/// | token              | a JSON Web Token as password                | 0x86                                     |
/// | file               | a user name that is in it                   | 0x86; 0x89 under overload                |
/// | redis, http        | what the back end says                      | 0x86, 0x87; 0x88 when it does not answer |
/// | AnonymousRule      | nothing of that                             | 0x87; 0x86 for a name when there is      |
/// |                    |                                             | any method that knows names              |
///
/// A name that an enhanced authentication has proven goes through no method. Then, if there is a keeper of rights, who
/// got no rights with the decision gets them from there, or does not come in. Threads: any; answers may come on others.
class Login final : public ports::Authenticator {
 public:
  enum class Place { certificate, token, file, redis, http };

  /// `rights`: null = everybody has those of the user name. It outlives this.
  explicit Login(RightsKeeper* rights = nullptr);

  void authenticate(const ports::Credentials& who, Done done) override;

  /// From now on these; null: the method is not there. What is under way ends with those that it began with.
  void set_certificates(std::shared_ptr<const CertificateMap> map);  ///< null: the identity is the user name
  void set_tokens(std::shared_ptr<const JwtVerifier> tokens);
  void set_users(std::shared_ptr<const PasswordUsers> users);
  void set(Place place, std::shared_ptr<Method> method);

 private:
  static constexpr std::size_t kPlaces = static_cast<std::size_t>(Place::http) + 1;
  /// Passwords that wait: fewer than would take as long as a client has for its CONNECT.
  static constexpr std::size_t kQueue = 25;
  /// Immutable, as others still go through it when it is replaced.
  struct Chain {
    std::array<std::shared_ptr<Method>, kPlaces> methods;
    bool has_after(std::size_t place) const;
    bool knows_names() const { return has_after(static_cast<std::size_t>(Place::certificate)); }
  };
  struct Attempt;
  static void go_on(const std::shared_ptr<Attempt>& attempt, std::size_t place);

  RightsKeeper* const rights_;
  std::mutex changing_;
  Replaceable<Chain> chain_;
  PasswordMethod passwords_;
};

}  // namespace sb::auth
