// SPDX-License-Identifier: MIT
#pragma once
#include <optional>
#include <string>

namespace sb::app {

struct Typed {
  std::string password;
  bool same = true;  ///< the second time as the first
};
/// Asks at the terminal, without showing what is typed; a second time unless `again` is "". Nothing when there is no
/// terminal.
std::optional<Typed> ask_password(const std::string& question, const std::string& again);

/// The first line of standard input.
std::string line_of_stdin();

}  // namespace sb::app
