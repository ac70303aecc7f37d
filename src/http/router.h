// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "http/server_message.h"

namespace sb::http {

/// Which handler a request goes to, by method and path. Who asks for what is not there gets 404, and with another
/// method than those that are there 405 with Allow. HEAD goes where GET goes.
class Router {
 public:
  /// What stands in the path for each "{...}" of the pattern, decoded, in order; never empty.
  using Parts = std::vector<std::string>;
  using Handler = std::function<void(const ServerRequest&, const Parts&, const Reply&)>;

  /// `pattern`: "/api/clients/{id}/kick".
  void add(std::string method, std::string_view pattern, Handler handler);
  void route(const ServerRequest& request, const Reply& reply) const;

 private:
  struct Route {
    std::string method;
    std::vector<std::string> segments;  ///< "{...}" for any
    Handler handler;
  };
  std::vector<Route> routes_;
};

}  // namespace sb::http
