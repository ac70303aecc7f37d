// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sb::channel {

/// What an operator may want to hear of. The names are those of `$SYS/brokers/events/…` (broker/events.h).
enum class EventKind : std::uint8_t {
  connected,         ///< CONNACK with success
  disconnected,      ///< a client that was connected is no more
  refused,           ///< a connection that was not let in
  taken_over,        ///< another connection came with the client id
  banned,            ///< a client or address was banned by itself (broker/bans.h)
  quota,             ///< a bound was reached
  denied_publish,    ///< a topic that the client may not publish to
  denied_subscribe,  ///< a filter that it may not subscribe to
};
inline constexpr std::size_t kEventKinds = 8;

/// Valid during the call only. What is not known is empty.
struct Event {
  EventKind kind;
  std::string_view client, user, peer, reason;
  std::string_view what{};  ///< the topic, filter or bound
  bool fault = true;        ///< false: the ordinary course of things
};

/// Which kinds somebody wants to hear: what nobody hears is not put together.
class EventMask {
 public:
  bool has(EventKind k) const { return bits_ >> static_cast<unsigned>(k) & 1u; }
  void add(EventKind k) { bits_ = static_cast<std::uint16_t>(bits_ | 1u << static_cast<unsigned>(k)); }
  static EventMask of(std::uint16_t bits) {
    EventMask m;
    m.bits_ = bits;
    return m;
  }
  std::uint16_t bits() const { return bits_; }

 private:
  std::uint16_t bits_ = 0;
};

}  // namespace sb::channel
