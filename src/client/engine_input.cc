// SPDX-License-Identifier: MIT
// What comes from the broker.
#include <algorithm>

#include "client/engine.h"

namespace sb::client {
namespace {

using mqtt::PacketType;
using mqtt::PropertyId;
using mqtt::Reason;

/// Packets are decoded into these, so that their vectors are allocated once per thread and not once per
/// connection. A handler is not called from within a handler of another engine of the same thread.
struct Scratch {
  mqtt::Connack connack;
  mqtt::Publish publish;
  mqtt::Ack ack;
  mqtt::SubscribeAck suback;
  mqtt::ReasonPacket reason;
};
Scratch& scratch() {
  thread_local Scratch s;
  return s;
}

/// The reason that a 3.x return code stands for [MQTT3 3.2.2.3].
Reason reason_of_v3(std::uint8_t code) {
  switch (code) {
    case 0:
      return Reason::success;
    case 1:
      return Reason::unsupported_protocol_version;
    case 2:
      return Reason::client_identifier_not_valid;
    case 3:
      return Reason::server_unavailable;
    case 4:
      return Reason::bad_user_name_or_password;
    case 5:
      return Reason::not_authorized;
    default:
      return Reason::unspecified_error;
  }
}

bool may_begin(char first_byte) {
  auto type = static_cast<PacketType>(static_cast<unsigned char>(first_byte) >> 4);
  return type == PacketType::connack || type == PacketType::auth;
}

std::string_view reason_string(const mqtt::Properties& p) {
  return p.has(PropertyId::reason_string) ? p.reason_string : std::string_view();
}

}  // namespace

std::size_t Engine::received(std::string_view bytes) {
  std::string_view in = bytes;
  received_ = true;
  ++inputs_;
  while (state_ == State::connected || state_ == State::connecting) {
    // What is no broker of MQTT at all is told from its first byte, before it makes us wait for the rest of a packet.
    if (state_ == State::connecting && !in.empty() && !may_begin(in.front())) {
      fail(errc::protocol_error, Reason::protocol_error, "the first packet is no CONNACK");
      break;
    }
    mqtt::Frame f;
    mqtt::FrameStatus status = take_frame(in, mqtt::kMaxPacketSize, f);
    if (status == mqtt::FrameStatus::partial) break;
    if (status != mqtt::FrameStatus::complete) {
      fail(errc::protocol_error, Reason::malformed_packet, "the length of a packet is malformed");
      break;
    }
    on_frame(f);
  }
  if (state_ == State::ended) return bytes.size();  // nothing more is read
  if (!resend_.empty()) resend();
  if (blocked_) tell_room();
  return bytes.size() - in.size();
}

void Engine::on_frame(const mqtt::Frame& f) {
  switch (f.type) {
    case PacketType::publish:
      return on_publish(f);
    case PacketType::puback:
    case PacketType::pubrec:
    case PacketType::pubrel:
    case PacketType::pubcomp:
      return on_ack(f);
    case PacketType::connack:
      return on_connack(f);
    case PacketType::suback:
    case PacketType::unsuback:
      return on_suback(f);
    case PacketType::pingresp:
      return;
    case PacketType::disconnect:
    case PacketType::auth:
      return on_reason_packet(f);
    default:
      fail(errc::protocol_error, Reason::protocol_error, "a packet that only clients send");
  }
}

void Engine::on_connack(const mqtt::Frame& f) {
  if (state_ != State::connecting) return fail(errc::protocol_error, Reason::protocol_error, "a second CONNACK");
  mqtt::Connack& c = scratch().connack;
  mqtt::Version v = options_.version;
  // A broker of 3.1.1 refuses version 5 in its own form: without properties. [MQTT-3.1.2-2] of 3.1.1
  if (v == mqtt::Version::v5 && f.body.size() == 2 && f.body[1] != 0) v = mqtt::Version::v311;
  if (!ok(decode_connack(v, f.flags, f.body, c)))
    return fail(errc::protocol_error, Reason::malformed_packet, "CONNACK is malformed");
  Reason reason = v == mqtt::Version::v5 ? static_cast<Reason>(c.code) : reason_of_v3(c.code);
  if (reason != Reason::success) {
    std::string_view elsewhere =
        c.properties.has(PropertyId::server_reference) ? c.properties.server_reference : std::string_view();
    return stop({make_error_code(errc::refused), reason, reason_string(c.properties), elsewhere});
  }
  state_ = State::connected;
  resumed_ = true;
  take_limits(c.properties);
  if (!c.session_present) inbound_.clear();
  prepare_resend(c.session_present);
  for (mqtt::PacketId id : resend_) {
    OutWindow::Slot& s = window_.at(id);
    if (s.state == OutWindow::State::pubcomp) continue;
    // DUP only towards a broker that may have seen it [MQTT-3.3.1-1].
    s.packet[0] = static_cast<char>(c.session_present ? s.packet[0] | 8 : s.packet[0] & ~8);
  }
  resend();
  link_.on_up();
  handler_.on_connected(c);
}

void Engine::take_limits(const mqtt::Properties& p) {
  auto or_else = [&p](PropertyId id, auto value, auto otherwise) { return p.has(id) ? value : otherwise; };
  using enum PropertyId;
  std::uint16_t theirs = or_else(receive_maximum, p.receive_maximum, std::uint16_t{65535});
  window_size_ = std::min({theirs, std::max<std::uint16_t>(options_.max_inflight, 1), OutWindow::kMaxId});
  max_qos_ = or_else(maximum_qos, p.maximum_qos, std::uint8_t{2});
  retain_available_ = or_else(retain_available, p.retain_available, std::uint8_t{1}) != 0;
  max_packet_size_ =
      std::min(or_else(maximum_packet_size, p.maximum_packet_size, mqtt::kMaxPacketSize), mqtt::kMaxPacketSize);
  keep_alive_ = or_else(server_keep_alive, p.server_keep_alive, options_.keep_alive);
  out_aliases_.reset(
      std::min(or_else(topic_alias_maximum, p.topic_alias_maximum, std::uint16_t{0}), options_.topic_aliases));
  if (client_id_.empty() && p.has(assigned_client_identifier)) client_id_ = p.assigned_client_identifier;
}

void Engine::on_publish(const mqtt::Frame& f) {
  mqtt::Publish& p = scratch().publish;
  if (!ok(decode_publish(options_.version, f.flags, f.body, p))) [[unlikely]]
    return fail(errc::protocol_error, Reason::malformed_packet, "PUBLISH is malformed");
  if (p.has_properties && p.properties.has(PropertyId::topic_alias)) {
    if (!in_aliases_.resolve(p.properties.topic_alias, options_.topic_alias_maximum, p.topic))
      return fail(errc::protocol_error, Reason::topic_alias_invalid, "PUBLISH with an unknown topic alias");
  } else if (p.topic.empty()) [[unlikely]] {
    return fail(errc::protocol_error, Reason::protocol_error, "PUBLISH without a topic");
  }
  if (p.qos == 0) return handler_.on_message(p);
  mqtt::PacketId id = p.packet_id;
  std::uint8_t qos = p.qos;
  if (qos == 2 && !inbound_.insert(id)) return send_ack(PacketType::pubrec, id, Reason::success);  // seen before
  handler_.on_message(p);
  if (!options_.manual_ack) ack(id, qos);
}

void Engine::on_ack(const mqtt::Frame& f) {
  mqtt::Ack& a = scratch().ack;
  if (!ok(decode_ack(options_.version, f.type, f.flags, f.body, a)))
    return fail(errc::protocol_error, Reason::malformed_packet, "an acknowledgement is malformed");
  if (f.type == PacketType::pubrel) return on_pubrel(a.packet_id);
  using Waits = OutWindow::State;
  OutWindow::Slot* s;
  switch (f.type) {
    case PacketType::puback:
      s = window_.find(a.packet_id, Waits::puback);
      break;
    case PacketType::pubcomp:
      s = window_.find(a.packet_id, Waits::pubcomp);
      break;
    default:  // PUBREC
      s = window_.find(a.packet_id, Waits::pubrec);
      if (!s && !window_.find(a.packet_id, Waits::pubcomp))
        return send_ack(PacketType::pubrel, a.packet_id, Reason::packet_identifier_not_found);
      if (ok(a.reason)) {
        if (s) {
          s->state = Waits::pubcomp;
          s->packet.clear();
        }
        return send_ack(PacketType::pubrel, a.packet_id, Reason::success);
      }
  }
  if (s) complete(a.packet_id, a.reason, reason_string(a.properties));
}

void Engine::on_pubrel(mqtt::PacketId id) {
  bool known = inbound_.erase(id);
  send_ack(PacketType::pubcomp, id, known ? Reason::success : Reason::packet_identifier_not_found);
}

void Engine::complete(mqtt::PacketId id, Reason reason, std::string_view text) {
  std::uint64_t token = window_.at(id).token;
  window_.release(id);
  handler_.on_published(token, reason, text);
}

void Engine::on_suback(const mqtt::Frame& f) {
  mqtt::SubscribeAck& a = scratch().suback;
  if (!ok(decode_suback(options_.version, f.type, f.flags, f.body, a)))
    return fail(errc::protocol_error, Reason::malformed_packet, "SUBACK is malformed");
  if (!answered(a.packet_id)) return;  // of a request before a reconnect, or of nobody
  f.type == PacketType::suback ? handler_.on_suback(a) : handler_.on_unsuback(a);
}

void Engine::on_reason_packet(const mqtt::Frame& f) {
  mqtt::ReasonPacket& r = scratch().reason;
  bool is_auth = f.type == PacketType::auth;
  if (options_.version != mqtt::Version::v5)
    return fail(errc::protocol_error, Reason::protocol_error, "a packet of MQTT 5");
  Reason e = is_auth ? decode_auth(options_.version, f.flags, f.body, r)
                     : decode_disconnect(options_.version, f.flags, f.body, r);
  if (!ok(e)) return fail(errc::protocol_error, e, is_auth ? "AUTH is malformed" : "DISCONNECT is malformed");
  if (is_auth) return handler_.on_auth(r);
  std::string_view elsewhere =
      r.properties.has(PropertyId::server_reference) ? r.properties.server_reference : std::string_view();
  stop({make_error_code(errc::server_disconnect), r.reason, reason_string(r.properties), elsewhere});
}

}  // namespace sb::client
