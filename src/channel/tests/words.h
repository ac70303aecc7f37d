// SPDX-License-Identifier: MIT
#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "mqtt/encoder.h"
#include "mqtt/packets.h"
#include "mqtt/publish_encoder.h"

/// Packets in words, as a server sends them, and packets as a client sends them, for tables.
namespace sb::channel::test {

using mqtt::PacketId;
using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::Reason;
using mqtt::Version;

inline std::string in_brackets(Reason r) {
  return r == Reason::success ? std::string() : fmt::format(" [{}]", mqtt::text(r));
}

inline std::string words(const mqtt::Properties& p) {
  std::string w;
  auto number = [&](PropertyId id, const char* name, auto value) {
    if (p.has(id)) w += fmt::format(" {}={}", name, static_cast<std::uint64_t>(value));
  };
  auto text = [&](PropertyId id, const char* name, std::string_view value) {
    if (p.has(id)) w += fmt::format(" {}={}", name, value);
  };
  number(PropertyId::session_expiry_interval, "expiry", p.session_expiry_interval);
  number(PropertyId::receive_maximum, "receive", p.receive_maximum);
  number(PropertyId::maximum_qos, "max_qos", p.maximum_qos);
  number(PropertyId::retain_available, "retain", p.retain_available);
  number(PropertyId::maximum_packet_size, "packet", p.maximum_packet_size);
  text(PropertyId::assigned_client_identifier, "id", p.assigned_client_identifier);
  number(PropertyId::topic_alias_maximum, "aliases", p.topic_alias_maximum);
  number(PropertyId::wildcard_subscription_available, "wildcard", p.wildcard_subscription_available);
  number(PropertyId::subscription_identifier_available, "ids", p.subscription_identifier_available);
  number(PropertyId::shared_subscription_available, "shared", p.shared_subscription_available);
  number(PropertyId::server_keep_alive, "keep_alive", p.server_keep_alive);
  text(PropertyId::response_information, "response_information", p.response_information);
  text(PropertyId::server_reference, "server", p.server_reference);
  text(PropertyId::authentication_method, "method", p.authentication_method);
  text(PropertyId::authentication_data, "data", p.authentication_data);
  text(PropertyId::reason_string, "why", p.reason_string);
  number(PropertyId::message_expiry_interval, "expires", p.message_expiry_interval);
  number(PropertyId::topic_alias, "alias", p.topic_alias);
  if (p.has(PropertyId::subscription_identifier))
    for (auto id : p.subscription_identifiers) w += fmt::format(" sub={}", id);
  if (p.has(PropertyId::user_property))
    for (auto& [k, v] : p.user) w += fmt::format(" {}:{}", k, v);
  return w;
}

/// e.g. "PUBLISH t x q1 #5 dup", "SUBACK 1: 0 128"; large payloads as their size.
inline std::string words(Version v, const mqtt::Frame& f) {
  switch (f.type) {
    case PacketType::connack: {
      mqtt::Connack c;
      if (!ok(decode_connack(v, f.flags, f.body, c))) return "bad CONNACK";
      std::string code = v == Version::v5 ? in_brackets(static_cast<Reason>(c.code)) : fmt::format(" {}", c.code);
      return "CONNACK" + code + (c.session_present ? " present" : "") +
             (c.properties.present ? words(c.properties) : "");
    }
    case PacketType::publish: {
      mqtt::Publish p;
      if (!ok(decode_publish(v, f.flags, f.body, p))) return "bad PUBLISH";
      std::string payload = p.payload.size() > 100 ? fmt::format("<{}>", p.payload.size()) : std::string(p.payload);
      std::string w = fmt::format("PUBLISH {} {} q{}", p.topic.empty() ? "-" : p.topic, payload, p.qos);
      if (p.packet_id) w += fmt::format(" #{}", p.packet_id);
      if (p.dup) w += " dup";
      if (p.retain) w += " retain";
      return w + (p.has_properties ? words(p.properties) : "");
    }
    case PacketType::puback:
    case PacketType::pubrec:
    case PacketType::pubrel:
    case PacketType::pubcomp: {
      mqtt::Ack a;
      if (!ok(decode_ack(v, f.type, f.flags, f.body, a))) return "bad acknowledgement";
      return fmt::format("{} {}", name(f.type), a.packet_id) + in_brackets(a.reason) +
             (a.properties.present ? words(a.properties) : "");
    }
    case PacketType::suback:
    case PacketType::unsuback: {
      mqtt::SubscribeAck a;
      if (!ok(decode_suback(v, f.type, f.flags, f.body, a))) return "bad SUBACK";
      std::string w = fmt::format("{} {}:", name(f.type), a.packet_id);
      for (char c : a.codes) w += fmt::format(" {}", static_cast<unsigned char>(c));
      return w;
    }
    case PacketType::disconnect:
    case PacketType::auth: {
      mqtt::ReasonPacket d;
      Reason e =
          f.type == PacketType::auth ? decode_auth(v, f.flags, f.body, d) : decode_disconnect(v, f.flags, f.body, d);
      if (!ok(e)) return "bad DISCONNECT or AUTH";
      return name(f.type) + in_brackets(d.reason) + (d.properties.present ? words(d.properties) : "");
    }
    default:
      return name(f.type);
  }
}

/// The packets in `bytes`, separated by "; ".
inline std::string words(Version v, std::string_view bytes) {
  std::string all;
  mqtt::Frame f;
  while (take_frame(bytes, mqtt::kMaxPacketSize, f) == mqtt::FrameStatus::complete)
    all += (all.empty() ? "" : "; ") + words(v, f);
  return bytes.empty() ? all : all + "; and a part of a packet";
}

// ---------------------------------------------------------------- what a client sends

/// Properties of CONNECT: what the client can take; 0 leaves one out.
inline std::string client_limits(std::uint16_t receive_maximum, std::uint32_t packet = 0, std::uint16_t aliases = 0) {
  mqtt::PropertyWriter w;
  if (receive_maximum) w.u16(PropertyId::receive_maximum, receive_maximum);
  if (packet) w.u32(PropertyId::maximum_packet_size, packet);
  if (aliases) w.u16(PropertyId::topic_alias_maximum, aliases);
  return std::string(w.bytes());
}

struct Pub {
  std::string_view topic, payload;
  std::uint8_t qos = 0;
  PacketId id = 0;
  bool retain = false, dup = false;
  std::string_view properties = {};
};
inline std::string publish(Version v, const Pub& p) {
  model::MessageView m;
  m.topic = p.topic;
  m.payload = p.payload;
  m.properties = p.properties;
  mqtt::PublishForm f;
  f.version = v;
  f.qos = p.qos;
  f.retain = p.retain;
  f.dup = p.dup;
  f.packet_id = p.id;
  mqtt::PublishSize size = publish_size(m, f);
  std::string s(size.total, '\0');
  put_publish(s.data(), m, f, size);
  return s;
}
inline std::string ack(PacketType t, PacketId id, Reason r = Reason::success) {
  std::string s;
  encode_ack(s, Version::v5, t, id, r);
  return s;
}
inline std::string puback(PacketId id) { return ack(PacketType::puback, id); }
inline std::string pubrec(PacketId id) { return ack(PacketType::pubrec, id); }
inline std::string pubrel(PacketId id) { return ack(PacketType::pubrel, id); }
inline std::string pubcomp(PacketId id) { return ack(PacketType::pubcomp, id); }
inline std::string pingreq() { return {"\xC0\x00", 2}; }
inline std::string subscribe(Version v, PacketId id, const std::vector<mqtt::SubscribeEntryOut>& entries,
                             std::string_view properties = {}) {
  std::string s;
  encode_subscribe(s, v, id, entries, properties);
  return s;
}
inline std::string unsubscribe(Version v, PacketId id, const std::vector<std::string_view>& filters) {
  std::string s;
  encode_unsubscribe(s, v, id, filters);
  return s;
}
inline std::string disconnect(Version v, Reason r = Reason::success, std::string_view properties = {}) {
  std::string s;
  encode_disconnect(s, v, r, properties);
  return s;
}
inline std::string auth(Reason r, std::string_view method, std::string_view data) {
  mqtt::PropertyWriter w;
  if (!method.empty()) w.text(PropertyId::authentication_method, method);
  if (!data.empty()) w.text(PropertyId::authentication_data, data);
  std::string s;
  encode_auth(s, r, w.bytes());
  return s;
}

}  // namespace sb::channel::test
