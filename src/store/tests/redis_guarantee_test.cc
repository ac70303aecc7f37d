// SPDX-License-Identifier: MIT
#include "store/redis_guarantee.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "redis/tests/bench.h"
#include "redis/tests/redis_server.h"

namespace sb::store {
namespace {

using redis::Replication;
using redis::WriterOptions;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Concern = WriterOptions::Concern;

const RedisSettings kGood = {{"appendonly", "yes"},
                             {"appendfsync", "always"},
                             {"maxmemory", "1000"},
                             {"maxmemory-policy", "noeviction"},
                             {"min-replicas-to-write", "1"}};

WriterOptions with(Concern c, unsigned replicas = 1, bool degrade = true) {
  WriterOptions o;
  o.concern = c;
  o.replicas = replicas;
  o.degrade = degrade;
  return o;
}

Replication primary(std::initializer_list<const char*> replicas = {}) {
  Replication r;
  r.address = "h:1";
  r.role = "primary";
  for (auto state : replicas) r.replicas.push_back({"h:2", state, 0, 0});
  return r;
}

RedisSettings but(const char* name, const char* value) {
  RedisSettings s = kGood;
  s[name] = value;
  return s;
}

TEST(Guarantee, SaysWhatAnAcknowledgementMeans) {
  EXPECT_EQ(acknowledgement_means(with(Concern::primary)), "the primary of Redis has it in its memory");
  EXPECT_EQ(acknowledgement_means(with(Concern::fsync)), "the primary of Redis has it on its disk");
  EXPECT_EQ(acknowledgement_means(with(Concern::replica)), "the primary of Redis and 1 replica have it");
  EXPECT_EQ(acknowledgement_means(with(Concern::replica, 2)), "the primary of Redis and 2 replicas have it");
}

TEST(Guarantee, NothingIsWeakWhereAllIsAsItShouldBe) {
  EXPECT_THAT(weaknesses(with(Concern::primary), &kGood, primary()), IsEmpty());
  EXPECT_THAT(weaknesses(with(Concern::fsync), &kGood, primary()), IsEmpty());
  EXPECT_THAT(weaknesses(with(Concern::replica), &kGood, primary({"online"})), IsEmpty());
  auto everysec = but("appendfsync", "everysec");
  EXPECT_THAT(weaknesses(with(Concern::replica), &everysec, primary({"online"})), IsEmpty());
  auto alone = but("min-replicas-to-write", "0");
  EXPECT_THAT(weaknesses(with(Concern::primary), &alone, primary()), IsEmpty());
  auto unbounded = but("maxmemory-policy", "allkeys-lru");
  unbounded["maxmemory"] = "0";
  EXPECT_THAT(weaknesses(with(Concern::primary), &unbounded, primary()), IsEmpty());
}

TEST(Guarantee, EachSettingThatMakesItWorthLessIsNamedWithItsRemedy) {
  auto of = [](WriterOptions o, const RedisSettings& s) { return weaknesses(o, &s, primary({"online"})); };
  EXPECT_THAT(of(with(Concern::primary), but("appendonly", "no")),
              ElementsAre(HasSubstr("redis h:1: appendonly is no: restarted before a failover it comes back empty")));
  EXPECT_THAT(of(with(Concern::fsync), but("appendonly", "no")),
              ElementsAre(HasSubstr("appendonly is no and appendfsync always")));
  EXPECT_THAT(of(with(Concern::fsync), but("appendfsync", "everysec")),
              ElementsAre(HasSubstr("appendfsync everysec, so that what is acknowledged may not be on the disk; set")));
  EXPECT_THAT(of(with(Concern::primary), but("maxmemory-policy", "volatile-ttl")),
              ElementsAre(HasSubstr("maxmemory-policy is volatile-ttl")));
  EXPECT_THAT(of(with(Concern::replica), but("min-replicas-to-write", "0")),
              ElementsAre(HasSubstr("min-replicas-to-write is 0")));
  EXPECT_THAT(weaknesses(with(Concern::primary), nullptr, primary()), ElementsAre(HasSubstr("CONFIG GET is refused")));
}

TEST(Guarantee, ReplicasAreCounted) {
  auto of = [](WriterOptions o, const Replication& r) { return weaknesses(o, &kGood, r); };
  EXPECT_THAT(of(with(Concern::replica), primary()), ElementsAre(HasSubstr("means no more than that it has")));
  EXPECT_THAT(of(with(Concern::replica), primary({"wait_bgsave"})), ElementsAre(HasSubstr("no replica follows it")));
  EXPECT_THAT(of(with(Concern::replica, 1, false), primary()), ElementsAre(HasSubstr("acknowledgements wait")));
  EXPECT_THAT(of(with(Concern::replica, 2), primary({"online"})), ElementsAre(HasSubstr("1 of 2 replicas follow it")));
  Replication hangs = primary({"online"});
  hangs.replicas[0].seconds = 6;
  EXPECT_THAT(of(with(Concern::replica), hangs), ElementsAre(HasSubstr("no replica follows it")));
  Replication unknown;
  unknown.address = "h:1";
  EXPECT_THAT(of(with(Concern::replica), unknown), IsEmpty()) << "nobody has said that there are none";
}

TEST(Guarantee, IsLookedAtAgainAndAgain) {
  NEEDS_REDIS();
  redis::testing::RedisServer server({"--appendonly", "no"});
  redis::testing::TestLoop loop;
  redis::Url url;
  url.hosts = {server.endpoint()};
  redis::Writer writer(loop, url, redis::Options::of(url), {});
  redis::ReplicationWatch watch(loop, writer.client());
  RedisGuarantee guarantee(writer, watch);
  writer.start();
  watch.start();
  guarantee.start();
  ASSERT_TRUE(loop.until([&] { return !guarantee.weak().empty(); }));
  EXPECT_THAT(guarantee.weak(), ElementsAre(HasSubstr("appendonly is no")));
  server.ask({"CONFIG", "SET", "appendonly", "yes"});
  EXPECT_TRUE(loop.until([&] { return guarantee.weak().empty(); }));
  server.ask({"CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "maxmemory", "100mb"});
  ASSERT_TRUE(loop.until([&] { return !guarantee.weak().empty(); }));
  EXPECT_THAT(guarantee.weak(), ElementsAre(HasSubstr("maxmemory-policy is allkeys-lru")));
  server.ask({"ACL", "SETUSER", "default", "-config"});
  EXPECT_TRUE(loop.until([&] { return guarantee.weak().at(0).find("CONFIG GET is refused") != std::string::npos; }));
}

}  // namespace
}  // namespace sb::store
