// SPDX-License-Identifier: MIT
#pragma once
#include <string>

#include "base/result.h"

namespace sb {

/// All of a file; an error is the system's.
result<std::string> read_file(const std::string& path);

}  // namespace sb
