// SPDX-License-Identifier: MIT
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/errc.h"
#include "auth/scram_keys.h"

namespace sb::auth {

/// The users of a file (auth/user_lines.h) who have a line for SCRAM. Immutable. Lines of other kinds are left to those
/// who check plain passwords.
class ScramUsers {
 public:
  /// On an error `why` names the line and says what is wrong.
  static result<std::shared_ptr<const ScramUsers>> parse(std::string_view text, std::string& why);
  /// The same for a file, which `why` names too. `warnings`: what an operator should know, such as its permissions.
  static result<std::shared_ptr<const ScramUsers>> load(const std::string& file, std::string& why,
                                                        std::vector<std::string>& warnings);

  /// Null when there is no such user.
  const ScramKeys* find(std::string_view name) const;
  std::size_t size() const { return users_.size(); }

  /// Keys for a user that does not exist, which nobody has the password of. Like those of the others in iterations and
  /// length of the salt, and always the same for a name: so that an exchange does not tell which names exist.
  ScramKeys fake(std::string_view name) const;

 private:
  ScramUsers();

  std::map<std::string, ScramKeys, std::less<>> users_;
  std::uint32_t usual_iterations_ = kScramIterations;
  std::size_t usual_salt_ = 16;
  std::string fake_secret_;
};

/// The line of a user.
std::string format_scram_line(std::string_view name, const ScramKeys& keys);

}  // namespace sb::auth
