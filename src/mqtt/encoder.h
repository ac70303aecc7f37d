// SPDX-License-Identifier: MIT
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/subscription.h"
#include "mqtt/frame.h"
#include "mqtt/properties.h"
#include "mqtt/protocol.h"
#include "mqtt/reason.h"

/// Encoders append a whole packet to a string. Properties are handed in as encoded by PropertyWriter; versions 3.x
/// leave them and the reason codes out. What goes out once per message (PUBLISH, acknowledgements without properties)
/// is written by the functions of publish_encoder.h into the connection's output directly.
namespace sb::mqtt {

/// Encodes properties, without the length in front.
class PropertyWriter {
 public:
  PropertyWriter& u8(PropertyId id, std::uint8_t v);
  PropertyWriter& u16(PropertyId id, std::uint16_t v);
  PropertyWriter& u32(PropertyId id, std::uint32_t v);
  PropertyWriter& varint(PropertyId id, std::uint32_t v);
  PropertyWriter& text(PropertyId id, std::string_view v);             ///< string or binary, at most 65535 bytes
  PropertyWriter& pair(std::string_view key, std::string_view value);  ///< User Property
  std::string_view bytes() const { return out_; }
  bool empty() const { return out_.empty(); }

 private:
  std::string out_;
};

struct ConnectOut {
  Version version = Version::v5;
  std::string_view client_id;
  bool clean_start = true;
  std::uint16_t keep_alive = 60;
  std::string_view properties;
  struct Will {
    std::string_view topic, payload, properties;
    std::uint8_t qos = 0;
    bool retain = false;
  };
  std::optional<Will> will;
  std::optional<std::string_view> username, password;
};
void encode_connect(std::string& out, const ConnectOut& c);

/// 3.x: `code` is the return code; version 5: the reason.
void encode_connack(std::string& out, Version v, bool session_present, std::uint8_t code,
                    std::string_view properties = {});
/// PUBACK, PUBREC, PUBREL, PUBCOMP in the shortest form.
void encode_ack(std::string& out, Version v, PacketType type, PacketId id, Reason reason = Reason::success,
                std::string_view properties = {});

struct SubscribeEntryOut {
  std::string_view filter;
  model::SubscribeOptions options;
};
void encode_subscribe(std::string& out, Version v, PacketId id, const std::vector<SubscribeEntryOut>& entries,
                      std::string_view properties = {});
/// SUBACK and UNSUBACK; for 3.x every failure becomes 0x80 and UNSUBACK has no codes.
void encode_suback(std::string& out, Version v, PacketType type, PacketId id, const std::vector<Reason>& codes,
                   std::string_view properties = {});
void encode_unsubscribe(std::string& out, Version v, PacketId id, const std::vector<std::string_view>& filters,
                        std::string_view properties = {});
/// PINGREQ, PINGRESP.
void encode_empty(std::string& out, PacketType type);
/// 3.x: only a client sends one, and it has no body.
void encode_disconnect(std::string& out, Version v, Reason reason, std::string_view properties = {});
void encode_auth(std::string& out, Reason reason, std::string_view properties = {});

}  // namespace sb::mqtt
