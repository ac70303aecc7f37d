// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "redis/tests/recorder.h"

namespace sb::redis {
namespace {

using testing::feed;
using testing::show;

struct Case {
  std::string wire, shown;
};

const Case kCases[] = {
    {"+OK\r\n", "+OK"},
    {"-ERR no\r\n", "-ERR no"},
    {":-12\r\n", ":-12"},
    {"$-1\r\n", "nil"},
    {"*-1\r\n", "nil"},
    {"$0\r\n\r\n", "\"\""},
    {"$4\r\na\r\nb\r\n", "\"a\r\nb\""},
    {"*0\r\n", "[]"},
    {"*3\r\n*2\r\n:1\r\n*0\r\n$1\r\nx\r\n*1\r\n*1\r\n$-1\r\n", "[[:1 []] \"x\" [[nil]]]"},
    {"*2\r\n-EXECABORT no\r\n+PONG\r\n", "[-EXECABORT no +PONG]"},
};

TEST(Reply, EveryShapeIsReadWhole) {
  for (const Case& c : kCases) {
    ReplyReader reader;
    feed(reader, c.wire);
    Reply* r = reader.next();
    ASSERT_NE(r, nullptr) << c.wire;
    EXPECT_EQ(show(r->root()), c.shown);
    EXPECT_EQ(reader.next(), nullptr);
    EXPECT_EQ(reader.failure(), "");
  }
}

TEST(Reply, EveryShapeIsReadByteByByteAndBehindOthers) {
  ReplyReader reader;
  for (int round = 0; round < 2; ++round) {
    for (const Case& c : kCases) {
      for (std::size_t i = 0; i < c.wire.size(); ++i) {
        ASSERT_EQ(reader.next(), nullptr);
        feed(reader, std::string_view(c.wire).substr(i, 1));
      }
      Reply* r = reader.next();
      ASSERT_NE(r, nullptr);
      EXPECT_EQ(show(r->root()), c.shown);
    }
  }
}

TEST(Reply, ManyInOnePieceComeInOrder) {
  ReplyReader reader;
  std::string wire;
  for (int i = 0; i < 5000; ++i) wire += ":" + std::to_string(i) + "\r\n";
  feed(reader, wire);
  for (int i = 0; i < 5000; ++i) {
    Reply* r = reader.next();
    ASSERT_NE(r, nullptr);
    ASSERT_EQ(r->root().integer(), i);
  }
  EXPECT_EQ(reader.next(), nullptr);
}

TEST(Reply, OneThatWasMovedAwayStays) {
  ReplyReader reader;
  feed(reader, "*2\r\n$5\r\nfirst\r\n:1\r\n$6\r\nsecond\r\n");
  Reply kept = std::move(*reader.next());
  EXPECT_EQ(show(reader.next()->root()), "\"second\"");
  EXPECT_EQ(show(kept.root()), "[\"first\" :1]");
}

TEST(Reply, ElementsAreFoundByNumber) {
  ReplyReader reader;
  feed(reader, "*3\r\n*2\r\n:1\r\n:2\r\n$2\r\n42\r\n+x\r\n");
  const Reply::View v = reader.next()->root();
  EXPECT_EQ(v.size(), 3u);
  EXPECT_EQ(v[0][1].integer(), 2);
  EXPECT_EQ(v[1].integer(), 42);
  EXPECT_EQ(v[2].text(), "x");
  EXPECT_FALSE(v[2].integer());
  EXPECT_TRUE(v[3].is_nil());
  EXPECT_TRUE(v[1][0].is_nil());
}

TEST(Reply, WhatIsNoRespEndsIt) {
  for (std::string_view wire : {"HTTP/1.1 400 Bad Request\r\n", "$x\r\n", "*2147483648\r\n", "$-2\r\n"}) {
    ReplyReader reader;
    feed(reader, wire);
    EXPECT_EQ(reader.next(), nullptr) << wire;
    EXPECT_NE(reader.failure(), "") << wire;
    reader.reset();
    feed(reader, "+OK\r\n");
    EXPECT_NE(reader.next(), nullptr);
  }
}

TEST(Reply, ALargeOneGivesItsMemoryBack) {
  ReplyReader reader;
  const std::string big(8 << 20, 'x');
  feed(reader, "$" + std::to_string(big.size()) + "\r\n" + big + "\r\n");
  ASSERT_EQ(reader.next()->root().text(), big);
  EXPECT_EQ(reader.next(), nullptr);
  feed(reader, "+OK\r\n");
  EXPECT_EQ(show(reader.next()->root()), "+OK");
}

}  // namespace
}  // namespace sb::redis
