// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "auth/acl_file.h"
#include "model/topic.h"

namespace sb::auth {
namespace {

using ports::Subject;

/// Numbers that are the same in every run.
struct Dice {
  std::uint32_t state = 1;
  std::size_t operator()(std::size_t sides) {
    state = state * 1664525 + 1013904223;
    return (state >> 8) % sides;
  }
};

/// Files at random against the rule as Mosquitto's manual has it, read from top to bottom, and the promises of
/// ports::Rights against each topic of a small world.
TEST(AclPromises, AreKeptByFilesAtRandom) {
  Dice dice;
  const std::vector<std::string> levels = {"", "a", "b", "$a"}, wild = {"a", "b", "$a", "+", "#", "%c", "%u"},
                                 access = {"read", "write", "readwrite", "deny", "read"};
  const std::vector<Subject> everybody = {{"a", ""}, {"a", "b"}, {"$a", "a"}, {"b", "a/b"}, {"+", "a"}, {"a", "z"}};
  auto text_of = [&](const std::vector<std::string>& from) {
    std::string s = from[dice(from.size())];
    for (std::size_t more = dice(3); more > 0; --more) s += '/' + from[dice(from.size())];
    return s;
  };
  std::set<std::string> topics;
  std::map<std::string, std::vector<std::string>> filters;  // and what they match
  for (int i = 0; i < 100; ++i) {
    if (auto t = text_of(levels); model::is_topic_name(t)) topics.insert(t);
    if (auto f = text_of({"a", "b", "$a", "+", "#"}); model::is_topic_filter(f)) filters[f];
  }
  for (auto& [filter, matched] : filters)
    std::copy_if(topics.begin(), topics.end(), std::back_inserter(matched),
                 [&f = filter](const std::string& topic) { return model::matches(f, topic); });

  struct Line {
    bool pattern;
    std::string user, access, filter;
  };
  auto filled = [](const Line& line, const Subject& who) {
    std::string out;
    for (model::Levels l(line.filter); !l.done(); l.next()) {
      const bool name = line.pattern && (l.level() == "%c" || l.level() == "%u");
      out += name ? (l.level() == "%c" ? who.client_id : who.username) : l.level();
      if (!l.last()) out += '/';
    }
    return out;
  };
  /// Only for who has no odd name.
  auto expected = [&](const std::vector<Line>& lines, const Subject& who, std::string_view topic,
                      std::string_view want) {
    for (bool pattern : {false, true}) {
      bool allowed = false;
      for (const Line& line : lines) {
        if (line.pattern != pattern || (!pattern && line.user != who.username)) continue;
        if (pattern && line.filter.find("%u") != std::string::npos && who.username.empty()) continue;
        if (pattern && line.filter.starts_with('%') && topic.starts_with('$')) continue;
        if (!model::matches(filled(line, who), topic)) continue;
        if (line.access == "deny") return false;
        allowed |= line.access == "readwrite" || line.access == want;
      }
      if (allowed) return true;
    }
    return false;
  };

  for (int round = 0; round < 200; ++round) {
    std::vector<Line> lines;
    std::string text, user;
    for (std::size_t n = dice(8); n > 0; --n) {
      if (dice(3) == 0) text += "user " + (user = dice(2) == 0 ? "a" : "b") + "\n";
      Line line{dice(2) == 0, user, access[dice(access.size())], text_of(wild)};
      if (!model::is_topic_filter(line.filter)) continue;
      text += (line.pattern ? "pattern " : "topic ") + line.access + " " + line.filter + "\n";
      lines.push_back(std::move(line));
    }
    SCOPED_TRACE(text);
    std::string why;
    auto parsed = AclFile::parse(text, why);
    ASSERT_TRUE(parsed.has_value()) << why;
    const AclFile& file = **parsed;
    for (const Subject& who : everybody) {
      SCOPED_TRACE("client id " + std::string(who.client_id) + " user " + std::string(who.username));
      const ports::RightsPtr rights = file.rights(who);
      const bool odd = who.client_id == "+" || who.username == "a/b";
      for (const std::string& topic : topics) {
        const bool read = rights->may_receive(who, topic), write = rights->may_publish(who, topic, false);
        if (odd) continue;
        ASSERT_EQ(read, expected(lines, who, topic, "read")) << topic;
        ASSERT_EQ(write, expected(lines, who, topic, "write")) << topic;
      }
      for (const auto& [filter, matched] : filters) {
        const bool all = rights->may_receive_all(who, filter), some = rights->may_subscribe(who, filter);
        ASSERT_TRUE(some || !all) << filter;
        for (const std::string& topic : matched) {
          const bool read = rights->may_receive(who, topic);
          ASSERT_TRUE(read || !all) << filter << " is all, but for " << topic;
          ASSERT_TRUE(some || !read) << filter << " is refused, but " << topic << " may be read";
        }
      }
    }
  }
}

}  // namespace
}  // namespace sb::auth
