// SPDX-License-Identifier: MIT
#include "config/nearest.h"

#include <algorithm>
#include <vector>

#include "config/table.h"

namespace sb::config {
namespace {

constexpr std::size_t kLongestName = 80;  // the distance is quadratic, and no key is as long

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replace});
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string nearest(std::string_view name, std::span<const std::string> names) {
  if (name.empty() || name.size() > kLongestName) return "";
  const std::string* best = nullptr;
  std::size_t fewest = std::max<std::size_t>(2, name.size() / 5) + 1;
  for (const auto& candidate : names) {
    auto difference = std::max(name.size(), candidate.size()) - std::min(name.size(), candidate.size());
    if (difference >= fewest) continue;  // so many edits at least
    std::size_t d = edit_distance(name, candidate);
    if (d < fewest) fewest = d, best = &candidate;
  }
  if (best) return *best;
  for (const auto& candidate : names) {
    if (leaf_of(candidate) == leaf_of(name)) return candidate;
  }
  return "";
}

}  // namespace sb::config
