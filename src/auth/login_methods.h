// SPDX-License-Identifier: MIT
#pragma once
#include <memory>

#include "auth/certificate_map.h"
#include "auth/jwt.h"
#include "auth/method.h"
#include "auth/password_method.h"

/// The methods of Login that need nothing outside this process.
namespace sb::auth {

/// The identity of a verified client certificate.
class CertificateMethod final : public Method {
 public:
  /// `map`: null = the identity is the user name.
  explicit CertificateMethod(std::shared_ptr<const CertificateMap> map) : map_(std::move(map)) {}
  void ask(const ports::Credentials& who, bool last, Done done) override;

 private:
  const std::shared_ptr<const CertificateMap> map_;
};

/// A JSON Web Token as password.
class TokenMethod final : public Method {
 public:
  explicit TokenMethod(std::shared_ptr<const JwtVerifier> tokens) : tokens_(std::move(tokens)) {}
  void ask(const ports::Credentials& who, bool last, Done done) override;

 private:
  const std::shared_ptr<const JwtVerifier> tokens_;
};

/// The users of a file. As the last method it refuses names that are not in it, after the time that a check takes: so
/// that nobody learns which are.
class FileMethod final : public Method {
 public:
  explicit FileMethod(PasswordMethod& passwords) : passwords_(passwords) {}
  void ask(const ports::Credentials& who, bool last, Done done) override;

 private:
  PasswordMethod& passwords_;
};

}  // namespace sb::auth
