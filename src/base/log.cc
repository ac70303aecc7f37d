// SPDX-License-Identifier: MIT
#include "base/log.h"

#include <algorithm>

namespace sb::log {

std::string name(std::string_view s) {
  constexpr std::size_t kLongest = 64;
  std::string out(s.substr(0, kLongest));
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F || c == '"'; }, '?');
  if (s.size() > kLongest) out += "...";
  return out;
}

}  // namespace sb::log
