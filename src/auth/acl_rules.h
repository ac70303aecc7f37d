// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash_map.h"
#include "model/topic.h"
#include "ports/authorizer.h"

namespace sb::auth {

/// What a rule says of the topics that its filter matches: a set of these bits.
using Access = unsigned;
inline constexpr Access kRead = 1, kWrite = 2, kSubscribe = 4, kDeny = 8;

/// The rules of one section of an ACL file. They are found by the levels of a topic, as many as there may be.
///
/// In patterns a level `%c` stands for the asker's client id and `%u` for the user name, literally. A name must not
/// widen what it is put into:
/// - in a name with `+`, `#` or `/` nothing can be trusted: a pattern that would use it allows nothing, and if it is a
///   deny, everything that patterns allow is denied;
/// - as a first level a substitution is like a wildcard: it matches no topic that starts with `$`;
/// - without a user name `%u` matches nothing.
class AclRules {
 public:
  enum class Kind { topics, patterns };
  explicit AclRules(Kind kind) : kind_(kind) {}

  /// `filter`: a valid one, in which `%c` and `%u` are whole levels.
  void add(std::string_view filter, Access access);

  /// What is said by the rules that match `topic`, together. Does not allocate.
  Access find(const ports::Subject& who, std::string_view topic) const;

  /// Whether `related(filter of the rule, filter)` for a rule with an access of `wanted`. Asks one rule after the
  /// other.
  using Relation = bool (*)(std::string_view rule, std::string_view filter);
  bool any(Access wanted, Relation related, const ports::Subject& who, std::string_view filter) const;

  /// Whether a rule with an access of `wanted` is there.
  bool has(Access wanted) const { return (all_ & wanted) != 0; }

 private:
  struct Rule {
    std::string filter;
    Access access;
    bool by_client_id, by_username;
  };
  /// What follows certain first levels. 0 = no such node, as the root follows nothing.
  struct Node {
    StringMap<std::uint32_t> levels;
    std::uint32_t plus = 0, client_id = 0, username = 0;
    Access here = 0;   // of filters that end with these levels
    Access below = 0;  // of filters that go on with "#", which match here too [MQTT5 4.7.1.2]
  };

  std::uint32_t child(std::uint32_t node, std::string_view level);
  Access walk(const Node& node, model::Levels at, const ports::Subject& names) const;
  bool denies_all(const ports::Subject& who) const;
  static std::string_view fill(const Rule& rule, const ports::Subject& names, std::string& room);

  Kind kind_;
  Access all_ = 0;
  bool denies_by_client_id_ = false, denies_by_username_ = false;
  std::vector<Rule> rules_;
  std::vector<Node> nodes_ = std::vector<Node>(1);
};

}  // namespace sb::auth
