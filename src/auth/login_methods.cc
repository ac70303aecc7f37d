// SPDX-License-Identifier: MIT
#include "auth/login_methods.h"

#include <algorithm>

#include "base/log.h"

namespace sb::auth {

using mqtt::Reason;
using ports::AuthDecision;

namespace {

/// "eyJ" is how base64 of a JSON object begins.
bool is_token(std::string_view password) {
  return password.starts_with("eyJ") && std::count(password.begin(), password.end(), '.') == 2;
}

AuthDecision decision(std::optional<Checked> checked, const std::string& name) {
  if (!checked) return {Reason::server_busy, {}};
  if (*checked != Checked::right) return {Reason::bad_user_name_or_password, {}};
  return {Reason::success, name};
}

}  // namespace

void CertificateMethod::ask(const ports::Credentials& who, bool, Done done) {
  if (who.tls_identity.empty()) return done(std::nullopt);
  if (!map_) return done(AuthDecision{Reason::success, std::string(who.tls_identity)});
  if (auto user = map_->user(who.tls_identity)) return done(AuthDecision{Reason::success, std::move(*user)});
  log::info("certificate refused client={} peer={} identity={} reason=\"no line of auth.certificate_map matches\"",
            log::name(who.client_id), who.peer, log::name(who.tls_identity));
  done(AuthDecision{Reason::not_authorized, {}});
}

void TokenMethod::ask(const ports::Credentials& who, bool, Done done) {
  if (!who.password || !is_token(*who.password)) return done(std::nullopt);
  JwtResult r = tokens_->verify(*who.password, who.client_id, who.username, SystemClock().wall());
  if (r) return done(AuthDecision{Reason::success, std::move(r->username), std::move(r->rights), r->expires});
  log::info("token refused client={} peer={} reason=\"{}\"", log::name(who.client_id), who.peer, to_string(r.error()));
  done(AuthDecision{Reason::bad_user_name_or_password, {}});
}

void FileMethod::ask(const ports::Credentials& who, bool last, Done done) {
  const std::string name(who.username.value_or(std::string_view()));
  if (name.empty() || (!last && !passwords_.knows(name))) return done(std::nullopt);
  const std::string_view password = who.password.value_or(std::string_view());
  // No password has a NUL; HMAC, and so all of these hashes, takes one with NULs behind it for the same.
  if (password.empty() || password.find('\0') != std::string_view::npos) return done(decision(Checked::wrong, name));
  if (auto known = passwords_.cached(name, password)) return done(decision(known, name));
  passwords_.check(name, std::string(password),
                   [name, done = std::move(done)](std::optional<Checked> checked) { done(decision(checked, name)); });
}

}  // namespace sb::auth
