// SPDX-License-Identifier: MIT
// What the embedded store knows when it is opened again, and when it refuses to be.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "store/embedded_wal.h"
#include "store/tests/embedded_node.h"

namespace sb::store::test {
namespace {

using model::Position;
namespace fs = std::filesystem;

const WallTime kStart{Seconds(2'000'000'000)};
WallTime at(long seconds) { return kStart + Seconds(seconds); }

struct EmbeddedReopen : testing::Test {
  TempDir dir;
  EmbeddedOptions options(WriteConcern concern = WriteConcern::fsync) const {
    EmbeddedOptions o;
    o.path = dir.store();
    o.concern = concern;
    return o;
  }
  std::unique_ptr<EmbeddedNode> open(WriteConcern concern = WriteConcern::fsync) const {
    auto n = std::make_unique<EmbeddedNode>(options(concern));
    EXPECT_EQ(n->error, "");
    return n;
  }
};

TEST_F(EmbeddedReopen, EverythingComesBack) {
  for (bool orderly : {true, false}) {
    SCOPED_TRACE(orderly);
    fs::remove_all(dir.store());
    ports::LogStore::Joined log;
    std::uint64_t incarnation;
    {
      auto n = open();
      auto c = n->claim("c", kStart);
      incarnation = c.record.incarnation;
      log = n->join("a/#", "c#" + std::to_string(incarnation));
      for (int i = 1; i <= 5; ++i) n->append(log.log, std::to_string(i));
      ports::SessionChange s;
      model::SubscriptionRecord sub;
      sub.filter = "a/#";
      sub.logged = true;
      sub.next = log.head;
      s.subscriptions_set = {sub};
      EXPECT_EQ(n->change("c", c.record.epoch, s), error_code{});
      s = {};
      s.cursors = {{"a/#", {log.head.generation, 2}}};
      s.outbound_set = {{1, 7, model::OutboundState::sent_qos2, "a/#", {log.head.generation, 2}, nullptr}};
      s.inbound_added = {{9, 5, c.record.epoch}};
      s.next_order = 4;
      EXPECT_EQ(n->change("c", c.record.epoch, s), error_code{});
      n->retain("r/1", "one");
      n->retain("r/2", "two");
      n->retain("r/1", "");
      s = {};
      s.left = {at(100), kNoExpiry};
      EXPECT_EQ(n->change("c", c.record.epoch, s), error_code{});
      if (orderly) n->stop();
    }
    auto n = open();
    EXPECT_EQ(n->announced, (decltype(n->announced){{"a/#", log.log}})) << "before anything is asked";
    EXPECT_EQ(n->retained().count(), 1u);
    EXPECT_EQ(n->match("#"), "r/2=two");
    EXPECT_TRUE(n->sessions().any());
    EXPECT_EQ(n->payloads(log.log, log.head), "1 2 3 4 5");
    EXPECT_EQ(n->payloads(log.log, {log.head.generation, 2}), "3 4 5");
    auto again = n->join("a/#", "another");
    EXPECT_EQ(again.head, (Position{log.head.generation, 5})) << "positions go on";
    EXPECT_EQ(n->due(at(99)), "");
    auto c = n->claim("c", at(99));
    EXPECT_TRUE(c.present);
    EXPECT_EQ(c.record.incarnation, incarnation);
    EXPECT_EQ(c.record.next_order, 4u);
    ASSERT_EQ(c.record.subscriptions.size(), 1u);
    EXPECT_EQ(c.record.subscriptions[0].next.offset, 2u);
    ASSERT_EQ(c.record.outbound.size(), 1u);
    EXPECT_EQ(c.record.outbound[0].packet_id, 7);
    ASSERT_EQ(c.record.inbound.size(), 1u);
    EXPECT_EQ(c.record.inbound[0].packet_id, 9);
    EXPECT_EQ(c.record.inbound[0].publish, 5u);
    EXPECT_EQ(c.record.next_publish, 6u);
    n->append(log.log, "6");
    EXPECT_EQ(n->payloads(log.log, {log.head.generation, 5}), "6");
  }
}

TEST_F(EmbeddedReopen, AnEmptyTrimmedLogKnowsItsHead) {
  auto n = open();
  auto log = n->join("a");
  for (int i = 1; i <= 300; ++i) {
    n->logs().append({{log.log, text("t", "x")}}, [](auto) {});
    n->logs().release("a", "m", {log.head.generation, static_cast<std::uint64_t>(i)});
  }
  n->append(log.log, "last");
  n->logs().release("a", "m", {log.head.generation, 301});
  n.reset();
  n = open();
  EXPECT_EQ(n->join("a", "other").head, (Position{log.head.generation, 301}));
}

TEST_F(EmbeddedReopen, GenerationsChangeOnlyWhenATailMayBeForgotten) {
  const struct {
    WriteConcern concern;
    bool orderly, changes;
  } rows[] = {{WriteConcern::fsync, true, false},
              {WriteConcern::fsync, false, false},
              {WriteConcern::none, true, false},
              {WriteConcern::none, false, true},
              {WriteConcern::interval, false, true}};
  for (auto& row : rows) {
    fs::remove_all(dir.store());
    auto n = open(row.concern);
    auto log = n->join("a");
    n->append(log.log, "1");
    if (row.orderly) n->stop();
    n.reset();
    n = open();
    n->stop();
    n.reset();
    n = open(row.concern);
    EXPECT_EQ(n->payloads(log.log, log.head), "1");
    n->append(log.log, "2");
    Position head = n->join("a", "other").head;
    EXPECT_EQ(head.generation != log.head.generation, row.changes);
    EXPECT_EQ(head.offset, 2u);
    EXPECT_EQ(n->payloads(log.log, {log.head.generation, 1}), "2") << "a cursor of the old one goes on";
    if (row.changes) {
      EXPECT_EQ(n->payloads(log.log, {log.head.generation, 50}), "2") << "one that saw what was forgotten";
    }
    EXPECT_EQ(n->payloads(log.log, head), "");
    n->stop();
    n.reset();
    EXPECT_EQ(open()->join("a", "third").head, head) << "and is remembered";
  }
}

TEST_F(EmbeddedReopen, BoundsAndBytesAreKnownAgain) {
  for (bool orderly : {true, false}) {
    fs::remove_all(dir.store());
    EmbeddedOptions o = options();
    o.limits.log_messages = 10;
    auto n = std::make_unique<EmbeddedNode>(o);
    auto log = n->join("a");
    for (int i = 1; i <= 15; ++i) n->append(log.log, std::to_string(i));
    if (orderly) n->stop();
    n.reset();
    n = std::make_unique<EmbeddedNode>(o);
    EXPECT_EQ(n->payloads(log.log, log.head), "lost 5: 6 7 8 9 10 11 12 13 14 15");
    n->append(log.log, "16");
    EXPECT_EQ(n->payloads(log.log, log.head), "lost 6: 7 8 9 10 11 12 13 14 15 16");
  }
}

TEST_F(EmbeddedReopen, BoundedInAge) {
  EmbeddedOptions o = options();
  o.limits.log_age = 1;
  EmbeddedNode n(o);
  ASSERT_EQ(n.error, "");
  auto log = n.join("a");
  n.append(log.log, "old");
  EXPECT_TRUE(n.run_until([&] { return n.payloads(log.log, log.head) == "lost 1:"; }));
  EXPECT_EQ(n.join("a", "other").head.offset, 1u);
  n.append(log.log, "new");
  EXPECT_EQ(n.payloads(log.log, log.head), "lost 1: new");
  n.stop();
}

TEST_F(EmbeddedReopen, ConnectedSessionsLeftAtTheLastTimeThatTheStoreKnew) {
  for (bool orderly : {true, false}) {
    fs::remove_all(dir.store());
    auto n = open();
    n->claim("c", kStart, "gone", 30);
    n->claim("at once", kStart, "soon");
    EXPECT_EQ(n->due(at(50)), "");  // the store learns what time it is
    n->retain("t", "x");            // and writes it down
    if (orderly) n->stop();
    n.reset();
    n = open();
    EXPECT_EQ(n->due(at(50)), "at once will=soon");
    EXPECT_EQ(n->due(at(79)), "");
    EXPECT_EQ(n->due(at(80)), "c will=gone");
    EXPECT_EQ(n->due(at(149)), "");
    EXPECT_EQ(n->due(at(150)), "at once ended; c ended");
    EXPECT_FALSE(n->sessions().any());
  }
}

TEST_F(EmbeddedReopen, AWrongClockExpiresNothing) {
  {
    auto n = open();
    auto c = n->claim("c", kStart);
    ports::SessionChange s;
    s.left = {at(100), kNoExpiry};
    n->change("c", c.record.epoch, s);
    n->stop();
  }
  auto n = open();
  // The machine believes it is 1970; ten seconds pass, another client comes and goes.
  EXPECT_EQ(n->due(WallTime(Seconds(10))), "");
  auto d = n->claim("d", WallTime(Seconds(20)));
  ports::SessionChange s;
  s.left = {WallTime(Seconds(20 + 100)), kNoExpiry};
  n->change("d", d.record.epoch, s);
  // The clock is set.
  EXPECT_EQ(n->due(at(50)), "");
  EXPECT_EQ(n->due(at(100)), "c ended");
  EXPECT_EQ(n->due(at(111)), "d ended");
}

TEST_F(EmbeddedReopen, OrphansLeaveTheirLogs) {
  ports::LogStore::Joined kept, orphan;
  {
    auto n = open();
    auto c = n->claim("c", kStart);
    std::string member = "c#" + std::to_string(c.record.incarnation);
    kept = n->join("kept", member);
    orphan = n->join("orphan", member);
    n->join("of nobody", "x#7");
    n->join("not of a session", "m");
    ports::SessionChange s;
    model::SubscriptionRecord sub;
    sub.filter = "kept";
    s.subscriptions_set = {sub};
    n->change("c", c.record.epoch, s);
    n->stop();
  }
  auto n = open();
  EXPECT_EQ(n->announced.size(), 4u);
  n->announced.clear();
  ASSERT_TRUE(n->run_until([&] { return n->announced.size() == 2; }));
  std::sort(n->announced.begin(), n->announced.end());
  EXPECT_EQ(n->announced, (decltype(n->announced){{"of nobody", 0}, {"orphan", 0}}));
  EXPECT_EQ(n->payloads(kept.log, kept.head), "");
}

// ---------------------------------------------------------------- the directory

TEST_F(EmbeddedReopen, AnotherProcessIsKeptOut) {
  auto n = open();
  EmbeddedNode second(options());
  EXPECT_EQ(second.error, "the store in " + dir.store() +
                              " is in use by another process: stop it, or set store.path to another directory");
  n->stop();
}

TEST_F(EmbeddedReopen, ANewerFormatIsRefused) {
  open()->stop();
  std::ofstream(dir.store() + "/FORMAT") << "signalbox 2\n";
  EmbeddedNode n(options());
  EXPECT_NE(n.error.find("has format 2, this version knows formats up to 1"), std::string::npos) << n.error;
}

TEST_F(EmbeddedReopen, ADirectoryOfSomebodyElseIsRefused) {
  fs::create_directories(dir.store());
  std::ofstream(dir.store() + "/CURRENT") << "x";
  EXPECT_NE(EmbeddedNode(options()).error.find("not a store of this program"), std::string::npos);
}

/// The log file that was written last.
std::string last_wal(const std::string& path) {
  std::string last;
  for (auto& e : fs::directory_iterator(path))
    if (e.path().extension() == ".log") last = std::max(last, e.path().string());
  return last;
}
std::string contents(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST_F(EmbeddedReopen, ATornEndIsDroppedAndAChangeInTheMiddleRefused) {
  ports::LogStore::Joined log;
  {
    auto n = open();
    log = n->join("a");
    for (int i = 1; i <= 20; ++i) n->append(log.log, std::to_string(i) + std::string(5000, '.'));
  }
  std::string wal = last_wal(dir.store()), bytes = contents(wal);
  ASSERT_GT(bytes.size(), 100'000u);
  using embedded::scan_wal;
  const std::uint64_t number = *embedded::wal_number(wal);
  EXPECT_EQ(scan_wal(bytes, number).good, bytes.size());
  for (std::size_t at : {100u, 40'000u, 60'000u}) {
    std::string changed = bytes;
    changed[at] ^= 1;
    EXPECT_TRUE(scan_wal(changed, number).corrupt) << at;
  }
  std::string end_changed = bytes;
  end_changed[bytes.size() - 10] ^= 1;
  EXPECT_FALSE(scan_wal(end_changed, number).corrupt);
  for (std::size_t n = bytes.size() - 6000; n < bytes.size(); n += 500) {
    EXPECT_FALSE(scan_wal(bytes.substr(0, n), number).corrupt) << n;
    EXPECT_FALSE(scan_wal(bytes.substr(0, n) + std::string(20'000, '\0'), number).corrupt) << n;
  }

  std::string changed = bytes;
  changed[40'000] ^= 1;
  std::ofstream(wal, std::ios::binary) << changed;
  {
    EmbeddedNode n(options());
    EXPECT_NE(n.error.find("is damaged"), std::string::npos) << n.error;
    EXPECT_NE(n.error.find(wal), std::string::npos) << n.error;
    EXPECT_NE(n.error.find("signalbox store check " + dir.store()), std::string::npos) << n.error;
  }
  for (auto& torn : {bytes.substr(0, bytes.size() - 2000), end_changed}) {
    std::ofstream(wal, std::ios::binary) << torn;
    TempDir copy;
    fs::copy(dir.store(), copy.store());
    EmbeddedOptions o = options();
    o.path = copy.store();
    EmbeddedNode n(o);
    ASSERT_EQ(n.error, "");
    EXPECT_EQ(n.join("a", "other").head.offset, 19u);
  }
}

TEST_F(EmbeddedReopen, WhatWasNeverSyncedMayBeMissingAnywhere) {
  auto fill = [&](WriteConcern concern, Millis then) {
    fs::remove_all(dir.store());
    auto n = open(concern);
    auto log = n->join("a");
    for (int i = 1; i <= 20; ++i) n->append(log.log, std::to_string(i) + std::string(5000, '.'));
    n->run_until([] { return false; }, then);
    n.reset();
    return last_wal(dir.store());
  };
  auto tear = [&](const std::string& wal, std::size_t from_end) {
    std::string bytes = contents(wal);
    bytes.replace(bytes.size() - from_end, 1000, 1000, '\0');
    std::ofstream(wal, std::ios::binary) << bytes;
    return EmbeddedNode(options()).error;
  };
  EXPECT_EQ(tear(fill(WriteConcern::none, Millis(0)), 50'000), "") << "whole records follow";
  EXPECT_NE(tear(fill(WriteConcern::fsync, Millis(0)), 50'000), "");
  EXPECT_EQ(tear(fill(WriteConcern::fsync, Millis(0)), 4'000), "") << "of the last one nobody says that it was synced";
  EXPECT_NE(tear(fill(WriteConcern::fsync, Millis(1500)), 4'000), "") << "but a second later it is said";
}

}  // namespace
}  // namespace sb::store::test
