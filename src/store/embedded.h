// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "model/limits.h"
#include "ports/log_store.h"
#include "store/service.h"

namespace rocksdb {
class Env;
}

namespace sb::store {

/// What an acknowledgement of the embedded store means.
enum class WriteConcern : std::uint8_t {
  fsync = 1,     ///< on the disk
  interval = 2,  ///< with the operating system; on the disk within `sync_interval`
  none = 3,      ///< with the operating system
};

struct EmbeddedOptions {
  std::string path;  ///< directory, made when it is not there
  WriteConcern concern = WriteConcern::fsync;
  Millis sync_interval{100};
  model::Limits limits;
  std::size_t cache_bytes = 8 * 1024 * 1024;      ///< of blocks that were read
  std::size_t memtable_bytes = 16 * 1024 * 1024;  ///< of messages before they go to a file of their own
  Millis retry_min{100}, retry_max{5000};         ///< between two attempts to open the store again
  rocksdb::Env* env = nullptr;                    ///< null = the machine's files
};

/// Told when the log of a filter begins (its id) and ends (0), before join or leave answer.
using OnLog = std::function<void(std::string_view filter, ports::LogId log)>;

/// Opens the durable store of a node. Returns what is wrong and what to do, "" when it is open. The logs that there are
/// have been announced then.
std::string open_embedded(const EmbeddedOptions& options, OnLog on_log, Backend& out);

}  // namespace sb::store
