// SPDX-License-Identifier: MIT
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/session_record.h"

namespace sb::broker {

/// What one node knows of a shared group with a log that another node owns: the answer to ports::Peers::ask_group.
struct GroupPart {
  std::uint32_t members = 0;
  /// It owned the group before, and read up to here: what is not in `open` or `held` of any node is done.
  model::Position upto;
  std::vector<model::Position> open;  ///< not done when it owned the group last
  std::vector<model::Position> held;  ///< with members there
  std::vector<model::Position> done;  ///< acknowledged there, and perhaps not in the group's record
};

/// Decimal numbers with spaces between them.
std::string encode(const GroupPart& p);
/// Nothing when it is none.
std::optional<GroupPart> decode_group_part(std::string_view text);

}  // namespace sb::broker
