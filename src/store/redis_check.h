// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <string>

#include "store/redis.h"

namespace sb::store {

/// Asks Redis how it is set, and warns of what makes an acknowledgement worth less (PROTOCOLS 14). `done`: why it
/// cannot be used so, "" = it can; and whether that may pass.
void check_redis(redis::Client& client, const RedisOptions& options, std::function<void(std::string, bool)> done);

}  // namespace sb::store
