// SPDX-License-Identifier: MIT
// Sessions and time: how long a record waits for its client, and when its will is due.
#include "store/tests/session_contract.h"

namespace sb::store::test {
namespace {

using SessionDueContract = SessionContract;

TEST_P(SessionDueContract, WillAndExpiry) {
  Claimed c = claim("c", false, true, kStart, "first");
  SessionChange change_;
  change_.expiry = 7;
  change_.will = model::WillRecord{message("will", "second"), 5, 60, true};
  EXPECT_EQ(change("c", c.record.epoch, change_), error_code{});
  EXPECT_EQ(leave("c", c.record.epoch, at(100), at(5)), error_code{});
  EXPECT_EQ(due(at(4)), "");
  auto taken = ask<std::vector<Due>>([&](auto done) { sessions().take_due(at(5), done); });
  ASSERT_EQ(taken->size(), 1u);
  const Due& d = taken->front();
  EXPECT_EQ(payload(d.will.record.message), "second");
  EXPECT_FALSE(d.ended);
  // The message expires from when it is published [MQTT5 3.1.3.2.4].
  EXPECT_TRUE(d.will.record.expires);
  EXPECT_EQ(d.will.record.expiry_interval, 60u);
  SessionRecord r = claim("c").record;
  EXPECT_EQ(r.expiry, 100u) << "of the new connection";
  EXPECT_EQ(r.will.message, nullptr) << "a will belongs to its connection";
}

TEST_P(SessionDueContract, ASessionWaitsForItsClientAsLongAsItSaid) {
  const struct {
    WallTime expires, now;
    bool present;
  } rows[] = {{at(100), at(0), true},
              {at(100), at(99), true},
              {at(100), at(100), false},
              {at(100), at(5000), false},
              {kNoExpiry, at(1'000'000'000), true}};
  for (const auto& row : rows) {
    use({});
    Claimed c = claim("c");
    EXPECT_EQ(leave("c", c.record.epoch, row.expires), error_code{});
    Claimed next = claim("c", false, true, row.now);  // even if nobody has taken what was due
    EXPECT_EQ(next.present, row.present);
    EXPECT_EQ(next.record.incarnation == c.record.incarnation, row.present);
  }
}

TEST_P(SessionDueContract, TheClientsReturnAndItsWill) {
  const struct {
    const char* what;
    WallTime will_due, now;
    bool clean;
    std::string_view published;
  } rows[] = {
      {"back in time: cancelled", at(10), at(9), false, "none"},  // [MQTT-3.1.3-9]
      {"back too late", at(10), at(10), false, "gone"},
      {"back in time, but the session ends", at(10), at(9), true, "gone"},
      {"no will was due", kNoExpiry, at(50), false, "none"},
      {"after the session", at(10), at(200), false, "gone"},
  };
  for (const auto& row : rows) {
    use({});
    Claimed c = claim("c", false, true, kStart, "gone");
    EXPECT_EQ(leave("c", c.record.epoch, at(100), row.will_due), error_code{});
    Claimed next = claim("c", row.clean, true, row.now);
    EXPECT_EQ(payload(next.will.record.message), row.published) << row.what;
    EXPECT_EQ(due(at(60)), "") << "neither twice nor after the return: " << row.what;
  }
}

TEST_P(SessionDueContract, TakingWhatIsDue) {
  const struct {
    const char* what;
    WallTime expires, will_due;
    bool has_will;
    std::string at9, at10, at50, at100;
  } rows[] = {
      {"session only", at(100), kNoExpiry, false, "", "", "", "c ended"},
      {"will, then session", at(100), at(10), true, "", "c will=w", "", "c ended"},
      {"both at once", at(10), at(10), true, "", "c will=w ended", "", ""},
      {"a delay longer than the session", at(50), at(100), true, "", "", "c will=w ended", ""},
      {"a time for no will", at(100), at(10), false, "", "", "", "c ended"},
      {"a will that is not to come by itself", at(100), kNoExpiry, true, "", "", "", "c will=w ended"},
      {"never", kNoExpiry, kNoExpiry, false, "", "", "", ""},
      {"will of a session without end", kNoExpiry, at(10), true, "", "c will=w", "", ""},
  };
  for (const auto& row : rows) {
    use({});
    Claimed c = claim("c", false, true, kStart, row.has_will ? "w" : "");
    EXPECT_EQ(leave("c", c.record.epoch, row.expires, row.will_due), error_code{});
    EXPECT_EQ(due(at(9)), row.at9) << row.what;
    EXPECT_EQ(due(at(10)), row.at10) << row.what;
    EXPECT_EQ(due(at(50)), row.at50) << row.what;
    EXPECT_EQ(due(at(100)), row.at100) << row.what;
    EXPECT_EQ(due(at(100)), "") << "given out once: " << row.what;
    EXPECT_EQ(sessions().any(), row.expires == kNoExpiry) << row.what;
  }
}

TEST_P(SessionDueContract, NothingOfAConnectedSessionIsDue) {
  Claimed c = claim("c", false, true, kStart, "w");
  EXPECT_EQ(due(at(1'000'000)), "");
  EXPECT_EQ(leave("c", c.record.epoch, at(100), at(10)), error_code{});
  Claimed back = claim("c", false, true, at(5), "w2");
  EXPECT_EQ(due(at(1000)), "") << "the times of the connection before";
  EXPECT_EQ(leave("c", back.record.epoch, at(3000), at(2000)), error_code{});
  EXPECT_EQ(due(at(1999)), "");
  EXPECT_EQ(due(at(2000)), "c will=w2");
  EXPECT_EQ(due(at(3000)), "c ended");
}

TEST_P(SessionDueContract, ManyAreDueInTheOrderOfTheirTimes) {
  std::string expected;
  for (int i = 0; i < 50; ++i) {
    std::string id = "c" + std::to_string(i);
    EXPECT_EQ(leave(id, claim(id).record.epoch, at(1000 - i)), error_code{});
    expected = id + " ended" + (expected.empty() ? "" : "; ") + expected;
  }
  EXPECT_EQ(due(at(1000)), expected);
  EXPECT_FALSE(sessions().any());
}

TEST_P(SessionDueContract, ASessionThatEndsByTimeLeavesItsLogs) {
  Claimed c = claim("c");
  auto log = join("own", "c#" + std::to_string(c.record.incarnation));
  SessionChange subs;
  subs.subscriptions_set = {subscription("own", true)};
  EXPECT_EQ(change("c", c.record.epoch, subs), error_code{});
  EXPECT_EQ(leave("c", c.record.epoch, at(10)), error_code{});
  EXPECT_EQ(due(at(10)), "c ended");
  stores().settle();
  EXPECT_EQ(stores().announced(), (Stores::Announced{{"own", log.log}, {"own", 0}}));
}

INSTANTIATE_TEST_SUITE_P(Stores, SessionDueContract, testing::ValuesIn(implementations()), name_of);

}  // namespace
}  // namespace sb::store::test
