// SPDX-License-Identifier: MIT
#pragma once
#include <string_view>

namespace sb::ports {

/// Who asks for a right.
struct Subject {
  std::string_view client_id;
  std::string_view username;  ///< "" = anonymous
};

/// Rights, checked where they are used. Threads: called on any shard; must not block.
class Authorizer {
 public:
  virtual ~Authorizer() = default;
  virtual bool may_publish(const Subject& who, std::string_view topic, bool retain) = 0;
  virtual bool may_subscribe(const Subject& who, std::string_view filter) = 0;
  virtual bool may_receive(const Subject& who, std::string_view topic) = 0;
  /// True when the last three answer yes to everybody: the broker then skips the calls on the hot path.
  virtual bool allows_everything() const = 0;
};

}  // namespace sb::ports
