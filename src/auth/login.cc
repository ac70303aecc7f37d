// SPDX-License-Identifier: MIT
#include "auth/login.h"

#include <algorithm>

#include "auth/anonymous.h"
#include "auth/login_methods.h"

namespace sb::auth {

using mqtt::Reason;
using ports::AuthDecision;

/// One client on its way through the chain.
struct Login::Attempt {
  Attempt(const ports::Credentials& who, std::shared_ptr<const Chain> methods, RightsKeeper* keeper, Done answer)
      : shown(who), chain(std::move(methods)), rights(keeper), done(std::move(answer)) {}

  static void finish(const std::shared_ptr<Attempt>& a, AuthDecision d) {
    a->shown.password.reset();
    if (!ok(d.reason) || d.rights || !a->rights || !a->rights->on()) return a->done(std::move(d));
    const ports::Subject who{a->shown.client_id, d.username};
    a->rights->open(who, [a, d](Reason reason, ports::RightsPtr given) mutable {
      if (!ok(reason)) return a->done({reason, {}});
      d.rights = std::move(given);
      a->done(std::move(d));
    });
  }

  Shown shown;
  const std::shared_ptr<const Chain> chain;
  RightsKeeper* const rights;
  const Done done;
};

bool Login::Chain::has_after(std::size_t place) const {
  return std::any_of(methods.begin() + static_cast<std::ptrdiff_t>(place) + 1, methods.end(),
                     [](auto& m) { return m != nullptr; });
}

Login::Login(RightsKeeper* rights) : rights_(rights), passwords_(nullptr, {.queue = kQueue}) {
  set_certificates(nullptr);
}

void Login::authenticate(const ports::Credentials& who, Done done) {
  auto attempt = std::make_shared<Attempt>(who, chain_.get(), rights_, std::move(done));
  if (!who.proven.empty()) return Attempt::finish(attempt, {Reason::success, std::string(who.proven)});
  go_on(attempt, 0);
}

void Login::go_on(const std::shared_ptr<Attempt>& a, std::size_t place) {
  const Chain& chain = *a->chain;
  while (place < kPlaces && !chain.methods[place]) ++place;
  const ports::Credentials who = a->shown.credentials();
  if (place == kPlaces) {
    AnonymousRule rule(chain.knows_names());
    return rule.authenticate(who, [a](AuthDecision d) { Attempt::finish(a, std::move(d)); });
  }
  chain.methods[place]->ask(who, !chain.has_after(place), [a, place](Method::Answer answer) {
    if (answer) return Attempt::finish(a, std::move(*answer));
    go_on(a, place + 1);
  });
}

void Login::set(Place place, std::shared_ptr<Method> method) {
  std::lock_guard lock(changing_);
  auto now = chain_.get();
  auto next = now ? std::make_shared<Chain>(*now) : std::make_shared<Chain>();
  next->methods[static_cast<std::size_t>(place)] = std::move(method);
  chain_.set(std::move(next));
}

void Login::set_certificates(std::shared_ptr<const CertificateMap> map) {
  set(Place::certificate, std::make_shared<CertificateMethod>(std::move(map)));
}

void Login::set_tokens(std::shared_ptr<const JwtVerifier> tokens) {
  set(Place::token, tokens ? std::make_shared<TokenMethod>(std::move(tokens)) : nullptr);
}

void Login::set_users(std::shared_ptr<const PasswordUsers> users) {
  const bool any = users != nullptr;
  passwords_.replace(std::move(users));
  set(Place::file, any ? std::make_shared<FileMethod>(passwords_) : nullptr);
}

}  // namespace sb::auth
