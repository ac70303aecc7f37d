// SPDX-License-Identifier: MIT
#include "session/window.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

namespace sb::session {
namespace {

InFlight entry(std::uint32_t group = 0, OutboundState state = OutboundState::sent_qos1) {
  InFlight e;
  e.state = state;
  e.group = group;
  return e;
}

std::vector<PacketId> ids(Window& w) {
  std::vector<PacketId> all;
  w.for_each([&](PacketId id, InFlight&) { all.push_back(id); });
  return all;
}

TEST(Window, GivesIdsInOrderAndFindsThem) {
  Window w;
  EXPECT_TRUE(w.empty());
  EXPECT_EQ(w.find(1), nullptr);
  for (std::uint32_t i = 1; i <= 100; ++i) EXPECT_EQ(w.push(entry(i)), i);
  EXPECT_EQ(w.count(), 100u);
  for (PacketId id = 1; id <= 100; ++id) {
    ASSERT_NE(w.find(id), nullptr);
    EXPECT_EQ(w.find(id)->group, id);
  }
  EXPECT_EQ(w.find(0), nullptr);
  EXPECT_EQ(w.find(101), nullptr);
  EXPECT_EQ(w.find(65535), nullptr);
}

TEST(Window, ErasedInAnyOrder) {
  const std::vector<PacketId> orders[] = {{1, 2, 3, 4, 5}, {5, 4, 3, 2, 1}, {3, 1, 5, 2, 4}, {2, 4, 1, 3, 5}};
  for (const auto& order : orders) {
    Window w;
    for (int i = 0; i < 5; ++i) w.push(entry());
    std::vector<PacketId> left = {1, 2, 3, 4, 5};
    for (PacketId id : order) {
      w.erase(id);
      std::erase(left, id);
      EXPECT_EQ(ids(w), left);
      EXPECT_EQ(w.count(), left.size());
      EXPECT_EQ(w.find(id), nullptr);
      w.erase(id);  // a repeat changes nothing
      EXPECT_EQ(w.count(), left.size());
    }
    EXPECT_TRUE(w.empty());
    EXPECT_EQ(w.push(entry()), 6) << "an id is not taken again at once";
  }
}

TEST(Window, WrapsBehind65535WithoutZero) {
  Window w;
  for (std::uint32_t i = 0; i < 65530; ++i) w.erase(w.push(entry()));
  std::vector<PacketId> expected = {65531, 65532, 65533, 65534, 65535, 1, 2, 3};
  for (PacketId id : expected) EXPECT_EQ(w.push(entry(id)), id);
  EXPECT_EQ(ids(w), expected);
  for (PacketId id : expected) EXPECT_EQ(w.find(id)->group, id);
  EXPECT_EQ(w.find(0), nullptr);
  EXPECT_EQ(w.find(4), nullptr);
  EXPECT_EQ(w.find(65530), nullptr);
  w.erase(1);
  w.erase(65531);
  EXPECT_EQ(ids(w), (std::vector<PacketId>{65532, 65533, 65534, 65535, 2, 3}));
}

TEST(Window, FullByCountAndBySpan) {
  Window w;
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(w.full(10));
    w.push(entry());
  }
  EXPECT_TRUE(w.full(10));
  EXPECT_FALSE(w.full(11));
  w.erase(7);
  EXPECT_FALSE(w.full(10));

