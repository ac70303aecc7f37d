// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "model/client_info.h"

namespace sb::broker {

/// A list of the clients that are connected to one shard, made piece by piece (Core::list_clients), so that no turn
/// takes long. Who stays connected meanwhile is in it once.
struct ClientList {
  static constexpr std::size_t kPiece = 512;         ///< places that are looked at in one turn
  static constexpr std::size_t kBytes = 256 * 1024;  ///< of the names that are found in one turn, about

  std::string filter;      ///< part of the client id, the user name or the address; "" = everybody
  std::size_t limit = 0;   ///< so many more are wanted
  std::uint32_t next = 0;  ///< the place to go on with; any number will do
  bool over = false;       ///< the shard has no more
  std::size_t bytes = 0;   ///< of what was found, about
  std::vector<model::ClientInfo> found;
};

}  // namespace sb::broker
