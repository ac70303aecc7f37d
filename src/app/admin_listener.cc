// SPDX-License-Identifier: MIT
#include "app/admin_listener.h"

#include <fmt/format.h>

#include "app/token_file.h"
#include "base/log.h"

namespace sb::app {
namespace {

constexpr Millis kPatience{1000};

http::HostRules host_rules(const config::Config& c) {
  auto names = c.admin.hosts;
  names.push_back(c.admin.bind.host);
  return http::HostRules(std::move(names));
}

/// Who reads this token runs the broker: more than a warning.
std::string token_of(const config::Config& c, std::string& why) {
  std::vector<std::string> warnings;
  if (c.admin.token_file.empty()) return {};
  std::string token = load_token(c.admin.token_file, why, warnings);
  if (why.empty() && !warnings.empty()) why = warnings.front();
  if (!why.empty()) why = "admin.token_file: " + why;
  return token;
}

}  // namespace

std::string AdminListener::open(const config::Config& c, http::ControlThread& thread, admin::Control& control) {
  std::string why;
  std::string token = token_of(c, why);
  if (!why.empty()) return why;
  api_ = std::make_unique<admin::Api>(control, std::move(token));
  http::Server::Options o;
  o.host = c.admin.bind.host;
  o.port = c.admin.bind.port;
  o.hosts = host_rules(c);
  auto server = http::Server::open(
      thread, std::move(o),
      [api = api_.get()](const http::ServerRequest& r, const http::Reply& reply) { api->handle(r, reply); });
  if (!server)
    return fmt::format(
        "admin.bind: cannot listen on {}: {}; choose another address, or \"\" for none: a second broker on one machine "
        "needs its own",
        c.admin.bind.text(), server.error().message());
  server_ = std::move(*server);
  if (!c.admin.bind.is_local())
    log::warn("admin.bind: tokens come to {} in plain text; a proxy with TLS in front is right", server_->address());
  return {};
}

void AdminListener::start() {
  if (server_) server_->start();
}

std::string AdminListener::reload(const config::Config& c) {
  if (!server_) return {};
  std::string why;
  std::string token = token_of(c, why);
  if (!why.empty()) return why;
  if (token.empty() && !c.admin.bind.is_local()) return "admin.token_file: without it this needs a loopback address";
  api_->set_token(std::move(token));
  server_->set_hosts(host_rules(c));
  return {};
}

void AdminListener::stop() {
  if (!server_) return;
  server_->stop(kPatience);
  server_.reset();
}

std::string AdminListener::line() const { return server_ ? "listening admin " + server_->address() : ""; }

}  // namespace sb::app
