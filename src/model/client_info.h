// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string>

#include "base/time.h"

namespace sb::model {

/// What an operator sees of a client that is connected.
struct ClientInfo {
  std::string client_id;
  std::string username;      ///< "" = none
  std::string peer;          ///< "192.0.2.1:40000", "unix"
  std::uint8_t version = 4;  ///< as in CONNECT: 3 = 3.1, 4 = 3.1.1, 5
  bool durable = false;      ///< its session outlives the connection
  WallTime since;            ///< when the connection came in, to the second
  std::uint32_t subscriptions = 0;
  std::uint32_t in_flight = 0;  ///< deliveries that it has not acknowledged
};

}  // namespace sb::model
