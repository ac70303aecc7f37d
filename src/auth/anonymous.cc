// SPDX-License-Identifier: MIT
#include "auth/anonymous.h"

namespace sb::auth {

using mqtt::Reason;

void AnonymousRule::authenticate(const ports::Credentials& who, Done done) {
  if (!who.tls_identity.empty()) return done({Reason::success, std::string(who.tls_identity)});
  const std::string_view name = who.username.value_or(std::string_view());
  if (!name.empty() && behind_backends_) return done({Reason::bad_user_name_or_password, {}});
  if (!who.anonymous_allowed) return done({Reason::not_authorized, {}});
  done({Reason::success, std::string(name)});
}

}  // namespace sb::auth
