// SPDX-License-Identifier: MIT
#include "io/loop_balance.h"

#include <algorithm>
#include <cmath>

namespace sb::io {

LoopBalance::LoopBalance(std::size_t loops, BalanceLimits limits) : limits_(limits), loops_(loops) {}

std::vector<LoopBalance::Move> LoopBalance::look(Time now, const std::vector<Time>& busy) {
  std::vector<Move> moves;
  if (now <= looked_) return moves;
  measure(now - looked_, busy);
  looked_ = now;
  for (std::size_t t = 0; t < loops_.size(); ++t) spread(t, moves);
  if (moves.empty()) gather(moves);
  return moves;
}

/// Exponential averages: a turn that was longer than the time between two looks counts nothing in one of them and
/// double in the next, and the average does not mind.
void LoopBalance::measure(Time passed, const std::vector<Time>& busy) {
  auto weight = [&](Time constant) {
    return 1 - std::exp(-static_cast<double>(passed.count()) / static_cast<double>(constant.count()));
  };
  const double recent = weight(limits_.spread_average), long_run = weight(limits_.gather_average);
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    Loop& l = loops_[i];
    const double share = static_cast<double>((busy[i] - l.busy).count()) / static_cast<double>(passed.count());
    l.busy = busy[i];
    l.recent += (share - l.recent) * recent;
    l.long_run += (share - l.long_run) * long_run;
  }
}

/// A thread that is too busy sends guests home, the busiest first, until about half of its work is gone.
void LoopBalance::spread(std::size_t thread, std::vector<Move>& moves) {
  double all = 0, gone = 0;
  std::size_t working = 0;
  std::vector<std::size_t> guests;
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    if (loops_[i].thread != thread) continue;
    all += loops_[i].recent;
    if (loops_[i].recent < limits_.working) continue;
    ++working;
    if (i != thread) guests.push_back(i);
  }
  if (all <= limits_.spread_above || working < 2) return;
  std::sort(guests.begin(), guests.end(), [&](auto a, auto b) { return loops_[a].recent > loops_[b].recent; });
  for (std::size_t i : guests) {
    if (gone > 0 && gone + loops_[i].recent > all / 2) continue;
    gone += loops_[i].recent;
    move(i, i, moves);
  }
}

/// The two threads with the least work become one, if that leaves it room and did so for a while.
void LoopBalance::gather(std::vector<Move>& moves) {
  struct Load {
    std::size_t thread;
    double recent, long_run;
  };
  std::vector<Load> loads;
  for (std::size_t t = 0; t < loops_.size(); ++t) {
    if (loops_[t].thread != t) continue;
    Load& load = loads.emplace_back(Load{t, 0, 0});
    for (auto& l : loops_) {
      if (l.thread != t) continue;
      load.recent += l.recent;
      load.long_run += l.long_run;
    }
  }
  if (loads.size() < 2) {
    not_quiet_ = looked_;
    return;
  }
  std::partial_sort(loads.begin(), loads.begin() + 2, loads.end(),
                    [](auto& a, auto& b) { return a.long_run < b.long_run; });
  const Load &a = loads[0], &b = loads[1];
  if (std::max(a.recent + b.recent, a.long_run + b.long_run) >= limits_.gather_below) not_quiet_ = looked_;
  if (looked_ - not_quiet_ < limits_.gather_after) return;
  const auto [to, from] = std::minmax(a.thread, b.thread);
  for (std::size_t i = 0; i < loops_.size(); ++i)
    if (loops_[i].thread == from) move(i, to, moves);
}

void LoopBalance::move(std::size_t loop, std::size_t to, std::vector<Move>& moves) {
  loops_[loop].thread = to;
  moves.push_back({loop, to});
}

}  // namespace sb::io
