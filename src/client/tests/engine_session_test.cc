// SPDX-License-Identifier: MIT
// Sessions that outlive a connection: what is sent again, and what is not.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "client/engine.h"
#include "client/tests/recorder.h"

namespace sb::client {
namespace {

using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::PropertyWriter;
using mqtt::Version;
using Calls = std::vector<std::string>;

class EngineSessionTest : public testing::Test {
 protected:
  /// A client whose CONNECT was accepted; nothing of that is in `calls`.
  Bench& connected(Options o = {}, std::string_view connack = {}) {
    bench_.emplace(std::move(o));
    bench_->engine.opened();
    bench_->feed(connack.empty() ? bench_->connack() : std::string(connack));
    bench_->take();
    return *bench_;
  }
  std::optional<Bench> bench_;
};

TEST_F(EngineSessionTest, ResumedSessionSendsAgainInOrder) {
  Options o;
  o.clean_start = true;
  o.session_expiry = 100;
  Bench& b = connected(o);
  for (std::uint8_t i = 0; i < 4; ++i)
    ASSERT_FALSE(b.engine.publish(
        {.topic = "t", .payload = std::string(1, 'a' + i), .qos = i % 2 ? std::uint8_t{2} : std::uint8_t{1}}, i));
  b.feed(ack_of(PacketType::puback, 1) + ack_of(PacketType::pubrec, 2));
  ASSERT_FALSE(b.engine.publish({.topic = "t", .payload = "e", .qos = 1}, 4));  // takes id 1 again
  b.feed(publish_of(Version::v5, {.topic = "x", .qos = 2}, 9));
  b.take();
  b.out.clear();
  b.engine.lost();
  EXPECT_EQ(b.engine.publish({.topic = "t", .qos = 1}), make_error_code(errc::not_connected));
  b.engine.opened();
  EXPECT_EQ(b.take(), Calls{"CONNECT v5 id=c keep=60 expiry=100"});
  b.feed(connack_of(Version::v5, true, 0));
  EXPECT_EQ(b.take(), (Calls{"PUBREL 2", "PUBLISH t c qos1 id3 dup", "PUBLISH t d qos2 id4 dup",
                             "PUBLISH t e qos1 id1 dup", "connected session"}));
  EXPECT_EQ(b.resent, (std::vector<std::uint64_t>{2, 3, 4}));
  b.feed(publish_of(Version::v5, {.topic = "x", .qos = 2}, 9, {}, true));  // was told before the loss
  EXPECT_EQ(b.take(), Calls{"PUBREC 9"});
}

TEST_F(EngineSessionTest, ForgottenSessionIsStartedAgain) {
  Options o;
  o.session_expiry = 100;
  Bench& b = connected(o);
  ASSERT_FALSE(b.engine.publish({.topic = "t", .payload = "a", .qos = 1}, 1));
  ASSERT_FALSE(b.engine.publish({.topic = "t", .payload = "b", .qos = 2}, 2));
  b.feed(ack_of(PacketType::pubrec, 2));
  b.feed(publish_of(Version::v5, {.topic = "x", .qos = 2}, 9));
  b.take();
  b.engine.lost();
  b.engine.opened();
  b.take();
  b.feed(connack_of(Version::v5, false, 0));
  EXPECT_EQ(b.take(), (Calls{"published 2", "PUBLISH t a qos1 id1", "connected"}));
  b.feed(publish_of(Version::v5, {.topic = "x", .qos = 2}, 9));
  EXPECT_EQ(b.take(), (Calls{"message x  qos2", "PUBREC 9"}));
}

TEST_F(EngineSessionTest, SmallerWindowAfterReconnect) {
  Options o;
  o.session_expiry = 100;
  Bench& b = connected(o);
  for (std::uint8_t i = 1; i <= 4; ++i) ASSERT_FALSE(b.engine.publish({.topic = "t", .qos = 1}, i));
  b.take();
  b.engine.lost();
  b.engine.opened();
  b.take();
  b.feed(connack_of(Version::v5, true, 0, PropertyWriter().u16(PropertyId::receive_maximum, 2).bytes()));
  EXPECT_EQ(b.take(), (Calls{"PUBLISH t  qos1 id1 dup", "PUBLISH t  qos1 id2 dup", "connected session"}));
  EXPECT_EQ(b.engine.publish({.topic = "t", .qos = 1}, 5), make_error_code(errc::window_full));
  b.feed(ack_of(PacketType::puback, 1));
  EXPECT_EQ(b.take(), (Calls{"published 1", "PUBLISH t  qos1 id3 dup"}));
  EXPECT_EQ(b.resent, (std::vector<std::uint64_t>{1, 2, 3}));
  b.feed(ack_of(PacketType::puback, 2) + ack_of(PacketType::puback, 3));
  EXPECT_EQ(b.take(), (Calls{"published 2", "published 3", "PUBLISH t  qos1 id4 dup", "room"}));
}

TEST_F(EngineSessionTest, WithoutResendTheWindowIsEmptyAfterALoss) {
  Options o;
  o.resend = false;
  Bench& b = connected(o);
  ASSERT_FALSE(b.engine.publish({.topic = "t", .qos = 1}, 1));
  b.take();
  b.engine.lost();
  EXPECT_EQ(b.engine.unacknowledged(), 0u);
  b.engine.opened();
  b.take();
  b.feed(connack_of(Version::v5, false, 0));
  EXPECT_EQ(b.take(), Calls{"connected"});
}

}  // namespace
}  // namespace sb::client
