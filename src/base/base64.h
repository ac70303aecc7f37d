// SPDX-License-Identifier: MIT
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace sb {

/// Base64 with padding (RFC 4648 4).
std::string base64_encode(std::string_view bytes);

/// The bytes, or nothing when `text` is not canonical base64: padding is needed, white space and stray bits
/// are refused.
std::optional<std::string> base64_decode(std::string_view text);

/// The alphabet for URLs and file names (RFC 4648 5), without padding (RFC 7515 2).
std::string base64url_encode(std::string_view bytes);

/// The same from the text: padding, white space, other characters and stray bits are refused.
std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace sb
