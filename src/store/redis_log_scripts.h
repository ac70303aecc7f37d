// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <vector>

#include "redis/script.h"

/// What the logs run in Redis. PROTOCOLS 3 and 9. A log has three keys in one slot: its stream, its state (a hash) and
/// its members (a sorted set: incarnation of a session -> offset of the last message that it does not need). An entry
/// of the stream has as its id the position of its last message, and
///   b  messages
///   k  first positions that the batch had before, in so far as its writer knows
/// Of the state:
///   i  incarnation of the log; d  it has ended: all else is gone, and this goes after a while
///   s  "generation offset bytes trimmed piece-bytes piece-from first-piece next-piece": the last message's position,
///      bytes of all messages, offset of the last message that was trimmed, and the piece that is being filled
///   h  history of the server (master_replid) that the last message was appended in
///   e  generations and the offsets that they began with: "generation,offset ..."
///   pN a piece of the log, "generation offset bytes seconds" of its last message: what trimming takes as a whole
///   w:WRITER  its last batch: "number generation first count previous-generation previous-offset skipped..."
///   q:ORIGIN  the last number of a publisher that numbers its messages, and when: "number seconds"
namespace sb::store::log_scripts {

using ScriptPtr = std::shared_ptr<const redis::Script>;

/// log state members | writer number any highest-generation known max-bytes max-messages grain-bytes grain-messages
/// max-age grain-age, then for each segment: messages bytes origin number data
///   -> [done incarnation bytes messages generation first count previous-generation previous-offset skipped...]
///      [seen ...the same; zeros when it is not the last batch], [none incarnation of one that ended], [gap]
extern const ScriptPtr append;

/// log state members | writer number any incarnation highest-generation, then for each: j|g|l|r member
/// generation offset
///   (j joins at the head and makes the log, g is a group's reader, l leaves, r needs nothing up to there)
///   -> [done|seen incarnation bytes messages generation offset ended result...]: ended 1 = with this batch, 2 = it is
///   not
///      there, 3 = it was made with it; result 1 = done, 0 = there is no such log, -1 = it has ended, to be made again
///      with a higher incarnation; [gap]
extern const ScriptPtr members;

/// log state members | writer incarnation highest-generation member...
///   -> number of the writer's last batch, -1 = the log has ended. Makes the log that Redis has lost, and the members
///      its own.
extern const ScriptPtr make_again;

/// log state members | max-bytes max-messages max-age origin-age now-and-then
///   -> [bytes messages, then lowest members and their offsets]. Forgets what no member needs, and what is too old.
extern const ScriptPtr trim;

/// list | then for each: b|e filter incarnation -> incarnation that stands there, 0 = none.
///   b: stands there if nothing does; e: goes if no higher one stands there
extern const ScriptPtr list;

std::vector<ScriptPtr> all();

}  // namespace sb::store::log_scripts
