// SPDX-License-Identifier: MIT
#include "mqtt/packets.h"

#include "base/utf8.h"
#include "model/topic.h"

namespace sb::mqtt {
namespace {

/// A UTF-8 Encoded String, malformed when it is not one. [MQTT-1.5.4-1]
bool read_string(Reader& r, std::string_view& out) {
  out = r.binary();
  return !r.failed() && is_mqtt_utf8(out);
}

/// No bytes may be left behind the last field.
Reason finish(const Reader& r) { return r.failed() || !r.done() ? Reason::malformed_packet : Reason::success; }

Reason decode_properties(Version v, Reader& r, PropertyPlace place, Properties& out) {
  if (v == Version::v5) return out.decode(r, place);
  out.present = 0;
  return Reason::success;
}

Reason decode_will(const Connect& c, std::uint8_t flags, Reader& r, Will& w) {
  w.qos = flags >> 3 & 3;
  w.retain = flags & 0x20;
  if (Reason e = decode_properties(c.version, r, PropertyPlace::will, w.properties); !ok(e)) return e;
  if (!read_string(r, w.topic)) return Reason::malformed_packet;
  w.payload = r.binary();
  if (r.failed()) return Reason::malformed_packet;
  return model::is_topic_name(w.topic) ? Reason::success : Reason::topic_name_invalid;
}

Reason valid_connect_flags(Version v, std::uint8_t flags) {
  bool will = flags & 0x04;
  std::uint8_t will_qos = flags >> 3 & 3;
  if (flags & 0x01) return Reason::malformed_packet;                         // [MQTT-3.1.2-3]
  if (will_qos == 3) return Reason::malformed_packet;                        // [MQTT-3.1.2-12]
  if (!will && (will_qos || flags & 0x20)) return Reason::malformed_packet;  // [MQTT-3.1.2-11] [MQTT-3.1.2-13]
  bool username = flags & 0x80, password = flags & 0x40;
  if (v != Version::v5 && password && !username) return Reason::malformed_packet;  // [MQTT-3.1.2-22] of 3.1.1
  return Reason::success;
}

bool valid_ack_reason(PacketType type, std::uint8_t code) {
  using enum Reason;
  if (type == PacketType::pubrel || type == PacketType::pubcomp)
    return code == 0 || code == static_cast<std::uint8_t>(packet_identifier_not_found);
  switch (static_cast<Reason>(code)) {
    case success:
    case no_matching_subscribers:
    case unspecified_error:
    case implementation_specific_error:
    case not_authorized:
    case topic_name_invalid:
    case packet_identifier_in_use:
    case quota_exceeded:
    case payload_format_invalid:
      return true;
    default:
      return false;
  }
}

PropertyPlace place_of(PacketType t) {
  switch (t) {
    case PacketType::puback:
      return PropertyPlace::puback;
    case PacketType::pubrec:
      return PropertyPlace::pubrec;
    case PacketType::pubrel:
      return PropertyPlace::pubrel;
    default:
      return PropertyPlace::pubcomp;
  }
}

}  // namespace

Reason decode_connect(std::uint8_t flags, std::string_view body, Connect& c) {
  Reader r(body);
  c.level = 0;
  c.will.reset();
  c.username.reset();
  c.password.reset();
  if (flags != 0) return Reason::malformed_packet;
  std::string_view name = r.binary();
  std::uint8_t level = r.u8();
  if (r.failed()) return Reason::malformed_packet;
  if (name != "MQTT" && name != "MQIsdp") return Reason::protocol_error;  // [MQTT-3.1.2-1]
  c.level = level;
  bool v31 = name == "MQIsdp" && level == 3;
  if (!v31 && !(name == "MQTT" && (level == 4 || level == 5))) return Reason::unsupported_protocol_version;
  c.version = static_cast<Version>(level);

  std::uint8_t connect_flags = r.u8();
  c.keep_alive = r.u16();
  if (r.failed()) return Reason::malformed_packet;
  if (Reason e = valid_connect_flags(c.version, connect_flags); !ok(e)) return e;
  c.clean_start = connect_flags & 0x02;
  if (Reason e = decode_properties(c.version, r, PropertyPlace::connect, c.properties); !ok(e)) return e;
  if (!read_string(r, c.client_id)) return Reason::malformed_packet;
  if (connect_flags & 0x04) {
    Reason e = decode_will(c, connect_flags, r, c.will.emplace());
    if (!ok(e)) return e;
  }
  if (connect_flags & 0x80)
    if (!read_string(r, c.username.emplace())) return Reason::malformed_packet;
  if (connect_flags & 0x40) c.password = r.binary();
  if (Reason e = finish(r); !ok(e)) return e;
  if (c.version == Version::v5 && c.properties.has(PropertyId::authentication_data) &&
      !c.properties.has(PropertyId::authentication_method))
    return Reason::protocol_error;  // [MQTT5 3.1.2.11.10]
  return Reason::success;
}

Reason decode_connack(Version v, std::uint8_t flags, std::string_view body, Connack& out) {
  Reader r(body);
  std::uint8_t ack_flags = r.u8();
  out.code = r.u8();
  if (r.failed() || flags != 0 || (v != Version::v31 && ack_flags & 0xFE)) return Reason::malformed_packet;
  out.session_present = ack_flags & 1;
  if (Reason e = decode_properties(v, r, PropertyPlace::connack, out.properties); !ok(e)) return e;
  return finish(r);
}

Reason decode_publish(Version v, std::uint8_t flags, std::string_view body, Publish& out) {
  Reader r(body);
  out.dup = flags & 8;
  out.qos = flags >> 1 & 3;
  out.retain = flags & 1;
  out.packet_id = 0;
  out.has_properties = false;
  if (out.qos == 3) return Reason::malformed_packet;             // [MQTT-3.3.1-4]
  if (out.dup && out.qos == 0) return Reason::malformed_packet;  // [MQTT-3.3.1-2]
  out.topic = r.binary();
  if (out.qos > 0) {
    out.packet_id = r.u16();
    if (out.packet_id == 0) return Reason::malformed_packet;  // [MQTT-2.2.1-3]; a short read ends here as well
  }
  if (v == Version::v5) {
    if (r.left() > 0 && *r.position() == 0) [[likely]] {
      r.u8();  // no properties, the common case
    } else {
      if (Reason e = out.properties.decode(r, PropertyPlace::publish); !ok(e)) return e;
      out.has_properties = true;
    }
  }
  if (r.failed()) return Reason::malformed_packet;
  out.payload = r.rest();
  return Reason::success;
}

Reason decode_ack(Version v, PacketType type, std::uint8_t flags, std::string_view body, Ack& out) {
  std::uint8_t wanted = type == PacketType::pubrel ? 2 : 0;
  // 3.1 sent PUBREL with a DUP flag [MQTT 3.1, 2.1]; later versions reserve the bits. [MQTT-3.6.1-1]
  if (v == Version::v31 ? (flags & 7) != wanted : flags != wanted) return Reason::malformed_packet;
  Reader r(body);
  out.packet_id = r.u16();
  out.reason = Reason::success;
  out.properties.present = 0;
  if (r.failed() || out.packet_id == 0) return Reason::malformed_packet;
  if (v != Version::v5 || r.done()) return finish(r);
  std::uint8_t code = r.u8();
  if (!valid_ack_reason(type, code)) return Reason::protocol_error;
  out.reason = static_cast<Reason>(code);
  if (r.done()) return Reason::success;
  if (Reason e = out.properties.decode(r, place_of(type)); !ok(e)) return e;
  return finish(r);
}

Reason decode_subscribe(Version v, std::uint8_t flags, std::string_view body, Subscribe& out) {
  out.entries.clear();
  // 3.1 allowed DUP on SUBSCRIBE; later versions do not. [MQTT-3.8.1-1]
  if (v == Version::v31 ? (flags & 7) != 2 : flags != 2) return Reason::malformed_packet;
  Reader r(body);
  out.packet_id = r.u16();
  if (r.failed() || out.packet_id == 0) return Reason::malformed_packet;
  if (Reason e = decode_properties(v, r, PropertyPlace::subscribe, out.properties); !ok(e)) return e;
  if (r.done()) return Reason::protocol_error;  // [MQTT-3.8.3-2]
  while (!r.done()) {
    Subscribe::Entry e;
    if (!read_string(r, e.filter)) return Reason::malformed_packet;
    std::uint8_t o = r.u8();
    if (r.failed() || (o & 3) == 3) return Reason::malformed_packet;  // [MQTT-3-8.3-4]
    if (v == Version::v5) {
      if (o & 0xC0) return Reason::malformed_packet;  // [MQTT-3.8.3-5]
      if ((o >> 4 & 3) == 3) return Reason::protocol_error;
      e.options.no_local = o & 4;
      e.options.retain_as_published = o & 8;
      e.options.retain_handling = o >> 4 & 3;
    } else if (o & 0xFC) {
      return Reason::malformed_packet;  // [MQTT-3-8.3-4] of 3.1.1
    }
    e.options.qos = o & 3;
    out.entries.push_back(e);
  }
  return Reason::success;
}

Reason decode_suback(Version v, PacketType type, std::uint8_t flags, std::string_view body, SubscribeAck& out) {
  Reader r(body);
  out.packet_id = r.u16();
  if (flags != 0 || r.failed() || out.packet_id == 0) return Reason::malformed_packet;
  PropertyPlace place = type == PacketType::suback ? PropertyPlace::suback : PropertyPlace::unsuback;
  if (Reason e = decode_properties(v, r, place, out.properties); !ok(e)) return e;
  out.codes = r.rest();
  return Reason::success;
}

Reason decode_unsubscribe(Version v, std::uint8_t flags, std::string_view body, Unsubscribe& out) {
  out.filters.clear();
  if (v == Version::v31 ? (flags & 7) != 2 : flags != 2) return Reason::malformed_packet;  // [MQTT-3.10.1-1]
  Reader r(body);
  out.packet_id = r.u16();
  if (r.failed() || out.packet_id == 0) return Reason::malformed_packet;
  if (Reason e = decode_properties(v, r, PropertyPlace::unsubscribe, out.properties); !ok(e)) return e;
  if (r.done()) return Reason::protocol_error;  // [MQTT-3.10.3-2]
  while (!r.done())
    if (!read_string(r, out.filters.emplace_back())) return Reason::malformed_packet;
  return Reason::success;
}

namespace {
Reason decode_reason_packet(std::uint8_t flags, std::string_view body, PropertyPlace place, ReasonPacket& out) {
  Reader r(body);
  out.reason = Reason::success;
  out.properties.present = 0;
  if (flags != 0) return Reason::malformed_packet;
  if (r.done()) return Reason::success;
  out.reason = static_cast<Reason>(r.u8());
  if (r.done()) return Reason::success;
  if (Reason e = out.properties.decode(r, place); !ok(e)) return e;
  return finish(r);
}
}  // namespace

Reason decode_disconnect(Version v, std::uint8_t flags, std::string_view body, ReasonPacket& out) {
  if (v == Version::v5) return decode_reason_packet(flags, body, PropertyPlace::disconnect, out);
  out.reason = Reason::success;
  out.properties.present = 0;
  return decode_empty(flags, body);
}

Reason decode_auth(Version v, std::uint8_t flags, std::string_view body, ReasonPacket& out) {
  if (v != Version::v5) return Reason::protocol_error;
  Reason e = decode_reason_packet(flags, body, PropertyPlace::auth, out);
  if (!ok(e)) return e;
  if (out.reason != Reason::success && out.reason != Reason::continue_authentication &&
      out.reason != Reason::reauthenticate)
    return Reason::protocol_error;  // [MQTT-3.15.2-1]
  return Reason::success;
}

}  // namespace sb::mqtt
