// SPDX-License-Identifier: MIT
#include "app/back_ends.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "app/token_file.h"
#include "auth/http_method.h"
#include "auth/http_rights.h"
#include "base/log.h"

namespace sb::app {
namespace {

constexpr Millis kTurn{1000};  // of the keeper of rights; and so shards hear of changes once in that time at most

bool is_here(const std::string& host) { return host == "localhost" || host == "::1" || host.starts_with("127."); }

std::unique_ptr<auth::HttpBackEnd> make_back_end(http::ControlThread& control, const config::AuthConfig::Http& h,
                                                 auth::HttpAsked asked, std::string& why) {
  const bool login = asked == auth::HttpAsked::login;
  auth::HttpBackEnd::Options o;
  o.key = login ? "auth.http.url" : "auth.http.acl_url";
  o.asked = asked;
  std::string problem;
  auto url = http::parse_url(login ? h.url : h.acl_url, problem);
  if (!url) return why = o.key + ": " + problem, nullptr;
  if (login && !url->tls && !is_here(url->host))
    log::warn("{}: passwords go to {} in plain text; https:// is right", o.key, url->host);
  o.url = std::move(*url);
  o.ca_file = h.ca_file;
  o.timeout = Millis(h.timeout);
  o.pending = h.max_pending;
  o.breaker = {h.failures, Seconds(h.retry_after)};
  std::vector<std::string> warnings;
  if (!h.token_file.empty()) o.token = load_token(h.token_file, problem, warnings);
  for (auto& w : warnings) log::warn("{}", w);
  if (!problem.empty()) return why = "auth.http.token_file: " + problem, nullptr;
  auto made = auth::HttpBackEnd::make(control, std::move(o), problem);
  if (!made) return why = "auth.http.ca_file: " + problem, nullptr;
  return std::move(*made);
}

}  // namespace

std::string BackEnds::load(const config::Config& c, auth::Login& login) {
  const auto& h = c.auth.http;
  std::string why;
  std::shared_ptr<auth::HttpMethod> method;
  std::shared_ptr<auth::HttpRights> source;
  if (!h.url.empty()) {
    auto back_end = make_back_end(control(), h, auth::HttpAsked::login, why);
    if (!back_end) return why;
    method = std::make_shared<auth::HttpMethod>(std::move(back_end), auth::HttpMethod::Options{Seconds(h.cache)});
  }
  if (!h.acl_url.empty()) {
    auto back_end = make_back_end(control(), h, auth::HttpAsked::rights, why);
    if (!back_end) return why;
    source = std::make_shared<auth::HttpRights>(std::move(back_end));
  }
  login.set(auth::Login::Place::http, std::move(method));
  auth::RightsKeeper::Options o;
  o.ttl = Seconds(h.acl_ttl);
  o.retry = std::clamp(o.ttl / 20, Seconds(1), Seconds(10));
  o.questions = std::max<std::size_t>(h.max_pending / 2, 1);  // clients that come in find room beside them
  rights_.set(std::move(source), o);
  return {};
}

void BackEnds::start(Changed changed) {
  changed_ = std::move(changed);
  if (!control_ || !rights_.on()) return;
  control_->every(kTurn, [this] {
    rights_.tick();
    if (auto replaced = rights_.take_changes()) changed_(std::move(replaced));
  });
}

void BackEnds::stop() {
  rights_.set(nullptr, {});
  control_.reset();
}

}  // namespace sb::app
