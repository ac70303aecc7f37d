// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "app/verify_message.h"
#include "app/verify_options.h"

namespace sb::app {

/// What one subscriber asks for, and what that entitles it to.
struct VerifySubscription {
  std::vector<std::string> filters;
  std::uint8_t qos = 2;
  std::vector<std::uint8_t> copies;  ///< by topic: how many of the filters match it
  bool durable = true, group = false;
  std::uint32_t entry = 0;   ///< in the books
  std::uint32_t number = 0;  ///< chooses version and node
};

/// One for each subscriber, those with sessions first: in turn all topics by #, all by +, and every second one by its
/// name; with `overlap` a part of the topics once more. QoS 2 and 1 in pairs when they are mixed, so that each version
/// has both. Then the members of the shared group: one entry for all of them, and MQTT 5, which alone has such groups.
std::vector<VerifySubscription> plan_subscriptions(const VerifyOptions& o, const VerifyWire& wire);

}  // namespace sb::app
