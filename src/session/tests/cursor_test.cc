// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "session/session.h"

namespace sb::session {
namespace {

using Positions = std::vector<model::Position>;

TEST(Cursor, WhatItHadBeforeTheStoreForgotItIsNotForItAgain) {
  struct Row {
    Positions way;  ///< positions that it stood at, one after the other
    Positions known;
    bool has_had;
  };
  const Row rows[] = {
      {{{1, 100}, {2, 99}}, {{1, 100}}, true},
      {{{1, 100}, {2, 99}}, {{1, 99}}, true},
      {{{1, 98}, {2, 99}}, {{1, 99}}, false},
      {{{1, 100}, {2, 99}}, {}, false},
      {{{1, 100}}, {{1, 100}}, false},  // of this generation nothing was forgotten
      {{{1, 100}, {2, 99}, {2, 150}, {3, 120}}, {{1, 101}, {2, 150}}, true},
      {{{1, 100}, {2, 99}, {2, 150}, {3, 120}}, {{1, 101}, {2, 151}}, false},
      {{{1, 1}, {2, 1}, {3, 1}, {4, 1}, {5, 1}, {6, 1}}, {{5, 1}}, true},
  };
  for (const Row& row : rows) {
    Cursor c;
    for (auto p : row.way) c.go_on(p);
    ports::StoredMessage m{{9, 1}, nullptr, std::make_shared<const Positions>(row.known)};
    EXPECT_EQ(c.has_had(m), row.has_had) << &row - rows;
  }
}

}  // namespace
}  // namespace sb::session
