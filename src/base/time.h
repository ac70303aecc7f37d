// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>
#include <cstdint>

namespace sb {

/// Milliseconds on the monotonic clock: timers, keep alive, timeouts.
using MonoTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::milliseconds>;
/// Milliseconds since the Unix epoch on the wall clock: what outlives a process (expiry of messages and sessions).
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;
using Millis = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;

/// "Never" for deadlines.
inline constexpr MonoTime kNever = MonoTime::max();
inline constexpr WallTime kNoExpiry = WallTime::max();

/// The two clocks. One read per turn of a loop; tests give their own.
struct Clock {
  virtual ~Clock() = default;
  virtual MonoTime mono() const = 0;
  virtual WallTime wall() const = 0;
};

/// The clocks of the machine.
struct SystemClock final : Clock {
  MonoTime mono() const override { return std::chrono::time_point_cast<Millis>(std::chrono::steady_clock::now()); }
  WallTime wall() const override { return std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now()); }
};

/// A clock that stands until a test moves it.
struct FakeClock final : Clock {
  MonoTime mono_now{std::chrono::hours(1)};
  WallTime wall_now{std::chrono::hours(24 * 365 * 50)};
  MonoTime mono() const override { return mono_now; }
  WallTime wall() const override { return wall_now; }
  void advance(Millis d) {
    mono_now += d;
    wall_now += d;
  }
};

}  // namespace sb
