// SPDX-License-Identifier: MIT
#pragma once
#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "ports/authorizer.h"

namespace sb::auth {

inline constexpr std::size_t kMaxRightsFilters = 1000;  ///< topic filters of one document: each publish may look at all

/// What a document of rights allows, which is the claim `acl` of a token, or comes from a back end:
///   {"pub": ["a/%c/#"], "sub": ["b/#"], "all": ["c/%u"]}        all = pub and sub; what is not there allows nothing
/// `%c` and `%u` stand for the client id and the user name. Both are chosen by somebody else than who wrote the filter,
/// so a filter with one that is empty or has "/", "+" or "#" matches nothing, and neither does one that becomes a
/// filter for topics with "$" only by the name. Immutable. Threads: any, at once.
class DocumentRights final : public ports::Rights {
 public:
  using Ptr = boost::intrusive_ptr<const DocumentRights>;

  /// Null when the document has not this form.
  static Ptr parse(const boost::json::value& acl);
  static const Ptr& nothing();
  /// Those of a superuser: everything but publishing what is the broker's own.
  static const Ptr& everything();

  /// Whether these are the same rules.
  bool same_as(const DocumentRights& o) const {
    return everything_ == o.everything_ && publish_ == o.publish_ && subscribe_ == o.subscribe_;
  }

  bool may_publish(const ports::Subject& who, std::string_view topic, bool retain) const override;
  bool may_subscribe(const ports::Subject& who, std::string_view filter) const override;
  bool may_receive(const ports::Subject& who, std::string_view topic) const override;
  bool may_receive_all(const ports::Subject& who, std::string_view filter) const override;

 private:
  struct Pattern {
    std::string text;
    bool client_id, username;  // has %c, %u
    bool operator==(const Pattern&) const = default;
  };
  using Patterns = std::vector<Pattern>;

  DocumentRights() = default;
  static bool add(const boost::json::value& list, std::initializer_list<Patterns*> to);
  bool any_covers(const Patterns& patterns, const ports::Subject& who, std::string_view filter) const;

  bool everything_ = false;
  Patterns publish_, subscribe_;
};

}  // namespace sb::auth
