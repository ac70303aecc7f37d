// SPDX-License-Identifier: MIT
#include "auth/anonymous.h"

#include <gtest/gtest.h>

#include "auth/allow_all.h"

namespace sb::auth {
namespace {

using mqtt::Reason;

TEST(AnonymousRule, Table) {
  const struct {
    std::optional<std::string_view> username;
    std::string_view identity;
    bool allowed, behind;
    Reason reason;
    std::string name = {};
  } rows[] = {
      {{}, "", true, false, Reason::success, ""},
      {{}, "", true, true, Reason::success, ""},
      {{}, "", false, false, Reason::not_authorized},
      {{}, "", false, true, Reason::not_authorized},
      {"", "", true, true, Reason::success, ""},
      {"", "", false, true, Reason::not_authorized},
      {"alice", "", true, false, Reason::success, "alice"},
      {"alice", "", false, false, Reason::not_authorized},
      {"alice", "", true, true, Reason::bad_user_name_or_password},
      {"alice", "", false, true, Reason::bad_user_name_or_password},
      {{}, "device-1", false, false, Reason::success, "device-1"},
      {"alice", "device-1", false, true, Reason::success, "device-1"},
      {"alice", "device-1", true, false, Reason::success, "device-1"},
  };
  for (const auto& row : rows) {
    AnonymousRule rule(row.behind);
    int calls = 0;
    rule.authenticate(
        {.client_id = "c", .username = row.username, .tls_identity = row.identity, .anonymous_allowed = row.allowed},
        [&](ports::AuthDecision d) {
          ++calls;
          EXPECT_EQ(d.reason, row.reason);
          EXPECT_EQ(d.username, row.name);
        });
    EXPECT_EQ(calls, 1);
  }
}

TEST(AllowAll, OnlySysIsTheBrokersOwn) {
  AllowAll all;
  ports::RightsPtr rights = all.rights({});
  for (const char* topic : {"a", "$SYSTEM/x", "$share", "x/$SYS/y", "$S", "$", "/$SYS/a", "$sys/a"}) {
    EXPECT_TRUE(rights->may_publish({}, topic, false)) << topic;
  }
  for (const char* topic : {"$SYS", "$SYS/", "$SYS/broker/uptime"})
    EXPECT_FALSE(rights->may_publish({}, topic, false)) << topic;
  EXPECT_TRUE(rights->may_subscribe({}, "$SYS/#"));
  EXPECT_TRUE(rights->may_receive({}, "$SYS/broker/uptime"));
  EXPECT_TRUE(rights->may_receive_all({}, "#"));
}

}  // namespace
}  // namespace sb::auth
