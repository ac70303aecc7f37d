// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace sb::http {

/// A request. It is sent a second time when a connection that was kept turns out to be closed, so it has to be one that
/// may be repeated. The body is wiped once it is done with.
struct Request {
  std::string target;  ///< path and query
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  ///< beside Host, Content-Length and User-Agent
  Millis timeout{5000};  ///< for all of it: waiting, resolving, connecting, TLS, writing, reading
  std::string method = "POST";
};

struct Response {
  unsigned status = 0;
  std::string body;
};

using Done = std::function<void(result<Response>)>;

}  // namespace sb::http
