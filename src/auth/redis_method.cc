// SPDX-License-Identifier: MIT
#include "auth/redis_method.h"

#include <utility>

#include "auth/user_lines.h"
#include "base/log.h"

namespace sb::auth {

using mqtt::Reason;
using ports::AuthDecision;

namespace {

std::shared_ptr<const PasswordUsers> nobody() {
  std::string why;
  return *PasswordUsers::parse("", why);
}

}  // namespace

void RedisRights::ask(const ports::Subject& who, Done done) {
  users_.find(who.username, max_age_, [done = std::move(done)](const RedisUsers::Outcome& found) {
    if (!found) return done({found.error(), nullptr, {}});
    if (!*found || (*found)->disabled) return done({Reason::not_authorized, nullptr, {}});
    done({Reason::success, (*found)->rights, {}});
  });
}

void RedisAuthorizer::ask(const ports::Subject& who, Done done) {
  if (!check_user_name(who.username).empty()) return others_.ask(who, std::move(done));
  users_.find(who.username, max_age_,
              [this, client_id = std::string(who.client_id), username = std::string(who.username),
               done = std::move(done)](const RedisUsers::Outcome& found) {
                if (found && !*found) return others_.ask({client_id, username}, done);
                done(found && !(*found)->disabled ? (*found)->rights : DocumentRights::nothing());
              });
}

/// One client that waits.
struct RedisMethod::Attempt {
  Attempt(const ports::Credentials& who, Done answer)
      : client_id(who.client_id),
        peer(who.peer),
        name(who.username.value_or(std::string_view())),
        password(who.password.value_or(std::string_view())),
        done(std::move(answer)) {}
  const std::string client_id, peer, name;
  const SecretText password;
  const Done done;
};

RedisMethod::RedisMethod(RedisUsers& users, RightsKeeper& rights, Options options)
    : users_(users),
      rights_(rights),
      options_(options),
      nobody_(nobody()),
      passwords_(nobody_, {.queue = options.queue}) {}

void RedisMethod::ask(const ports::Credentials& who, bool last, Done done) {
  if (!who.username || !check_user_name(*who.username).empty()) return done(std::nullopt);
  auto attempt = std::make_shared<Attempt>(who, std::move(done));
  users_.find(attempt->name, options_.max_age, [this, attempt, last](const RedisUsers::Outcome& found) {
    if (!found) return attempt->done(AuthDecision{found.error(), {}});
    if (!*found && !last) return attempt->done(std::nullopt);
    check(attempt, *found);
  });
}

void RedisMethod::check(const std::shared_ptr<Attempt>& a, const RedisUsers::User& user) {
  const std::string_view password = a->password.view();
  // No password has a NUL; HMAC, and so all of these hashes, takes one with NULs behind it for the same.
  if (password.empty() || password.find('\0') != password.npos) return decide(a, Checked::wrong, false);
  const auto& users = user && user->password ? user->password : nobody_;
  const bool disabled = user && user->disabled;
  if (auto known = passwords_.cached(a->name, password, users.get())) return decide(a, known, disabled);
  passwords_.check(
      a->name, std::string(password),
      [this, a, disabled](std::optional<Checked> checked) { decide(a, checked, disabled); }, users);
}

void RedisMethod::decide(const std::shared_ptr<Attempt>& a, std::optional<Checked> checked, bool disabled) {
  if (!checked) return a->done(AuthDecision{Reason::server_busy, {}});
  if (*checked != Checked::right) return a->done(AuthDecision{Reason::bad_user_name_or_password, {}});
  if (disabled) {
    log::info("user is disabled client={} peer={} user={}", log::name(a->client_id), a->peer, log::name(a->name));
    return a->done(AuthDecision{Reason::not_authorized, {}});
  }
  rights_.open({a->client_id, a->name}, [a](Reason reason, ports::RightsPtr rights) {
    a->done(AuthDecision{reason, a->name, std::move(rights)});
  });
}

}  // namespace sb::auth
