// SPDX-License-Identifier: MIT
#include "auth/login.h"

#include <algorithm>

#include "auth/anonymous.h"
#include "base/log.h"

namespace sb::auth {

using mqtt::Reason;
using ports::AuthDecision;

namespace {

/// "eyJ" is how base64 of a JSON object begins.
bool is_token(std::string_view password) {
  return password.starts_with("eyJ") && std::count(password.begin(), password.end(), '.') == 2;
}

AuthDecision take_token(const JwtVerifier& tokens, const ports::Credentials& who) {
  JwtResult r = tokens.verify(*who.password, who.client_id, who.username, SystemClock().wall());
  if (r) return {Reason::success, std::move(r->username), std::move(r->rights), r->expires};
  log::info("token refused client={} peer={} reason=\"{}\"", log::name(who.client_id), who.peer, to_string(r.error()));
  return {Reason::bad_user_name_or_password, {}};
}

AuthDecision decision(std::optional<Checked> checked, const std::string& name) {
  if (!checked) return {Reason::server_busy, {}};
  if (*checked != Checked::right) return {Reason::bad_user_name_or_password, {}};
  return {Reason::success, name};
}

}  // namespace

void Login::authenticate(const ports::Credentials& who, Done done) {
  std::shared_ptr<const JwtVerifier> tokens;
  bool has_users;
  {
    std::lock_guard lock(mutex_);
    tokens = tokens_;
    has_users = has_users_;
  }
  if (who.tls_identity.empty()) {
    if (tokens && who.password && is_token(*who.password)) return done(take_token(*tokens, who));
    const std::string name(who.username.value_or(std::string_view()));
    if (has_users && !name.empty()) {
      const std::string_view password = who.password.value_or(std::string_view());
      // No password has a NUL; HMAC, and so all of these hashes, takes one with NULs behind it for the same.
      if (password.empty() || password.find('\0') != std::string_view::npos)
        return done(decision(Checked::wrong, name));
      if (auto known = passwords_.cached(name, password)) return done(decision(known, name));
      return passwords_.check(
          name, std::string(password),
          [name, done = std::move(done)](std::optional<Checked> checked) { done(decision(checked, name)); });
    }
  }
  AnonymousRule(has_users || tokens).authenticate(who, std::move(done));
}

void Login::set_users(std::shared_ptr<const PasswordUsers> users) {
  {
    std::lock_guard lock(mutex_);
    has_users_ = users != nullptr;
  }
  passwords_.replace(std::move(users));
}

void Login::set_tokens(std::shared_ptr<const JwtVerifier> tokens) {
  std::lock_guard lock(mutex_);
  tokens_ = std::move(tokens);
}

}  // namespace sb::auth
