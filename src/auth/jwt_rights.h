// SPDX-License-Identifier: MIT
#pragma once
#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "ports/authorizer.h"

namespace sb::auth {

inline constexpr std::size_t kJwtMaxFilters = 1000;  ///< topic filters in one token: each publish may look at all

/// What a token's claim `acl` allows:
///   {"pub": ["a/%c/#"], "sub": ["b/#"], "all": ["c/%u"]}        all = pub and sub; what is not there allows nothing
/// `%c` and `%u` stand for the client id and the user name. Both are chosen by somebody else than who wrote the filter,
/// so a filter with one that is empty or has "/", "+" or "#" matches nothing, and neither does one that becomes a
/// filter for topics with "$" only by the name. Immutable. Threads: any, at once.
class JwtRights final : public ports::Rights {
 public:
  /// Null when the claim has not this form.
  static ports::RightsPtr parse(const boost::json::value& acl);

  bool may_publish(const ports::Subject& who, std::string_view topic, bool retain) const override;
  bool may_subscribe(const ports::Subject& who, std::string_view filter) const override;
  bool may_receive(const ports::Subject& who, std::string_view topic) const override;
  bool may_receive_all(const ports::Subject& who, std::string_view filter) const override;

 private:
  struct Pattern {
    std::string text;
    bool client_id, username;  // has %c, %u
  };
  using Patterns = std::vector<Pattern>;

  JwtRights() = default;
  static bool add(const boost::json::value& list, std::initializer_list<Patterns*> to);
  static bool any_covers(const Patterns& patterns, const ports::Subject& who, std::string_view filter);

  Patterns publish_, subscribe_;
};

}  // namespace sb::auth
