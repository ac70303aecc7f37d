// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "redis/url.h"

namespace sb::redis {

/// What an error reply says, by the beginning of its text.
enum class Refusal : std::uint8_t {
  other,
  id_not_above,   ///< XADD: the stream has this id or a higher one
  read_only,      ///< a replica: whoever was primary is it no more
  no_replicas,    ///< min-replicas-to-write
  exec_abort,     ///< MULTI: one of its commands was refused before
  loading,        ///< Redis reads its data after a start
  primary_down,   ///< a replica without its primary (MASTERDOWN)
  no_script,      ///< EVALSHA of a script that is not loaded
  unblocked,      ///< a blocking command ended by a change of roles
  not_a_primary,  ///< WAIT on a replica
  moved,          ///< the slot is somebody else's: redirect_of()
  ask,            ///< the slot is on its way to somebody else: redirect_of()
  try_again,      ///< some keys of a slot that moves are here, some there
  cluster_down,   ///< the slot is nobody's, or there is no majority
  cross_slot,     ///< keys of several slots in one command
  out_of_memory,
  busy,           ///< a script runs for too long
  no_permission,  ///< by the ACL of Redis
  not_logged_in,  ///< NOAUTH, WRONGPASS
  misconfigured,  ///< writes are off, since saving failed
};

/// Also finds the error of a command that a script ran: Redis 7 puts ` script: ...` behind it, Redis 6
/// `ERR Error running script ...: ` before.
Refusal classify(std::string_view error);

struct Redirect {
  std::uint16_t slot = 0;
  Endpoint to;  ///< without a host when the server that answered is meant
};
/// Of MOVED and ASK.
std::optional<Redirect> redirect_of(std::string_view error);

}  // namespace sb::redis
