// SPDX-License-Identifier: MIT
#include "store/redis_log_memory.h"

#include <algorithm>

namespace sb::store {

using model::Position;

void LogMemory::saw(ports::LogId log, std::uint64_t identity, Position p, std::vector<Position>& known) {
  const Key key(log, identity);
  auto& places = places_[key];
  if (places.empty()) {
    order_.push_back(key);
  } else {
    for (const Position& other : places)
      if (other.generation != p.generation && std::find(known.begin(), known.end(), other) == known.end())
        known.push_back(other);
    if (std::find(places.begin(), places.end(), p) != places.end()) return;
    if (places.size() == kPlaces) places.erase(places.begin());
  }
  places.push_back(p);
  if (order_.size() <= kMessages) return;
  places_.erase(order_.front());
  order_.pop_front();
}

}  // namespace sb::store
