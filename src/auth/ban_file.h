// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/errc.h"
#include "base/hash_map.h"
#include "base/ip.h"
#include "base/time.h"

namespace sb::auth {

/// Who may not come in. Immutable. A line is one of
///   client <client id>
///   user <user name>
///   address <address>[/<bits>]
///   # a comment
/// and may end with ` until 2027-01-31T00:00:00Z`. A name may have blanks in it.
class BanFile {
 public:
  /// On an error `why` names the line, what is wrong with it and what would be right.
  static result<std::shared_ptr<const BanFile>> parse(std::string_view text, std::string& why);
  /// The same for a file, which `why` names too. `warnings`: what an operator should know, such as its permissions.
  static result<std::shared_ptr<const BanFile>> load(const std::string& file, std::string& why,
                                                     std::vector<std::string>& warnings);

  bool has_client(std::string_view id, WallTime now) const { return holds(clients_, id, now); }
  bool has_user(std::string_view name, WallTime now) const { return holds(users_, name, now); }
  bool has_address(const Ip& a, WallTime now) const;
  std::size_t size() const { return clients_.size() + users_.size() + addresses_.size(); }

 private:
  BanFile() = default;
  static bool holds(const StringMap<WallTime>& all, std::string_view name, WallTime now) {
    auto it = all.find(name);
    return it != all.end() && now < it->second;
  }
  std::string take(std::string_view line);

  StringMap<WallTime> clients_, users_;  ///< until when, kNoExpiry = for ever
  std::vector<std::pair<Subnet, WallTime>> addresses_;
};

}  // namespace sb::auth
