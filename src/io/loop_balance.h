// SPDX-License-Identifier: MIT
#pragma once
#include <chrono>
#include <cstddef>
#include <vector>

namespace sb::io {

/// When loops share a thread and when they part: all bounds of it, in the units that they have here.
struct BalanceLimits {
  using Time = std::chrono::nanoseconds;
  double spread_above = 0.75;  ///< of a thread's time: a thread busier than that gives loops away
  double gather_below = 0.60;  ///< of one thread's time: two threads that together are less busy become one. Less than
                               ///< spread_above, and the same work is cheaper on one thread: what was gathered stays
  double working = 0.02;       ///< of a thread's time: a loop below that is no reason to move anything
  Time look_every = std::chrono::milliseconds(10);
  Time spread_average = std::chrono::milliseconds(20);   ///< time constant; full load from nothing: 28 ms to spread
  Time gather_average = std::chrono::milliseconds(200);  ///< time constant
  Time gather_after = std::chrono::seconds(1);           ///< that the average was low all the time
};

/// Decides which thread runs which loop, from how busy each loop was. There are as many threads as loops. Loop n's home
/// is thread n: a thread that runs anything runs its own loop, and the loops of threads that rest are its guests. No
/// clocks and no threads in here. Owner: one thread at a time.
class LoopBalance {
 public:
  using Time = std::chrono::nanoseconds;
  struct Move {
    std::size_t loop, to;
    bool operator==(const Move&) const = default;
  };

  /// All loops are on thread 0.
  explicit LoopBalance(std::size_t loops, BalanceLimits limits = {});

  /// `now`: since any beginning; `busy[n]`: how long loop n has run since then. The moves are taken as done. They come
  /// either from threads that give some of their guests away, or from one that gives all it has.
  std::vector<Move> look(Time now, const std::vector<Time>& busy);

  std::size_t thread_of(std::size_t loop) const { return loops_[loop].thread; }
  const BalanceLimits& limits() const { return limits_; }

 private:
  struct Loop {
    std::size_t thread = 0;
    Time busy{};                      ///< when last looked at
    double recent = 0, long_run = 0;  ///< averages of the busy share
  };
  void measure(Time passed, const std::vector<Time>& busy);
  void spread(std::size_t thread, std::vector<Move>& moves);
  void gather(std::vector<Move>& moves);
  void move(std::size_t loop, std::size_t to, std::vector<Move>& moves);

  BalanceLimits limits_;
  std::vector<Loop> loops_;
  Time looked_{}, not_quiet_{};  ///< when last
};

}  // namespace sb::io
