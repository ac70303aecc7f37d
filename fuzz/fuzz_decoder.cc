// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "mqtt/encoder.h"
#include "mqtt/packets.h"
#include "mqtt/publish_encoder.h"

// One byte for the version, then packets. What a decode function takes lies within the packet; what it took and what is
// encoded again from it decodes to the same. A packet that is cut off is partial, however much of it is there.
namespace {

using namespace sb;
using namespace sb::mqtt;

void check(bool good) {
  if (!good) std::abort();
}

/// Decodes the one packet that was encoded.
template <class F>
void again(const std::string& bytes, PacketType type, F decode) {
  std::string_view in = bytes;
  Frame f;
  check(take_frame(in, kMaxPacketSize, f) == FrameStatus::complete && in.empty());
  check(f.type == type && !f.overlong);
  check(decode(f) == Reason::success);
}

bool same(const Properties& a, const Properties& b) {
  return a.present == b.present && (a.present == 0 || a.raw == b.raw);
}
std::string_view raw(const Properties& p) { return p.present ? p.raw : std::string_view(); }

void connect(const Frame& f) {
  Connect c;
  if (!ok(decode_connect(f.flags, f.body, c))) return;
  ConnectOut out;
  out.version = c.version;
  out.client_id = c.client_id;
  out.clean_start = c.clean_start;
  out.keep_alive = c.keep_alive;
  out.properties = raw(c.properties);
  out.username = c.username;
  out.password = c.password;
  if (c.will) out.will = {c.will->topic, c.will->payload, raw(c.will->properties), c.will->qos, c.will->retain};
  std::string bytes;
  encode_connect(bytes, out);
  again(bytes, PacketType::connect, [&](const Frame& g) {
    Connect d;
    Reason r = decode_connect(g.flags, g.body, d);
    check(d.version == c.version && d.clean_start == c.clean_start && d.keep_alive == c.keep_alive);
    check(d.client_id == c.client_id && d.username == c.username && d.password == c.password);
    check(same(c.properties, d.properties) && c.will.has_value() == d.will.has_value());
    if (c.will) {
      check(c.will->topic == d.will->topic && c.will->payload == d.will->payload && c.will->qos == d.will->qos);
      check(c.will->retain == d.will->retain && same(c.will->properties, d.will->properties));
    }
    return r;
  });
}

void connack(Version v, const Frame& f) {
  Connack c;
  if (!ok(decode_connack(v, f.flags, f.body, c))) return;
  std::string bytes;
  encode_connack(bytes, v, c.session_present, c.code, raw(c.properties));
  again(bytes, f.type, [&](const Frame& g) {
    Connack d;
    Reason r = decode_connack(v, g.flags, g.body, d);
    check((d.session_present == c.session_present || v == Version::v31) && d.code == c.code);
    check(same(c.properties, d.properties));
    return r;
  });
}

void publish(Version v, const Frame& f) {
  Publish p;
  if (!ok(decode_publish(v, f.flags, f.body, p))) return;
  check(p.qos <= 2 && (p.qos > 0) == (p.packet_id != 0));
  Properties none;
  const Properties& had = p.has_properties ? p.properties : none;
  std::string scratch;
  model::MessageView m;
  m.topic = p.topic;
  m.payload = p.payload;
  if (p.has_properties) m.properties = forwarded_properties(p.properties, scratch);
  PublishForm form;
  form.version = v;
  form.qos = p.qos;
  form.retain = p.retain;
  form.dup = p.dup;
  form.packet_id = p.packet_id;
  form.expires = had.has(PropertyId::message_expiry_interval);
  if (form.expires) form.expiry = had.message_expiry_interval;
  if (had.has(PropertyId::topic_alias)) form.alias = had.topic_alias;
  if (had.has(PropertyId::subscription_identifier)) {
    form.subscription_ids = had.subscription_identifiers.data();
    form.subscription_id_count = static_cast<std::uint32_t>(had.subscription_identifiers.size());
  }
  PublishSize size = publish_size(m, form);
  std::string bytes(size.total, '\0');
  std::uint32_t id_at = 0;
  check(put_publish(bytes.data(), m, form, size, &id_at) == bytes.data() + bytes.size());
  again(bytes, PacketType::publish, [&](const Frame& g) {
    Publish q;
    Reason r = decode_publish(v, g.flags, g.body, q);
    check(q.topic == p.topic && q.payload == p.payload && q.qos == p.qos && q.packet_id == p.packet_id);
    check(q.retain == p.retain && q.dup == p.dup);
    check((q.has_properties ? q.properties.present : 0) == had.present);
    if (had.present) {
      const Properties& has = q.properties;
      auto text = [&](PropertyId id, std::string_view Properties::*which) {
        if (had.has(id)) check(had.*which == has.*which);
      };
      text(PropertyId::content_type, &Properties::content_type);
      text(PropertyId::response_topic, &Properties::response_topic);
      text(PropertyId::correlation_data, &Properties::correlation_data);
      if (had.has(PropertyId::user_property)) check(had.user == has.user);
      if (had.has(PropertyId::subscription_identifier))
        check(had.subscription_identifiers == has.subscription_identifiers);
      if (had.has(PropertyId::message_expiry_interval))
        check(had.message_expiry_interval == has.message_expiry_interval);
      if (had.has(PropertyId::topic_alias)) check(had.topic_alias == has.topic_alias);
    }
    if (q.qos) {  // the place where each receiver's packet id is put in
      check(id_at + 2 <= bytes.size());
      put_u16(bytes.data() + id_at, 0xABCD);
      Publish other;
      std::string_view in = bytes;
      Frame h;
      check(take_frame(in, kMaxPacketSize, h) == FrameStatus::complete);
      check(ok(decode_publish(v, h.flags, h.body, other)) && other.packet_id == 0xABCD && other.topic == p.topic);
    }
    return r;
  });
}

void ack(Version v, const Frame& f) {
  Ack a;
  if (!ok(decode_ack(v, f.type, f.flags, f.body, a))) return;
  check(a.packet_id != 0);
  std::string bytes;
  encode_ack(bytes, v, f.type, a.packet_id, a.reason, raw(a.properties));
  again(bytes, f.type, [&](const Frame& g) {
    Ack b;
    Reason r = decode_ack(v, g.type, g.flags, g.body, b);
    check(a.packet_id == b.packet_id && a.reason == b.reason && same(a.properties, b.properties));
    return r;
  });
}

void subscribe(Version v, const Frame& f) {
  Subscribe s;
  if (!ok(decode_subscribe(v, f.flags, f.body, s))) return;
  check(s.packet_id != 0 && !s.entries.empty());
  std::vector<SubscribeEntryOut> entries;
  for (auto& e : s.entries) entries.push_back({e.filter, e.options});
  std::string bytes;
  encode_subscribe(bytes, v, s.packet_id, entries, raw(s.properties));
  again(bytes, f.type, [&](const Frame& g) {
    Subscribe t;
    Reason r = decode_subscribe(v, g.flags, g.body, t);
    check(s.packet_id == t.packet_id && s.entries.size() == t.entries.size() && same(s.properties, t.properties));
    for (std::size_t i = 0; i < s.entries.size(); ++i)
      check(s.entries[i].filter == t.entries[i].filter && s.entries[i].options == t.entries[i].options);
    return r;
  });
}

void suback(Version v, const Frame& f) {
  SubscribeAck s;
  if (!ok(decode_suback(v, f.type, f.flags, f.body, s))) return;
  check(s.packet_id != 0);
  std::vector<Reason> codes;
  for (char c : s.codes) {
    auto code = static_cast<std::uint8_t>(c);
    if (v != Version::v5 && (code > 2 || f.type == PacketType::unsuback)) return;  // 3.x has not all of them
    codes.push_back(static_cast<Reason>(code));
  }
  std::string bytes;
  encode_suback(bytes, v, f.type, s.packet_id, codes, raw(s.properties));
  again(bytes, f.type, [&](const Frame& g) {
    SubscribeAck t;
    Reason r = decode_suback(v, g.type, g.flags, g.body, t);
    check(s.packet_id == t.packet_id && s.codes == t.codes && same(s.properties, t.properties));
    return r;
  });
}

void unsubscribe(Version v, const Frame& f) {
  Unsubscribe u;
  if (!ok(decode_unsubscribe(v, f.flags, f.body, u))) return;
  check(u.packet_id != 0 && !u.filters.empty());
  std::string bytes;
  encode_unsubscribe(bytes, v, u.packet_id, u.filters, raw(u.properties));
  again(bytes, f.type, [&](const Frame& g) {
    Unsubscribe w;
    Reason r = decode_unsubscribe(v, g.flags, g.body, w);
    check(u.packet_id == w.packet_id && u.filters == w.filters && same(u.properties, w.properties));
    return r;
  });
}

void reason(Version v, const Frame& f) {
  ReasonPacket p;
  bool auth = f.type == PacketType::auth;
  if (!ok(auth ? decode_auth(v, f.flags, f.body, p) : decode_disconnect(v, f.flags, f.body, p))) return;
  std::string bytes;
  if (auth)
    encode_auth(bytes, p.reason, raw(p.properties));
  else
    encode_disconnect(bytes, v, p.reason, raw(p.properties));
  again(bytes, f.type, [&](const Frame& g) {
    ReasonPacket q;
    Reason r = auth ? decode_auth(v, g.flags, g.body, q) : decode_disconnect(v, g.flags, g.body, q);
    check(p.reason == q.reason && same(p.properties, q.properties));
    return r;
  });
}

void decode(Version v, const Frame& f) {
  switch (f.type) {
    case PacketType::connect:
      return connect(f);
    case PacketType::connack:
      return connack(v, f);
    case PacketType::publish:
      return publish(v, f);
    case PacketType::puback:
    case PacketType::pubrec:
    case PacketType::pubrel:
    case PacketType::pubcomp:
      return ack(v, f);
    case PacketType::subscribe:
      return subscribe(v, f);
    case PacketType::suback:
    case PacketType::unsuback:
      return suback(v, f);
    case PacketType::unsubscribe:
      return unsubscribe(v, f);
    case PacketType::disconnect:
    case PacketType::auth:
      return reason(v, f);
    default:
      (void)decode_empty(f.flags, f.body);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr Version versions[] = {Version::v31, Version::v311, Version::v5};
  const Version v = versions[data[0] % 3];
  const std::uint32_t bound = data[0] & 128 ? 64 : kMaxPacketSize;
  const std::string input(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string_view rest = input;
  Frame f;
  while (!rest.empty()) {
    const std::string_view before = rest;
    const FrameStatus status = take_frame(rest, bound, f);
    if (status != FrameStatus::complete) {
      check(rest.size() == before.size());
      break;
    }
    check(f.whole.size() <= bound && f.whole.data() == before.data() && f.whole.size() + rest.size() == before.size());
    check(f.body.size() <= f.whole.size() && f.body.end() == f.whole.end());
    for (std::size_t n = 0; n < f.whole.size(); n += 1 + n / 16) {
      std::string_view cut = f.whole.substr(0, n);
      Frame none;
      check(take_frame(cut, bound, none) == FrameStatus::partial);
    }
    // In memory of its own, so that a read behind its end is seen.
    std::string alone(f.body);
    alone.shrink_to_fit();
    Frame g = f;
    g.body = alone;
    decode(v, g);
  }
  return 0;
}
