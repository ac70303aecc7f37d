// SPDX-License-Identifier: MIT
#include "auth/scram_users.h"

#include <fmt/format.h>

#include <algorithm>

#include "auth/user_file.h"
#include "auth/user_lines.h"

namespace sb::auth {
std::string format_scram_line(std::string_view name, const ScramKeys& keys) {
  return fmt::format("{}:{}", name, format_scram_keys(keys));
}

ScramUsers::ScramUsers() : fake_secret_(random_bytes(32)) {}

result<std::shared_ptr<const ScramUsers>> ScramUsers::parse(std::string_view text, std::string& why) {
  std::shared_ptr<ScramUsers> users(new ScramUsers);
  std::map<std::pair<std::uint32_t, std::size_t>, std::size_t> shapes;  // how many users have which iterations and salt
  std::map<std::string_view, std::size_t> lines;
  const error_code wrong = each_user(text, why, [&](const UserLine& line) -> std::string {
    if (!line.is_scram()) return {};
    auto [known, is_new] = lines.emplace(line.name, line.number);
    if (!is_new) return fmt::format("user {} is there twice, also in line {}; delete one", line.name, known->second);
    std::string what;
    auto keys = parse_scram_keys(line.hash, what);
    if (!keys) return what;
    // The secret of fake keys comes from the file, so that all nodes and all starts give the same fake salts; and from
    // its first user only, so that it does not change with every new user.
    if (users->users_.empty()) users->fake_secret_ = hmac_sha256(keys->server_key.view(), "fake salts").view();
    ++shapes[{keys->iterations, keys->salt.size()}];
    users->users_.emplace(line.name, *keys);
    return {};
  });
  if (wrong) return wrong;
  auto most = std::max_element(shapes.begin(), shapes.end(), [](auto& a, auto& b) { return a.second < b.second; });
  if (most != shapes.end()) std::tie(users->usual_iterations_, users->usual_salt_) = most->first;
  return std::shared_ptr<const ScramUsers>(std::move(users));
}

result<std::shared_ptr<const ScramUsers>> ScramUsers::load(const std::string& file, std::string& why,
                                                           std::vector<std::string>& warnings) {
  return load_users<ScramUsers>(file, why, warnings);
}

const ScramKeys* ScramUsers::find(std::string_view name) const {
  auto it = users_.find(name);
  return it == users_.end() ? nullptr : &it->second;
}

ScramKeys ScramUsers::fake(std::string_view name) const {
  ScramKeys keys;
  keys.iterations = usual_iterations_;
  Secret block = hmac_sha256(fake_secret_, name);
  while (keys.salt.size() < usual_salt_) {
    keys.salt += block.view();
    block = hmac_sha256(fake_secret_, block.view());
  }
  keys.salt.resize(usual_salt_);
  // Nobody can compute a proof for these: it would need what they are a hash of.
  keys.stored_key = hmac_sha256(fake_secret_, block.view());
  keys.server_key = hmac_sha256(fake_secret_, keys.stored_key.view());
  return keys;
}

}  // namespace sb::auth
