// SPDX-License-Identifier: MIT
#pragma once
#include "base/result.h"

namespace sb::http {

/// Beside these there are the errors of sockets, TLS and Beast.
enum class errc {
  timeout = 1,      ///< no complete answer before the deadline
  busy,             ///< too many requests wait
  closed,           ///< the client went away
  unexpected,       ///< an answer that is none to the request
  bad_certificate,  ///< a file of authorities cannot be used
};

const boost::system::error_category& error_category();
inline error_code make_error_code(errc e) { return {static_cast<int>(e), error_category()}; }

}  // namespace sb::http

template <>
struct boost::system::is_error_code_enum<sb::http::errc> : std::true_type {};
