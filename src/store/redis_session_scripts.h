// SPDX-License-Identifier: MIT
#pragma once
#include <memory>
#include <vector>

#include "redis/script.h"

namespace sb::store {

/// The scripts on the record of a session; each touches that one key, and may be repeated. Fields of theirs, beside
/// those of SessionImage:
///
///     e        session epoch (decimal)
///     n        number of the last batch that the owner of this epoch has written
///     o        owner: node-epoch nonce node
///     x        what the claim of this epoch was answered: present, number of the will that it fired (or -),
///              incarnation that it ended (or 0), node that was connected (or nothing)
///     k        epoch with which it was taken from a dead owner: who had it before that one may not have been told
///     f<n>     a will that is being fired: node-epoch nonce node, a line's end, `w`; n = epoch of its connection
///
/// A record without `t` is the tombstone of a session: so epochs go on, and what a former owner writes late is refused.
/// It goes after a minute, when none of its wills is left.
struct SessionScripts {
  using Ptr = std::shared_ptr<const redis::Script>;
  /// now, node, node epoch, nonce, clean, durable, may-create, number, user name, expiry, will, will delay, turn (ms),
  /// 1 = the others are to be asked first, unless it has been made,
  /// then pairs of an owner (`epoch node`) and when it died (ms, or - while it lives), of those that are known.
  /// → `done`, epoch, incarnation, x, fired will, fields of the record now (flat), subscriptions that ended |
  /// `none` (nothing was there, and nothing is kept) | `absent` (it would be made, and may not) |
  /// `soon` (nothing was done: again in a moment) | `who`, owners of which the end is not known
  static const Ptr& claim();
  /// epoch, number, number of the change before, fields to remove (count, then names), fields and values.
  /// → done | seen | gap | stale | none
  static const Ptr& change();
  /// epoch. → done | stale
  static const Ptr& end();
  /// node, node epoch, nonce, epoch, number, fields and values: the whole record as its owner knows it, with the epoch
  /// that it was given. → `done`, node that had it connected (or nothing), its epoch | `lost`
  static const Ptr& restore();
  /// now, node, node epoch, nonce, 1 = nobody is connected to it on this node, known owners as in claim. → `gone` |
  /// `later`, when (ms) | `taken`, ended, fired wills (number, bytes, flat), incarnation, subscriptions that ended,
  /// when to look again or -, since when it was due | `who`, owners
  static const Ptr& take();
  /// number of the will. → done
  static const Ptr& fired();
  static std::vector<Ptr> all();
};

}  // namespace sb::store
