// SPDX-License-Identifier: MIT
#pragma once

namespace sb::store {

/// One of the stores, as the engine sees it.
class RedisPart {
 public:
  /// About ten times a second.
  virtual void on_tick() = 0;
  virtual void on_turn_end() {}
  /// A connection to a primary was made (again).
  virtual void on_connected() {}
  /// It owes answers.
  virtual bool busy() const = 0;

 protected:
  ~RedisPart() = default;
};

}  // namespace sb::store
