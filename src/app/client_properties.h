// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <vector>

#include "client/options.h"

namespace sb::app {

/// MQTT 5 properties from the command line, encoded, by the packet in which they go out. Those of CONNECT that the
/// client engine must know of are put into its Options instead.
struct PacketProperties {
  std::string publish, subscribe, unsubscribe, disconnect;
  bool any = false;
};

/// Reads the values of all `-D PACKET NAME VALUE` (user-property: `KEY VALUE`), as CLI11 hands them over: one after the
/// other, with an empty one behind an occurrence that had three. Those of the will go to `will`. Throws
/// CLI::ValidationError that says what is wrong.
PacketProperties parse_properties(const std::vector<std::string>& words, client::Options& options, std::string& will);

/// The names of all properties for each packet, for the help text.
std::string property_help();

}  // namespace sb::app
