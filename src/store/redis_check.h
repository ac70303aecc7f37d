// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <string>

#include "store/redis.h"

namespace sb::store {

/// Asks Redis which version it is and how it is set. `done`: why it cannot be used so, "" = it can; and whether that
/// may pass. What only makes an acknowledgement worth less: RedisGuarantee.
void check_redis(redis::Client& client, const RedisOptions& options, std::function<void(std::string, bool)> done);

}  // namespace sb::store
