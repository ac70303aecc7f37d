// SPDX-License-Identifier: MIT
// Rights: what a client may not do, and what happens when it loses the right.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "broker/tests/bench.h"
#include "model/topic.h"

namespace sb::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// Everything is allowed but what is named: topics that cannot be read or written, filters that cannot be subscribed
/// to.
class Rules final : public ports::Authorizer {
 public:
  struct Denied {
    std::set<std::string, std::less<>> read, write, subscribe, retain;
  };
  void deny(Denied d) { rights_ = ports::RightsPtr(new Given(std::move(d))); }
  ports::RightsPtr rights(const ports::Subject& who) override {
    return who.username == "admin" ? ports::RightsPtr(new Given({})) : rights_;
  }

 private:
  struct Given final : ports::Rights {
    explicit Given(Denied d) : denied(std::move(d)) {}
    bool may_publish(const ports::Subject&, std::string_view topic, bool retain) const override {
      return !denied.write.contains(topic) && !(retain && denied.retain.contains(topic));
    }
    bool may_subscribe(const ports::Subject&, std::string_view filter) const override {
      return !denied.subscribe.contains(filter);
    }
    bool may_receive(const ports::Subject&, std::string_view topic) const override {
      return !denied.read.contains(topic);
    }
    bool may_receive_all(const ports::Subject&, std::string_view filter) const override {
      return std::none_of(denied.read.begin(), denied.read.end(), [&](auto& t) { return model::matches(filter, t); });
    }
    const Denied denied;
  };
  ports::RightsPtr rights_{new Given({})};
};

struct Way {
  std::uint8_t qos;
  bool durable, delayed;
};
class RightsTest : public ::testing::TestWithParam<Way> {
 protected:
  RightsTest() {
    b.node.authorizer = &rules;
    pub.up();
  }
  Rules rules;
  Bench b{{.shards = 2, .delayed = GetParam().delayed}};
  Client pub{b, "pub"};
  const std::uint8_t qos = GetParam().qos;

  std::unique_ptr<Client> come(const std::string& id = "c", std::uint16_t receive_maximum = 0) {
    ConnectOptions o;
    o.clean = false;
    o.expiry = GetParam().durable ? 1000 : 0;
    o.receive_maximum = receive_maximum;
    auto c = std::make_unique<Client>(b, id, Version::v5, 1);
    c->connect(o);
    return c;
  }
  std::unique_ptr<Client> reader(const std::string& filter, std::uint16_t receive_maximum = 0) {
    auto c = come("c", receive_maximum);
    c->take();
    c->subscribed(filter, qos);
    return c;
  }
  void publish(std::string_view topic, std::string_view payload) {
    pub.publish(topic, payload, {.qos = qos, .id = static_cast<PacketId>(qos ? 1 : 0)});
    pub.messages();
  }
  void change(Rules::Denied d) {
    rules.deny(std::move(d));
    for (std::size_t i = 0; i < b.shards(); ++i) b.core(i).rights_changed();
    b.settle();
  }
  std::uint64_t denied() { return b.core(0).counters.dropped_denied.get() + b.core(1).counters.dropped_denied.get(); }
};
const Way kLive{0, false, false};
const Way kWaiting[] = {{1, false, false}, {2, false, true}};
const Way kDurable[] = {{1, true, false}, {1, true, true}, {2, true, false}, {2, true, true}};
const Way kLate[] = {{1, true, true}, {2, true, true}};
std::string way_name(const ::testing::TestParamInfo<Way>& i) {
  return "qos" + std::to_string(i.param.qos) + (i.param.durable ? "_durable" : "_volatile") +
         (i.param.delayed ? "_later" : "_at_once");
}
using WaitingRightsTest = RightsTest;  // QoS 0 does not wait
using DurableRightsTest = RightsTest;  // volatile sessions are never away
using LateRightsTest = RightsTest;     // the store answers when the test lets it
INSTANTIATE_TEST_SUITE_P(Live, RightsTest, ::testing::Values(kLive), way_name);
INSTANTIATE_TEST_SUITE_P(Waiting, RightsTest, ::testing::ValuesIn(kWaiting), way_name);
INSTANTIATE_TEST_SUITE_P(Durable, RightsTest, ::testing::ValuesIn(kDurable), way_name);
INSTANTIATE_TEST_SUITE_P(Waiting, WaitingRightsTest, ::testing::ValuesIn(kWaiting), way_name);
INSTANTIATE_TEST_SUITE_P(Durable, WaitingRightsTest, ::testing::ValuesIn(kDurable), way_name);
INSTANTIATE_TEST_SUITE_P(Durable, DurableRightsTest, ::testing::ValuesIn(kDurable), way_name);
INSTANTIATE_TEST_SUITE_P(Late, LateRightsTest, ::testing::ValuesIn(kLate), way_name);

