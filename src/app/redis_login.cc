// SPDX-License-Identifier: MIT
#include "app/redis_login.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace sb::app {
namespace {

constexpr Millis kTurn{1000};  // of the keeper of rights; and so shards hear of changes once in that time at most

bool is_here(const redis::Endpoint& e) {
  return !e.unix_path.empty() || e.host == "localhost" || e.host == "::1" || e.host.starts_with("127.");
}

}  // namespace

std::string RedisLogin::load(const config::Config& c, auth::Login& login) {
  const auto& r = c.auth.redis;
  if (r.url.empty()) return {};
  std::string why;
  auto url = redis::parse_url(r.url, why);
  if (!url) return "auth.redis.url: " + why;
  auth::RedisUsers::Options o;
  if (url->tls) {
    auto tls = io::TlsContext::client({.ca_file = r.ca_file}, why);
    if (!tls) return "auth.redis.ca_file: " + why;
    o.tls = *tls;
  } else if (!std::all_of(url->hosts.begin(), url->hosts.end(), is_here)) {
    log::warn("auth.redis.url: what is known of users comes in plain text; rediss:// is right");
  }
  o.url = std::move(*url);
  o.prefix = r.prefix;
  o.timeout = Millis(r.timeout);
  users_ = std::make_unique<auth::RedisUsers>(std::move(o));

  // Rights are asked for again from half of the time on, so what is heard then may be a quarter old.
  const Seconds age(r.cache);
  auth::RightsKeeper::Options k;
  k.ttl = age;
  k.retry = std::clamp(age / 20, Seconds(1), Seconds(5));
  fresh_ = Millis(age) / 4;
  rights_.set(std::make_shared<auth::RedisRights>(*users_, fresh_), k);
  method_ = std::make_shared<auth::RedisMethod>(*users_, rights_, auth::RedisMethod::Options{.max_age = age});
  login.set(auth::Login::Place::redis, method_);
  return {};
}

ports::Authorizer& RedisLogin::authorizer(ports::Authorizer& others) {
  if (!users_) return others;
  authorizer_ = std::make_unique<auth::RedisAuthorizer>(*users_, fresh_, others);
  return *authorizer_;
}

void RedisLogin::start(Changed changed) {
  if (!users_) return;
  users_->every(kTurn, [this, changed = std::move(changed)] {
    rights_.tick();
    if (auto replaced = rights_.take_changes()) changed(replaced);
  });
}

void RedisLogin::stop() {
  if (!users_) return;
  users_->stop();
  method_->stop();  // an answer under way keeps it alive, and would otherwise end it on a thread of its own
}

}  // namespace sb::app
