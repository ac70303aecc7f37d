// SPDX-License-Identifier: MIT
#pragma once
#include <fmt/format.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/message.h"
#include "mqtt/encoder.h"
#include "mqtt/packets.h"
#include "mqtt/publish_encoder.h"

namespace sb::broker::testing {

using mqtt::PacketId;
using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::Reason;
using mqtt::Version;

/// One packet from the broker, taken apart.
struct Packet {
  PacketType type = PacketType::reserved;
  PacketId id = 0;
  std::uint8_t qos = 0;
  bool retain = false, dup = false, present = false;
  std::string topic, payload;
  std::vector<std::uint8_t> codes;  ///< reason codes; empty when success needs no saying
  std::vector<std::uint32_t> ids;   ///< subscription identifiers
  std::int64_t expiry = -1;         ///< seconds, -1 = none
  std::string gap;                  ///< the user property of that name
  std::size_t size = 0;             ///< bytes of the whole packet

  /// "PUBLISH a/b hello qos1 id3 dup retain ids=1,2 expiry=5 gap=2", "SUBACK 1 01 80", "CONNACK 00 present".
  std::string words() const {
    std::string s = mqtt::name(type);
    if (type == PacketType::publish) {
      s += fmt::format(" {} {} qos{}", topic, payload, qos);
      if (id) s += fmt::format(" id{}", id);
      if (dup) s += " dup";
      if (retain) s += " retain";
      if (!ids.empty()) s += fmt::format(" ids={}", fmt::join(ids, ","));
      if (expiry >= 0) s += fmt::format(" expiry={}", expiry);
      if (!gap.empty()) s += " gap=" + gap;
      return s;
    }
    if (id) s += fmt::format(" {}", id);
    for (auto c : codes) s += fmt::format(" {:02x}", c);
    if (present) s += " present";
    return s;
  }
};

/// Reads what a broker sends to one client; anything that is not a whole stream of well-formed packets aborts.
class Reading {
 public:
  explicit Reading(Version v) : version_(v) {}

  /// Takes the complete packets from the front of `bytes`.
  std::vector<Packet> take(std::string& bytes) {
    std::vector<Packet> all;
    std::string_view rest = bytes;
    mqtt::Frame f;
    while (!rest.empty()) {
      auto status = mqtt::take_frame(rest, mqtt::kMaxPacketSize, f);
      if (status == mqtt::FrameStatus::partial) break;
      if (status != mqtt::FrameStatus::complete || f.overlong) std::abort();
      all.push_back(packet(f));
    }
    bytes.erase(0, bytes.size() - rest.size());
    return all;
  }

