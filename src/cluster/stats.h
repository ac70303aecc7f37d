// SPDX-License-Identifier: MIT
#pragma once
#include "channel/counters.h"

namespace sb::cluster {

using channel::Counter;

/// What the bus and the membership of a node have seen; the store thread counts, all may read. Every drop has its
/// reason.
struct Stats {
  Counter entries_sent, entries_received;    ///< of streams
  Counter messages_sent, messages_received;  ///< one per node that one is sent to
  Counter notices_sent, notices_received;    ///< of what was appended to logs
  Counter bytes_sent, bytes_received;
  Counter dropped_overflow;   ///< messages and notices for a node that does not read: cluster.inbox_bytes
  Counter refused_backlog;    ///< QoS > 0 that found too much waiting for Redis
  Counter dropped_malformed;  ///< fields of entries that this version cannot read
  Counter stale_entries;      ///< meant for, or from, an earlier life of a node
  Counter gaps;               ///< times that entries of a stream were missing, or a node said that it dropped some
  Counter streams_lost;       ///< times that Redis was found to have no stream of the inbox any more
  Counter interruptions;      ///< times that the inbox could not be read for a moment
  Counter batches_lost;       ///< entries that Redis forgot and the redo ring had no more
  Counter reads_one_by_one;   ///< rounds of the inbox while its slot moved
  Counter trims;
  Counter routes_again;   ///< times that all routes were told a second time
  Counter late_barriers;  ///< changes of routes that a node had not answered in time
  Counter late_kicks;     ///< kicks that were not answered in time
  Counter late_requests;  ///< requests that a node had not answered in time
  Counter members_lost;   ///< nodes that were fenced, or left
  Counter fences;         ///< that this node has done
  Counter fenced;         ///< times that this node was
};

}  // namespace sb::cluster
