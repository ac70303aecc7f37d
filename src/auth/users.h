// SPDX-License-Identifier: MIT
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/errc.h"
#include "auth/password_hash.h"

namespace sb::auth {

/// What came of a name and a password.
enum class Checked { right, wrong, unknown };

/// The users of a file (auth/user_lines.h) for logins with name and password. Immutable; threads: any.
class PasswordUsers {
 public:
  /// One of the two is there.
  struct User {
    std::optional<PasswordHash> plain;  ///< for plain logins only
    std::optional<PasswordHash> scram;  ///< serves plain logins, too, if there is nothing else

    const PasswordHash& login() const { return plain ? *plain : *scram; }
  };

  /// On an error `why` names the line and says what is wrong.
  static result<std::shared_ptr<const PasswordUsers>> parse(std::string_view text, std::string& why);
  /// The same for a file, which `why` names too. `warnings`: what an operator should know, such as its permissions.
  static result<std::shared_ptr<const PasswordUsers>> load(const std::string& file, std::string& why,
                                                           std::vector<std::string>& warnings);

  /// Takes as long as the hash does, which is long: see PasswordMethod. An unknown name takes as long as most of the
  /// known ones do, so that the time does not tell which names exist.
  Checked check(std::string_view name, std::string_view password) const;

  /// What check() looks at: for an unknown name a hash that nobody has the password of.
  const PasswordHash& login(std::string_view name) const;

  /// Null when there is no such user.
  const User* find(std::string_view name) const;
  std::size_t size() const { return users_.size(); }

 private:
  PasswordUsers() = default;
  /// The hash for names that do not exist, from what most users have.
  PasswordHash usual_fake() const;

  std::map<std::string, User, std::less<>> users_;
  PasswordHash fake_;
};

}  // namespace sb::auth
