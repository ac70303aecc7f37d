// SPDX-License-Identifier: MIT
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "broker/tests/bench.h"

namespace sb::broker::testing {

/// Two shards, a publisher, and clients that come back to their sessions; with stores that answer at once, and later.
class DurableTest : public ::testing::TestWithParam<bool> {
 protected:
  explicit DurableTest(model::Limits limits = {}) : b({.shards = 2, .delayed = GetParam(), .limits = limits}) {
    pub.up();
  }
  Bench b;
  Client pub{b, "pub"};
  PacketId next_id = 1;

  std::unique_ptr<Client> come(ConnectOptions o = {}, std::size_t shard = 0, const std::string& id = "c",
                               Version v = Version::v5) {
    o.clean = false;
    if (o.expiry == 0) o.expiry = 1000;
    auto c = std::make_unique<Client>(b, id, v, shard);
    c->connect(o);
    return c;
  }
  /// What came behind CONNACK.
  static std::vector<Packet> behind_connack(Client& c) {
    auto all = c.packets();
    all.erase(all.begin());
    return all;
  }
  void publish(std::string_view topic, std::string_view payload, std::uint8_t qos = 1, std::int64_t expiry = -1) {
    pub.publish(topic, payload, {.qos = qos, .id = static_cast<PacketId>(qos ? next_id++ : 0), .expiry = expiry});
    pub.messages();
  }
};

}  // namespace sb::broker::testing

/// Every test of the suite runs with stores that answer at once and with stores that answer later.
#define SB_AT_ONCE_AND_LATER(Suite) \
  INSTANTIATE_TEST_SUITE_P(All, Suite, ::testing::Bool(), [](auto& i) { return i.param ? "later" : "at_once"; })
