// SPDX-License-Identifier: MIT
#include "store/embedded_tools.h"

#include <filesystem>
#include <fstream>
#include <random>
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
    s.inbound_added = {{1}, {2}};
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
  std::vector<std::string> lost;
  EXPECT_EQ(export_store(dir.store(), lines, lost), "");
  EXPECT_EQ(lost, std::vector<std::string>{});
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

/// A block of a file that cannot be read: what is in other files is kept, and what is lost is said.
TEST(EmbeddedTools, WhatIsLeftOfADamagedStore) {
  TempDir dir;
  EmbeddedOptions o;
  o.path = dir.store();
  const std::string large(1000, 'x');
  ports::LogStore::Joined log;
  for (int run = 0; run < 3; ++run) {  // the next run writes what the one before left in its log to a file
    EmbeddedNode n(o);
    ASSERT_EQ(n.error, "");
    if (run == 0) log = n.join("a");
    for (int i = 0; i < 100 && run < 2; ++i) {
      EXPECT_EQ(n.append(log.log, std::to_string(run * 100 + i)), error_code{});
      EXPECT_EQ(n.retain(std::to_string(run * 100 + i), large + std::to_string(std::mt19937(run * 100 + i)())),
                error_code{});
    }
    n.stop();
  }
  namespace fs = std::filesystem;
  std::vector<fs::path> files;
  for (auto& f : fs::directory_iterator(dir.store()))
    if (f.path().extension() == ".sst") files.push_back(f.path());
  ASSERT_FALSE(files.empty());
  int kept = 0;
  for (auto& file : files) {
    TempDir work;
    std::string copy = work.path() + "/damaged", whole = work.path() + "/whole";
    fs::copy(dir.store(), copy);
    {
      std::fstream f(copy + "/" + file.filename().string(), std::ios::in | std::ios::out | std::ios::binary);
      f.seekp(20);
      f.write("damage", 6);
    }
    std::stringstream lines;
    std::vector<std::string> lost;
    if (!export_store(copy, lines, lost).empty()) continue;  // of the store itself: that cannot be done without
    ASSERT_EQ(lost.size(), 1u) << file;
    EXPECT_NE(lost[0].find(file.filename().string()), std::string::npos) << lost[0];
    std::vector<std::string> findings;
    StoreStats stats;
    EXPECT_EQ(check_store(copy, findings, stats), "");
    EXPECT_FALSE(findings.empty());
    if (std::string error = import_store(whole, lines); !error.empty()) {
      EXPECT_NE(error.find("record of the store itself"), std::string::npos) << error;
      continue;
    }
    ++kept;
    EmbeddedOptions again;
    again.path = whole;
    EmbeddedNode n(again);
    ASSERT_EQ(n.error, "") << lost[0];
    n.stop();
  }
  EXPECT_GT(kept, 0);
}

/// The original may have been behind what was exported, or have lost its end: the copy goes on where nobody was.
TEST(EmbeddedTools, AStoreThatWasKilled) {
  TempDir dir;
  EmbeddedOptions o;
  o.path = dir.store();
  ports::LogStore::Joined log;
  {
    EmbeddedNode n(o);
    log = n.join("a");
    for (int i = 0; i < 5; ++i) EXPECT_EQ(n.append(log.log, std::to_string(i)), error_code{});
  }
  std::stringstream lines;
  std::vector<std::string> lost;
  EXPECT_EQ(export_store(dir.store(), lines, lost), "");
  std::stringstream cut(lines.str().substr(0, lines.str().rfind("{\"complete")));
  EXPECT_NE(import_store(dir.path() + "/cut", cut), "");
  o.path = dir.path() + "/copy";
  ASSERT_EQ(import_store(o.path, lines), "");
  EmbeddedNode n(o);
  ASSERT_EQ(n.error, "");
  EXPECT_EQ(n.append(log.log, "new"), error_code{});
  EXPECT_EQ(n.payloads(log.log, log.head), "0 1 2 3 4 new");
  model::Position ahead = log.head;
  ahead.offset += 100;
  EXPECT_EQ(n.payloads(log.log, ahead), "new") << "what the original numbered like this was something else";
  n.stop();
}

TEST(EmbeddedTools, MessagesThatAreMissingCountAsLost) {
  TempDir dir;
  EmbeddedOptions o;
  o.path = dir.store();
  ports::LogStore::Joined log;
  {
    EmbeddedNode n(o);
    log = n.join("a");
    for (int i = 0; i < 10; ++i) n.append(log.log, std::to_string(i));
    n.stop();
  }
  std::stringstream all, some;
  std::vector<std::string> lost;
  EXPECT_EQ(export_store(dir.store(), all, lost), "");
  int number = 0;
  for (std::string line; std::getline(all, line);) {
    const bool entry = line.find("\"entries\"") != std::string::npos;
    if (entry && (number == 4 || number == 5 || number == 9)) {
      ++number;
      continue;
    }
    number += entry;
    some << line << '\n';
  }
  ASSERT_EQ(number, 10);
  o.path = dir.path() + "/copy";
  ASSERT_EQ(import_store(o.path, some), "");
  EmbeddedNode n(o);
  ASSERT_EQ(n.error, "");
  auto after = [&](std::uint64_t taken) {
    model::Position p = log.head;
    p.offset += taken;
    return n.payloads(log.log, p);
  };
  EXPECT_EQ(after(0), "0 1 2 3");
  EXPECT_EQ(after(4), "lost 2: 6 7 8");
  EXPECT_EQ(after(9), "lost 1:");
  n.stop();
}

}  // namespace
}  // namespace sb::store::test
