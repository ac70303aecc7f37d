// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <vector>

#include "config/config.h"

namespace sb::config {

/// A key whose value differs between two configurations.
struct Change {
  std::string key;
  std::string before;  ///< as TOML; "" = the listener did not exist
  std::string after;   ///< as TOML; "" = the listener is gone
  bool reloadable;     ///< false = only a restart brings it into effect
  bool operator==(const Change&) const = default;
};

/// What differs between `before` and `after`, in table order. Extra listeners are compared by their place in
/// the list; one that is new, gone or of another type is one change of the whole listener, which needs a
/// restart.
std::vector<Change> diff(const Config& before, const Config& after);

/// `running` with the reloadable keys of `next`: what holds after a SIGHUP. The other keys stay as they are
/// running.
Config reloaded(const Config& running, const Config& next);

}  // namespace sb::config
