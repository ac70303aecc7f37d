// SPDX-License-Identifier: MIT
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/message.h"
#include "model/session_record.h"

namespace sb::store {

/// Adds a message to what one entry of a log's stream holds: the messages one after the other, each with its size.
void add_to_entry(std::string& entry, const model::MessageView& m);
/// The messages of an entry; the views lie in it. Nothing when corrupt.
std::optional<std::vector<model::MessageView>> messages_of_entry(std::string_view entry);

/// "generation-offset", as the ids of entries are written.
std::string to_id(model::Position p);
std::optional<model::Position> position_of_id(std::string_view id);
/// The same in a row, with blanks between.
std::vector<model::Position> positions_of_ids(std::string_view ids);

}  // namespace sb::store
