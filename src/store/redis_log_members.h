// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "model/session_record.h"
#include "store/redis_calls.h"
#include "store/redis_keys.h"

namespace sb::store {

/// Asks the records of sessions what they still need of a log. Owner: the store thread.
class LogMembers {
 public:
  struct Found {
    bool known = false;  ///< false: the record could not be read
    /// What lies at or before is not needed; nothing: the member is none, as far as its record goes.
    std::optional<model::Position> low;
  };
  LogMembers(redis::Client& client, const RedisKeys& keys) : keys_(keys), call_(client) {}
  void look_up(const std::string& filter, std::string_view member, Millis within, std::function<void(Found)> done);

 private:
  const RedisKeys& keys_;
  RedisCalls call_;
};

}  // namespace sb::store
