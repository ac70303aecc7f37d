// SPDX-License-Identifier: MIT
#pragma once
#include "base/result.h"

namespace sb::redis {

/// Why there is no reply. What Redis itself refuses is a Refusal.
enum class errc {
  bad_url = 1,
  not_connected,      ///< no connection is up that the command could be given to
  pipeline_full,      ///< a bound on what waits for replies is reached
  timed_out,          ///< a deadline passed: of the connection's making, or of a command
  connection_closed,  ///< by Redis
  closed,             ///< by ourselves
  protocol_error,     ///< what came is not RESP, or answers nothing
  handshake_refused,  ///< AUTH, SELECT or SCRIPT LOAD; the words of Redis are told with it
  wrong_role,         ///< the server is not the primary (any more)
  no_address,         ///< the host name has none
  no_primary,         ///< nobody knows at present who serves the key
};

const boost::system::error_category& category();
inline error_code make_error_code(errc e) { return {static_cast<int>(e), category()}; }

}  // namespace sb::redis

template <>
struct boost::system::is_error_code_enum<sb::redis::errc> : std::true_type {};
