// SPDX-License-Identifier: MIT
#include "config/reload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.h"

namespace sb::config {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Config with(const std::vector<std::string>& sets) {
  Loaded l = load_text("", "f", {}, sets);
  EXPECT_EQ(l.error_text(), "");
  return l.config;
}

TEST(Reload, NothingChanged) { EXPECT_THAT(diff(with({"limits.max_qos=1"}), with({"limits.max_qos=1"})), IsEmpty()); }

TEST(Reload, ChangesWithWhatTheyNeed) {
  EXPECT_THAT(
      diff(with({}), with({"limits.inflight=5", "node.shards=2", "log.level=debug", "listeners.mqtt.bind="})),
      ElementsAre(Change{"node.shards", "0", "2", false},
                  Change{"listeners.mqtt.bind", "\"127.0.0.1:1883\"", "\"\"", false},
                  Change{"limits.inflight", "1024", "5", true}, Change{"log.level", "\"info\"", "\"debug\"", true}));
}

TEST(Reload, ExtraListeners) {
  std::vector<std::string> one{"listeners.extra.0.type=mqtt", "listeners.extra.0.bind=127.0.0.1:1"};
  std::vector<std::string> two = one;
  two.insert(two.end(), {"listeners.extra.1.type=ws", "listeners.extra.1.bind=127.0.0.1:2"});
  Change added{"listeners.extra[1]", "", R"({ type = "ws", bind = "127.0.0.1:2" })", false};
  Change gone{"listeners.extra[1]", R"({ type = "ws", bind = "127.0.0.1:2" })", "", false};
  EXPECT_THAT(diff(with(one), with(two)), ElementsAre(added));
  EXPECT_THAT(diff(with(two), with(one)), ElementsAre(gone));

  std::vector<std::string> other{"listeners.extra.0.type=ws", "listeners.extra.0.bind=127.0.0.1:1"};
  EXPECT_THAT(diff(with(one), with(other)),
              ElementsAre(Change{"listeners.extra[0]", R"({ type = "mqtt", bind = "127.0.0.1:1" })",
                                 R"({ type = "ws", bind = "127.0.0.1:1" })", false}));
}

TEST(Reload, TakesOverOnlyWhatNeedsNoRestart) {
  Config running = with({"listeners.extra.0.type=mqtt", "listeners.extra.0.bind=127.0.0.1:1"});
  Config next =
      with({"limits.inflight=5", "node.shards=2", "listeners.mqtt.bind=", "listeners.mqtt.max_connections=3"});
  Config out = reloaded(running, next);
  EXPECT_THAT(diff(running, out), ElementsAre(Change{"listeners.mqtt.max_connections", "0", "3", true},
                                              Change{"limits.inflight", "1024", "5", true}));
  for (const Change& c : diff(out, next)) EXPECT_FALSE(c.reloadable) << c.key;
}

}  // namespace
}  // namespace sb::config
