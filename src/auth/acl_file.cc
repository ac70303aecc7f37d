// SPDX-License-Identifier: MIT
#include "auth/acl_file.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "auth/acl_rules.h"
#include "auth/allow_all.h"
#include "auth/filters.h"
#include "base/read_file.h"
#include "base/utf8.h"
#include "model/topic.h"

namespace sb::auth {
namespace {

using ports::Subject;

constexpr std::size_t kMaxLevels = 200;  // of a rule, as in Mosquitto; AclRules::walk() nests as deep
constexpr std::string_view kForm = "[read|write|readwrite|deny|subscribe] <filter>";

constexpr struct {
  std::string_view word;
  Access access;
} kAccessWords[] = {
    {"read", kRead}, {"write", kWrite}, {"readwrite", kRead | kWrite}, {"deny", kDeny}, {"subscribe", kSubscribe},
};

/// 0 when it is none.
Access access_of(std::string_view word) {
  for (const auto& known : kAccessWords)
    if (known.word == word) return known.access;
  return 0;
}

std::string_view trim(std::string_view s) {
  constexpr std::string_view blank = " \t\r\n\v\f";
  s = s.substr(0, s.find_last_not_of(blank) + 1);
  return s.substr(std::min(s.find_first_not_of(blank), s.size()));
}

/// Takes the first word from what is trimmed; what is left is trimmed too.
std::string_view take_word(std::string_view& line) {
  const std::string_view word = line.substr(0, line.find(' '));
  line = trim(line.substr(word.size()));
  return word;
}

/// The user's own rules, then the patterns: whichever says anything first is right.
class UserRights final : public ports::Rights {
 public:
  UserRights(AclRules own, std::shared_ptr<const AclRules> patterns)
      : own_(std::move(own)),
        patterns_(std::move(patterns)),
        subscribe_rules_(own_.has(kSubscribe) || patterns_->has(kSubscribe)) {}

  bool may_publish(const Subject& who, std::string_view topic, bool) const override {
    return !is_brokers_own(topic) && may(kWrite, who, topic);
  }
  bool may_receive(const Subject& who, std::string_view topic) const override { return may(kRead, who, topic); }

  bool may_subscribe(const Subject& who, std::string_view filter) const override {
    for (const AclRules* rules : {&own_, patterns_.get()}) {
      if (rules->any(kDeny, covers, who, filter)) return false;
      if (subscribe_rules_ ? rules->any(kSubscribe, covers, who, filter) : rules->any(kRead, overlaps, who, filter))
        return true;
    }
    return false;
  }
  bool may_receive_all(const Subject& who, std::string_view filter) const override {
    for (const AclRules* rules : {&own_, patterns_.get()}) {
      if (rules->any(kDeny, overlaps, who, filter)) return false;
      if (rules->any(kRead, covers, who, filter)) return true;
    }
    return false;
  }

 private:
  bool may(Access wanted, const Subject& who, std::string_view topic) const {
    for (const AclRules* rules : {&own_, patterns_.get()}) {
      const Access found = rules->find(who, topic);
      if ((found & kDeny) != 0) return false;
      if ((found & wanted) != 0) return true;
    }
    return false;
  }

  const AclRules own_;
  const std::shared_ptr<const AclRules> patterns_;
  const bool subscribe_rules_;
};

}  // namespace

class AclFile::Parser {
 public:
  explicit Parser(std::vector<std::string>& warnings) : warnings_(warnings) {}

  /// What is wrong; "" when nothing is.
  std::string line(std::string_view line, std::size_t number) {
    line = line.substr(0, line.find_last_not_of(" \t\r\v\f") + 1);
    if (line.empty() || line.starts_with('#')) return {};
    if (std::any_of(line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }))
      return "a tab or another control character; put spaces between the words";
    if (!is_mqtt_utf8(line)) return "not UTF-8 that MQTT allows; save the file as UTF-8";
    std::string_view rest = trim(line);
    const std::string_view word = take_word(rest);
    if (word == "user") return user(rest);
    if (word == "topic" || word == "pattern") return rule(word, rest, number);
    return unknown(word);
  }

  std::shared_ptr<const AclFile> take() {
    std::shared_ptr<AclFile> file(new AclFile);
    const auto patterns = std::make_shared<const AclRules>(std::move(patterns_));
    for (auto& [name, own] : users_) file->users_.emplace(name, new UserRights(std::move(own), patterns));
    file->others_ = new UserRights(AclRules(AclRules::Kind::topics), patterns);
    return file;
  }

