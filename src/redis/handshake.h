// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "redis/options.h"
#include "redis/outcome.h"

namespace sb::redis {

/// One command before the first of the connection's user. All go out in one write.
struct HandshakeStep {
  enum class Kind : std::uint8_t { auth, select, name, script, role };
  Kind kind;
  std::vector<std::string_view> words;  ///< into the options, and `text`
  std::string text;
};

/// AUTH and SELECT if there is something to say, CLIENT SETNAME always: it needs no right that matters, and a server
/// that wants a password, or takes no clients, says so to it. Then the scripts, and ROLE when it matters.
std::vector<HandshakeStep> handshake_steps(const Options& options);

/// Whether to go on after this answer; else why not, and in words.
error_code judge(const HandshakeStep& step, const Options& options, const Outcome& outcome, std::string& detail);

}  // namespace sb::redis
