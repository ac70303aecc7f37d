// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sb::http {

/// A request as a server took it: complete, within its bounds, for a host of this server.
struct ServerRequest {
  std::string method;  ///< "GET", "HEAD", "POST"
  std::string path;    ///< begins with "/"; still percent-encoded
  std::string query;   ///< behind the "?", still percent-encoded
  std::string body;
  std::string authorization;  ///< value of the header, "" = none
  std::string peer;           ///< "127.0.0.1:40000", for logs
};

/// The answer. For HEAD the same as for GET: the body is left out on the wire.
struct ServerResponse {
  unsigned status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;  ///< beside Content-*, Connection and Date
};

/// Answers one request. Any thread, at any time; calls behind the first do nothing, nor do those that come later than
/// Server::Options::timeout.
using Reply = std::function<void(ServerResponse)>;
/// Called on the control thread. It must not block.
using ServerHandler = std::function<void(ServerRequest, Reply)>;

/// `{"error":"why"}`. What of `why` is not visible ASCII becomes "?".
ServerResponse error_response(unsigned status, std::string_view why);

}  // namespace sb::http
