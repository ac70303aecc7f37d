// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <mutex>
#include <string>

#include "admin/control.h"
#include "base/log.h"
#include "http/router.h"

namespace sb::admin {

/// The HTTP API of a node (docs/ctl.md). /health and /ready are for everybody who can connect, and say less without the
/// token; the rest needs it, if there is one. Threads: the control thread, but for set_token().
class Api {
 public:
  /// `token`: of "Authorization: Bearer", "" = none is needed. `control` outlives this.
  Api(Control& control, std::string token);
  void handle(const http::ServerRequest& request, const http::Reply& reply) const;
  /// Any thread: for requests that come from now on.
  void set_token(std::string token);

 private:
  using Request = http::ServerRequest;
  using Parts = http::Router::Parts;
  using Reply = http::Reply;
  enum class Access { open, token };
  template <class F>
  void add(const char* method, const char* pattern, Access access, F f);
  bool may(const Request& r) const;

  void health(const Request& r, const Parts&, const Reply& reply) const;
  void ready(const Request& r, const Parts&, const Reply& reply) const;
  void status(const Request& r, const Parts&, const Reply& reply) const;
  void clients(const Request& r, const Parts&, const Reply& reply) const;
  void kick(const Request& r, const Parts& parts, const Reply& reply) const;
  void drain(const Request& r, const Parts& parts, const Reply& reply, bool on) const;

  Control& control_;
  http::Router router_;
  mutable log::RateLimit refusals_;  ///< in the log
  mutable std::mutex mutex_;
  std::string token_hash_;  ///< "" = no token
};

}  // namespace sb::admin
