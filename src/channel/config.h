// SPDX-License-Identifier: MIT
#pragma once
#include <string>

#include "model/limits.h"

namespace sb::channel {

/// What holds for all connections of a listener. Immutable while in use.
struct ChannelConfig {
  model::Limits limits;
  model::Features features;
  bool allow_anonymous = false;
  std::string response_information;  ///< v5: told to clients that ask for it; "" = none
  std::string server_reference;      ///< v5: told when the broker refuses or drains; "" = none
};

}  // namespace sb::channel
