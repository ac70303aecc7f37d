// SPDX-License-Identifier: MIT
#include "auth/rights_document.h"

#include <algorithm>

#include "auth/allow_all.h"
#include "base/utf8.h"
#include "model/topic.h"

namespace sb::auth {
namespace {

namespace json = boost::json;
using model::Levels;
using ports::Subject;

constexpr std::string_view kClientId = "%c", kUsername = "%u";

/// Whether a name can stand in a filter without changing its levels or wildcards.
bool is_plain(std::string_view name) { return !name.empty() && name.find_first_of("/+#") == name.npos; }

/// Whether a level of a pattern is `level` once the names are in it.
bool same_level(std::string_view pattern, const Subject& who, std::string_view level) {
  while (!pattern.empty()) {
    std::string_view piece = pattern.substr(0, pattern.find('%', 1));
    pattern.remove_prefix(piece.size());
    if (piece.starts_with(kClientId) || piece.starts_with(kUsername)) {
      const std::string_view name = piece.starts_with(kClientId) ? who.client_id : who.username;
      if (!level.starts_with(name)) return false;
      level.remove_prefix(name.size());
      piece.remove_prefix(2);
    }
    if (!level.starts_with(piece)) return false;
    level.remove_prefix(piece.size());
  }
  return level.empty();
}

/// Whether every topic that matches `filter` matches `pattern` too; a topic name is a filter that only it matches.
bool covers(std::string_view pattern, const Subject& who, std::string_view filter) {
  // Wildcards in front are not for such topics [MQTT-4.7.2-1], and a name in front must not be taken for a "$".
  if (filter.starts_with('$') && !pattern.starts_with('$')) return false;
  if (filter == "#" && pattern == "+/#") return true;  // a topic has a level at least
  Levels p(pattern), f(filter);
  for (; !p.done() && !f.done(); p.next(), f.next()) {
    if (p.level() == "#") return true;
    if (f.level() == "#") return false;
    if (p.level() == "+") continue;
    if (f.level() == "+" || !same_level(p.level(), who, f.level())) return false;
  }
  // "sport/#" matches "sport" [MQTT5 4.7.1.2]
  return f.done() && (p.done() || p.level() == "#");
}

}  // namespace

bool DocumentRights::add(const json::value& list, std::initializer_list<Patterns*> to) {
  if (!list.is_array()) return false;
  for (const json::value& element : list.get_array()) {
    if (!element.is_string()) return false;
    const std::string_view filter(element.get_string().data(), element.get_string().size());
    if (!model::is_topic_filter(filter) || !is_mqtt_utf8(filter) || model::is_shared(filter)) return false;
    const bool client_id = filter.find(kClientId) != filter.npos, username = filter.find(kUsername) != filter.npos;
    for (Patterns* patterns : to) patterns->push_back({std::string(filter), client_id, username});
  }
  return true;
}

DocumentRights::Ptr DocumentRights::parse(const json::value& acl) {
  if (!acl.is_object()) return nullptr;
  boost::intrusive_ptr<DocumentRights> rights(new DocumentRights);
  std::size_t filters = 0;
  for (const auto& member : acl.get_object()) {
    const std::string_view name(member.key().data(), member.key().size());
    const bool all = name == "all";
    bool good = false;
    if (all) {
      good = add(member.value(), {&rights->publish_, &rights->subscribe_});
    } else if (name == "pub") {
      good = add(member.value(), {&rights->publish_});
    } else if (name == "sub") {
      good = add(member.value(), {&rights->subscribe_});
    }
    if (!good || (filters += member.value().get_array().size()) > kMaxRightsFilters) return nullptr;
  }
  return rights;
}

const DocumentRights::Ptr& DocumentRights::nothing() {
  static const Ptr nothing(new DocumentRights);
  return nothing;
}

const DocumentRights::Ptr& DocumentRights::everything() {
  static const Ptr everything = [] {
    boost::intrusive_ptr<DocumentRights> rights(new DocumentRights);
    rights->everything_ = true;
    return rights;
  }();
  return everything;
}

bool DocumentRights::any_covers(const Patterns& patterns, const Subject& who, std::string_view filter) const {
  if (everything_) return true;
  const bool client_id = is_plain(who.client_id), username = is_plain(who.username);
  return std::any_of(patterns.begin(), patterns.end(), [&](const Pattern& p) {
    return (client_id || !p.client_id) && (username || !p.username) && covers(p.text, who, filter);
  });
}

bool DocumentRights::may_publish(const Subject& who, std::string_view topic, bool) const {
  return !is_brokers_own(topic) && any_covers(publish_, who, topic);
}
bool DocumentRights::may_subscribe(const Subject& who, std::string_view filter) const {
  return any_covers(subscribe_, who, filter);
}
bool DocumentRights::may_receive(const Subject& who, std::string_view topic) const {
  return any_covers(subscribe_, who, topic);
}
bool DocumentRights::may_receive_all(const Subject& who, std::string_view filter) const {
  return any_covers(subscribe_, who, filter);
}

}  // namespace sb::auth