TEST_P(RightsTest, AWildcardBringsWhatMayBeRead) {
  rules.deny({.read = {"a/secret"}});
  auto c = reader("a/#");
  publish("a/secret", "1");
  publish("a/open", "2");
  EXPECT_THAT(Client::payloads(c->messages()), ElementsAre("2"));
  EXPECT_EQ(denied(), 1u);
  publish("a/secret", "3");
  EXPECT_THAT(c->messages(), IsEmpty());
}

TEST_P(RightsTest, ASecondFilterDoesNotOpenWhatTheFirstMayNotRead) {
  rules.deny({.read = {"a/secret"}});
  auto c = reader("a/#");
  c->subscribed("+/secret", qos).subscribed("b", qos);
  publish("a/secret", "1");
  publish("b", "2");
  EXPECT_THAT(Client::payloads(c->messages()), ElementsAre("2"));
}

TEST_P(RightsTest, WithdrawnWhileConnected) {
  auto c = reader("a/#");
  publish("a/b", "1");
  EXPECT_THAT(Client::payloads(c->messages()), ElementsAre("1"));
  change({.read = {"a/b"}});
  publish("a/b", "2");
  publish("a/c", "3");
  EXPECT_THAT(Client::payloads(c->messages()), ElementsAre("3"));
  change({.subscribe = {"a/#"}});
  publish("a/c", "4");
  EXPECT_THAT(c->messages(), IsEmpty());
  EXPECT_EQ(c->channel.session().subscriptions().size(), 0u);
  change({});
  publish("a/c", "5");
  EXPECT_THAT(c->messages(), IsEmpty()) << "a right that comes back brings no subscription back";
}

TEST_P(WaitingRightsTest, BetweenTwoMessagesThatWait) {
  auto c = reader("a/#", 1);
  for (auto* payload : {"1", "2", "3"}) publish("a/b", payload);
  publish("a/c", "4");
  auto first = c->packets();
  ASSERT_THAT(Client::payloads(first), ElementsAre("1"));
  change({.read = {"a/b"}});
  for (auto& p : first) c->answer(p);
  EXPECT_THAT(Client::payloads(c->messages()), ElementsAre("4"));
  EXPECT_EQ(denied(), 2u);
}

TEST_P(DurableRightsTest, WithdrawnWhileTheSessionIsAway) {
  auto c = reader("a/#");
  c->subscribed("b", qos);
  publish("a/b", "under way");
  EXPECT_EQ(Client::payloads(c->packets()).size(), 1u);
  c.reset();
  publish("a/b", "waits");
  publish("b", "waits too");
  rules.deny({.read = {"a/b"}, .subscribe = {"a/#"}});
  c = come();
  EXPECT_THAT(Client::payloads(c->messages()), ::testing::IsSupersetOf({"waits too"}));
  EXPECT_GE(denied(), 1u) << "what was under way, and what waited where it was read at all";
  publish("a/c", "later");
  EXPECT_THAT(c->messages(), IsEmpty());
  c.reset();
  b.settle();
  rules.deny({});
  c = come();
  c->take();
  ASSERT_EQ(c->channel.session().subscriptions().size(), 1u) << "its record says so too";
  EXPECT_EQ(b.logs.messages("a/#"), 0u);
}

