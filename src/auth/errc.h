// SPDX-License-Identifier: MIT
#pragma once
#include "base/result.h"

namespace sb::auth {

enum class errc {
  file_unreadable = 1,  ///< a file of users cannot be opened or read
  file_unwritable,
  file_format,      ///< a line of it is not as it should be
  bad_message,      ///< an authentication message that the method does not allow
  wrong_nonce,      ///< an answer to another exchange
  weak_parameters,  ///< the server asks for fewer (or absurdly many) iterations
  server_unproven,  ///< the server does not know the password either: it may be somebody else
  refused,          ///< the server says no
  bad_key,          ///< a key for tokens is none, or too weak
};

const boost::system::error_category& error_category();
inline error_code make_error_code(errc e) { return {static_cast<int>(e), error_category()}; }

}  // namespace sb::auth

template <>
struct boost::system::is_error_code_enum<sb::auth::errc> : std::true_type {};
