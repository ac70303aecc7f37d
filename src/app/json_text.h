// SPDX-License-Identifier: MIT
#pragma once
#include <string>
#include <string_view>

namespace sb::app {

/// Appends `s` as a JSON string, in quotes. Bytes that are not UTF-8 become U+FFFD.
void add_json_string(std::string& out, std::string_view s);

/// True when `s` is one JSON value (RFC 8259) with nothing but white space around it.
bool is_json(std::string_view s);

}  // namespace sb::app
