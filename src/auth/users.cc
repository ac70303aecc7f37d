// SPDX-License-Identifier: MIT
#include "auth/users.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "auth/user_file.h"
#include "auth/user_lines.h"

namespace sb::auth {

result<std::shared_ptr<const PasswordUsers>> PasswordUsers::parse(std::string_view text, std::string& why) {
  std::shared_ptr<PasswordUsers> users(new PasswordUsers);
  std::map<std::pair<std::string_view, bool>, std::size_t> lines;  // by name and whether it is the one for SCRAM
  const error_code wrong = each_user(text, why, [&](const UserLine& line) -> std::string {
    auto [known, is_new] = lines.emplace(std::pair(line.name, line.is_scram()), line.number);
    if (!is_new) return fmt::format("user {} is there twice, also in line {}; delete one", line.name, known->second);
    std::string what;
    auto hash = parse_password_hash(line.hash, what);
    if (!hash) return what;
    User& user = users->users_[std::string(line.name)];
    (line.is_scram() ? user.scram : user.plain) = std::move(*hash);
    return {};
  });
  if (wrong) return wrong;
  users->fake_ = users->usual_fake();
  return std::shared_ptr<const PasswordUsers>(std::move(users));
}

result<std::shared_ptr<const PasswordUsers>> PasswordUsers::load(const std::string& file, std::string& why,
                                                                 std::vector<std::string>& warnings) {
  return load_users<PasswordUsers>(file, why, warnings);
}

const PasswordUsers::User* PasswordUsers::find(std::string_view name) const {
  auto it = users_.find(name);
  return it == users_.end() ? nullptr : &it->second;
}

const PasswordHash& PasswordUsers::login(std::string_view name) const {
  const User* user = find(name);
  return user != nullptr ? user->login() : fake_;
}

Checked PasswordUsers::check(std::string_view name, std::string_view password) const {
  const bool right = password_matches(login(name), password);
  if (find(name) == nullptr) return Checked::unknown;
  return right ? Checked::right : Checked::wrong;
}

PasswordHash PasswordUsers::usual_fake() const {
  std::map<std::string, std::pair<std::size_t, const PasswordHash*>> costs;  // how many users have it, and one of them
  for (const auto& [name, user] : users_) {
    auto& [count, one] = costs[password_cost(user.login())];
    ++count;
    one = &user.login();
  }
  auto most = std::max_element(costs.begin(), costs.end(),
                               [](const auto& a, const auto& b) { return a.second.first < b.second.first; });
  if (most != costs.end()) return fake_password_hash(*most->second.second);
  return ScryptHash{{}, random_bytes(16), random_bytes(32)};
}

}  // namespace sb::auth
