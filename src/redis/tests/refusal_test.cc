// SPDX-License-Identifier: MIT
#include "redis/refusal.h"

#include <gtest/gtest.h>

namespace sb::redis {
namespace {

TEST(Refusal, IsKnownByItsBeginning) {
  const struct {
    std::string_view error;
    Refusal refusal;
  } cases[] = {
      {"ERR The ID specified in XADD is equal or smaller than the target stream top item", Refusal::id_not_above},
      {"READONLY You can't write against a read only replica.", Refusal::read_only},
      {"READONLY You can't write against a read only replica. script: 6b1bf4, on @user_script:1.", Refusal::read_only},
      {"ERR Error running script (call to f_6b1bf4): @user_script:1: @user_script: 1: -READONLY You can't write",
       Refusal::read_only},
      {"ERR Error running script (call to f_6b1bf4): @user_script:12: -OOM command not allowed",
       Refusal::out_of_memory},
      {"ERR Error running script (call to f_6b1bf4): NOREPLICAS Not enough good replicas", Refusal::no_replicas},
      {"ERR Error running script (call to f_6b1bf4): @user_script:1: Unknown Redis command", Refusal::other},
      {"ERR Error running script", Refusal::other},
      {"NOREPLICAS Not enough good replicas to write.", Refusal::no_replicas},
      {"EXECABORT Transaction discarded because of previous errors.", Refusal::exec_abort},
      {"LOADING Redis is loading the dataset in memory", Refusal::loading},
      {"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", Refusal::primary_down},
      {"NOSCRIPT No matching script. Please use EVAL.", Refusal::no_script},
      {"UNBLOCKED force unblock from blocking operation", Refusal::unblocked},
      {"ERR WAIT cannot be used with replica instances. Please also note", Refusal::not_a_primary},
      {"MOVED 3999 127.0.0.1:6381", Refusal::moved},
      {"ASK 3999 127.0.0.1:6381", Refusal::ask},
      {"TRYAGAIN Multiple keys request during rehashing of slot", Refusal::try_again},
      {"CLUSTERDOWN Hash slot not served", Refusal::cluster_down},
      {"CROSSSLOT Keys in request don't hash to the same slot", Refusal::cross_slot},
      {"OOM command not allowed when used memory > 'maxmemory'.", Refusal::out_of_memory},
      {"BUSY Redis is busy running a script.", Refusal::busy},
      {"BUSYGROUP Consumer Group name already exists", Refusal::other},
      {"NOPERM this user has no permissions to run the 'set' command", Refusal::no_permission},
      {"NOAUTH Authentication required.", Refusal::not_logged_in},
      {"WRONGPASS invalid username-password pair or user is disabled.", Refusal::not_logged_in},
      {"MISCONF Redis is configured to save RDB snapshots", Refusal::misconfigured},
      {"WRONGTYPE Operation against a key holding the wrong kind of value", Refusal::other},
      {"ASKING", Refusal::other},
      {"", Refusal::other},
  };
  for (const auto& c : cases) EXPECT_EQ(classify(c.error), c.refusal) << c.error;
}

TEST(Refusal, SaysWhereToGo) {
  const auto moved = redirect_of("MOVED 3999 127.0.0.1:6381");
  ASSERT_TRUE(moved);
  EXPECT_EQ(moved->slot, 3999);
  EXPECT_EQ(moved->to, (Endpoint{"127.0.0.1", 6381, ""}));
  EXPECT_EQ(redirect_of("ASK 1 fe80::1:7000")->to, (Endpoint{"fe80::1", 7000, ""}));
  EXPECT_EQ(redirect_of("MOVED 1 :7000")->to, (Endpoint{"", 7000, ""}));
  EXPECT_EQ(redirect_of("MOVED 1 h:7000 script: 6b1bf4, on @user_script:1.")->to.port, 7000);
  for (std::string_view bad : {"MOVED", "MOVED 1", "MOVED 1 h", "MOVED x h:1", "MOVED 1 h:x", "MOVED 70000 h:1"})
    EXPECT_FALSE(redirect_of(bad)) << bad;
}

}  // namespace
}  // namespace sb::redis
