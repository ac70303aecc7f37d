// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/errc.h"
#include "auth/password_hash.h"

namespace sb::auth {

/// A user of a password file of Mosquitto. The views are into its text.
struct MosquittoUser {
  std::size_t line = 0;
  std::string_view name;
  std::optional<PasswordHash> hash;
  std::string_view password;  ///< when there is no hash: the file was not hashed yet
};

/// The users of such a file: `user:$7$...`, `user:$6$...`, or `user:password`. On an error `why` names the line, says
/// what is wrong, and what to do; it never repeats what may be a password.
result<std::vector<MosquittoUser>> parse_mosquitto_file(std::string_view text, std::string& why);

}  // namespace sb::auth
