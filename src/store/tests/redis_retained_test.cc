// SPDX-License-Identifier: MIT
// Retained messages in Redis: several nodes, and a Redis that forgets.
#include "store/redis_retained.h"

#include <optional>

#include "ports/errc.h"
#include "store/tests/redis_cluster.h"

namespace sb::store::test {
namespace {

using redis::testing::RedisServer;

/// A node that tells another one what it sets.
struct RetainedNode : RetainedPeers {
  explicit RetainedNode(const RedisServer& server, std::string name, RedisRetained::Options o = {},
                        redis::WriterOptions w = {})
      : life(std::move(name), 7), writer(loop, url_of(server), RedisNode::options(), std::move(w)) {
    writer.start();
    retained.emplace(writer, keys, life, o, this);
    EXPECT_TRUE(loop.until([&] { return retained->loaded(); }));
  }
  void retained_set(std::string_view topic, const std::optional<RetainedEntry>& e,
                    std::function<void()> known) override {
    if (to) to->retained->peer_set(topic, e);
    ++told;
    if (known) known();
  }
  error_code set(std::string_view topic, std::string_view payload, WallTime expires = kNoExpiry) {
    model::MessageView v;
    v.topic = topic;
    v.payload = payload;
    v.expires_at = expires;
    std::optional<error_code> e;
    retained->set(model::Message::copy(v), [&](result<void> r) { e = r ? error_code{} : r.error(); });
    EXPECT_TRUE(loop.until([&] { return e.has_value(); }));
    return e.value_or(make_error_code(ports::errc::unavailable));
  }
  std::string match(std::string_view filter) {
    std::optional<std::string> found;
    retained->match(
        filter, "", 1000, std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now()), [&](auto page) {
          found = "";
          if (!page) return void(found = "no answer");
          for (auto& m : page.value().messages)
            *found += (found->empty() ? "" : " ") + std::string(m->view().topic) + "=" + std::string(m->view().payload);
        });
    EXPECT_TRUE(loop.until([&] { return found.has_value(); }));
    return found.value_or("no answer");
  }
  redis::testing::TestLoop loop;
  RedisKeys keys;
  SaidLife life;
  redis::Writer writer;
  std::optional<RedisRetained> retained;
  RetainedNode* to = nullptr;
  int told = 0;
};

void forget(RedisServer& server) {
  server.kill();
  server.start();
}

TEST(RedisRetained, ANodeThatStartsKnowsTheTopics) {
  NEEDS_REDIS();
  RedisServer server;
  const std::string strange = "{a}/" + std::string(300, 'x') + "/%/\xC3\xA9";
  {
    RetainedNode a(server, "a");
    for (auto& [t, p] : {std::pair{"a/b", "1"}, {"a/c", "2"}, {"d", "3"}}) EXPECT_EQ(a.set(t, p), error_code{});
    EXPECT_EQ(a.set(strange, "4"), error_code{});
    EXPECT_EQ(a.set("d", ""), error_code{});
  }
  RetainedNode b(server, "b");
  EXPECT_EQ(b.match("a/#"), "a/b=1 a/c=2");
  EXPECT_EQ(b.match("#"), "a/b=1 a/c=2 " + strange + "=4");
  EXPECT_EQ(b.retained->count(), 3u) << "a topic without a message is found out when it is looked at";
}

TEST(RedisRetained, WhatAnotherNodeSetsIsSeen) {
  NEEDS_REDIS();
  RedisServer server;
  RetainedNode a(server, "a"), b(server, "b");
  a.to = &b;
  b.to = &a;
  EXPECT_EQ(a.set("t", "1"), error_code{});
  EXPECT_EQ(a.told, 1);
  EXPECT_EQ(b.match("#"), "t=1");
  EXPECT_GT(b.retained->cached_bytes(), 0u);
  EXPECT_EQ(a.set("t", "2"), error_code{});
  EXPECT_EQ(b.match("#"), "t=2") << "not what was cached";
  EXPECT_EQ(b.set("t", "3"), error_code{});
  EXPECT_EQ(a.match("#"), "t=3") << "not what a has set lately";
  EXPECT_EQ(b.set("t", ""), error_code{});
  EXPECT_EQ(a.match("#"), "");
  EXPECT_EQ(a.retained->count(), 0u);
}

TEST(RedisRetained, WhatIsSaidWhileTheTopicsAreReadCounts) {
  NEEDS_REDIS();
  RedisServer server;
  RetainedNode a(server, "a"), b(server, "b");
  a.to = &b;
  ASSERT_EQ(a.set("gone", "1"), error_code{});
  b.retained->read_topics();
  for (auto topic : {"new", "newer"}) b.retained->peer_set(topic, RetainedEntry{.cost = 10});
  b.retained->peer_set("gone", std::nullopt);
  b.loop.until([turns = 0]() mutable { return ++turns > 50; });
  EXPECT_EQ(b.retained->count(), 2u) << "the new ones";
}

TEST(RedisRetained, TheCacheIsBounded) {
  NEEDS_REDIS();
  RedisServer server;
  RetainedNode a(server, "a", {SIZE_MAX, SIZE_MAX, 10'000});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.set("t/" + std::to_string(i), std::string(500, 'x')), error_code{});
  EXPECT_LE(a.retained->cached_bytes(), 10'000u);
  EXPECT_GT(a.retained->cached_bytes(), 5'000u);
}

TEST(RedisRetained, OneThatExpiresLeaves) {
  NEEDS_REDIS();
  RedisServer server;
  RetainedNode a(server, "a", {1, SIZE_MAX, 0});
  const auto soon = std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now()) + Millis(300);
  EXPECT_EQ(a.set("t", "x", soon), error_code{});
  EXPECT_EQ(a.set("u", "x"), ports::errc::quota);
  const std::string key = a.keys.retained("t");
  EXPECT_TRUE(a.loop.until([&] { return server.ask({"EXISTS", key}) == "0"; })) << "by itself";
  EXPECT_EQ(a.match("#"), "");
  EXPECT_EQ(a.set("u", "x"), error_code{});
}

TEST(RedisRetained, TheNewestStaysWhoeverRepairsLast) {
  NEEDS_REDIS();
  for (const bool cleared : {false, true}) {
    SCOPED_TRACE(cleared);
    RedisServer server;
    RetainedNode a(server, "a"), b(server, "b");
    a.to = &b;
    b.to = &a;
    EXPECT_EQ(a.set("t", "0"), error_code{});
    ASSERT_EQ(server.ask({"SAVE"}), "OK");
    EXPECT_EQ(a.set("t", "older"), error_code{});
    EXPECT_EQ(b.set("t", cleared ? "" : "newer"), error_code{});
    forget(server);
    const std::string key = a.keys.retained("t");
    auto count = [&](auto& n) { return n.writer.stats().repeated; };
    const auto before_b = count(b), before_a = count(a);
    ASSERT_TRUE(b.loop.until([&] { return count(b) > before_b && server.ask({"HGET", key, "w"}).starts_with("b"); }));
    ASSERT_TRUE(a.loop.until([&] { return count(a) > before_a; }));
    for (int i = 0; i < 50; ++i) a.loop.run_once(Millis(10));
    EXPECT_EQ(RetainedNode(server, "c").match("#"), cleared ? "" : "t=newer");
  }
}

/// Whoever reads before the message is there again finds none, or an older one: he is told, as of a new one.
TEST(RedisRetained, WhatRedisForgotIsToldOnceMore) {
  NEEDS_REDIS();
  RedisServer server({"--save", ""});
  RetainedNode a(server, "a", {}, {.keep = Seconds(3)}), b(server, "b");
  EXPECT_EQ(a.set("old", "1"), error_code{});
  ASSERT_TRUE(a.loop.until([&] { return a.writer.stats().kept_bytes == 0; })) << "the entry is not kept any more";
  EXPECT_EQ(a.set("old", "2"), error_code{});
  EXPECT_EQ(a.set("t", "1"), error_code{});
  a.to = &b;
  b.retained->read_topics();
  ASSERT_TRUE(b.loop.until([&] { return b.match("#") == "old=2 t=1"; }));
  forget(server);
  b.retained->read_topics();
  ASSERT_TRUE(b.loop.until([&] { return b.match("#").empty(); }));
  ASSERT_TRUE(a.loop.until([&] { return a.told == 5; })) << a.told;
  EXPECT_EQ(b.match("#"), "old=2 t=1");
  a.loop.until([turns = 0]() mutable { return ++turns > 50; });
  EXPECT_EQ(RetainedNode(server, "c").match("#"), "old=2 t=1");
}

/// Of what two nodes have set, the older comes again later, or is told later: it hides nothing.
TEST(RedisRetained, AClearThatComesAgainHidesNothing) {
  NEEDS_REDIS();
  RedisServer server({"--save", ""});
  RetainedNode a(server, "a"), b(server, "b");
  EXPECT_EQ(a.set("t", "1"), error_code{});
  b.retained->peer_set("t", RetainedEntry{.cost = 10});
  EXPECT_EQ(a.set("t", ""), error_code{});
  EXPECT_EQ(b.set("t", "2"), error_code{});
  forget(server);
  a.to = &b;
  ASSERT_TRUE(a.loop.until([&] { return a.told == 3; })) << "Redis has nothing newer yet";
  ASSERT_TRUE(b.loop.until([&] { return b.told == 2; }));
  b.retained->peer_set("t", RetainedEntry{});  // as a has said it, but later
  EXPECT_EQ(b.match("#"), "t=2");
  EXPECT_EQ(a.retained->count(), 0u);
}

/// While a message comes again, the topic is cleared.
TEST(RedisRetained, WhatIsClearedMeanwhileDoesNotComeAgain) {
  NEEDS_REDIS();
  RedisServer server({"--save", ""});
  RetainedNode a(server, "a");
  EXPECT_EQ(a.set("t", "1"), error_code{});
  server.kill();
  ASSERT_TRUE(a.loop.until([&] { return !a.writer.trouble().empty() || a.writer.reconnections() > 0; }));
  std::optional<bool> cleared;
  model::MessageView v;
  v.topic = "t";
  a.retained->set(model::Message::copy(v), [&](result<void> r) { cleared = r.has_value(); });
  server.start();
  ASSERT_TRUE(a.loop.until([&] { return cleared.has_value(); }));
  EXPECT_TRUE(*cleared);
  EXPECT_EQ(a.retained->count(), 0u);
  EXPECT_EQ(a.match("#"), "");
}

TEST(RedisRetained, SetsGoOnWhenARowWasForgotten) {
  NEEDS_REDIS();
  RedisServer server;
  redis::testing::TestLoop loop;
  redis::WriterOptions w;
  w.keep = Seconds(0);
  RedisNode node(loop, url_of(server), "sb:", w);
  RedisRetained retained(node.writer, node.keys, node.life, {});
  for (int i = 1; i <= 3; ++i) {
    model::MessageView v;
    const std::string payload = std::to_string(i);
    v.topic = "t";
    v.payload = payload;
    bool set = false;
    retained.set(model::Message::copy(v), [&](auto r) { set = r.has_value(); });
    ASSERT_TRUE(loop.until([&] { return set; }));
    for (int turn = 0; turn < 20; ++turn) loop.run_once(Millis(10));  // its row goes
    EXPECT_EQ(server.ask({"HGET", node.keys.retained("t"), "v"}).back(), payload.back());
  }
}

}  // namespace
}  // namespace sb::store::test
