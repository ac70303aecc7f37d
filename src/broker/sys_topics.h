// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <string>

#include "broker/core.h"

namespace sb::broker {

/// Publishes `$SYS/broker/...` with the names that Mosquitto's users know, as retained messages. Owner: one shard,
/// which calls publish() once per interval.
class SysTopics {
 public:
  SysTopics(Node& node, Core& core, std::string version, MonoTime started)
      : node_(node), core_(core), version_(std::move(version)), started_(started) {}
  struct State {
    std::size_t retained;
    std::string unavailable;  ///< why requests are refused, "" when they are not
    std::size_t memory;       ///< resident bytes of the process
  };
  void publish(MonoTime now, const State& state);

 private:
  /// A rate per minute, averaged over 1, 5 and 15 minutes.
  struct Load {
    std::array<double, 3> rate{};
    std::uint64_t last = 0;
  };
  void put(std::string_view name, std::string value);
  void load(std::string_view name, Load& l, std::uint64_t total, double seconds);

  Node& node_;
  Core& core_;
  std::string version_;
  MonoTime started_;
  MonoTime last_{};
  std::uint64_t clients_max_ = 0;
  Load messages_in_, messages_out_, publish_in_, publish_out_, bytes_in_, bytes_out_, connections_, dropped_;
};

}  // namespace sb::broker
