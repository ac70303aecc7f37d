// SPDX-License-Identifier: MIT
#include "app/token_file.h"

#include <algorithm>

#include "auth/user_file.h"

namespace sb::app {

std::string load_token(const std::string& file, std::string& why, std::vector<std::string>& warnings) {
  auto text = auth::load_user_file(file, why, warnings);
  if (!text) return {};
  text->erase(std::find_if_not(text->rbegin(), text->rend(), [](char c) { return c == '\n' || c == '\r'; }).base(),
              text->end());
  const bool good =
      !text->empty() && std::all_of(text->begin(), text->end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (good) return *text;
  why = file + ": expected one line with a token, without spaces";
  return {};
}

}  // namespace sb::app