 private:
  static void check(Reason r) {
    if (!ok(r)) std::abort();
  }
  Packet packet(const mqtt::Frame& f) {
    Packet p;
    p.type = f.type;
    p.size = f.whole.size();
    switch (f.type) {
      case PacketType::connack: {
        mqtt::Connack c;
        check(mqtt::decode_connack(version_, f.flags, f.body, c));
        p.codes = {c.code};
        p.present = c.session_present;
        if (c.code != 0 && c.session_present) std::abort();  // [MQTT-3.2.2-6]
        break;
      }
      case PacketType::publish:
        publish(f, p);
        break;
      case PacketType::puback:
      case PacketType::pubrec:
      case PacketType::pubrel:
      case PacketType::pubcomp: {
        mqtt::Ack a;
        check(mqtt::decode_ack(version_, f.type, f.flags, f.body, a));
        p.id = a.packet_id;
        if (a.reason != Reason::success) p.codes = {static_cast<std::uint8_t>(a.reason)};
        break;
      }
      case PacketType::suback:
      case PacketType::unsuback: {
        mqtt::SubscribeAck a;
        check(mqtt::decode_suback(version_, f.type, f.flags, f.body, a));
        p.id = a.packet_id;
        p.codes.assign(a.codes.begin(), a.codes.end());
        break;
      }
      case PacketType::pingresp:
        check(mqtt::decode_empty(f.flags, f.body));
        break;
      case PacketType::disconnect:
      case PacketType::auth: {
        if (version_ != Version::v5) std::abort();  // 3.x servers send neither
        mqtt::ReasonPacket r;
        check(f.type == PacketType::auth ? mqtt::decode_auth(version_, f.flags, f.body, r)
                                         : mqtt::decode_disconnect(version_, f.flags, f.body, r));
        p.codes = {static_cast<std::uint8_t>(r.reason)};
        break;
      }
      default:
        std::abort();  // no server sends it
    }
    return p;
  }
  void publish(const mqtt::Frame& f, Packet& p) {
    mqtt::Publish m;
    check(mqtt::decode_publish(version_, f.flags, f.body, m));
    p.id = m.packet_id;
    p.qos = m.qos;
    p.retain = m.retain;
    p.dup = m.dup;
    p.topic = m.topic;
    p.payload = m.payload;
    if (m.has_properties) {
      if (m.properties.has(PropertyId::topic_alias)) {
        std::uint16_t alias = m.properties.topic_alias;
        if (aliases_.size() < alias) aliases_.resize(alias);
        std::string& known = aliases_[alias - 1u];
        if (p.topic.empty())
          p.topic = known;
        else
          known = p.topic;
      }
      if (m.properties.has(PropertyId::subscription_identifier)) p.ids = m.properties.subscription_identifiers;
      if (m.properties.has(PropertyId::message_expiry_interval)) p.expiry = m.properties.message_expiry_interval;
      if (m.properties.has(PropertyId::user_property))
        for (auto& [key, value] : m.properties.user)
          if (key == "gap") p.gap = value;
    }
    if (p.topic.empty()) std::abort();
  }
  Version version_;
  std::vector<std::string> aliases_;
};

// ---- what clients send

struct ConnectOptions {
  bool clean = true;
  std::uint32_t expiry = 0;  ///< seconds, version 5
  std::uint16_t keep_alive = 0, receive_maximum = 0, alias_maximum = 0;
  std::uint32_t packet_maximum = 0;
  struct Will {
    std::string topic, payload;
    std::uint8_t qos = 0;
    bool retain = false;
    std::uint32_t delay = 0;
    std::int64_t expiry = -1;
  };
  std::optional<Will> will;
};

inline std::string connect_packet(Version v, std::string_view client_id, const ConnectOptions& o) {
  mqtt::ConnectOut c;
  c.version = v;
  c.client_id = client_id;
  c.clean_start = o.clean;
  c.keep_alive = o.keep_alive;
  mqtt::PropertyWriter w, of_will;
  if (v == Version::v5) {
    if (o.expiry) w.u32(PropertyId::session_expiry_interval, o.expiry);
    if (o.receive_maximum) w.u16(PropertyId::receive_maximum, o.receive_maximum);
    if (o.alias_maximum) w.u16(PropertyId::topic_alias_maximum, o.alias_maximum);
    if (o.packet_maximum) w.u32(PropertyId::maximum_packet_size, o.packet_maximum);
    if (o.will && o.will->delay) of_will.u32(PropertyId::will_delay_interval, o.will->delay);
    if (o.will && o.will->expiry >= 0)
      of_will.u32(PropertyId::message_expiry_interval, static_cast<std::uint32_t>(o.will->expiry));
  }
  c.properties = w.bytes();
  if (o.will) c.will = {o.will->topic, o.will->payload, of_will.bytes(), o.will->qos, o.will->retain};
  std::string s;
  mqtt::encode_connect(s, c);
  return s;
}

struct PublishOptions {
  std::uint8_t qos = 0;
  PacketId id = 0;
  bool retain = false, dup = false;
  std::int64_t expiry = -1;
};

inline std::string publish_packet(Version v, std::string_view topic, std::string_view payload, PublishOptions o = {}) {
  mqtt::PublishForm f;
  f.version = v;
  f.qos = o.qos;
  f.retain = o.retain;
  f.dup = o.dup;
  f.packet_id = o.id;
  f.expires = v == Version::v5 && o.expiry >= 0;
  if (f.expires) f.expiry = static_cast<std::uint32_t>(o.expiry);
  model::MessageView m;
  m.topic = topic;
  m.payload = payload;
  mqtt::PublishSize size = mqtt::publish_size(m, f);
  std::string s(size.total, '\0');
  mqtt::put_publish(s.data(), m, f, size);
  return s;
}

inline std::string ack_packet(Version v, PacketType type, PacketId id, Reason r = Reason::success) {
  std::string s;
  mqtt::encode_ack(s, v, type, id, r);
  return s;
}

inline std::string subscribe_packet(Version v, PacketId id, const std::vector<mqtt::SubscribeEntryOut>& entries,
                                    std::uint32_t subscription_id = 0) {
  mqtt::PropertyWriter w;
  if (subscription_id && v == Version::v5) w.varint(PropertyId::subscription_identifier, subscription_id);
  std::string s;
  mqtt::encode_subscribe(s, v, id, entries, w.bytes());
  return s;
}

inline std::string disconnect_packet(Version v, Reason r = Reason::success, std::int64_t expiry = -1) {
  mqtt::PropertyWriter w;
  if (expiry >= 0) w.u32(PropertyId::session_expiry_interval, static_cast<std::uint32_t>(expiry));
  std::string s;
  mqtt::encode_disconnect(s, v, r, w.bytes());
  return s;
}

}  // namespace sb::broker::testing
