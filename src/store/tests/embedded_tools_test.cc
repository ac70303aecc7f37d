// SPDX-License-Identifier: MIT
#include "store/embedded_tools.h"

#include <sstream>

#include "store/tests/embedded_node.h"

namespace sb::store::test {
namespace {

const WallTime kStart{Seconds(2'000'000'000)};

TEST(EmbeddedTools, CheckStatsExportImport) {
  TempDir dir;
  EmbeddedOptions o;
  o.path = dir.store();
  ports::LogStore::Joined log;
  {
    EmbeddedNode n(o);
    ASSERT_EQ(n.error, "");
    log = n.join("a/#");
    for (int i = 0; i < 10; ++i) n.append(log.log, std::to_string(i));
    auto c = n.claim("c", kStart);
    ports::SessionChange s;
    model::SubscriptionRecord sub;
    sub.filter = "a/#";
    s.subscriptions_set = {sub};
    s.inbound_added = {1, 2};
    n.change("c", c.record.epoch, s);
    n.retain("r", "1");
    StoreStats while_running;
    EXPECT_EQ(store_stats(dir.store(), while_running), "");
    n.stop();
  }
  StoreStats stats;
  std::vector<std::string> findings;
  EXPECT_EQ(check_store(dir.store(), findings, stats), "");
  EXPECT_EQ(findings, std::vector<std::string>{});
  EXPECT_EQ(stats.logs, 1u);
  EXPECT_EQ(stats.members, 1u);
  EXPECT_EQ(stats.messages, 10u);
  EXPECT_EQ(stats.sessions, 1u);
  EXPECT_EQ(stats.connected, 1u);
  EXPECT_EQ(stats.subscriptions, 1u);
  EXPECT_EQ(stats.packet_ids, 2u);
  EXPECT_EQ(stats.retained, 1u);
  EXPECT_GT(stats.disk_bytes, 0u);

  std::stringstream lines;
  EXPECT_EQ(export_store(dir.store(), lines), "");
  EXPECT_NE(import_store(dir.store(), lines), "") << "there is a store";
  lines.clear();
  lines.seekg(0);
  o.path = dir.path() + "/copy";
  EXPECT_EQ(import_store(o.path, lines), "");
  {
    EmbeddedNode n(o);
    ASSERT_EQ(n.error, "");
    EXPECT_EQ(n.payloads(log.log, log.head), "0 1 2 3 4 5 6 7 8 9");
    EXPECT_EQ(n.match("#"), "r=1");
    EXPECT_TRUE(n.claim("c", kStart).present);
    EXPECT_NE(n.join("new").log, log.log);
    n.stop();
  }
  std::stringstream nothing("hello\n");
  EXPECT_NE(import_store(dir.path() + "/other", nothing), "");
  EXPECT_NE(store_stats(dir.path() + "/other", stats), "");
}

}  // namespace
}  // namespace sb::store::test
