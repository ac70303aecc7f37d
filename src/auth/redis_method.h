// SPDX-License-Identifier: MIT
#pragma once
#include <memory>

#include "auth/method.h"
#include "auth/password_method.h"
#include "auth/redis_users.h"
#include "auth/rights_keeper.h"

namespace sb::auth {

/// What users in Redis may do. Threads: any.
class RedisRights final : public RightsSource {
 public:
  /// `max_age` of what is known of a user.
  RedisRights(RedisUsers& users, Millis max_age) : users_(users), max_age_(max_age) {}
  void ask(const ports::Subject& who, Done done) override;

 private:
  RedisUsers& users_;
  const Millis max_age_;
};

/// Rights by name are those of `others`, but who is away, and known to Redis, has those that Redis says: nobody renews
/// any for him. Threads: any.
class RedisAuthorizer final : public ports::Authorizer {
 public:
  RedisAuthorizer(RedisUsers& users, Millis max_age, ports::Authorizer& others)
      : users_(users), max_age_(max_age), others_(others) {}
  ports::RightsPtr rights(const ports::Subject& who) override { return others_.rights(who); }
  void ask(const ports::Subject& who, Done done) override;

 private:
  RedisUsers& users_;
  const Millis max_age_;
  ports::Authorizer& others_;
};

/// User names and passwords that Redis knows. Who comes in by it has the rights that Redis says, as long as `rights`
/// can renew them. As the last method it refuses names that are not there, after the time that a check takes. Threads:
/// any. It outlives the answers of `users`, and `rights` outlives it.
class RedisMethod final : public Method {
 public:
  struct Options {
    Millis max_age{60'000};  ///< of what is known of a user when he comes in
    std::size_t queue = 25;  ///< passwords that wait to be checked
  };
  RedisMethod(RedisUsers& users, RightsKeeper& rights, Options options);
  void ask(const ports::Credentials& who, bool last, Done done) override;
  /// Answers what waits for a password to be checked, and lets go of it. Behind the end of `users`.
  void stop() { passwords_.stop(); }

 private:
  struct Attempt;
  void check(const std::shared_ptr<Attempt>& a, const RedisUsers::User& user);
  void decide(const std::shared_ptr<Attempt>& a, std::optional<Checked> checked, bool disabled);

  RedisUsers& users_;
  RightsKeeper& rights_;
  const Options options_;
  const std::shared_ptr<const PasswordUsers> nobody_;
  PasswordMethod passwords_;  ///< the last: its answers need the others
};

}  // namespace sb::auth
