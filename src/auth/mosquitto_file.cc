// SPDX-License-Identifier: MIT
#include "auth/mosquitto_file.h"

#include <fmt/format.h>

#include <map>

#include "auth/user_lines.h"
#include "base/utf8.h"

namespace sb::auth {
namespace {

/// Not any "$": a password may begin with it.
bool looks_hashed(std::string_view text) {
  for (std::string_view kind : {"$7$", "$6$", "$argon2", "$scrypt$"}) {
    if (text.starts_with(kind)) return true;
  }
  return false;
}

/// Reads what follows the name. What is wrong with it, or "".
std::string read_password(std::string_view text, MosquittoUser& user) {
  // Mosquitto does the same, so a password with white space at its end never was one.
  text = text.substr(0, text.find_last_not_of(" \t\v\f\r") + 1);
  if (text.empty()) return fmt::format("user {} has no password; write one, or leave the line out", user.name);
  if (looks_hashed(text)) {
    std::string what;
    auto hash = parse_password_hash(text, what);
    if (!hash) return what;
    user.hash = std::move(*hash);
    return {};
  }
  if (text.find(':') != text.npos) {
    // For Mosquitto the password ends there; the one who wrote the line hardly knew.
    return fmt::format(
        "the password of {} has a \":\", and Mosquitto takes what stands before it only; take the line out, and add "
        "the "
        "user with `signalbox passwd`",
        user.name);
  }
  if (!is_mqtt_utf8(text)) return fmt::format("the password of {} is not UTF-8; save the file as UTF-8", user.name);
  user.password = text;
  return {};
}

}  // namespace

result<std::vector<MosquittoUser>> parse_mosquitto_file(std::string_view text, std::string& why) {
  std::vector<MosquittoUser> users;
  std::map<std::string_view, std::size_t> lines;
  std::string what;
  each_line(text, [&](std::string_view line, std::size_t number) {
    if (is_comment(line)) return true;
    MosquittoUser user;
    user.line = number;
    const std::size_t colon = line.find(':');  // the first: names have none in Mosquitto
    user.name = line.substr(0, colon);
    if (colon == line.npos) {
      what = "expected user:$7$..., user:$6$... or user:password; is this a password file of Mosquitto?";
    } else if (what = check_user_name(user.name); what.empty()) {
      auto [known, is_new] = lines.emplace(user.name, number);
      what = is_new ? read_password(line.substr(colon + 1), user)
                    : fmt::format("user {} is there twice, also in line {}; delete one", user.name, known->second);
    }
    if (what.empty()) {
      users.push_back(std::move(user));
      return true;
    }
    why = fmt::format("line {}: {}", number, what);
    return false;
  });
  if (!what.empty()) return errc::file_format;
  return users;
}

}  // namespace sb::auth
