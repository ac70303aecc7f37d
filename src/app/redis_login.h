// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "auth/login.h"
#include "auth/redis_method.h"
#include "auth/redis_users.h"
#include "auth/rights_keeper.h"
#include "base/time.h"
#include "config/config.h"

namespace sb::app {

/// Users in Redis: their method for Login, and the keeper of their rights. Lives on the main thread.
class RedisLogin {
 public:
  /// Called on any thread when rights have changed: every shard is to run Core::rights_changed(), and all of them to
  /// hold `replaced` until they have.
  using Changed = std::function<void(const std::shared_ptr<const void>& replaced)>;

  /// Once. What is wrong with the configuration, "" = nothing; then `login` has the method, if Redis is to be asked.
  std::string load(const config::Config& c, auth::Login& login);
  /// Behind load(): `others`, but that they know users in Redis, too, if it is to be asked.
  ports::Authorizer& authorizer(ports::Authorizer& others);
  /// From now on rights are renewed.
  void start(Changed changed);
  /// Answers what waits; nobody is asked any more. In front of the end of Login.
  void stop();

 private:
  SystemClock clock_;
  auth::RightsKeeper rights_{clock_, {}};
  Millis fresh_{0};  ///< how old what is known of a user may be when rights are asked for
  std::unique_ptr<auth::RedisUsers> users_;
  std::shared_ptr<auth::RedisMethod> method_;
  std::unique_ptr<ports::Authorizer> authorizer_;
};

}  // namespace sb::app
