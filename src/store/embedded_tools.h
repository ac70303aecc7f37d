// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

namespace sb::store {

/// What a store holds.
struct StoreStats {
  std::uint64_t logs = 0, members = 0, messages = 0, message_bytes = 0;
  std::uint64_t sessions = 0, connected = 0, subscriptions = 0, packet_ids = 0, retained = 0, retained_bytes = 0;
  std::uint64_t disk_bytes = 0;
};

// For `signalbox store`. Each returns what went wrong, "" when nothing did. Those that read may look at a store that is
// in use: they see what its node had written when they began.

/// Reads everything: checksums of the files, every record, and whether the records fit together. What is found goes to
/// `findings`, one line each.
std::string check_store(const std::string& path, std::vector<std::string>& findings, StoreStats& stats);

std::string store_stats(const std::string& path, StoreStats& stats);

/// Writes the store as lines of JSON: {"signalbox":"store","format":1}, then {"family":…,"key":…,"value":…} with the
/// records as they are stored, in base64; {"complete":true}. What cannot be read is left out, and goes to `lost`, one
/// line each.
std::string export_store(const std::string& path, std::ostream& out, std::vector<std::string>& lost);

/// Makes a store in `path` of what export_store() wrote; there must be none.
std::string import_store(const std::string& path, std::istream& in);

}  // namespace sb::store
