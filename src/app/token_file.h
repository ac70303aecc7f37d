// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <vector>

namespace sb::app {

/// The token in a file, which is one line of visible characters without spaces: it becomes a part of a header. On an
/// error "", and `why` names the file. `warnings`: when others may read or write it.
std::string load_token(const std::string& file, std::string& why, std::vector<std::string>& warnings);

}  // namespace sb::app
