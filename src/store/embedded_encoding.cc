// SPDX-License-Identifier: MIT
#include "store/embedded_encoding.h"

namespace sb::store::embedded {
namespace {

// Bits of a message's second byte.
constexpr unsigned kQos = 3, kRetain = 4, kExpires = 8, kIdentity = 16;

std::string value() { return std::string(1, kFormat); }

void put_message(Writer& w, const model::MessagePtr& m) { w.text(m ? encode(m->view()) : std::string()); }

/// False when there is one and it is corrupt.
bool get_message(Reader& r, model::MessagePtr& to) {
  std::string_view bytes = r.text();
  if (bytes.empty()) return true;
  auto m = decode_message(bytes);
  if (!m) return false;
  to = model::Message::copy(*m);
  return true;
}

char* put_number(char* to, std::uint64_t n) {
  for (; n >= 0x80; n >>= 7) *to++ = static_cast<char>(n | 0x80);
  *to++ = static_cast<char>(n);
  return to;
}

}  // namespace

std::string log_key(std::uint64_t log) {
  std::string key;
  Writer(key).be(log, 8);
  return key;
}

std::string member_key(std::uint64_t log, std::string_view member) {
  std::string key;
  Writer(key).be(log, 8).raw(member);
  return key;
}

std::string session_prefix(std::string_view client_id) {
  std::string key;
  Writer(key).be(client_id.size(), 2).raw(client_id);
  return key;
}

std::string_view client_of(std::string_view key, std::string_view& rest) {
  if (key.size() < 2) return {};
  auto size = static_cast<std::size_t>(get_be(key.data(), 2));
  if (key.size() < 2 + size) return {};
  rest = key.substr(2 + size);
  return key.substr(2, size);
}

std::string due_key(WallTime when, std::string_view client_id) {
  std::string key;
  Writer(key).time(when).raw(client_id);
  return key;
}

MessageHeader::MessageHeader(const model::MessageView& m) {
  bool expires = m.expires_at != kNoExpiry;
  char* at = bytes;
  *at++ = kFormat;
  *at++ = static_cast<char>((m.qos & kQos) | (m.retain ? kRetain : 0) | (expires ? kExpires : 0) |
                            (m.identity ? kIdentity : 0));
  put_be(at, m.publisher, 8);
  put_be(at + 8, m.id, 8);
  at += 16;
  if (expires) {
    put_be(at, static_cast<std::uint64_t>(m.expires_at.time_since_epoch().count()), 8);
    at += 8;
  }
  if (m.identity) {
    put_be(at, m.identity, 8);
    at += 8;
  }
  at = put_number(at, m.topic.size());
  at = put_number(at, m.properties.size());
  size = static_cast<std::size_t>(at - bytes);
}

std::string encode(const model::MessageView& m) {
  MessageHeader h(m);
  std::string s;
  s.reserve(h.size + m.bytes());
  s.append(h.bytes, h.size).append(m.topic).append(m.properties).append(m.payload);
  return s;
}

std::optional<model::MessageView> decode_message(std::string_view bytes) {
  Reader r(bytes);
  model::MessageView m;
  r.format();
  unsigned flags = r.byte();
  m.qos = flags & kQos;
  m.retain = (flags & kRetain) != 0;
  m.publisher = r.be(8);
  m.id = r.be(8);
  if (flags & kExpires) m.expires_at = r.time();
  if (flags & kIdentity) m.identity = r.be(8);
  std::uint64_t topic = r.number(), properties = r.number();
  if (!r.ok()) return {};
  std::string_view rest = r.rest();
  if (topic > rest.size() || properties > rest.size() - topic) return {};
  m.topic = rest.substr(0, topic);
  m.properties = rest.substr(topic, properties);
  m.payload = rest.substr(topic + properties);
  return m;
}

std::string encode_core(const model::SessionRecord& s) {
  std::string out = value();
  Writer w(out);
  w.text(s.username).number(s.epoch).number(s.incarnation).be(s.expiry, 4).byte(s.connected).number(s.next_order);
  w.time(s.will_due).time(s.expires_at);
  w.be(s.will.delay, 4).be(s.will.expiry_interval, 4).byte(s.will.expires);
  put_message(w, s.will.message);
  return out;
}

std::optional<model::SessionRecord> decode_core(std::string_view bytes) {
  Reader r(bytes);
  model::SessionRecord s;
  r.format();
  s.username = r.text();
  s.epoch = r.number();
  s.incarnation = r.number();
  s.expiry = static_cast<std::uint32_t>(r.be(4));
  s.connected = r.byte() != 0;
  s.next_order = r.number();
  s.will_due = r.time();
  s.expires_at = r.time();
  s.will.delay = static_cast<std::uint32_t>(r.be(4));
  s.will.expiry_interval = static_cast<std::uint32_t>(r.be(4));
  s.will.expires = r.byte() != 0;
  if (!get_message(r, s.will.message) || !r.done()) return {};
  return s;
}

std::string encode(const model::SubscriptionRecord& s) {
  std::string out = value();
  Writer w(out);
  w.text(s.filter);
  w.byte(s.options.qos | unsigned{s.options.no_local} << 2 | unsigned{s.options.retain_as_published} << 3 |
         unsigned{s.options.retain_handling} << 4);
  w.byte((s.logged ? 1u : 0u) | (s.draining ? 2u : 0u));
  w.number(s.subscription_id).number(s.order).position(s.next).position(s.drain_to).number(s.covers.size());
  for (auto& [filter, upto] : s.covers) w.text(filter).position(upto);
  return out;
}

std::optional<model::SubscriptionRecord> decode_subscription(std::string_view bytes) {
  Reader r(bytes);
  model::SubscriptionRecord s;
  r.format();
  s.filter = r.text();
  unsigned options = r.byte();
  s.options.qos = options & 3;
  s.options.no_local = (options & 4) != 0;
  s.options.retain_as_published = (options & 8) != 0;
  s.options.retain_handling = options >> 4 & 3;
  unsigned flags = r.byte();
  s.logged = (flags & 1) != 0;
  s.draining = (flags & 2) != 0;
  s.subscription_id = static_cast<std::uint32_t>(r.number());
  s.order = r.number();
  s.next = r.position();
  s.drain_to = r.position();
  for (std::uint64_t n = r.number(); r.ok() && n > 0; --n) {
    std::string filter(r.text());
    s.covers.emplace_back(std::move(filter), r.position());
  }
  if (!r.done()) return {};
  return s;
}

std::string encode(const model::OutboundRecord& o) {
  std::string out = value();
  Writer w(out);
  w.number(o.sequence).be(o.packet_id, 2).byte(static_cast<unsigned>(o.state)).text(o.filter).position(o.position);
  put_message(w, o.message);
  return out;
}

std::optional<model::OutboundRecord> decode_outbound(std::string_view bytes) {
  Reader r(bytes);
  model::OutboundRecord o;
  r.format();
  o.sequence = r.number();
  o.packet_id = static_cast<std::uint16_t>(r.be(2));
  unsigned state = r.byte();
  o.filter = r.text();
  o.position = r.position();
  if (!get_message(r, o.message) || !r.done() || state < 1 || state > 4) return {};
  o.state = static_cast<model::OutboundState>(state);
  return o;
}

std::string encode(const model::InboundRecord& i) {
  std::string out = value();
  Writer(out).number(i.publish).number(i.epoch);
  return out;
}

std::optional<model::InboundRecord> decode_inbound(std::string_view bytes) {
  model::InboundRecord i;
  if (bytes.empty()) return i;
  Reader r(bytes);
  r.format();
  i.publish = r.number();
  i.epoch = r.number();
  if (!r.done()) return {};
  return i;
}

std::string encode_publish(std::uint64_t next) {
  std::string out = value();
  Writer(out).number(next);
  return out;
}

std::optional<std::uint64_t> decode_publish(std::string_view bytes) {
  Reader r(bytes);
  r.format();
  const std::uint64_t next = r.number();
  if (!r.done()) return {};
  return next;
}

std::string encode(model::Position p) {
  std::string out = value();
  Writer(out).position(p);
  return out;
}

std::optional<model::Position> decode_position(std::string_view bytes) {
  Reader r(bytes);
  r.format();
  model::Position p = r.position();
  if (!r.done()) return {};
  return p;
}

}  // namespace sb::store::embedded
