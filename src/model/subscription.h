// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>

namespace sb::model {

/// What a client asks for with a topic filter [MQTT5 3.8.3.1].
struct SubscribeOptions {
  std::uint8_t qos : 2 = 0;
  bool no_local : 1 = false;
  bool retain_as_published : 1 = false;
  std::uint8_t retain_handling : 2 = 0;

  friend bool operator==(const SubscribeOptions&, const SubscribeOptions&) = default;
};

}  // namespace sb::model
