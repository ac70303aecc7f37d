// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <vector>

#include "redis/script.h"

namespace sb::cluster {

/// What membership and inboxes do in Redis in one step. A script touches keys of one slot. Epochs are compared as
/// numbers: they are milliseconds since 1970 and fit into a double.
struct Scripts {
  using Ptr = std::shared_ptr<const redis::Script>;
  /// KEYS epoch; ARGV e → the epoch that is stored now: e, unless it was above.
  Ptr raise;
  /// KEYS epoch fenced lease; ARGV e, ms, value → 1 = the lease holds; 0 = e is fenced; -1 = a later epoch exists.
  Ptr renew;
  /// KEYS epoch fenced lease; ARGV e → 1 = e is fenced; 0 = it has a lease.
  Ptr fence;
  /// KEYS epoch fenced lease inboxes...; ARGV e → 1 = the lease is given back, and e is fenced.
  Ptr leave;
  /// KEYS epoch fenced inboxes...; ARGV e → 1 = the streams of a node that is fenced and not back are gone.
  Ptr clear;
  /// KEYS nodes; ARGV node, e, value → 1 = `node` stands there with e; 0 = with a later epoch.
  Ptr enlist;
  /// KEYS nodes; ARGV node, e → 1 = it stands there no more with e or an earlier epoch.
  Ptr strike;
  /// KEYS streams...; ARGV ms, id for each → the last id that each stream ever had. A stream that is not there is made,
  /// with `id` as its last. All live on for so many ms.
  Ptr inboxes;
  /// KEYS stream; ARGV what, epoch: rings at a node's door, if it has one.
  Ptr ring;

  std::vector<Ptr> all() const { return {raise, renew, fence, leave, clear, enlist, strike, inboxes, ring}; }
  static const Scripts& get();
};

}  // namespace sb::cluster
