// SPDX-License-Identifier: MIT
#include "app/ctl_client.h"

#include <fmt/format.h>

#include <future>
#include <vector>

#include "app/token_file.h"
#include "base/json.h"

namespace sb::app {
namespace {

constexpr std::size_t kMaxBody = 16 * 1024 * 1024;  // of a page of clients, whose names are long
constexpr Millis kTimeout{10'000};
constexpr std::size_t kMaxDepth = 16;

/// The "error" of an answer.
std::string error_of(const boost::json::object* json) {
  const auto* error = json ? json->if_contains("error") : nullptr;
  return error && error->is_string() ? std::string(error->as_string()) : std::string();
}

}  // namespace

std::unique_ptr<CtlClient> CtlClient::make(const CtlOptions& options, std::string& why) {
  auto url = http::parse_url(options.url, why);
  if (url && url->target.find('?') != std::string::npos) {
    why = "has a query";
    url.reset();
  }
  if (!url) {
    why = fmt::format("--url {}: {}; write a URL such as http://127.0.0.1:18083", options.url, why);
    return nullptr;
  }
  std::unique_ptr<CtlClient> c(new CtlClient);
  if (!options.token_file.empty()) {
    std::vector<std::string> warnings;  // whose file it is the broker looks after
    const std::string token = load_token(options.token_file, why, warnings);
    if (!why.empty()) return why = "--token-file " + why, nullptr;
    c->authorization_ = "Bearer " + token;
  }
  c->url_ = options.url;
  c->prefix_ = url->target.ends_with('/') ? url->target.substr(0, url->target.size() - 1) : url->target;
  http::Client::Options o;
  o.server = *url;
  o.ca_file = options.ca_file;
  o.connections = 1;
  o.max_body = kMaxBody;
  auto client = http::Client::make(c->thread_, std::move(o), why);
  if (!client) return why = "--ca-file " + why, nullptr;
  c->client_ = std::move(*client);
  return c;
}

CtlClient::Answer CtlClient::ask(const std::string& method, const std::string& target) {
  http::Request r;
  r.method = method;
  r.target = prefix_ + target;
  r.timeout = kTimeout;
  if (!authorization_.empty()) r.headers.emplace_back("Authorization", authorization_);
  auto promise = std::make_shared<std::promise<result<http::Response>>>();
  client_->post(std::move(r), [promise](result<http::Response> response) { promise->set_value(std::move(response)); });
  const auto response = promise->get_future().get();
  Answer a;
  if (!response) {
    a.why = fmt::format("no admin listener at {} ({}): is the broker running, and is admin.bind set?", url_,
                        response.error().message());
    return a;
  }
  const auto json = parse_json(response->body, kMaxDepth);
  const auto* object = json ? json->if_object() : nullptr;
  if (object && response->status == 200) {
    a.status = 200;
    a.json = *object;
    return a;
  }
  a.why = error_of(object);
  if (a.why.empty()) {
    a.why = fmt::format("what answers at {} is no admin listener: status {}", url_, response->status);
    return a;
  }
  a.status = response->status;
  if (a.status == 401)
    a.why = authorization_.empty() ? "the broker wants a token: give its file with --token-file"
                                   : "the broker does not know this token";
  return a;
}

}  // namespace sb::app
