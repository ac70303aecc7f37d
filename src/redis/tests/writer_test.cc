// SPDX-License-Identifier: MIT
#include "redis/writer.h"

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "redis/tests/bench.h"
#include "redis/tests/topologies.h"

namespace sb::redis::testing {
namespace {

/// Appends to a list, and notes the number of the last batch beside it; refuses a batch that is not the next one.
const auto kPush = std::make_shared<const Script>(R"(
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
local n = tonumber(ARGV[1])
if n <= last then return 'seen' end
if n ~= last + 1 and ARGV[2] ~= 'gap' then return 'gap' end
redis.call('RPUSH', KEYS[1], unpack(ARGV, 3))
redis.call('SET', KEYS[2], n)
return 'done')");

/// A list of words in Redis. Every batch is what gathered.
class List final : public Target {
 public:
  List(Writer& w, const std::string& name) : Target(w, "{" + name + "}"), last_key_("{" + name + "}:last") {}

  void add(std::string word, std::size_t bytes = 10) {
    waiting_.push_back(std::move(word));
    bytes_ += bytes;
    ready();
  }
  std::vector<std::string> confirmed_words;
  std::vector<std::size_t> batch_sizes;
  std::uint64_t lost_from = 0, lost_to = 0;
  int seen = 0, idles = 0;
  std::function<void()> on_confirmed = [] {};
  using Target::repair;
  using Target::stop;
  using Target::unneeded_up_to;

 private:
  struct Push final : Batch {
    std::vector<std::string> words;
  };
  std::unique_ptr<Batch> next() override {
    if (waiting_.empty()) return nullptr;
    auto b = std::make_unique<Push>();
    b->words = std::exchange(waiting_, {});
    b->bytes = std::exchange(bytes_, 0);
    batch_sizes.push_back(b->words.size());
    return b;
  }
  void encode(const Batch& b, Sending how, Words& out) override {
    out.add("EVALSHA").add(kPush->sha).add("2").add(key()).add(last_key_).number(b.number).add(how.gap ? "gap" : "");
    for (auto& w : static_cast<const Push&>(b).words) out.add(w);
  }
  Taken answered(Batch&, Outcome& o) override {
    if (!o.done() || o.value().text() == "gap") return Taken::repair;
    seen += o.value().text() == "seen";
    return Taken::yes;
  }
  void confirmed(Batch& b) override {
    auto& words = static_cast<Push&>(b).words;
    confirmed_words.insert(confirmed_words.end(), words.begin(), words.end());
    on_confirmed();
  }
  void encode_last(Words& out) override { out.add("GET").add(last_key_); }
  void lost(std::uint64_t has, std::uint64_t kept) override { lost_from = has, lost_to = kept; }
  void on_idle() override { ++idles; }