  // One that is never acknowledged, and all others at once: the ids come round to it.
  Window span;
  PacketId first = span.push(entry(1));
  std::uint32_t pushed = 1;
  while (!span.full(100)) {
    span.erase(span.push(entry()));
    ++pushed;
    // Ids behind the oldest that are free again are not kept apart from it at the far end.
    ASSERT_LE(pushed, 70000u);
  }
  EXPECT_EQ(pushed, 65535u);
  EXPECT_EQ(span.count(), 1u);
  ASSERT_NE(span.find(first), nullptr);
  EXPECT_EQ(span.find(first)->group, 1u);
  span.erase(first);
  EXPECT_FALSE(span.full(100));
  EXPECT_EQ(span.push(entry()), first) << "65535 ids later it is the same one";
}

TEST(Window, AllIdsAtOnce) {
  Window w;
  for (std::uint32_t i = 0; i < 65535; ++i) {
    ASSERT_FALSE(w.full(65535));
    w.push(entry(i));
  }
  EXPECT_TRUE(w.full(65535));
  for (std::uint32_t i = 0; i < 65535; ++i) ASSERT_EQ(w.find(static_cast<PacketId>(i + 1))->group, i);
  w.erase(1);
  EXPECT_FALSE(w.full(65535));
  EXPECT_EQ(w.push(entry(70000)), 1);
  EXPECT_EQ(ids(w).front(), 2);
  EXPECT_EQ(ids(w).back(), 1);
}

TEST(Window, RestoreTakesUpIdsWithHoles) {
  const struct {
    std::vector<std::uint64_t> sequences;
    std::vector<PacketId> ids;
    PacketId next;
  } rows[] = {{{0}, {1}, 2},
              {{6, 7, 8}, {7, 8, 9}, 10},
              {{99, 104, 299}, {100, 105, 300}, 301},
              {{65529, 65534, 65535, 65538}, {65530, 65535, 1, 4}, 5},
              {{5 * 65535ull - 1}, {65535}, 1},
              {{65536, 2 * 65535 - 1}, {2, 65535}, 1}};
  for (const auto& row : rows) {
    Window w;
    for (std::size_t i = 0; i < row.ids.size(); ++i)
      EXPECT_TRUE(w.restore(row.sequences[i], entry(row.ids[i], OutboundState::released))) << row.ids[i];
    EXPECT_EQ(ids(w), row.ids);
    for (std::size_t i = 0; i < row.ids.size(); ++i) EXPECT_EQ(w.sequence_of(row.ids[i]), row.sequences[i]);
    EXPECT_EQ(w.count(), row.ids.size());
    for (PacketId id : row.ids) {
      ASSERT_NE(w.find(id), nullptr);
      EXPECT_EQ(w.find(id)->group, id);
    }
    EXPECT_EQ(w.push(entry()), row.next);
    for (PacketId id : row.ids) w.erase(id);
    EXPECT_EQ(ids(w), (std::vector<PacketId>{row.next}));
  }
}

TEST(Window, RestoreRefusesRepeatsAndWhatIsTooFar) {
  Window w;
  EXPECT_TRUE(w.restore(9, entry()));
  EXPECT_TRUE(w.restore(19, entry()));
  EXPECT_FALSE(w.restore(19, entry()));
  EXPECT_FALSE(w.restore(14, entry())) << "ids come in the order in which they were sent";
  EXPECT_FALSE(w.restore(9 + 65535, entry())) << "the same id again";
  EXPECT_EQ(ids(w), (std::vector<PacketId>{10, 20}));
  EXPECT_EQ(w.count(), 2u);
}

TEST(Window, ClearAndMessagesAreLetGo) {
  Window w;
  model::MessagePtr m = model::Message::copy({});
  for (int i = 0; i < 3; ++i) {
    InFlight e = entry();
    e.message = m;
    w.push(std::move(e));
  }
  EXPECT_EQ(m->use_count(), 4u);
  w.erase(2);
  EXPECT_EQ(m->use_count(), 3u);
  w.clear();
  EXPECT_EQ(m->use_count(), 1u);
  EXPECT_TRUE(w.empty());
  EXPECT_TRUE(ids(w).empty());
  PacketId id = w.push(entry());
  EXPECT_EQ(ids(w), (std::vector<PacketId>{id}));
}

/// Random operations against a list in the order of sending.
TEST(Window, BehavesLikeAList) {
  std::mt19937 random(5);
  for (unsigned pushes : {1u, 2u, 3u}) {  // mostly empty, balanced, mostly filled
    Window w;
    std::vector<std::pair<PacketId, std::uint32_t>> model;
    std::uint32_t last = 0;
    for (std::uint32_t step = 1; step <= 100000; ++step) {
      if (random() % 4 < pushes && !w.full(200)) {
        PacketId id = w.push(entry(step));
        ASSERT_EQ(id, last % 65535 + 1);
        last = id;
        model.emplace_back(id, step);
      } else if (!model.empty()) {
        // Mostly the oldest, as clients do.
        std::size_t i = random() % 5 ? std::min<std::size_t>(random() % 4, model.size() - 1) : random() % model.size();
        ASSERT_NE(w.find(model[i].first), nullptr);
        ASSERT_EQ(w.find(model[i].first)->group, model[i].second);
        w.erase(model[i].first);
        model.erase(model.begin() + static_cast<std::ptrdiff_t>(i));
      }
      ASSERT_EQ(w.count(), model.size());
      if (step % 1000) continue;
      std::vector<PacketId> expected;
      for (auto& [id, group] : model) expected.push_back(id);
      ASSERT_EQ(ids(w), expected);
    }
  }
}

TEST(Window, CountsTheBytesThatItKeeps) {
  model::MessageView v;
  v.payload = "0123456789";
  auto m = model::Message::copy(v);
  const std::size_t n = m->footprint();
  Window w;
  EXPECT_EQ(w.kept(), 0u);
  InFlight e;
  e.state = OutboundState::sent_qos1;
  PacketId bare = w.push(e);
  EXPECT_EQ(w.kept(), 0u);
  e.message = m;
  PacketId first = w.push(e), second = w.push(e);
  EXPECT_EQ(w.kept(), 2 * n);
  w.keep(*w.find(bare), m);
  EXPECT_EQ(w.kept(), 3 * n);
  w.keep(*w.find(bare), m);
  EXPECT_EQ(w.kept(), 3 * n);
  w.forget(*w.find(first));
  w.forget(*w.find(first));
  EXPECT_EQ(w.kept(), 2 * n);
  w.erase(first);
  w.erase(second);
  EXPECT_EQ(w.kept(), n);
  w.restore(w.sequence_of(bare) + 5, e);
  EXPECT_EQ(w.kept(), 2 * n);
  w.clear();
  EXPECT_EQ(w.kept(), 0u);
}

}  // namespace
}  // namespace sb::session
