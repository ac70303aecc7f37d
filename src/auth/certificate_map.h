// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/errc.h"

namespace sb::auth {

/// Gives the identities of client certificates user names. Immutable. A line of the file is
///   IDENTITY -> USER        such as   CN=dev-*,O=Acme -> dev-*
///   # a comment
/// The first line that matches decides; an identity that none matches has no user. Everything stands for itself but
/// `*`, of which each side has one at most: before the arrow it stands for one or more characters, behind it for what
/// these were. To stay within one part of a name it stands for none of `, + = / \ " `: "CN=*,O=Acme" is not the
/// name "CN=x\,O=Acme" of somebody without an O. There are no regular expressions: their time can be made to explode.
class CertificateMap {
 public:
  /// On an error `why` names the line, and what is wrong with it.
  static result<std::shared_ptr<const CertificateMap>> parse(std::string_view text, std::string& why);
  /// The same for a file, which `why` names too. `warnings`: what an operator should know, such as its permissions.
  static result<std::shared_ptr<const CertificateMap>> load(const std::string& file, std::string& why,
                                                            std::vector<std::string>& warnings);

  std::optional<std::string> user(std::string_view identity) const;

 private:
  /// A text, or the texts around a `*`.
  struct Pattern {
    std::string before, after;
    bool star = false;
  };
  struct Rule {
    Pattern identity, user;
  };
  static Pattern split(std::string_view text);
  static std::string problem(std::string_view line, Rule& rule);

  std::vector<Rule> rules_;
};

}  // namespace sb::auth
