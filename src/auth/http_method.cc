// SPDX-License-Identifier: MIT
#include "auth/http_method.h"

#include <algorithm>

#include "auth/http_question.h"
#include "base/utf8.h"

namespace sb::auth {

using mqtt::Reason;
using ports::AuthDecision;

namespace {

/// "192.0.2.1:4711" without the port, which is another each time.
std::string_view host_of(std::string_view peer) { return peer.substr(0, peer.rfind(':')); }

Method::Answer decide(const HttpAnswer& a, const std::string& name) {
  switch (a.result) {
    case HttpAnswer::Result::ignore:
      return std::nullopt;
    case HttpAnswer::Result::deny:
      return AuthDecision{Reason::bad_user_name_or_password, {}};
    case HttpAnswer::Result::allow:
      break;
  }
  AuthDecision d{Reason::success, a.username.empty() ? name : a.username, a.rights};
  if (a.ends) d.end = SystemClock().wall() + *a.ends;
  return d;
}

}  // namespace

void HttpMethod::ask(const ports::Credentials& who, bool, Done done) {
  std::string name(who.username.value_or(std::string_view()));
  if (name.empty() && !who.password) return done(std::nullopt);
  if (who.password && !is_mqtt_utf8(*who.password)) return done(AuthDecision{Reason::bad_user_name_or_password, {}});
  const ShownKey key = memory_->keys.key({who.client_id, who.username ? "u" : "", name, who.password ? "p" : "",
                                          who.password.value_or(std::string_view()), host_of(who.peer)});
  if (Answer known; memory_->find(key, known)) return done(std::move(known));
  HttpQuestion question;
  question.add("client_id", who.client_id);
  question.add("username", who.username);
  question.add("password", who.password);
  question.add("peer", who.peer);
  back_end_->ask(question.take(), [memory = memory_, key, name, done = std::move(done)](HttpBackEnd::Outcome o) {
    if (!o) return done(AuthDecision{o.error(), {}});
    Answer decision = decide(*o, name);
    memory->add(key, *o, decision);
    done(std::move(decision));
  });
}

bool HttpMethod::Memory::find(const ShownKey& key, Answer& to) {
  const MonoTime now = SystemClock().mono();
  std::lock_guard lock(mutex);
  const Remembered* known = let_in.find(key, now);
  if (!known) known = others.find(key, now);
  if (!known) return false;
  ++hits;
  to = known->decision;
  return true;
}

void HttpMethod::Memory::add(const ShownKey& key, const HttpAnswer& a, const Answer& decision) {
  Millis time = a.good_for ? Millis(*a.good_for) : options.cache;
  if (a.ends) time = std::min<Millis>(time, *a.ends);
  std::lock_guard lock(mutex);
  auto& cache = a.result == HttpAnswer::Result::allow ? let_in : others;
  cache.add(key, SystemClock().mono(), {decision}, time);
}

}  // namespace sb::auth
