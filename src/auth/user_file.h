// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "auth/errc.h"
#include "auth/scram_keys.h"

/// Reading a file of users (auth/user_lines.h), and changing it for `signalbox passwd`.
namespace sb::auth {

/// `text` with the lines of user `name` replaced by `lines` (one or more, without the last end of line), or `lines`
/// added at the end. Everything else stays as it is.
std::string with_user(std::string_view text, std::string_view name, std::string_view lines);
/// `text` without the lines of user `name`.
std::string without_user(std::string_view text, std::string_view name);
/// `text` without the lines of the users for whose names `gone` is true.
std::string without_users(std::string_view text, const std::function<bool(std::string_view name)>& gone);

/// The file's text; "" when there is no such file. `why` names the file.
result<std::string> read_user_file(const std::string& file, std::string& why);
/// The text of a file that must be there. `warnings`: what an operator should know, such as its permissions.
result<std::string> load_user_file(const std::string& file, std::string& why, std::vector<std::string>& warnings);

/// What a file that must be there holds, by `T::parse`, for one or more kinds of what may stand in it; `why` names the
/// file. On an error none of `to` is changed.
template <class... T>
error_code load_parsed(const std::string& file, std::string& why, std::vector<std::string>& warnings,
                       std::shared_ptr<const T>&... to) {
  auto text = load_user_file(file, why, warnings);
  if (!text) return text.error();
  error_code error;
  auto parse = [&](auto t) {
    auto parsed = std::remove_pointer_t<decltype(t)>::parse(*text, why);
    if (!parsed) error = parsed.error();
    return parsed ? *parsed : nullptr;
  };
  // one after the other, up to the first that cannot be parsed
  std::tuple parsed{(error ? std::shared_ptr<const T>() : parse(static_cast<T*>(nullptr)))...};
  wipe(*text);
  if (error) return why = file + ": " + why, error;
  std::tie(to...) = std::move(parsed);
  return {};
}

/// The same for one.
template <class T>
result<std::shared_ptr<const T>> load_users(const std::string& file, std::string& why,
                                            std::vector<std::string>& warnings) {
  std::shared_ptr<const T> users;
  if (error_code error = load_parsed(file, why, warnings, users)) return error;
  return users;
}

/// Replaces the file in one step: a reader sees the old text or the new, also after a crash. A new file gets mode 0600;
/// one that exists keeps its owner, group and mode, but for what it let everybody do. A symbolic link stays one.
error_code write_user_file(const std::string& file, std::string_view text, std::string& why);

}  // namespace sb::auth
