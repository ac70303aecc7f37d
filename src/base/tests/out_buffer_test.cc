// SPDX-License-Identifier: MIT
#include "base/out_buffer.h"

#include <gtest/gtest.h>
#include <sys/uio.h>

#include <random>
#include <string>
#include <thread>
#include <vector>

namespace sb {
namespace {

/// Shared bytes that say when the last user let go.
struct Slab final : SharedBytes {
  Slab(std::string b, int& freed) : bytes(std::move(b)), freed_count(freed) {}
  ~Slab() override { ++freed_count; }
  std::string bytes;
  int& freed_count;
};

std::string pattern(std::size_t n, unsigned seed = 0) {
  std::string s(n, '\0');
  for (std::size_t i = 0; i < n; ++i) s[i] = static_cast<char>('a' + (i * 7 + seed) % 26);
  return s;
}

/// Everything that is queued, read through peek() in runs of `max` pieces.
std::string contents(const OutBuffer& b, int max = 64) {
  std::vector<iovec> pieces(static_cast<std::size_t>(max));
  int n = b.peek(pieces.data(), max);
  std::string all;
  for (int i = 0; i < n; ++i)
    all.append(static_cast<const char*>(pieces[static_cast<std::size_t>(i)].iov_base),
               pieces[static_cast<std::size_t>(i)].iov_len);
  return all;
}

TEST(OutBuffer, BeginsEmptyAndCanBeEmptiedAgain) {
  OutBuffer b;
  EXPECT_TRUE(b.empty());
  EXPECT_EQ(b.front(), "");
  EXPECT_EQ(contents(b), "");
  b.consume(0);
  b.append("");
  b.append({});  // a view of nothing at all
  EXPECT_TRUE(b.empty());
  EXPECT_EQ(contents(b), "");
  b.append("x");
  b.consume(1);
  EXPECT_TRUE(b.empty());
  EXPECT_EQ(b.front(), "");
  b.append("y");
  EXPECT_EQ(contents(b), "y");
  b.clear();
  EXPECT_TRUE(b.empty());
  EXPECT_EQ(contents(b), "");
}

TEST(OutBuffer, KeepsTheOrderOverEveryPieceSize) {
  // Around the sizes of the pool's chunks, with their headers.
  for (std::size_t n : {1u, 7u, 1983u, 1984u, 1985u, 2047u, 2048u, 2049u, 8128u, 8191u, 8192u, 32767u, 32768u, 131071u,
                        131072u, 131073u, 1000000u}) {
    OutBuffer b;
    std::string expected;
    for (unsigned k = 0; k < 5; ++k) {
      std::string piece = pattern(n, k);
      b.append(piece);
      expected += piece;
    }
    EXPECT_EQ(b.size(), expected.size()) << n;
    EXPECT_EQ(contents(b), expected) << n;
  }
}

TEST(OutBuffer, ReserveGivesOnePieceAndCommitCountsOnlyWhatWasWritten) {
  OutBuffer b;
  b.append(pattern(1900));
  char* at = b.reserve(5000);  // does not fit behind the first piece
  std::memset(at, '.', 5000);
  b.commit(3);
  EXPECT_EQ(b.size(), 1903u);
  EXPECT_EQ(contents(b), pattern(1900) + "...");
  b.append("!");  // goes where the unused room is
  EXPECT_EQ(contents(b), pattern(1900) + "...!");
}

TEST(OutBuffer, SharedSlicesAreNotCopiedAndLetGoWhenTaken) {
  int freed = 0;
  OutBuffer b;
  {
    boost::intrusive_ptr<const Slab> slab(new Slab(pattern(100), freed));
    std::string_view all = slab->bytes;
    b.append("<");
    b.append_shared(slab, all.substr(10, 20));
    b.append("|");
    b.append_shared(slab, all.substr(50, 5));
    b.append(">");
    b.append_shared(slab, all.substr(0, 0));  // nothing: must not count as a piece
    iovec pieces[8];
    ASSERT_EQ(b.peek(pieces, 8), 5);
    EXPECT_EQ(pieces[1].iov_base, all.data() + 10) << "a shared slice was copied";
    EXPECT_EQ(pieces[3].iov_base, all.data() + 50) << "a shared slice was copied";
  }
  std::string bytes = pattern(100);
  EXPECT_EQ(b.size(), 28u);
  EXPECT_EQ(contents(b), "<" + bytes.substr(10, 20) + "|" + bytes.substr(50, 5) + ">");
  b.consume(11);  // into the middle of the first slice
  EXPECT_EQ(b.front(), bytes.substr(20, 10));
  EXPECT_EQ(freed, 0);
  b.consume(10 + 1 + 4);
  EXPECT_EQ(b.front(), bytes.substr(54, 1));
  EXPECT_EQ(freed, 0);
  b.consume(1);
  EXPECT_EQ(freed, 1);
  EXPECT_EQ(contents(b), ">");
}

TEST(OutBuffer, ClearAndDestructionLetGoOfSharedBytes) {
  int freed = 0;
  {
    OutBuffer b, other;
    SharedBytesPtr first(new Slab("abc", freed)), second(new Slab("def", freed));
    b.append_shared(first, static_cast<const Slab&>(*first).bytes);
    other.append_shared(first, static_cast<const Slab&>(*first).bytes);
    other.append_shared(second, static_cast<const Slab&>(*second).bytes);
    first.reset();
    second.reset();
    b.clear();
    EXPECT_EQ(freed, 0);  // the other one still has it
  }
  EXPECT_EQ(freed, 2);
}

TEST(OutBuffer, NothingIsWrittenBehindASharedSlice) {
  int freed = 0;
  boost::intrusive_ptr<const Slab> slab(new Slab(pattern(64), freed));
  OutBuffer b;
  b.append_shared(slab, std::string_view(slab->bytes).substr(0, 32));
  b.append("own");
  EXPECT_EQ(slab->bytes, pattern(64));
  EXPECT_EQ(contents(b), pattern(64).substr(0, 32) + "own");
}

TEST(OutBuffer, PeekStopsAtTheNumberOfPieces) {
  int freed = 0;
  boost::intrusive_ptr<const Slab> slab(new Slab(pattern(10), freed));
  OutBuffer b;
  for (std::size_t i = 0; i < 10; ++i) b.append_shared(slab, std::string_view(slab->bytes).substr(i, 1));
  EXPECT_EQ(contents(b, 3), pattern(10).substr(0, 3));
  EXPECT_EQ(contents(b, 10), pattern(10));
}

TEST(OutBuffer, MovesAndSwaps) {
  OutBuffer a;
  a.append("one");
  OutBuffer b(std::move(a));
  EXPECT_EQ(contents(b), "one");
  EXPECT_TRUE(a.empty());  // NOLINT(bugprone-use-after-move): a moved-from buffer is an empty one
  a.append("two");
  a.swap(b);
  EXPECT_EQ(contents(a), "one");
  EXPECT_EQ(contents(b), "two");
}

TEST(OutBuffer, ChunksMayBeFreedByAnotherThread) {
  OutBuffer b;
  std::string expected = pattern(50000);
  std::thread([&] { b.append(expected); }).join();
  EXPECT_EQ(contents(b), expected);
  std::thread([b = std::move(b), &expected]() mutable {
    b.consume(1234);
    EXPECT_EQ(contents(b), expected.substr(1234));
  }).join();
}

/// Random operations against a plain string.
TEST(OutBuffer, BehavesLikeAString) {
  std::mt19937 random(1);
  auto below = [&](std::size_t n) { return random() % n; };
  int freed = 0, made = 0;
  {
    OutBuffer b;
    std::string model;
    for (int i = 0; i < 6000; ++i) {
      switch (below(5)) {
        case 0: {
          std::string piece = pattern(below(4) ? below(300) : below(20000), random());
          b.append(piece);
          model += piece;
          break;
        }
        case 1: {
          std::size_t room = below(6000), used = below(3) ? below(room + 1) : 0;
          std::string piece = pattern(used, random());
          std::memcpy(b.reserve(room), piece.data(), used);
          b.commit(used);
          model += piece;
          break;
        }
        case 2: {
          boost::intrusive_ptr<const Slab> slab(new Slab(pattern(below(30000), random()), freed));
          ++made;
          std::size_t from = below(slab->bytes.size() + 1), n = below(slab->bytes.size() - from + 1);
          b.append_shared(slab, std::string_view(slab->bytes).substr(from, n));
          model.append(slab->bytes, from, n);
          break;
        }
        default: {
          std::size_t n = below(3) ? below(model.size() + 1) : std::min<std::size_t>(below(100), model.size());
          if (below(3) == 0) n = b.front().size();  // a piece to its end, as the socket often takes it
          b.consume(n);
          model.erase(0, n);
          if (n > 0) {
            ASSERT_EQ(b.front().empty(), model.empty()) << "an empty chunk stays in front";
          }
        }
      }
      ASSERT_EQ(b.size(), model.size());
      ASSERT_TRUE(std::string_view(model).starts_with(b.front()));
      if (i % 50 == 0) {
        ASSERT_EQ(contents(b, 100000), model);
      }
    }
  }
  EXPECT_EQ(freed, made);
}

}  // namespace
}  // namespace sb
