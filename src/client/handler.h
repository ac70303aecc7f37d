// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "mqtt/packets.h"

namespace sb::client {

/// Why a connection ended. The views live as long as the call that hands it over.
struct Stop {
  error_code code;                              ///< success: we said DISCONNECT
  mqtt::Reason reason = mqtt::Reason::success;  ///< refused, server_disconnect: the broker's; 3.x codes are mapped
  std::string_view text;                        ///< the broker's Reason String, or a detail of ours
  std::string_view server_reference;            ///< v5: where else to go
};

/// What a client application hears. Views are valid during the call. A call may use the engine (publish,
/// subscribe, ack, disconnect), but must not destroy it.
class Handler {
 public:
  virtual void on_connected(const mqtt::Connack&) {}
  /// The topic is in place when the broker used an alias for it.
  virtual void on_message(const mqtt::Publish&) {}
  /// A publish of QoS > 0 is done: PUBACK, PUBCOMP, or a PUBREC that refuses it. `token` as given to
  /// publish().
  virtual void on_published(std::uint64_t /*token*/, mqtt::Reason, std::string_view /*reason_string*/) {}
  /// A publish goes out again, on a connection that was just accepted: on_connected may still be to come.
  /// Not the place to use the engine.
  virtual void on_resent(std::uint64_t /*token*/) {}
  virtual void on_suback(const mqtt::SubscribeAck&) {}
  virtual void on_unsuback(const mqtt::SubscribeAck&) {}
  /// AUTH: answer with Engine::authenticate().
  virtual void on_auth(const mqtt::ReasonPacket&) {}
  /// publish() was refused because a window or the output was full; now there is room.
  virtual void on_room() {}
  /// The connection is gone, or could not be made.
  virtual void on_closed(const Stop&) {}

 protected:
  ~Handler() = default;
};

}  // namespace sb::client
