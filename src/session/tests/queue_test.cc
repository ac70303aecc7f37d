// SPDX-License-Identifier: MIT
#include "session/queue.h"

#include <gtest/gtest.h>

#include <string>

namespace sb::session {
namespace {

using Offered = Queue::Offered;
constexpr std::size_t kNoBound = SIZE_MAX;

Waiting waiting(std::string_view topic, std::size_t payload = 0) {
  std::string bytes(payload, 'p');
  model::MessageView v;
  v.topic = topic;
  v.payload = bytes;
  return {model::Message::copy(v), 1, false, 0, {}};
}
std::size_t cost(std::size_t bytes) { return sizeof(model::Message) + bytes; }

std::string topics(const Queue& queue) {
  std::string all;
  for (auto& w : const_cast<Queue&>(queue).items()) all += w.message->view().topic;
  return all;
}

TEST(Queue, FirstInFirstOutWithItsBytes) {
  Queue q;
  EXPECT_TRUE(q.empty());
  EXPECT_EQ(q.offer(waiting("a", 10), 10, kNoBound, false), Offered::queued);
  EXPECT_EQ(q.offer(waiting("b", 20), 10, kNoBound, false), Offered::queued);
  EXPECT_EQ(q.size(), 2u);
  EXPECT_EQ(q.bytes(), cost(11) + cost(21));
  EXPECT_EQ(q.front().message->view().topic, "a");
  q.pop();
  EXPECT_EQ(q.front().message->view().topic, "b");
  EXPECT_EQ(q.bytes(), cost(21));
  q.pop();
  EXPECT_TRUE(q.empty());
  EXPECT_EQ(q.bytes(), 0u);
}

TEST(Queue, DropsTheNewOneAtEitherBound) {
  Queue q;
  for (const char* t : {"a", "b", "c"}) EXPECT_EQ(q.offer(waiting(t), 3, kNoBound, false), Offered::queued);
  EXPECT_EQ(q.offer(waiting("d"), 3, kNoBound, false), Offered::dropped_new);
  EXPECT_EQ(topics(q), "abc");
  // Bytes: the bound itself still fits.
  std::size_t bound = q.bytes() + cost(1 + 100);
  EXPECT_EQ(q.offer(waiting("e", 101), 100, bound, false), Offered::dropped_new);
  EXPECT_EQ(q.offer(waiting("f", 100), 100, bound, false), Offered::queued);
  EXPECT_EQ(q.bytes(), bound);
  EXPECT_EQ(topics(q), "abcf");
}

TEST(Queue, DropsTheOldestUntilTheNewOneFits) {
  Queue q;
  for (const char* t : {"a", "b", "c"}) q.offer(waiting(t), 3, kNoBound, true);
  EXPECT_EQ(q.offer(waiting("d"), 3, kNoBound, true), Offered::dropped_oldest);
  EXPECT_EQ(topics(q), "bcd");
  // A large one pushes several out.
  std::size_t bound = 3 * cost(1);
  EXPECT_EQ(q.offer(waiting("e", cost(1)), 3, bound, true), Offered::dropped_oldest);
  EXPECT_EQ(topics(q), "de");
  EXPECT_EQ(q.bytes(), bound);
}

TEST(Queue, OneMessageAboveTheBoundStillWaitsAlone) {
  for (bool drop_oldest : {false, true}) {
    Queue q;
    EXPECT_EQ(q.offer(waiting("a", 1000), 10, 500, drop_oldest), Offered::queued);
    EXPECT_EQ(q.size(), 1u);
    Offered second = q.offer(waiting("b", 1), 10, 500, drop_oldest);
    EXPECT_EQ(second, drop_oldest ? Offered::dropped_oldest : Offered::dropped_new);
    EXPECT_EQ(topics(q), drop_oldest ? "b" : "a");
  }
}

}  // namespace
}  // namespace sb::session
