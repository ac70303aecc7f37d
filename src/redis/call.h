// SPDX-License-Identifier: MIT
#pragma once
#include <functional>
#include <string_view>
#include <vector>

#include "redis/connection.h"

namespace sb::redis {

/// For what is not asked often: a command with a function for its outcome, which is called exactly once, before this
/// returns when the command is not taken (then as `not_sent`).
void call(Connection& c, Args command, std::function<void(Outcome&)> done, Millis timeout = Millis(0));

/// EVALSHA of a script of the connection's options. What Redis refuses since it has forgotten the script is repeated,
/// once, behind all that was sent meanwhile: for scripts whose order among other commands does not matter.
void call_script(Connection& c, const Script& script, std::vector<std::string> keys, std::vector<std::string> arguments,
                 std::function<void(Outcome&)> done, Millis timeout = Millis(0));

}  // namespace sb::redis
