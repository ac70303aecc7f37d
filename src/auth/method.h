// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "auth/secret_text.h"
#include "ports/authenticator.h"

namespace sb::auth {

/// One way to tell who a client is, in the chain of Login. Threads: called on any.
class Method {
 public:
  /// Nothing: it knows nothing of what was shown, and the next method is asked.
  using Answer = std::optional<ports::AuthDecision>;
  using Done = std::function<void(Answer)>;
  virtual ~Method() = default;
  /// Calls `done` exactly once: before it returns, or later on any thread. `who` is for the time of the call. `last`:
  /// behind this one nobody looks at names.
  virtual void ask(const ports::Credentials& who, bool last, Done done) = 0;
};

/// What a client has shown, kept while methods take their time.
struct Shown {
  explicit Shown(const ports::Credentials& who)
      : client_id(who.client_id),
        tls_identity(who.tls_identity),
        peer(who.peer),
        username(who.username),
        anonymous_allowed(who.anonymous_allowed) {
    if (who.password) password.emplace(*who.password);
  }

  ports::Credentials credentials() const {
    ports::Credentials who;
    who.client_id = client_id;
    who.tls_identity = tls_identity;
    who.peer = peer;
    if (username) who.username = *username;
    if (password) who.password = password->view();
    who.anonymous_allowed = anonymous_allowed;
    return who;
  }

  const std::string client_id, tls_identity, peer;
  const std::optional<std::string> username;
  std::optional<SecretText> password;
  const bool anonymous_allowed;
};

}  // namespace sb::auth
