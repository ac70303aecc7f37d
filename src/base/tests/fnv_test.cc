// SPDX-License-Identifier: MIT
#include "base/fnv.h"

#include <gtest/gtest.h>

namespace sb {
namespace {

/// Vectors of the authors' test suite (fnv64a).
TEST(Fnv, IsAsItsAuthorsSay) {
  static_assert(fnv1a("") == 0xCBF29CE484222325u);
  EXPECT_EQ(fnv1a("a"), 0xAF63DC4C8601EC8Cu);
  EXPECT_EQ(fnv1a("foobar"), 0x85944171F73967E8u);
  EXPECT_EQ(fnv1a("bar", fnv1a("foo")), fnv1a("foobar"));
  EXPECT_EQ(fnv1a("\xff"), (0xCBF29CE484222325u ^ 0xFFu) * 0x100000001B3u) << "bytes have no sign";
}

}  // namespace
}  // namespace sb
