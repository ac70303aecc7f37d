// SPDX-License-Identifier: MIT
#pragma once
#include "base/token_bucket.h"
#include "channel/channel.h"

namespace sb::channel {

/// What a client may publish in a second. Who has more is read no further for a while: nothing is dropped.
struct Channel::PublishRate {
  PublishRate(const model::Limits& l)
      : messages(l.publish_rate, l.publish_rate), bytes(static_cast<double>(l.publish_bytes), l.publish_bytes) {}
  TokenBucket messages, bytes;
  bool waiting = false;

  void take(std::size_t size, MonoTime now) {
    messages.take(1, now);
    bytes.take(static_cast<double>(size), now);
  }
  bool ready(MonoTime now) { return messages.ready(now) && bytes.ready(now); }
  MonoTime ready_at() const { return std::max(messages.ready_at(), bytes.ready_at()); }
};

}  // namespace sb::channel
