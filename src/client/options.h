// SPDX-License-Identifier: MIT
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "mqtt/protocol.h"

namespace sb::client {

/// What is published by the broker when the connection ends without a DISCONNECT.
struct Will {
  std::string topic, payload;
  std::string properties;  ///< version 5, as encoded by mqtt::PropertyWriter
  std::uint8_t qos = 0;
  bool retain = false;
};

/// What an Engine says in CONNECT and how it behaves. Shared by many engines; must outlive them.
/// Fields marked v5 are left out of the CONNECT of older versions.
struct Options {
  mqtt::Version version = mqtt::Version::v5;
  bool clean_start = true;                      ///< 3.x: clean session. Only the first time: a reconnect resumes
  std::uint16_t keep_alive = 60;                ///< seconds, 0 = none
  std::optional<std::uint32_t> session_expiry;  ///< v5: seconds
  std::uint16_t receive_maximum = 0;            ///< v5: unacknowledged messages towards us, 0 = not said (65535)
  std::uint32_t maximum_packet_size = 0;        ///< v5: bytes towards us, 0 = not said
  std::uint16_t topic_alias_maximum = 0;        ///< v5: aliases that the broker may set on us
  std::string properties;                       ///< v5: further CONNECT properties, encoded
  std::string auth_method, auth_data;           ///< v5: enhanced authentication, "" = none
  std::optional<std::string> username, password;
  std::optional<Will> will;

  std::uint16_t max_inflight = 20;  ///< unacknowledged publishes at most; the broker's Receive Maximum may lower it
  std::uint16_t topic_aliases = 0;  ///< v5: topics that get an alias at most, when the broker allows it
  std::size_t output_limit = 256 * 1024;  ///< bytes waiting for the socket from which publish() is refused
  bool manual_ack = false;                ///< the handler calls Engine::ack() for each message of QoS > 0
  /// Keeps unacknowledged publishes and sends them again after a reconnect. Without, they are forgotten with
  /// the connection and nobody is told.
  bool resend = true;

  /// The session outlives the connection, as far as we ask for it.
  bool durable() const { return version == mqtt::Version::v5 ? session_expiry.value_or(0) > 0 : !clean_start; }
};

}  // namespace sb::client
