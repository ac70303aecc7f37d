// SPDX-License-Identifier: MIT
#include "http/router.h"

#include "http/target.h"

namespace sb::http {
namespace {

bool is_any(std::string_view segment) { return segment.starts_with('{'); }

bool matches(const std::vector<std::string>& pattern, const std::vector<std::string_view>& path) {
  if (pattern.size() != path.size()) return false;
  for (std::size_t i = 0; i < path.size(); ++i)
    if (is_any(pattern[i]) ? path[i].empty() : path[i] != pattern[i]) return false;
  return true;
}

}  // namespace

void Router::add(std::string method, std::string_view pattern, Handler handler) {
  Route& r = routes_.emplace_back();
  r.method = std::move(method);
  for (auto s : path_segments(pattern)) r.segments.emplace_back(s);
  r.handler = std::move(handler);
}

void Router::route(const ServerRequest& request, const Reply& reply) const {
  const auto path = path_segments(request.path);
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  std::string allow;
  for (auto& r : routes_) {
    if (!matches(r.segments, path)) continue;
    if (r.method != method) {
      allow += (allow.empty() ? "" : ", ") + (r.method == "GET" ? "GET, HEAD" : r.method);
      continue;
    }
    Parts parts;
    for (std::size_t i = 0; i < path.size(); ++i) {
      if (!is_any(r.segments[i])) continue;
      auto part = percent_decode(path[i]);
      if (!part) return reply(error_response(400, "a \"%\" in the path is not followed by two hexadecimal digits"));
      parts.push_back(std::move(*part));
    }
    return r.handler(request, parts, reply);
  }
  if (allow.empty()) return reply(error_response(404, "there is nothing at " + request.path.substr(0, 100)));
  auto response = error_response(405, "this takes " + allow);
  response.headers.emplace_back("Allow", allow);
  reply(std::move(response));
}

}  // namespace sb::http
