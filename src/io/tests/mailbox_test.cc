// SPDX-License-Identifier: MIT
#include "io/mailbox.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace sb::io {
namespace {

template <class F>
Task* task(F f) {
  return new FunctionTask<F>(std::move(f));
}

TEST(Mailbox, SaysWhetherItWasEmptyAndRunsInOrder) {
  Mailbox box;
  std::vector<int> ran;
  EXPECT_TRUE(box.empty());
  EXPECT_EQ(box.drain(), 0);
  EXPECT_TRUE(box.push(task([&] { ran.push_back(1); })));
  EXPECT_FALSE(box.push(task([&] { ran.push_back(2); })));
  EXPECT_FALSE(box.push(task([&] { ran.push_back(3); })));
  EXPECT_FALSE(box.empty());
  EXPECT_EQ(box.drain(), 3);
  EXPECT_EQ(ran, (std::vector<int>{1, 2, 3}));
  EXPECT_TRUE(box.empty());
  EXPECT_TRUE(box.push(task([] {})));
}

TEST(Mailbox, WhatATaskSendsWaitsForTheNextDrain) {
  Mailbox box;
  int ran = 0;
  box.push(task([&] { box.push(task([&] { ++ran; })); }));
  EXPECT_EQ(box.drain(), 1);
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(box.drain(), 1);
  EXPECT_EQ(ran, 1);
}

TEST(Mailbox, DestructionFreesWhatWasNotRun) {
  auto held = std::make_shared<int>(0);
  {
    Mailbox box;
    for (int i = 0; i < 3; ++i) box.push(task([held] { ++*held; }));
    EXPECT_EQ(held.use_count(), 4);
  }
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(*held, 0);
}

TEST(Mailbox, ATaskThatBelongsToSomebodyElseIsDroppedNotDeleted) {
  struct Owned final : Task {
    void run() override { ++ran; }
    void drop() override { ++dropped; }
    int ran = 0, dropped = 0;
  } first, second;
  {
    Mailbox box;
    box.push(&first);
    box.drain();
    box.push(&first);
    box.push(&second);
  }
  EXPECT_EQ(first.ran, 1);
  EXPECT_EQ(first.dropped, 1);
  EXPECT_EQ(second.ran, 0);
  EXPECT_EQ(second.dropped, 1);
}

TEST(Mailbox, ManySendersKeepTheirOrderAndLoseNothing) {
  constexpr int kSenders = 4, kEach = 20000;
  Mailbox box;
  std::vector<int> last(kSenders, -1);  // touched by the receiver only
  int out_of_order = 0, received = 0;
  std::vector<std::thread> senders;
  for (int s = 0; s < kSenders; ++s)
    senders.emplace_back([&, s] {
      for (int i = 0; i < kEach; ++i)
        box.push(task([&, s, i] {
          out_of_order += last[static_cast<std::size_t>(s)] != i - 1;
          last[static_cast<std::size_t>(s)] = i;
        }));
    });
  while (received < kSenders * kEach) {
    int n = box.drain();
    received += n;
    if (n == 0) std::this_thread::yield();
  }
  for (auto& t : senders) t.join();
  EXPECT_EQ(out_of_order, 0);
  EXPECT_EQ(received, kSenders * kEach);
  for (int n : last) EXPECT_EQ(n, kEach - 1);
  EXPECT_TRUE(box.empty());
}

}  // namespace
}  // namespace sb::io
