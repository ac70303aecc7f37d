// SPDX-License-Identifier: MIT
#include <map>
#include <random>

#include "model/topic.h"
#include "store/tests/implementations.h"

namespace sb::store::test {
namespace {

const WallTime kNow{Seconds(2'000'000'000)};

class RetainedContract : public Contract {
 protected:
  error_code set(std::string_view topic, std::string_view payload, WallTime expires = kNoExpiry) {
    auto r = ask<void>([&](auto done) { retained().set(message(topic, payload, expires), done); });
    return r ? error_code{} : r.error();
  }
  ports::RetainedStore::Page page(std::string_view filter, const std::string& resume, std::size_t max,
                                  WallTime now = kNow) {
    return ask<ports::RetainedStore::Page>([&](auto done) { retained().match(filter, resume, max, now, done); })
        .value();
  }
  /// All pages of a walk, as "topic=payload".
  std::vector<std::string> match(std::string_view filter, std::size_t max = 1000, WallTime now = kNow) {
    std::vector<std::string> all;
    std::string resume;
    for (int pages = 0; pages < 10'000; ++pages) {
      auto p = page(filter, resume, max, now);
      EXPECT_LE(p.messages.size(), max);
      for (auto& m : p.messages) all.push_back(std::string(m->view().topic) + "=" + std::string(m->view().payload));
      if (p.resume.empty()) return all;
      EXPECT_GT(p.resume, resume) << "a walk has to get on";
      resume = p.resume;
    }
    ADD_FAILURE() << "a walk without end";
    return all;
  }
};

using Lines = std::vector<std::string>;

TEST_P(RetainedContract, OnePerTopicAndAnEmptyOneClears) {
  EXPECT_EQ(retained().count(), 0u);
  EXPECT_EQ(set("a", ""), error_code{});  // nothing to clear
  EXPECT_EQ(set("a", "1"), error_code{});
  EXPECT_EQ(set("b", "2"), error_code{});
  EXPECT_EQ(set("a", "3"), error_code{});
  EXPECT_EQ(retained().count(), 2u);
  EXPECT_EQ(match("#"), (Lines{"a=3", "b=2"}));
  EXPECT_EQ(set("a", ""), error_code{});
  EXPECT_EQ(retained().count(), 1u);
  EXPECT_EQ(match("#"), (Lines{"b=2"}));
}

TEST_P(RetainedContract, Filters) {
  for (std::string_view t :
       {"a", "a/b", "a/b/c", "a/c", "a!", "a.b", "ab", "b", "b/b", "/", "/a", "$SYS", "$SYS/x", "$SYS/x/y"})
    ASSERT_EQ(set(t, "."), error_code{});
  const struct {
    std::string_view filter;
    Lines topics;
  } rows[] = {
      {"#", {"/=.", "/a=.", "a=.", "a!=.", "a.b=.", "a/b=.", "a/b/c=.", "a/c=.", "ab=.", "b=.", "b/b=."}},
      {"+", {"a=.", "a!=.", "a.b=.", "ab=.", "b=."}},
      {"a", {"a=."}},
      {"a/#", {"a=.", "a/b=.", "a/b/c=.", "a/c=."}},
      {"a/+", {"a/b=.", "a/c=."}},
      {"+/b", {"a/b=.", "b/b=."}},
      {"+/b/#", {"a/b=.", "a/b/c=.", "b/b=."}},
      {"+/+/c", {"a/b/c=."}},
      {"/+", {"/=.", "/a=."}},
      {"+/", {"/=."}},
      {"$SYS/#", {"$SYS=.", "$SYS/x=.", "$SYS/x/y=."}},
      {"$SYS/+", {"$SYS/x=."}},
      {"+/x", {}},
      {"c/#", {}},
      {"a/b/c/d", {}},
  };
  for (const auto& row : rows) EXPECT_EQ(match(row.filter), row.topics) << row.filter;
}

TEST_P(RetainedContract, PagesOfEverySizeGiveTheSame) {
  Lines all;
  for (int i = 0; i < 30; ++i) {
    std::string topic = "t/" + std::to_string(10 + i);
    ASSERT_EQ(set(topic, "x"), error_code{});
    ASSERT_EQ(set("other/" + std::to_string(i), "x"), error_code{});
    all.push_back(topic + "=x");
  }
  for (std::size_t max : {1u, 2u, 7u, 29u, 30u, 31u, 1000u}) EXPECT_EQ(match("t/+", max), all) << max;
  auto first = page("t/+", "", 30);
  EXPECT_EQ(first.messages.size(), 30u);
}

TEST_P(RetainedContract, AWalkMayGoOnAfterItsPlaceIsGone) {
  for (const char* t : {"a", "b", "c", "d", "e"}) ASSERT_EQ(set(t, "x"), error_code{});
  auto first = page("#", "", 2);
  ASSERT_EQ(first.messages.size(), 2u);
  ASSERT_FALSE(first.resume.empty());
  ASSERT_EQ(set("a", ""), error_code{});
  ASSERT_EQ(set("b", ""), error_code{});
  ASSERT_EQ(set("c", ""), error_code{});
  ASSERT_EQ(set("bb", "new"), error_code{});
  auto second = page("#", first.resume, 10);
  Lines topics;
  for (auto& m : second.messages) topics.emplace_back(m->view().topic);
  EXPECT_EQ(topics, (Lines{"bb", "d", "e"}));
  EXPECT_EQ(second.resume, "");
}

TEST_P(RetainedContract, ExpiredOnesAreNotGivenOut) {
  ASSERT_EQ(set("a", "x", kNow + Seconds(10)), error_code{});
  ASSERT_EQ(set("b", "x", kNow + Seconds(20)), error_code{});
  ASSERT_EQ(set("c", "x"), error_code{});
  EXPECT_EQ(match("#", 1, kNow + Millis(9'999)), (Lines{"a=x", "b=x", "c=x"}));
  EXPECT_EQ(match("#", 1, kNow + Seconds(10)), (Lines{"b=x", "c=x"}));
  EXPECT_EQ(match("#", 1, kNow + Seconds(20)), (Lines{"c=x"}));
}

TEST_P(RetainedContract, ManyExpiredOnesInFront) {
  // More than one request looks at, so that pages come back empty.
  constexpr int kMany = 21'000;
  int answers = 0;
  for (int i = 0; i < kMany; ++i)
    retained().set(message("a/" + std::to_string(100'000 + i), "x", kNow), [&](result<void> r) {
      EXPECT_TRUE(r);
      ++answers;
    });
  ASSERT_TRUE(stores().wait([&] { return answers == kMany; }));
  ASSERT_EQ(set("b", "last"), error_code{});
  EXPECT_EQ(match("#"), (Lines{"b=last"}));
  EXPECT_EQ(match("b"), (Lines{"b=last"}));
}

TEST_P(RetainedContract, ManyThatDoNotMatch) {
  constexpr int kMany = 21'000;
  int answers = 0;
  for (int i = 0; i < kMany; ++i)
    retained().set(message("a/" + std::to_string(100'000 + i) + "/y", "x"), [&](result<void>) { ++answers; });
  ASSERT_TRUE(stores().wait([&] { return answers == kMany; }));
  ASSERT_EQ(set("a/99/x", "first"), error_code{});
  ASSERT_EQ(set("a/120000/x", "middle"), error_code{});
  ASSERT_EQ(set("a/zz/x", "last"), error_code{});
  EXPECT_EQ(match("a/+/x"), (Lines{"a/120000/x=middle", "a/99/x=first", "a/zz/x=last"}));
}

TEST_P(RetainedContract, Bounded) {
  model::Limits limits;
  limits.retained_messages = 2;
  use(limits);
  EXPECT_EQ(set("a", "1"), error_code{});
  EXPECT_EQ(set("b", "2"), error_code{});
  EXPECT_EQ(set("c", "3"), ports::errc::quota);
  EXPECT_EQ(set("a", "4"), error_code{}) << "a topic that it has may change";
  EXPECT_EQ(set("c", ""), error_code{});
  EXPECT_EQ(retained().count(), 2u);
  EXPECT_EQ(set("b", ""), error_code{});
  EXPECT_EQ(set("c", "5"), error_code{});
  EXPECT_EQ(match("#"), (Lines{"a=4", "c=5"}));
}

TEST_P(RetainedContract, BoundedInBytes) {
  model::Limits limits;
  limits.retained_bytes = 4000;
  use(limits);
  const std::string large(1500, 'x');
  EXPECT_EQ(set("a", large), error_code{});
  EXPECT_EQ(set("b", large), error_code{});
  EXPECT_EQ(set("c", large), ports::errc::quota);
  EXPECT_EQ(set("a", large + large), ports::errc::quota) << "neither may one grow";
  EXPECT_EQ(set("a", "small"), error_code{});
  EXPECT_EQ(set("c", large), error_code{});
  EXPECT_EQ(set("b", ""), error_code{});
  EXPECT_EQ(set("d", large), error_code{});
  EXPECT_EQ(retained().count(), 3u);
}

/// Random topics, with bytes around the slash, against a scan of all of them.
TEST_P(RetainedContract, MatchesLikeANaiveScan) {
  std::mt19937 random(8);
  const std::string_view levels[] = {"", "a", "b", "a!", "a.", "a0", "ab", "$x", "\x01", "\xC3\xA9"};
  const std::string_view wild[] = {"", "a", "b", "a!", "a0", "+", "+", "+", "$x"};
  auto topic = [&](auto& from, std::size_t n) {
    std::string t;
    for (std::size_t depth = 1 + random() % 4, i = 0; i < depth; ++i) {
      if (i) t += '/';
      t += from[random() % n];
    }
    return t;
  };
  std::map<std::string, std::string> model;
  std::size_t found = 0;
  for (int step = 0; step < 400; ++step) {
    for (int i = 0; i < 3; ++i) {
      std::string t = topic(levels, std::size(levels));
      if (t.empty()) continue;
      std::string payload = random() % 3 ? std::to_string(random() % 1000) : "";
      ASSERT_EQ(set(t, payload), error_code{});
      if (payload.empty())
        model.erase(t);
      else
        model[t] = payload;
    }
    ASSERT_EQ(retained().count(), model.size());
    std::string filter = topic(wild, std::size(wild));
    if (random() % 3 == 0) filter += filter.empty() ? "#" : "/#";
    if (filter.empty()) continue;
    Lines expected;
    for (auto& [t, payload] : model)
      if (model::matches(filter, t)) expected.push_back(t + "=" + payload);
    found += expected.size();
    ASSERT_EQ(match(filter, 1 + random() % 5), expected) << filter;
  }
  EXPECT_GT(found, 1000u);
}

INSTANTIATE_TEST_SUITE_P(Stores, RetainedContract, testing::ValuesIn(implementations()), name_of);

}  // namespace
}  // namespace sb::store::test
