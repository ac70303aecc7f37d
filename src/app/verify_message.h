// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/verify_ledger.h"

namespace sb::app {

/// The messages of one run on the wire: its topics, and payloads that carry the message's name, the run and a check
/// sum, with a filling that depends on them; so a message that was changed, cut off, mixed up or left over from another
/// run is told from ours.
class VerifyWire {
 public:
  static constexpr std::uint32_t kSmallest = 48;  ///< bytes of a payload at least

  /// `run`: different for each run against the same broker. `largest`: bytes of a payload at most.
  VerifyWire(std::uint64_t run, std::uint32_t topics, std::uint32_t largest);

  const std::string& prefix() const { return prefix_; }  ///< of all topics, ends with a slash
  const std::string& topic(std::uint32_t n) const { return topics_[n]; }

  /// The payload of `m`, of `size` bytes (kSmallest..largest). The view lives until the next call.
  std::string_view payload(const MessageName& m, std::uint32_t size);

  /// The name in a message that came, or none; then `problem` says why it is none of ours.
  std::optional<MessageName> read(std::string_view topic, std::string_view payload, std::string& problem) const;

 private:
  std::uint64_t run_;
  std::string prefix_;
  std::vector<std::string> topics_;
  std::string filling_;  ///< payloads are filled with a slice of it
  std::string buffer_;
};

}  // namespace sb::app
