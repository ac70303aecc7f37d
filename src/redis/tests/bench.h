// SPDX-License-Identifier: MIT
#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "redis/call.h"
#include "redis/tests/recorder.h"
#include "redis/tests/redis_server.h"

namespace sb::redis::testing {

/// A loop that a test turns by hand.
struct TestLoop : io::EventLoop {
  /// Turns until it is so; false when it does not become so for a very long time.
  bool until(const std::function<bool()>& so, Seconds limit = Seconds(60)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!so()) {
      if (std::chrono::steady_clock::now() > end) return false;
      run_once(Millis(20));
    }
    return true;
  }
};

/// Notes a connection's ups and downs.
struct Life : ConnectionListener {
  std::vector<std::string> lines;
  int ups = 0, downs = 0;
  error_code why;
  void on_up(Connection&) override { ++ups, lines.push_back("up"); }
  void on_down(Connection&, error_code e, const std::string& detail) override {
    ++downs, why = e, lines.push_back("down: " + e.message() + (detail.empty() ? "" : ": " + detail));
  }
};

/// Asks and turns the loop until the outcome is there.
inline std::string ask(TestLoop& loop, Connection& c, Args command, Millis timeout = Millis(0)) {
  std::string out;
  call(
      c, command, [&](Outcome& o) { out = show(o); }, timeout);
  EXPECT_TRUE(loop.until([&] { return !out.empty(); }));
  return out;
}

}  // namespace sb::redis::testing
