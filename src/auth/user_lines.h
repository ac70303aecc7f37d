// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "auth/errc.h"

/// The lines of a file of users. "#" begins a comment line; a user has a line for plain logins, one for SCRAM, or both:
///   user:$scrypt$ln=15,r=8,p=1$<salt>$<hash>                          (auth/password_hash.h has the other forms)
///   user:SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>    (auth/scram_keys.h)
namespace sb::auth {

struct UserLine {
  std::size_t number = 0;  ///< in its file, from 1; 0 = unknown
  std::string_view name;
  std::string_view hash;  ///< "$scrypt$..." and so on, not looked into

  bool is_scram() const { return !hash.starts_with('$'); }
};

/// Calls `each(line, number)` for every line until it returns false. Lines end with LF or CR LF, which `line` is
/// without.
void each_line(std::string_view text, const std::function<bool(std::string_view line, std::size_t number)>& each);
/// A line that says nothing: "#..." or white space.
bool is_comment(std::string_view line);

/// The name and the hash of a line; nothing when there is no hash of a known kind in it. The name may contain ":".
std::optional<UserLine> split_user_line(std::string_view line);

/// Calls `each` for the line of every user until it returns what is wrong with it. Then, and when a line is not one of
/// a user at all, the answer is file_format and `why` names the line.
error_code each_user(std::string_view text, std::string& why, const std::function<std::string(const UserLine&)>& each);

/// What is wrong with a name for a file of users; "" when nothing is.
std::string check_user_name(std::string_view name);

}  // namespace sb::auth
