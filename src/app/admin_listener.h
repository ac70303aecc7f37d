// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <string>

#include "admin/api.h"
#include "config/config.h"
#include "http/server.h"

namespace sb::app {

/// The HTTP API of a node on its socket. Lives on the main thread.
class AdminListener {
 public:
  /// What is wrong, "" = nothing; then `admin.bind` is listened on, if it is not off. `control` outlives this.
  std::string open(const config::Config& c, http::ControlThread& thread, admin::Control& control);
  /// Answers from now on.
  void start();
  /// What is wrong, "" = nothing; then it goes by the token and the names of `c`.
  std::string reload(const config::Config& c);
  /// Answers what it was asked, for a short while, and nothing any more.
  void stop();
  /// "listening admin 127.0.0.1:18083", "" = it is off.
  std::string line() const;

 private:
  std::unique_ptr<admin::Api> api_;
  std::unique_ptr<http::Server> server_;  ///< behind what it calls
};

}  // namespace sb::app
