// SPDX-License-Identifier: MIT
#include "auth/acl_rules.h"

#include <algorithm>

namespace sb::auth {
namespace {

constexpr std::string_view kClientId = "%c", kUsername = "%u";

bool is_odd(std::string_view name) {
  return std::any_of(name.begin(), name.end(), [](char c) { return c == '+' || c == '#' || c == '/'; });
}

/// The names that may be put into a pattern; "" = this one may not.
ports::Subject usable(const ports::Subject& who) {
  return {is_odd(who.client_id) ? std::string_view() : who.client_id,
          is_odd(who.username) ? std::string_view() : who.username};
}

}  // namespace

void AclRules::add(std::string_view filter, Access access) {
  Rule rule{std::string(filter), access, false, false};
  std::uint32_t node = 0;
  bool tail = false;
  for (model::Levels l(filter); !l.done(); l.next()) {
    tail = l.level() == "#";
    if (tail) break;
    rule.by_client_id |= kind_ == Kind::patterns && l.level() == kClientId;
    rule.by_username |= kind_ == Kind::patterns && l.level() == kUsername;
    node = child(node, l.level());
  }
  (tail ? nodes_[node].below : nodes_[node].here) |= access;
  all_ |= access;
  denies_by_client_id_ |= rule.by_client_id && access == kDeny;
  denies_by_username_ |= rule.by_username && access == kDeny;
  rules_.push_back(std::move(rule));
}

std::uint32_t AclRules::child(std::uint32_t node, std::string_view level) {
  Node& n = nodes_[node];
  std::uint32_t& slot = level == "+"                                    ? n.plus
                        : kind_ == Kind::patterns && level == kClientId ? n.client_id
                        : kind_ == Kind::patterns && level == kUsername ? n.username
                                                                        : n.levels[std::string(level)];
  if (slot != 0) return slot;
  const auto fresh = static_cast<std::uint32_t>(nodes_.size());
  slot = fresh;
  nodes_.emplace_back();
  return fresh;
}

Access AclRules::find(const ports::Subject& who, std::string_view topic) const {
  if (denies_all(who)) return kDeny;
  const Node& root = nodes_.front();
  const ports::Subject names = kind_ == Kind::patterns ? usable(who) : ports::Subject{};
  model::Levels at(topic);
  if (!topic.starts_with('$')) return walk(root, at, names);
  auto it = root.levels.find(at.level());
  if (it == root.levels.end()) return 0;
  at.next();
  return walk(nodes_[it->second], at, names);
}

/// What is said by the filters that go through `node` and match the levels from `at` on.
Access AclRules::walk(const Node& node, model::Levels at, const ports::Subject& names) const {
  Access found = node.below;
  if (at.done()) return found | node.here;
  const std::string_view level = at.level();
  at.next();
  if (!node.levels.empty()) {  // an empty one would still hash
    if (auto it = node.levels.find(level); it != node.levels.end()) found |= walk(nodes_[it->second], at, names);
  }
  if (node.plus != 0) found |= walk(nodes_[node.plus], at, names);
  auto is = [level](std::string_view name) { return !name.empty() && level == name; };
  if (node.client_id != 0 && is(names.client_id)) found |= walk(nodes_[node.client_id], at, names);
  if (node.username != 0 && is(names.username)) found |= walk(nodes_[node.username], at, names);
  return found;
}

bool AclRules::any(Access wanted, Relation related, const ports::Subject& who, std::string_view filter) const {
  if (!has(wanted)) return false;
  if (wanted == kDeny && denies_all(who)) return true;
  const ports::Subject names = usable(who);
  std::string room;
  return std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) {
    if ((rule.access & wanted) == 0) return false;
    const std::string_view filled = fill(rule, names, room);
    return !filled.empty() && related(filled, filter);
  });
}

bool AclRules::denies_all(const ports::Subject& who) const {
  return (denies_by_client_id_ && is_odd(who.client_id)) || (denies_by_username_ && is_odd(who.username));
}

/// The rule's filter with the names in it, perhaps in `room`; "" when it matches nothing.
std::string_view AclRules::fill(const Rule& rule, const ports::Subject& names, std::string& room) {
  if (!rule.by_client_id && !rule.by_username) return rule.filter;
  room.clear();
  for (model::Levels l(rule.filter); !l.done(); l.next()) {
    std::string_view level = l.level();
    if (level == kClientId || level == kUsername) {
      level = level == kClientId ? names.client_id : names.username;
      const bool first = room.empty();
      if (level.empty() || (first && level.starts_with('$'))) return {};
    }
    room += level;
    if (!l.last()) room += '/';
  }
  return room;
}

}  // namespace sb::auth
