// SPDX-License-Identifier: MIT
#pragma once
#include "base/result.h"

namespace sb::ports {

/// What a store answers when it does not do as asked.
enum class errc {
  stale_epoch = 1,  ///< another connection owns the session now
  no_session,       ///< there is no record of that client
  no_log,           ///< no member reads a log of that filter
  quota,            ///< a bound of the store is reached
  unavailable,      ///< the store cannot be reached or cannot write
};

const boost::system::error_category& error_category();
inline error_code make_error_code(errc e) { return {static_cast<int>(e), error_category()}; }

}  // namespace sb::ports

template <>
struct boost::system::is_error_code_enum<sb::ports::errc> : std::true_type {};
