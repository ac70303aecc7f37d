// SPDX-License-Identifier: MIT
#include "auth/rights_document.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "model/topic.h"

namespace sb::auth {
namespace {

ports::RightsPtr rights(std::string_view acl) {
  const auto value = parse_json(acl, 8);
  EXPECT_TRUE(value.has_value()) << acl;
  return value ? DocumentRights::parse(*value) : nullptr;
}
std::string list(std::string_view kind, std::size_t n) {
  std::string text = "\"" + std::string(kind) + "\":[";
  for (std::size_t i = 0; i < n; ++i) text += i == 0 ? "\"a\"" : ",\"a\"";
  return text + "]";
}

TEST(RightsDocument, Form) {
  const struct {
    std::string acl;
    bool good;
  } rows[] = {
      {"{}", true},
      {R"({"pub":[],"sub":[],"all":[]})", true},
      {R"({"pub":["a/%c/#","+/%u-x/+","#","/","$SYS/#","%","100%"]})", true},
      {"{" + list("pub", 500) + "," + list("sub", 499) + "," + list("all", 1) + "}", true},
      {"{" + list("pub", 500) + "," + list("sub", 499) + "," + list("all", 2) + "}", false},
      {"null", false},
      {"[]", false},
      {"\"#\"", false},
      {R"({"publish":["a"]})", false},
      {R"({"pub":"a"})", false},
      {R"({"pub":[1]})", false},
      {R"({"pub":[["a"]]})", false},
      {R"({"pub":[""]})", false},
      {R"({"pub":["a/#/b"]})", false},
      {R"({"sub":["a+"]})", false},
      {R"({"all":["a","%c#"]})", false},
      {R"({"all":["a\u0000b"]})", false},
      {R"({"sub":["$share/g/a"]})", false},
  };
  for (const auto& row : rows) EXPECT_EQ(rights(row.acl) != nullptr, row.good) << row.acl.substr(0, 80);
}

TEST(RightsDocument, WhoMayDoWhat) {
  const auto r = rights(R"({"pub":["up/%c/#","x/%u"],"sub":["down/%u/+","$SYS/broker/#"],"all":["chat/#"]})");
  ASSERT_NE(r, nullptr);
  const ports::Subject who{"c1", "alice"};
  const struct {
    std::string_view topic;
    bool publish, receive, subscribe;
  } rows[] = {
      {"up/c1", true, false, false},
      {"up/c1/a/b", true, false, false},
      {"up/c2", false, false, false},
      {"up", false, false, false},
      {"x/alice", true, false, false},
      {"x/c1", false, false, false},
      {"x/alice/y", false, false, false},
      {"down/alice/a", false, true, true},
      {"down/alice/a/b", false, false, false},
      {"down/bob/a", false, false, false},
      {"chat", true, true, true},
      {"chat/room", true, true, true},
      {"$SYS/broker/uptime", false, true, true},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(r->may_publish(who, row.topic, false), row.publish) << row.topic;
    EXPECT_EQ(r->may_publish(who, row.topic, true), row.publish) << row.topic;
    EXPECT_EQ(r->may_receive(who, row.topic), row.receive) << row.topic;
    EXPECT_EQ(r->may_subscribe(who, row.topic), row.subscribe) << row.topic;
    EXPECT_EQ(r->may_receive_all(who, row.topic), row.subscribe) << row.topic;
  }
  for (std::string_view filter : {"down/alice/+", "chat/#", "chat/+/x", "$SYS/broker/#"}) {
    EXPECT_TRUE(r->may_subscribe(who, filter)) << filter;
  }
  for (std::string_view filter : {"down/+/a", "down/alice/#", "#", "+", "+/room", "$SYS/#", "up/c1/#"}) {
    EXPECT_FALSE(r->may_subscribe(who, filter)) << filter;
  }
  const auto all = rights(R"({"all":["#","$SYS/#"]})"), nothing = rights("{}");
  EXPECT_FALSE(all->may_publish(who, "$SYS", false));
  EXPECT_FALSE(all->may_publish(who, "$SYS/x", false));
  EXPECT_TRUE(all->may_publish(who, "x/$SYS", false));
  EXPECT_FALSE(nothing->may_publish(who, "a", false));
  EXPECT_FALSE(nothing->may_subscribe(who, "a"));
}

TEST(RightsDocument, NamesNeverWidenThem) {
  const struct {
    std::string_view pattern, client_id, username, topic;
    bool allowed;
  } rows[] = {
      {"a/%c/b", "c", "", "a/c/b", true},  {"a/%c/b", "+", "", "a/x/b", false},
      {"a/%c/b", "+", "", "a/+/b", false}, {"a/%c/b", "#", "", "a/#/b", false},
      {"a/%c", "x/y", "", "a/x/y", false}, {"a/%c/#", "", "", "a//b", false},
      {"a/%u/#", "c", "", "a//b", false},  {"a/%u/#", "+", "alice", "a/alice/b", true},
      {"a/#", "#", "+/", "a/b", true},     {"%c/#", "$SYS", "", "$SYS/broker", false},
      {"%u/#", "c", "$x", "$x/y", false},  {"$x/%u", "c", "$x", "$x/$x", true},
      {"%c-%u", "a", "b", "a-b", true},    {"%c-%u", "a", "b", "a-b-", false},
      {"%c%u", "a", "b", "ab", true},      {"%c", "%u", "b", "%u", true},
      {"%c", "%u", "b", "b", false},       {"%%c%", "a", "", "%a%", true},
      {"%x/%", "a", "", "%x/%", true},     {"x%c", "ab", "", "xa", false},
      {"x%cy", "ab", "", "xaby", true},
  };
  for (const auto& row : rows) {
    const auto r = rights(R"({"all":[")" + std::string(row.pattern) + "\"]}");
    ASSERT_NE(r, nullptr) << row.pattern;
    const ports::Subject who{row.client_id, row.username};
    EXPECT_EQ(r->may_publish(who, row.topic, false), row.allowed) << row.pattern << " " << row.topic;
    EXPECT_EQ(r->may_subscribe(who, row.topic), row.allowed) << row.pattern << " " << row.topic;
  }
}

TEST(RightsDocument, NothingAndEverything) {
  const ports::Subject who{"c", "u"};
  for (std::string_view topic : {"a", "$SYS/x", "$other"}) {
    EXPECT_TRUE(DocumentRights::everything()->may_receive(who, topic)) << topic;
    EXPECT_FALSE(DocumentRights::nothing()->may_receive(who, topic)) << topic;
  }
  for (std::string_view filter : {"#", "$SYS/#", "+/a"}) {
    EXPECT_TRUE(DocumentRights::everything()->may_receive_all(who, filter)) << filter;
    EXPECT_FALSE(DocumentRights::nothing()->may_subscribe(who, filter)) << filter;
  }
  EXPECT_TRUE(DocumentRights::everything()->may_publish(who, "a", false));
  EXPECT_FALSE(DocumentRights::everything()->may_publish(who, "$SYS/x", false));
}

TEST(RightsDocument, SameRules) {
  auto parse = [](std::string_view acl) { return DocumentRights::parse(*parse_json(acl, 8)); };
  const auto a = parse(R"({"pub":["a"],"sub":["b"]})");
  EXPECT_TRUE(a->same_as(*parse(R"({"sub":["b"],"pub":["a"]})")));
  for (std::string_view other :
       {R"({"pub":["a"]})", R"({"pub":["b"],"sub":["a"]})", R"({"pub":["a","c"],"sub":["b"]})"})
    EXPECT_FALSE(a->same_as(*parse(other))) << other;
  EXPECT_FALSE(DocumentRights::nothing()->same_as(*DocumentRights::everything()));
}

/// Everything of up to three levels, each one of `levels`.
std::vector<std::string> texts(const std::vector<std::string>& levels) {
  std::vector<std::string> all = levels, longest = levels;
  for (int i = 0; i < 2; ++i) {
    std::vector<std::string> longer;
    for (const std::string& t : longest)
      for (const std::string& level : levels) longer.push_back(t + "/" + level);
    all.insert(all.end(), longer.begin(), longer.end());
    longest = std::move(longer);
  }
  std::erase_if(all, [](const std::string& t) { return t.empty(); });
  return all;
}

TEST(RightsDocument, AFilterIsCoveredWhenAllItsTopicsMatch) {
  std::vector<std::string> filters = texts({"a", "b", "$x", "", "+", "#"}), topics = texts({"a", "b", "$x", "", "zz"});
  std::erase_if(filters, [](const std::string& f) { return !model::is_topic_filter(f); });
  for (const std::string& t : std::vector<std::string>(topics)) topics.push_back(t + "/zz");  // longer than any filter
  topics.emplace_back();  // is none, so that "/+/#" has all of "/#"; that it is not seen errs on the safe side
  for (const std::string& pattern : filters) {
    const auto r = rights(R"({"sub":[")" + pattern + "\"]}");
    ASSERT_NE(r, nullptr);
    std::vector<bool> matched;
    for (const std::string& topic : topics) {
      matched.push_back(model::matches(pattern, topic));
      ASSERT_EQ(r->may_receive({}, topic), matched.back()) << pattern << " " << topic;
    }
    for (const std::string& filter : filters) {
      bool covered = true;
      for (std::size_t i = 0; covered && i < topics.size(); ++i) {
        covered = matched[i] || !model::matches(filter, topics[i]);
      }
      ASSERT_EQ(r->may_subscribe({}, filter), covered) << pattern << " " << filter;
    }
  }
}

}  // namespace
}  // namespace sb::auth
