// SPDX-License-Identifier: MIT
#include "mqtt/encoder.h"

namespace sb::mqtt {
namespace {

void add_u8(std::string& out, unsigned v) { out.push_back(static_cast<char>(v)); }
void add_u16(std::string& out, unsigned v) {
  add_u8(out, v >> 8);
  add_u8(out, v);
}
void add_varint(std::string& out, std::uint32_t v) {
  char b[4];
  out.append(b, static_cast<std::size_t>(put_varint(b, v) - b));
}
void add_binary(std::string& out, std::string_view v) {
  add_u16(out, static_cast<unsigned>(v.size()));
  out.append(v);
}
std::size_t properties_size(Version v, std::string_view p) {
  return v == Version::v5 ? varint_size(static_cast<std::uint32_t>(p.size())) + p.size() : 0;
}
void add_properties(std::string& out, Version v, std::string_view p) {
  if (v != Version::v5) return;
  add_varint(out, static_cast<std::uint32_t>(p.size()));
  out.append(p);
}
void add_head(std::string& out, PacketType type, unsigned flags, std::size_t remaining) {
  add_u8(out, static_cast<unsigned>(type) << 4 | flags);
  add_varint(out, static_cast<std::uint32_t>(remaining));
}
unsigned options_byte(Version v, model::SubscribeOptions o) {
  unsigned b = o.qos;
  if (v == Version::v5) b |= o.no_local << 2 | o.retain_as_published << 3 | o.retain_handling << 4;
  return b;
}
unsigned raw(Reason r) { return static_cast<unsigned>(r); }

/// Type, then reason and properties unless both can be left out [MQTT5 3.4.2.1, 3.14.2.1, 3.15.2.1].
void add_reason_packet(std::string& out, PacketType type, unsigned flags, std::string_view front, Reason reason,
                       std::string_view properties) {
  bool with_properties = !properties.empty();
  bool with_reason = with_properties || reason != Reason::success;
  std::size_t n =
      front.size() + (with_reason ? 1 : 0) + (with_properties ? properties_size(Version::v5, properties) : 0);
  add_head(out, type, flags, n);
  out.append(front);
  if (with_reason) add_u8(out, raw(reason));
  if (with_properties) add_properties(out, Version::v5, properties);
}

}  // namespace

PropertyWriter& PropertyWriter::u8(PropertyId id, std::uint8_t v) {
  add_u8(out_, static_cast<unsigned>(id));
  add_u8(out_, v);
  return *this;
}
PropertyWriter& PropertyWriter::u16(PropertyId id, std::uint16_t v) {
  add_u8(out_, static_cast<unsigned>(id));
  add_u16(out_, v);
  return *this;
}
PropertyWriter& PropertyWriter::u32(PropertyId id, std::uint32_t v) {
  add_u8(out_, static_cast<unsigned>(id));
  add_u16(out_, v >> 16);
  add_u16(out_, v & 0xFFFF);
  return *this;
}
PropertyWriter& PropertyWriter::varint(PropertyId id, std::uint32_t v) {
  add_u8(out_, static_cast<unsigned>(id));
  add_varint(out_, v);
  return *this;
}
PropertyWriter& PropertyWriter::text(PropertyId id, std::string_view v) {
  add_u8(out_, static_cast<unsigned>(id));
  add_binary(out_, v);
  return *this;
}
PropertyWriter& PropertyWriter::pair(std::string_view key, std::string_view value) {
  add_u8(out_, static_cast<unsigned>(PropertyId::user_property));
  add_binary(out_, key);
  add_binary(out_, value);
  return *this;
}

void encode_connect(std::string& out, const ConnectOut& c) {
  std::string_view name = c.version == Version::v31 ? "MQIsdp" : "MQTT";
  unsigned flags = c.clean_start ? 0x02 : 0;
  std::size_t n = 2 + name.size() + 4 + properties_size(c.version, c.properties) + 2 + c.client_id.size();
  if (c.will) {
    flags |= 0x04u | static_cast<unsigned>(c.will->qos) << 3 | (c.will->retain ? 0x20u : 0u);
    n += properties_size(c.version, c.will->properties) + 4 + c.will->topic.size() + c.will->payload.size();
  }
  if (c.username) flags |= 0x80, n += 2 + c.username->size();
  if (c.password) flags |= 0x40, n += 2 + c.password->size();
  add_head(out, PacketType::connect, 0, n);
  add_binary(out, name);
  add_u8(out, static_cast<unsigned>(c.version));
  add_u8(out, flags);
  add_u16(out, c.keep_alive);
  add_properties(out, c.version, c.properties);
  add_binary(out, c.client_id);
  if (c.will) {
    add_properties(out, c.version, c.will->properties);
    add_binary(out, c.will->topic);
    add_binary(out, c.will->payload);
  }
  if (c.username) add_binary(out, *c.username);
  if (c.password) add_binary(out, *c.password);
}

void encode_connack(std::string& out, Version v, bool session_present, std::uint8_t code, std::string_view properties) {
  add_head(out, PacketType::connack, 0, 2 + properties_size(v, properties));
  add_u8(out, session_present && v != Version::v31 ? 1 : 0);
  add_u8(out, code);
  add_properties(out, v, properties);
}

void encode_ack(std::string& out, Version v, PacketType type, PacketId id, Reason reason, std::string_view properties) {
  char front[2];
  put_u16(front, id);
  if (v != Version::v5) {
    reason = Reason::success;
    properties = {};
  }
  add_reason_packet(out, type, type == PacketType::pubrel ? 2 : 0, {front, 2}, reason, properties);
}

void encode_subscribe(std::string& out, Version v, PacketId id, const std::vector<SubscribeEntryOut>& entries,
                      std::string_view properties) {
  std::size_t n = 2 + properties_size(v, properties);
  for (auto& e : entries) n += 3 + e.filter.size();
  add_head(out, PacketType::subscribe, 2, n);
  add_u16(out, id);
  add_properties(out, v, properties);
  for (auto& e : entries) {
    add_binary(out, e.filter);
    add_u8(out, options_byte(v, e.options));
  }
}

void encode_suback(std::string& out, Version v, PacketType type, PacketId id, const std::vector<Reason>& codes,
                   std::string_view properties) {
  bool with_codes = v == Version::v5 || type == PacketType::suback;
  add_head(out, type, 0, 2 + properties_size(v, properties) + (with_codes ? codes.size() : 0));
  add_u16(out, id);
  add_properties(out, v, properties);
  if (with_codes)
    for (Reason r : codes) add_u8(out, v != Version::v5 && !ok(r) ? 0x80 : raw(r));
}

void encode_unsubscribe(std::string& out, Version v, PacketId id, const std::vector<std::string_view>& filters,
                        std::string_view properties) {
  std::size_t n = 2 + properties_size(v, properties);
  for (auto f : filters) n += 2 + f.size();
  add_head(out, PacketType::unsubscribe, 2, n);
  add_u16(out, id);
  add_properties(out, v, properties);
  for (auto f : filters) add_binary(out, f);
}

void encode_empty(std::string& out, PacketType type) { add_head(out, type, 0, 0); }

void encode_disconnect(std::string& out, Version v, Reason reason, std::string_view properties) {
  if (v != Version::v5) return encode_empty(out, PacketType::disconnect);
  add_reason_packet(out, PacketType::disconnect, 0, {}, reason, properties);
}

void encode_auth(std::string& out, Reason reason, std::string_view properties) {
  add_reason_packet(out, PacketType::auth, 0, {}, reason, properties);
}

}  // namespace sb::mqtt
