// SPDX-License-Identifier: MIT
#pragma once
#include <string>

namespace sb::redis {

/// A Lua script that runs in Redis, by EVALSHA with its `sha`.
struct Script {
  explicit Script(std::string text);
  const std::string source;
  const std::string sha;  ///< SHA-1 of the source, in hex, as Redis names it
};

}  // namespace sb::redis
