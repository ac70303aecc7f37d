// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/allow_all.h"
#include "auth/errc.h"
#include "auth/replaceable.h"
#include "base/hash_map.h"
#include "ports/authorizer.h"

namespace sb::auth {

/// An access control list in the format of Mosquitto 2.0's acl_file. Immutable. A line is one of
///   topic [read|write|readwrite|deny|subscribe] <filter>     before any user line: rights of clients without user name
///   user <name>                                              the topic lines from here on are this user's
///   pattern [read|write|readwrite|deny|subscribe] <filter>   for everybody, also after a user line; see acl_rules.h
///   # a comment: "#" is the line's first character
/// Without an access word it is readwrite; a topic with spaces needs one. What no rule allows is denied.
///
/// As in Mosquitto: within the topic lines of a user, and within the patterns, a deny beats what is allowed, and the
/// order of the lines means nothing. The user's own lines come first: what they allow, a denying pattern does not take
/// away. Who is in no user line has the patterns. Sections of the same user are one. `read` is for messages that are
/// delivered, `write` for messages that are published and for wills.
///
/// Other than in Mosquitto:
/// - SUBSCRIBE is checked, where Mosquitto lets everybody subscribe to everything and delivers what may be read. A
///   filter is refused when none of its topics can be read: no read rule overlaps it, or a deny covers it. If there
///   are `subscribe` rules in the user's lines or in the patterns, one of them must cover it instead; that alone lets
///   no message through. What arrives is decided for each message.
/// - Nobody may publish to `$SYS` and below.
/// - An odd client id or user name costs only the patterns that use it (and all of them if such a one denies), not
///   all patterns; "/" counts as odd too, and so does a "$" that would be the start of a topic.
/// - Refused, where Mosquitto guesses: an access word without topic, which is one of that name there; `%c` and `%u` as
///   a part of a level; control characters.
class AclFile final {
 public:
  /// On an error `why` names the line, what is wrong with it and what would be right.
  static result<std::shared_ptr<const AclFile>> parse(std::string_view text, std::string& why);
  /// The same for a file, which `why` names too. `warnings`: what an operator should know, such as its permissions.
  static result<std::shared_ptr<const AclFile>> load(const std::string& file, std::string& why,
                                                     std::vector<std::string>& warnings);

  /// Never null, and the same object for all clients of a user. May outlive the AclFile.
  ports::RightsPtr rights(const ports::Subject& who) const;

 private:
  class Parser;
  AclFile() = default;
  static result<std::shared_ptr<const AclFile>> parse(std::string_view text, std::string& why,
                                                      std::vector<std::string>& warnings);

  StringMap<ports::RightsPtr> users_;  // "" = clients without user name
  ports::RightsPtr others_;            // of users who are not in the file
};

/// Gives the rights of an ACL file, which can be replaced; without one, those of AllowAll. Threads: any.
class AclAuthorizer final : public ports::Authorizer {
 public:
  explicit AclAuthorizer(std::shared_ptr<const AclFile> file) : file_(std::move(file)) {}

  ports::RightsPtr rights(const ports::Subject& who) override {
    auto f = file_.get();
    return f ? f->rights(who) : all_.rights(who);
  }

  /// From now on these; who has rights already keeps them until asking again.
  void replace(std::shared_ptr<const AclFile> file) { file_.set(std::move(file)); }

 private:
  Replaceable<AclFile> file_;
  AllowAll all_;
};

}  // namespace sb::auth
