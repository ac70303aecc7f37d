// SPDX-License-Identifier: MIT
#include "model/message.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>

namespace sb::model {
namespace {

TEST(Message, CopyHasBytesOfItsOwn) {
  for (std::size_t n : {0u, 1u, 100u, 100000u}) {
    std::string topic = "t/x", payload(n, 'p'), properties = "\x01\x01";
    MessageView m;
    m.topic = topic;
    m.payload = payload;
    m.properties = properties;
    m.qos = 2;
    m.retain = true;
    m.id = 77;
    m.publisher = 99;
    m.identity = 77;
    m.expires_at = WallTime(Millis(123456));
    MessagePtr copy = Message::copy(m);
    topic.assign(topic.size(), '!');
    payload.assign(n, '!');
    properties.assign(2, '!');
    const MessageView& v = copy->view();
    EXPECT_EQ(v.topic, "t/x");
    EXPECT_EQ(v.payload, std::string(n, 'p'));
    EXPECT_EQ(v.properties, "\x01\x01");
    EXPECT_EQ(v.qos, 2);
    EXPECT_TRUE(v.retain);
    EXPECT_EQ(v.id, 77u);
    EXPECT_EQ(v.publisher, 99u);
    EXPECT_EQ(v.identity, 77u);
    EXPECT_EQ(v.expires_at, WallTime(Millis(123456)));
    EXPECT_EQ(v.bytes(), 3 + n + 2);
    EXPECT_EQ(copy->footprint(), sizeof(Message) + v.bytes());
  }
}

TEST(Message, CopyOfNothing) {
  MessagePtr m = Message::copy(MessageView{});
  EXPECT_TRUE(m->view().topic.empty() && m->view().payload.empty() && m->view().properties.empty());
  EXPECT_EQ(m->footprint(), sizeof(Message));
}

TEST(Message, LivesAsLongAsItsLastUserOnAnyThread) {
  std::string text(5000, 'x');
  MessageView v;
  v.payload = text;
  MessagePtr first = Message::copy(v);
  std::string_view bytes = first->view().payload;
  SharedBytesPtr as_bytes = first;  // as an output holds it
  first.reset();
  std::thread([as_bytes = std::move(as_bytes), bytes, &text]() mutable {
    EXPECT_EQ(bytes, text);
    as_bytes.reset();  // the address sanitizer would see a wrong free
  }).join();
}

TEST(Message, Expiry) {
  const auto at = [](long ms) { return WallTime(Millis(ms)); };
  MessageView m;
  EXPECT_FALSE(m.expired(at(0)));
  EXPECT_FALSE(m.expired(WallTime(Seconds(4'000'000'000))));
  m.expires_at = at(10'000);
  const struct {
    long now;
    bool expired;
    std::uint32_t remaining;
  } rows[] = {{0, false, 10},   {1, false, 10},   {999, false, 10}, {1000, false, 9}, {9000, false, 1},
              {9001, false, 1}, {9999, false, 1}, {10000, true, 0}, {10001, true, 0}, {99999, true, 0}};
  for (const auto& row : rows) {
    EXPECT_EQ(m.expired(at(row.now)), row.expired) << row.now;
    EXPECT_EQ(m.remaining_expiry(at(row.now)), row.remaining) << row.now;
  }
}

TEST(Message, PublishersAreToldApartAndNeverZero) {
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    std::uint64_t p = publisher_of("client" + std::to_string(i));
    EXPECT_NE(p, 0u);
    EXPECT_TRUE(seen.insert(p).second) << i;
  }
  EXPECT_EQ(publisher_of("a"), publisher_of(std::string("a")));
  EXPECT_NE(publisher_of(""), 0u);
}

}  // namespace
}  // namespace sb::model
