// SPDX-License-Identifier: MIT
#pragma once
#include <array>
#include <atomic>
#include <string>

#include "base/log.h"
#include "base/time.h"
#include "channel/event.h"

namespace sb::broker {

/// Which events are logged and published. Threads: any.
struct EventOptions {
  enum class Log : std::uint8_t { none, refusals, all };
  std::atomic<Log> log{Log::refusals};
  std::atomic<bool> topics{false};  ///< on `$SYS/brokers/events/…`

  channel::EventMask heard() const;
};

/// "client/connected"
const char* name(channel::EventKind k);

/// {"node":"n1","ts":1800000000000,"client":"c","user":"u","peer":"192.0.2.1:1234","reason":"banned","what":"a/b"}
std::string event_json(const channel::Event& e, std::string_view node, WallTime now);

/// The events of one shard in the log: at most one line a second for each kind, but for connects, disconnects,
/// takeovers and bans. Owner: one shard.
class EventLog {
 public:
  void write(const channel::Event& e, EventOptions::Log level);

 private:
  std::array<log::RateLimit, channel::kEventKinds> limits_;
};

}  // namespace sb::broker