TEST_P(LateRightsTest, WithdrawnWhileTheSessionComesFromTheStore) {
  auto c = reader("a/#");
  c.reset();
  publish("a/b", "waits");
  c = come();
  b.run_shards();
  change({.read = {"a/b"}});
  publish("a/b", "live");
  publish("a/c", "other");
  EXPECT_THAT(Client::payloads(c->messages()), ElementsAre("other"));
}

TEST_P(LateRightsTest, WithdrawnWhileASubscribeWaits) {
  auto c = come();
  c->take();
  c->subscribe("a/#", qos);
  b.run_shards();
  change({.subscribe = {"a/#"}});
  publish("a/b", "1");
  EXPECT_THAT(Client::payloads(c->messages()), IsEmpty());
  EXPECT_EQ(c->channel.session().subscriptions().size(), 0u);
  EXPECT_EQ(b.logs.messages("a/#"), 0u) << "and nobody keeps its log";
}

TEST_P(RightsTest, WhatIsOnItsWayBetweenShards) {
  auto c = reader("a/#");
  pub.publish("a/b", "1", {.qos = 0});
  b.turn(0);  // the slab is on its way
  rules.deny({.read = {"a/b"}});
  b.core(1).rights_changed();
  EXPECT_THAT(c->messages(), IsEmpty());
}

TEST_P(RightsTest, RetainedMessages) {
  rules.deny({.read = {"a/secret"}});
  for (auto* topic : {"a/open", "a/secret"}) pub.publish(topic, topic, {.qos = 0, .retain = true});
  b.settle();
  auto c = come();
  c->take();
  c->subscribe("a/#", qos);
  EXPECT_THAT(Client::payloads(c->messages()), ElementsAre("a/open"));
}

TEST_P(RightsTest, SharedSubscriptionsHaveToBeReadableAsAWhole) {
  rules.deny({.read = {"a/secret"}});
  auto c = come();
  c->take();
  c->subscribe("$share/g/a/#", qos);
  EXPECT_EQ(c->packets().front().codes, std::vector<std::uint8_t>{0x87});
  rules.deny({});
  c->subscribed("$share/g/a/#", qos);
  Client other(b, "other");
  other.up().subscribed("$share/g/a/#", qos);
  other.channel.session().username = "admin";
  change({.read = {"a/b"}});
  for (int i = 0; i < 10; ++i) publish("a/b", std::to_string(i));
  EXPECT_THAT(c->messages(), IsEmpty());
  EXPECT_EQ(other.messages().size(), 10u);
}

TEST_P(RightsTest, Publishing) {
  change({.write = {"no"}, .retain = {"not/kept"}});
  auto refused = [&](std::string_view topic, bool retain) {
    pub.publish(topic, "x", {.qos = 1, .id = 7, .retain = retain});
    return pub.packets().front().codes == std::vector<std::uint8_t>{0x87};
  };
  EXPECT_TRUE(refused("no", false));
  EXPECT_FALSE(refused("not/kept", false));
  EXPECT_TRUE(refused("not/kept", true));
  EXPECT_FALSE(refused("yes", true));
  change({.write = {"yes"}});
  EXPECT_TRUE(refused("yes", false)) << "the topic that was last published to";
  EXPECT_FALSE(refused("no", false));
  EXPECT_EQ(b.core(0).counters.publishes_denied.get(), 3u);
}

TEST_P(RightsTest, AWillOfWhoHasLostTheRight) {
  auto c = reader("#");
  ConnectOptions o;
  o.will = ConnectOptions::Will{.topic = "will", .payload = "gone", .qos = 1, .delay = 10};
  o.expiry = 1000;
  Client delayed(b, "delayed"), at_once(b, "at once");
  delayed.up(o);
  o.expiry = o.will->delay = 0;
  at_once.up(o);
  delayed.lose();
  b.settle();
  change({.write = {"will"}});
  at_once.lose();
  b.advance(Seconds(20));
  b.core(0).run_due();
  EXPECT_THAT(c->messages(), IsEmpty());
  Client never(b, "never");
  never.connect(o);
  EXPECT_EQ(never.packets().front().codes, std::vector<std::uint8_t>{0x87});
}

}  // namespace
}  // namespace sb::broker::testing
