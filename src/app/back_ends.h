// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "auth/login.h"
#include "auth/rights_keeper.h"
#include "config/config.h"
#include "http/control_thread.h"

namespace sb::app {

/// What is outside this process and is asked about clients: its parts for Login, and the keeper of the rights that it
/// gives. Lives on the main thread.
class BackEnds {
 public:
  /// Called on any thread when rights have changed: every shard is to run Core::rights_changed(), and all of them to
  /// hold `replaced` until they have.
  using Changed = std::function<void(std::shared_ptr<const void> replaced)>;

  auth::RightsKeeper& rights() { return rights_; }
  /// The thread of what is not hot, until stop().
  http::ControlThread& control() {
    if (!control_) control_ = std::make_unique<http::ControlThread>();
    return *control_;
  }

  /// What is wrong with the configuration, "" = nothing; then `login` has the methods. Otherwise nothing has changed.
  std::string load(const config::Config& c, auth::Login& login);
  /// From now on rights are renewed.
  void start(Changed changed);
  /// Answers what waits; nobody is asked any more. Behind the end of all who ask.
  void stop();

 private:
  std::unique_ptr<http::ControlThread> control_;  ///< once it is needed
  Changed changed_;
  SystemClock clock_;
  auth::RightsKeeper rights_{clock_, {}};
};

}  // namespace sb::app