  const std::string last_key_;
  std::vector<std::string> waiting_;
  std::size_t bytes_ = 0;
};

/// 1, 2, ... `n`, each in a batch of its own, confirmed.
bool add_each(TestLoop& loop, List& list, int n) {
  for (int i = 1; i <= n; ++i) {
    list.add(std::to_string(i));
    if (!loop.until([&] { return static_cast<int>(list.confirmed_words.size()) == i; })) return false;
  }
  return true;
}

Options with_script() {
  Options o;
  o.scripts = {kPush};
  o.pause_max = Millis(200);
  return o;
}

Url url_of(RedisServer& s) {
  Url u;
  u.hosts = {s.endpoint()};
  return u;
}

std::string words_in(RedisServer& s, const std::string& name) { return s.ask({"LRANGE", "{" + name + "}", "0", "-1"}); }
std::string lines(const std::vector<std::string>& words) {
  std::string all;
  for (auto& w : words) all += w + "\n";
  if (!all.empty()) all.pop_back();
  return all;
}
std::string count_to(int n) {
  std::vector<std::string> words;
  for (int i = 1; i <= n; ++i) words.push_back(std::to_string(i));
  return lines(words);
}

TEST(Writer, WhatGathersDuringAFlushIsOneBatch) {
  NEEDS_REDIS();
  RedisServer server;
  TestLoop loop;
  Writer writer(loop, url_of(server), with_script(), {});
  List list(writer, "a");
  writer.start();
  for (int i = 1; i <= 5; ++i) list.add(std::to_string(i));
  ASSERT_TRUE(loop.until([&] { return list.confirmed_words.size() == 5; }));
  EXPECT_EQ(list.batch_sizes, std::vector<std::size_t>{5});
  EXPECT_EQ(words_in(server, "a"), count_to(5));
  EXPECT_EQ(writer.trouble(), "");
}

TEST(Writer, NothingIsLostOrTwiceWhenConnectionsAreKilled) {
  NEEDS_REDIS();
  RedisServer server;
  TestLoop loop;
  Writer writer(loop, url_of(server), with_script(), {});
  List a(writer, "a"), b(writer, "b");
  writer.start();
  int n = 0;
  for (int kills = 0; kills < 20; ++kills) {
    for (int i = 0; i < 50; ++i) {
      ++n;
      a.add(std::to_string(n));
      b.add(std::to_string(n));
      loop.run_once(Millis(1));
    }
    server.ask({"CLIENT", "KILL", "TYPE", "normal"});
  }
  ASSERT_TRUE(
      loop.until([&] { return static_cast<int>(a.confirmed_words.size() + b.confirmed_words.size()) == 2 * n; }));
  EXPECT_EQ(words_in(server, "a"), count_to(n));
  EXPECT_EQ(words_in(server, "b"), count_to(n));
  EXPECT_EQ(lines(a.confirmed_words), count_to(n));
  EXPECT_GT(writer.stats().repairs, 0u);
}

TEST(Writer, AServerThatStartsEmptyGetsEverythingThatIsKept) {
  NEEDS_REDIS();
  RedisServer server({"--save", ""});
  TestLoop loop;
  Writer writer(loop, url_of(server), with_script(), {});
  List list(writer, "a");
  writer.start();
  ASSERT_TRUE(add_each(loop, list, 100));
  server.kill();
  server.start();
  EXPECT_TRUE(loop.until([&] { return words_in(server, "a") == count_to(100); }));
  EXPECT_EQ(list.confirmed_words.size(), 100u) << "told once";
  list.add("101");
  ASSERT_TRUE(loop.until([&] { return list.confirmed_words.size() == 101; }));
  EXPECT_EQ(words_in(server, "a"), count_to(101));
}

TEST(Writer, WhatIsNotKeptAnyMoreIsSaidToBeLost) {
  NEEDS_REDIS();
  RedisServer server({"--save", ""});
  TestLoop loop;
  WriterOptions options;
  options.keep = Seconds(0);
  Writer writer(loop, url_of(server), with_script(), options);
  List list(writer, "a");
  writer.start();
  ASSERT_TRUE(add_each(loop, list, 10));
  ASSERT_TRUE(loop.until([&] { return list.idle(); }));
  EXPECT_GT(list.idles, 0);
  EXPECT_EQ(writer.stats().kept_bytes, 0u);
  server.ask({"FLUSHALL"});
  list.add("11");
  ASSERT_TRUE(loop.until([&] { return list.confirmed_words.size() == 11; }));
  EXPECT_EQ(list.lost_from, 0u);
  EXPECT_EQ(list.lost_to, 11u);
  EXPECT_EQ(writer.stats().lost, 10u);
  EXPECT_EQ(words_in(server, "a"), "11");
}

TEST(Writer, WhatIsUnneededIsNotKeptAndNotLost) {
  NEEDS_REDIS();
  for (Seconds keep : {Seconds(30), Seconds(0)}) {
    RedisServer server({"--save", ""});
    TestLoop loop;
    WriterOptions options;
    options.keep = keep;
    Writer writer(loop, url_of(server), with_script(), options);
    List list(writer, "a");
    writer.start();
    ASSERT_TRUE(add_each(loop, list, 10));
    list.unneeded_up_to(6);
    list.unneeded_up_to(5);
    const bool all_kept = keep > Seconds(0);
    if (all_kept)
      EXPECT_EQ(writer.stats().kept_bytes, 40u);
    else
      ASSERT_TRUE(loop.until([&] { return list.idle(); }));
    server.ask({"FLUSHALL"});
    list.add("11");
    ASSERT_TRUE(loop.until([&] { return list.confirmed_words.size() == 11; }));
    EXPECT_EQ(words_in(server, "a"), all_kept ? "7\n8\n9\n10\n11" : "11");
    EXPECT_EQ(writer.stats().lost, all_kept ? 0u : 4u);
    EXPECT_EQ(list.lost_from, all_kept ? 0u : 6u);
    EXPECT_EQ(list.lost_to, all_kept ? 0u : 11u);

    list.unneeded_up_to(12);  // one more than there is
    EXPECT_TRUE(all_kept ? writer.stats().kept_bytes == 0 : true);
    list.add("12");
    list.add("13");
    ASSERT_TRUE(loop.until([&] { return list.confirmed_words.size() == 13; }));
    EXPECT_EQ(writer.stats().lost, all_kept ? 0u : 4u);
  }
}

TEST(Writer, AReplicaThatIsPromotedGetsWhatItHasNotHeard) {
  NEEDS_REDIS();
  SentinelGroup group(2);
  TestLoop loop;
  WriterOptions options;
  options.concern = WriterOptions::Concern::replica;
  Writer writer(loop, group.url(), with_script(), options);
  List list(writer, "a");
  writer.start();
  int n = 0;
  for (; n < 200; loop.run_once(Millis(1))) list.add(std::to_string(++n));
  ASSERT_TRUE(loop.until([&] { return static_cast<int>(list.confirmed_words.size()) == n; }));
  group.servers[0]->kill();
  for (int i = 0; i < 100; ++i, loop.run_once(Millis(1))) list.add(std::to_string(++n));
  ASSERT_TRUE(loop.until([&] { return static_cast<int>(list.confirmed_words.size()) == n; })) << writer.trouble();
  const auto other = words_in(*group.servers[1], "a") == count_to(n) || words_in(*group.servers[2], "a") == count_to(n);
  EXPECT_TRUE(other);
  EXPECT_EQ(writer.stats().degraded, 0u);
}

TEST(Writer, AServerThatWasAReplicaMeanwhileGetsWhatThatMadeItForget) {
  NEEDS_REDIS();
  RedisServer server, other({"--repl-diskless-sync-delay", "0"});
  TestLoop loop;
  Writer writer(loop, url_of(server), with_script(), {});
  List list(writer, "a");
  writer.start();
  ASSERT_TRUE(add_each(loop, list, 3));
  // Nobody looks meanwhile, nobody writes afterwards, and the connection stays.
  server.ask({"REPLICAOF", "127.0.0.1", std::to_string(other.port())});
  for (int i = 0; i < 200 && words_in(server, "a") != ""; ++i) std::this_thread::sleep_for(Millis(50));
  ASSERT_EQ(words_in(server, "a"), "");
  server.ask({"REPLICAOF", "NO", "ONE"});
  EXPECT_TRUE(loop.until([&] { return words_in(server, "a") == count_to(3); }));
  EXPECT_EQ(writer.stats().lost, 0u);
}

TEST(Writer, ConfirmationsWaitForAReplica) {
  NEEDS_REDIS();
  struct Case {
    bool degrade;
    std::size_t confirmed;
  };
  for (const Case& c : {Case{true, 1}, Case{false, 0}}) {
    RedisServer server({"--repl-diskless-sync-delay", "0"});
    TestLoop loop;
    WriterOptions options;
    options.concern = WriterOptions::Concern::replica;
    options.degrade = c.degrade;
    Writer writer(loop, url_of(server), with_script(), options);
    List list(writer, "a");
    writer.start();
    list.add("1");
    loop.until([&] { return list.confirmed_words.size() > c.confirmed; }, Seconds(1));
    EXPECT_EQ(list.confirmed_words.size(), c.confirmed);
    EXPECT_EQ(words_in(server, "a"), "1") << "stored all the same";
    EXPECT_EQ(writer.trouble().empty(), c.degrade) << writer.trouble();
    if (c.degrade) continue;
    RedisServer replica({"--replicaof", "127.0.0.1 " + std::to_string(server.port())});
    EXPECT_TRUE(loop.until([&] { return list.confirmed_words.size() == 1; })) << "now there is one";
    EXPECT_EQ(words_in(replica, "a"), "1");
  }
}

TEST(Writer, WhatIsToBeRepeatedIsNotConfirmedBefore) {
  NEEDS_REDIS();
  RedisServer server({"--repl-diskless-sync-delay", "0"});
  RedisServer replica({"--replicaof", "127.0.0.1 " + std::to_string(server.port())});
  TestLoop loop;
  WriterOptions options;
  options.concern = WriterOptions::Concern::replica;
  Writer writer(loop, url_of(server), with_script(), options);
  List list(writer, "a");
  writer.start();
  ASSERT_TRUE(add_each(loop, list, 1));
  replica.pause();
  list.add("2");
  ASSERT_TRUE(loop.until([&] { return writer.stats().unreplicated > 0; }));  // "2" is stored
  writer.allow_until(MonoTime::min());
  loop.until([] { return false; }, Seconds(1));  // no WAIT is under way any more
  std::string had;
  list.on_confirmed = [&] { had = words_in(server, "a"); };
  ASSERT_EQ(server.ask({"DEL", "{a}", "{a}:last"}), "2");
  list.repair();
  replica.resume();
  writer.allow_until(kNever);
  ASSERT_TRUE(loop.until([&] { return list.confirmed_words.size() == 2; }));
  EXPECT_EQ(had, count_to(2)) << "what Redis had when it was confirmed";
}

TEST(Writer, WithoutAConnectionThereIsTroubleAlsoForWhoHasNothingToWrite) {
  NEEDS_REDIS();
  RedisServer server;
  TestLoop loop;
  Writer writer(loop, url_of(server), with_script(), {});
  List list(writer, "a");
  writer.start();
  ASSERT_TRUE(add_each(loop, list, 1));
  server.kill();
  const auto says_so = [&] { return writer.trouble().find("no connection") != std::string::npos; };
  ASSERT_TRUE(loop.until(says_so));
  loop.until([] { return false; }, Seconds(2));
  EXPECT_TRUE(says_so()) << writer.trouble();
  server.start();
  EXPECT_TRUE(loop.until([&] { return writer.trouble().empty(); }));
}

TEST(Writer, WhatGoesOnceMoreIsNoTrouble) {
  NEEDS_REDIS();
  RedisServer server;
  TestLoop loop;
  Writer writer(loop, url_of(server), with_script(), {});
  Repeatable set(writer, "{s}");
  writer.start();
  int stored = 0;
  for (int i = 0; i < 500; ++i) {
    set.send({"SADD", "{s}", std::to_string(i)}, [&] { ++stored; });
    ASSERT_TRUE(loop.until([&] { return stored == i + 1; }));
  }
  loop.until([] { return false; }, Seconds(2));
  server.ask({"CLIENT", "KILL", "TYPE", "normal"});
  ASSERT_TRUE(loop.until([&] { return writer.repairing(); }));
  ASSERT_TRUE(loop.until([&] {
    EXPECT_EQ(writer.trouble(), "");
    return !writer.repairing();
  }));
  EXPECT_GE(writer.stats().repeated, 500u);
}

TEST(Writer, ACallWhoseTimeIsNearlyOverDoesNotEndItsConnection) {
  NEEDS_REDIS();
  RedisServer server;
  TestLoop loop;
  Writer writer(loop, url_of(server), with_script(), {});
  writer.start();
  int answers = 0;
  const auto get = [&](Millis within) {
    writer.client().call(
        {"GET", "k"}, "k", within, [&](Outcome&) { ++answers; }, kReads);
  };
  get(Seconds(10));
  ASSERT_TRUE(loop.until([&] { return answers == 1; }));
  const Connection* c = writer.client().connection(key_slot("k"), kReads);
  ASSERT_NE(c, nullptr);
  const auto socket = c->socket_id();
  server.pause();
  get(Millis(20));
  get(Seconds(10));
  const auto end = std::chrono::steady_clock::now() + Millis(200);
  loop.until([&] { return std::chrono::steady_clock::now() > end; });
  server.resume();
  ASSERT_TRUE(loop.until([&] { return answers == 3; }));
  EXPECT_EQ(c->socket_id(), socket);
}

TEST(Writer, RefusalsAreRepeatedUntilTheyPass) {
  NEEDS_REDIS();
  RedisServer server;
  TestLoop loop;
  Writer writer(loop, url_of(server), with_script(), {});
  List list(writer, "a");
  writer.start();
  list.add("1");
  ASSERT_TRUE(loop.until([&] { return list.confirmed_words.size() == 1; }));
  server.ask({"CONFIG", "SET", "maxmemory", "1"});
  list.add("2");
  loop.until([&] { return !writer.trouble().empty(); });
  EXPECT_NE(writer.trouble().find("OOM"), std::string::npos) << writer.trouble();
  server.ask({"SCRIPT", "FLUSH"});
  list.add("3");
  server.ask({"CONFIG", "SET", "maxmemory", "0"});
  ASSERT_TRUE(loop.until([&] { return list.confirmed_words.size() == 3; }));
  EXPECT_EQ(words_in(server, "a"), count_to(3));
  EXPECT_EQ(writer.trouble(), "");
}

TEST(Writer, AFullRingTakesOnlyWhatIsEssential) {
  NEEDS_REDIS();
  RedisServer server;
  TestLoop loop;
  WriterOptions options;
  options.redo_bytes = 1000;
  options.keep = Seconds(1);
  Writer writer(loop, url_of(server), with_script(), options);
  List list(writer, "a");
  Repeatable set(writer, "{s}");
  set.set_essential();
  writer.start();
  list.add("1", 1000);
  ASSERT_TRUE(loop.until([&] { return list.confirmed_words.size() == 1; }));
  EXPECT_FALSE(writer.has_room());
  list.add("2");
  bool stored = false;
  set.send({"SADD", "{s}", "x"}, [&] { stored = true; });
  ASSERT_TRUE(loop.until([&] { return stored; }));
  EXPECT_EQ(list.confirmed_words.size(), 1u);
  ASSERT_TRUE(loop.until([&] { return list.confirmed_words.size() == 2; })) << "the first one is old";
}

TEST(Writer, ATargetMayEndInItsOwnConfirmation) {
  NEEDS_REDIS();
  RedisServer server;
  TestLoop loop;
  Writer writer(loop, url_of(server), with_script(), {});
  auto list = std::make_unique<List>(writer, "a");
  auto other = std::make_unique<List>(writer, "b");
  list->on_confirmed = [&] { list->stop(); };
  writer.start();
  list->add("1");
  other->add("1");
  ASSERT_TRUE(loop.until([&] { return other->confirmed_words.size() == 1 && list->confirmed_words.size() == 1; }));
  EXPECT_EQ(writer.stats().kept_bytes, 10u);
  list.reset();
  other->add("2");
  other.reset();  // with something under way
  loop.run_once(Millis(10));
  loop.run_once(Millis(10));
  EXPECT_EQ(writer.stats().kept_bytes, 0u);
}

TEST(Writer, SetsAreRepeatedInTheirOrder) {
  NEEDS_REDIS();
  RedisServer server({"--save", ""});
  TestLoop loop;
  Writer writer(loop, url_of(server), with_script(), {});
  Repeatable set(writer, "{s}");
  writer.start();
  int stored = 0;
  for (auto& words : std::vector<std::vector<std::string>>{
           {"SADD", "{s}", "a"}, {"SADD", "{s}", "b"}, {"SREM", "{s}", "a"}, {"SADD", "{s}", "c"}})
    set.send(words, [&] { ++stored; });
  ASSERT_TRUE(loop.until([&] { return stored == 4; }));
  server.kill();
  server.start();
  EXPECT_TRUE(loop.until([&] { return server.ask({"SISMEMBER", "{s}", "c"}) == "1"; }));
  EXPECT_EQ(server.ask({"SISMEMBER", "{s}", "a"}), "0");
  EXPECT_EQ(stored, 4);
}

TEST(Writer, SlotsMayMoveInACluster) {
  NEEDS_REDIS();
  ClusterNodes cluster(2, 1);
  TestLoop loop;
  Writer writer(loop, cluster.url(), with_script(), {});
  List list(writer, "a");
  const auto slot = key_slot("{a}");
  const std::size_t from = cluster.owner(slot), to = 1 - from;
  writer.start();
  int n = 0;
  for (; n < 50; loop.run_once(Millis(1))) list.add(std::to_string(++n));
  ASSERT_TRUE(loop.until([&] { return static_cast<int>(list.confirmed_words.size()) == n; }));
  auto& source = *cluster.nodes[from];
  auto& target = *cluster.nodes[to];
  const std::string s = std::to_string(slot);
  target.ask({"CLUSTER", "SETSLOT", s, "IMPORTING", cluster.id(from)});
  source.ask({"CLUSTER", "SETSLOT", s, "MIGRATING", cluster.id(to)});
  source.ask({"MIGRATE", "127.0.0.1", std::to_string(target.port()), "", "0", "1000", "KEYS", "{a}", "{a}:last"});
  for (int i = 0; i < 50; ++i, loop.run_once(Millis(1))) list.add(std::to_string(++n));
  target.ask({"CLUSTER", "SETSLOT", s, "NODE", cluster.id(to)});
  source.ask({"CLUSTER", "SETSLOT", s, "NODE", cluster.id(to)});
  for (int i = 0; i < 50; ++i, loop.run_once(Millis(1))) list.add(std::to_string(++n));
  ASSERT_TRUE(loop.until([&] { return static_cast<int>(list.confirmed_words.size()) == n; }));
  EXPECT_EQ(words_in(target, "a"), count_to(n));
}

}  // namespace
}  // namespace sb::redis::testing
