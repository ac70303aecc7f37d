// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "model/message.h"
#include "model/session_record.h"

namespace sb::store {

/// Messages that were appended to a log in one piece and have its consecutive positions.
struct AppendedRun {
  model::Position previous;  ///< last one of the log before them
  model::Position first;     ///< of messages[0]; the others have the following offsets
  std::vector<model::MessagePtr> messages;
  /// Positions that messages[0] had before, when Redis had forgotten them (StoredMessage::known); mostly empty.
  std::vector<model::Position> known = {};
};

/// What the logs of a node tell the other nodes of the cluster. Owner: the store thread.
class LogPeers {
 public:
  virtual ~LogPeers() = default;
  /// This node has made the log. `known`: every node that can acknowledge a message appends to it from now on.
  virtual void log_began(std::string_view filter, std::uint64_t incarnation, std::function<void()> known) = 0;
  /// This node has found that the log of this incarnation is no more.
  virtual void log_ended(std::string_view filter, std::uint64_t incarnation) = 0;
  /// This node has appended, confirmed; the nodes with sessions that read the log want to hear.
  virtual void appended(std::string_view filter, const AppendedRun& run) = 0;
};

/// What the logs of a node hear from the others. Owner: the store thread.
class LogsOfPeers {
 public:
  virtual void peer_log_began(std::string_view filter, std::uint64_t incarnation) = 0;
  virtual void peer_log_ended(std::string_view filter, std::uint64_t incarnation) = 0;
  /// Another node has appended; notices of several nodes come in any order, and some not at all.
  virtual void peer_appended(std::string_view filter, const AppendedRun& run) = 0;
  /// Notices may have been lost: the heads of all logs that are read here are compared with what is known, paced.
  virtual void compare_heads() = 0;
  /// The others know now that this log is read here: of what they appended before they have sent no notice.
  virtual void compare_head(std::string_view filter) = 0;

 protected:
  ~LogsOfPeers() = default;
};

}  // namespace sb::store