 private:
  std::string user(std::string_view name) {
    if (name.empty()) return "no name; write: user <name>";
    if (name.size() > 65535) return "the name is longer than the 65535 bytes that MQTT allows; shorten it";
    user_ = name;
    return {};
  }

  std::string rule(std::string_view kind, std::string_view rest, std::size_t number) {
    if (rest.empty()) return fmt::format("no topic; write: {} {}", kind, kForm);
    const std::string_view word = take_word(rest);
    Access access = access_of(word);
    if (rest.empty() && access != 0)
      return fmt::format("no topic after \"{}\"; for the topic of this name write: {} readwrite {}", word, kind, word);
    if (!rest.empty() && access == 0) return fmt::format("\"{}\" is no access word; write: {} {}", word, kind, kForm);
    const std::string_view filter = rest.empty() ? word : rest;
    if (rest.empty()) access = kRead | kWrite;
    if (std::string what = check(kind, filter, number); !what.empty()) return what;
    AclRules& rules = kind == "pattern" ? patterns_ : users_.try_emplace(user_, AclRules::Kind::topics).first->second;
    rules.add(filter, access);
    return {};
  }

  std::string check(std::string_view kind, std::string_view filter, std::size_t number) {
    if (!model::is_topic_filter(filter)) {
      return fmt::format(
          "\"{}\" is no topic filter; + and # stand alone in their level, # is the last one, and there are at most "
          "65535 "
          "bytes",
          filter);
    }
    if (model::level_count(filter) > kMaxLevels)
      return fmt::format("the filter has more than {} levels; end it with # earlier", kMaxLevels);
    if (filter.starts_with("$share/")) {
      warn(number, "this rule matches nothing: rights are asked for what follows $share/<group>/, so leave that away");
    }
    for (std::string_view name : {"%c", "%u"}) {
      if (filter.find(name) == std::string_view::npos) continue;
      if (kind == "topic") {
        warn(number, fmt::format("{} is nothing special in a topic line; write: pattern {}", name, kForm));
        continue;
      }
      for (model::Levels l(filter); !l.done(); l.next()) {
        if (l.level() != name && l.level().find(name) != std::string_view::npos)
          return fmt::format("{} is only a part of a level of \"{}\"; give it a level of its own", name, filter);
      }
    }
    return {};
  }

  static std::string unknown(std::string_view word) {
    if (word.starts_with('#')) return "a comment must begin with the line; remove the spaces before the #";
    for (std::string_view known : {"topic", "user", "pattern"}) {  // no two begin alike
      if ((word.front() | 0x20) == known.front()) return fmt::format("no word \"{}\"; did you mean {}?", word, known);
    }
    return fmt::format("no word \"{}\"; a line begins with topic, user, pattern or #", word);
  }

  void warn(std::size_t number, std::string_view text) {
    warnings_.push_back(fmt::format("line {}: {}", number, text));
  }

  std::vector<std::string>& warnings_;
  std::string user_;
  StringMap<AclRules> users_;
  AclRules patterns_{AclRules::Kind::patterns};
};

result<std::shared_ptr<const AclFile>> AclFile::parse(std::string_view text, std::string& why) {
  std::vector<std::string> warnings;
  return parse(text, why, warnings);
}

result<std::shared_ptr<const AclFile>> AclFile::parse(std::string_view text, std::string& why,
                                                      std::vector<std::string>& warnings) {
  Parser parser(warnings);
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string what = parser.line(text.substr(0, end), number);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (what.empty()) continue;
    why = fmt::format("line {}: {}", number, what);
    return errc::file_format;
  }
  return parser.take();
}

result<std::shared_ptr<const AclFile>> AclFile::load(const std::string& file, std::string& why,
                                                     std::vector<std::string>& warnings) {
  auto text = read_file(file);
  if (!text) {
    why = fmt::format("{}: {}", file, text.error().message());
    return errc::file_unreadable;
  }
  struct stat info = {};
  std::vector<std::string> found;
  if (::stat(file.c_str(), &info) == 0 && (info.st_mode & S_IWOTH) != 0)
    found.emplace_back("everybody on this machine can write it; mode 0640 is right");
  auto acl = parse(*text, why, found);
  for (const std::string& warning : found) warnings.push_back(fmt::format("{}: {}", file, warning));
  if (!acl) why = fmt::format("{}: {}", file, why);
  return acl;
}

ports::RightsPtr AclFile::rights(const ports::Subject& who) const {
  auto it = users_.find(who.username);
  return it == users_.end() ? others_ : it->second;
}

}  // namespace sb::auth
