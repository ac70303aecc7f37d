// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "model/subscription.h"
#include "mqtt/frame.h"
#include "mqtt/properties.h"
#include "mqtt/protocol.h"
#include "mqtt/reason.h"

/// The control packets as decoded: views into the packet's bytes. Each decode function takes the body of a frame and
/// answers success, malformed_packet, protocol_error, or the more special reason that the specification names for the
/// fault. Objects are reused: a decode function sets every member.
namespace sb::mqtt {

struct Will {
  std::uint8_t qos = 0;
  bool retain = false;
  std::string_view topic, payload;
  Properties properties;
};

/// CONNECT [MQTT5 3.1] [MQTT3 3.1].
struct Connect {
  Version version = Version::v5;
  std::uint8_t level = 0;  ///< as sent; with unsupported_protocol_version only this is set
  bool clean_start = false;
  std::uint16_t keep_alive = 0;  ///< seconds, 0 = none
  Properties properties;
  std::string_view client_id;
  std::optional<Will> will;
  std::optional<std::string_view> username, password;
};
/// unsupported_protocol_version: the name is known, the level is not. protocol_error with level 0: not an MQTT name.
Reason decode_connect(std::uint8_t flags, std::string_view body, Connect& out);

/// CONNACK [MQTT5 3.2].
struct Connack {
  bool session_present = false;
  std::uint8_t code = 0;  ///< Reason of version 5, return code of 3.x
  Properties properties;
};
Reason decode_connack(Version v, std::uint8_t flags, std::string_view body, Connack& out);

/// PUBLISH [MQTT5 3.3].
struct Publish {
  bool dup = false, retain = false;
  std::uint8_t qos = 0;
  PacketId packet_id = 0;  ///< 0 with QoS 0
  std::string_view topic;  ///< "" only in version 5, with an alias
  std::string_view payload;
  Properties properties;  ///< only read when has_properties
  bool has_properties = false;
};
Reason decode_publish(Version v, std::uint8_t flags, std::string_view body, Publish& out);

/// PUBACK, PUBREC, PUBREL, PUBCOMP [MQTT5 3.4-3.7].
struct Ack {
  PacketId packet_id = 0;
  Reason reason = Reason::success;
  Properties properties;
};
Reason decode_ack(Version v, PacketType type, std::uint8_t flags, std::string_view body, Ack& out);

/// SUBSCRIBE [MQTT5 3.8].
struct Subscribe {
  struct Entry {
    std::string_view filter;
    model::SubscribeOptions options;
  };
  PacketId packet_id = 0;
  Properties properties;
  std::vector<Entry> entries;
};
Reason decode_subscribe(Version v, std::uint8_t flags, std::string_view body, Subscribe& out);

/// SUBACK and UNSUBACK [MQTT5 3.9, 3.11]: one code per filter; 3.x: UNSUBACK has none.
struct SubscribeAck {
  PacketId packet_id = 0;
  Properties properties;
  std::string_view codes;
};
Reason decode_suback(Version v, PacketType type, std::uint8_t flags, std::string_view body, SubscribeAck& out);

/// UNSUBSCRIBE [MQTT5 3.10].
struct Unsubscribe {
  PacketId packet_id = 0;
  Properties properties;
  std::vector<std::string_view> filters;
};
Reason decode_unsubscribe(Version v, std::uint8_t flags, std::string_view body, Unsubscribe& out);

/// DISCONNECT and AUTH [MQTT5 3.14, 3.15]; in 3.x DISCONNECT has no body.
struct ReasonPacket {
  Reason reason = Reason::success;
  Properties properties;
};
Reason decode_disconnect(Version v, std::uint8_t flags, std::string_view body, ReasonPacket& out);
Reason decode_auth(Version v, std::uint8_t flags, std::string_view body, ReasonPacket& out);

/// PINGREQ, PINGRESP: no flags, no body.
inline Reason decode_empty(std::uint8_t flags, std::string_view body) {
  return flags == 0 && body.empty() ? Reason::success : Reason::malformed_packet;
}

}  // namespace sb::mqtt
