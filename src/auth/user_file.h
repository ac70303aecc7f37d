// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <string_view>

#include "auth/errc.h"

/// Changing a file of users (auth/scram_users.h), for `signalbox passwd`.
namespace sb::auth {

/// `text` with the line of user `name` replaced by `line`, or `line` added at the end. Everything else stays as it is.
std::string with_user_line(std::string_view text, std::string_view name, std::string_view line);
/// `text` without the line of user `name`.
std::string without_user(std::string_view text, std::string_view name);

/// The file's text; "" when there is no such file. `why` names the file.
result<std::string> read_user_file(const std::string& file, std::string& why);

/// Replaces the file in one step: a reader sees the old text or the new, also after a crash. A new file gets mode 0600;
/// one that exists keeps its owner, group and mode, but for what it let everybody do. A symbolic link stays one.
error_code write_user_file(const std::string& file, std::string_view text, std::string& why);

}  // namespace sb::auth
