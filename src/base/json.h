// SPDX-License-Identifier: MIT
#pragma once
#include <boost/json/value.hpp>
#include <cstddef>
#include <optional>
#include <string_view>

namespace sb {

/// The value of a JSON text (RFC 8259), or nothing when it is none, when arrays and objects stand in each other deeper
/// than `max_depth`, or when an object has a name twice: of two readers one might believe the first and one the last.
/// The caller bounds the size of the text. A number may be infinite (1e999).
std::optional<boost::json::value> parse_json(std::string_view text, std::size_t max_depth);

}  // namespace sb
