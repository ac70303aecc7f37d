// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ports/log_store.h"
#include "store/redis_calls.h"
#include "store/redis_log_memory.h"

namespace sb::store {

/// What is known of a log without its messages.
struct LogHead {
  std::uint64_t incarnation = 0;  ///< 0: Redis does not have it
  bool ended = false;             ///< and shall not, since it has no members
  model::Position last;
  std::uint64_t bytes = 0, messages = 0;
  /// From offset `first` on positions have this generation; the oldest ones may be left out.
  struct Era {
    std::uint64_t generation, first;
  };
  std::vector<Era> eras;

  /// How many messages a reader has had that stands at `p`, counted as offsets are.
  std::uint64_t offset_of(model::Position p) const;
};

/// What is learned of a log by reading it; lives as long as the log.
struct LogRead {
  const ports::LogId id;
  std::size_t entry_bytes = 64 * 1024;  ///< as far as is known
};

/// Reads logs in Redis, on a connection of its own to each primary. Owner: the store thread.
class LogReader {
 public:
  LogReader(redis::Client& client, LogMemory& memory) : call_(client), memory_(memory) {}
  /// Not there: incarnation 0.
  void head(const std::string& state_key, Millis within, std::function<void(result<LogHead>)> done);
  /// A page behind `after` with up to `max` messages; a log that is not there has its head at `after`.
  void page(const std::string& log_key, const std::string& state_key, model::Position after, std::size_t max,
            std::shared_ptr<LogRead> log, Millis within, std::function<void(result<ports::LogPage>)> done);

 private:
  static constexpr std::size_t kPageBytes = 1024 * 1024;
  struct Page;
  void read_on(std::shared_ptr<Page> p);

  RedisCalls call_;
  LogMemory& memory_;
};

}  // namespace sb::store
