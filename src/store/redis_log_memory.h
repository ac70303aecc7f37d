// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "model/session_record.h"

namespace sb::store {

/// What is learned of a log by reading it. A failover can make Redis forget an entry that was read already, but whose
/// writer never heard that it had been taken: it comes again at another position, and nobody but its readers knows.
class LogMemory {
 public:
  std::size_t entry_bytes = 64 * 1024;  ///< as far as is known
  /// Batch `number` of `writer` lies at `first`. Adds to `known` where else it was read.
  void recall(std::uint64_t writer, std::uint64_t number, model::Position first, std::size_t messages,
              std::vector<model::Position>& known);
  /// The same when it was read there, which may be the first that anybody hears of it.
  void saw(std::uint64_t writer, std::uint64_t number, model::Position first, std::size_t messages,
           std::vector<model::Position>& known);

 private:
  static constexpr std::size_t kOfWriter = 8, kWriters = 16, kMoved = 256;
  struct Sighting {
    std::uint64_t writer, number;
    model::Position first;
    std::size_t messages;
  };
  std::vector<Sighting> latest_;                                    ///< of each writer
  std::vector<std::pair<model::Position, model::Position>> moved_;  ///< where it lies, and where it was before
};

}  // namespace sb::store
