// SPDX-License-Identifier: MIT
#pragma once
#include "ports/authenticator.h"

namespace sb::auth {

/// The rule when nothing checks passwords, and what stands behind the back ends that do:
///
/// | client                               | anonymous allowed   | not allowed            |
/// |--------------------------------------|---------------------|------------------------|
/// | certificate with an identity         | that identity       | that identity          |
/// | no user name                         | ""                  | 0x87 not authorized    |
/// | user name, no back end knows names   | that user name (1)  | 0x87 not authorized    |
/// | user name, the back ends do not know | 0x86 bad user name  | 0x86 bad user name     |
///
/// (1) As Mosquitto without a password file: nobody can say that the name is wrong, and who may come in without a name
/// may come in with one. Rights that are given by name mean nothing on such a listener.
class AnonymousRule final : public ports::Authenticator {
 public:
  /// `behind_backends`: back ends that check passwords were asked before and did not know the user.
  explicit AnonymousRule(bool behind_backends = false) : behind_backends_(behind_backends) {}

  void authenticate(const ports::Credentials& who, Done done) override;

 private:
  bool behind_backends_;
};

}  // namespace sb::auth
