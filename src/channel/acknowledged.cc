// SPDX-License-Identifier: MIT
#include "channel/channel.h"
#include "mqtt/encoder.h"

// The client's acknowledgements of what was delivered to it: PUBACK, PUBREC and PUBCOMP.

namespace sb::channel {

using model::OutboundState;
using mqtt::Frame;
using mqtt::PacketId;
using mqtt::PacketType;
using mqtt::Reason;
using session::InFlight;

const mqtt::Ack* Channel::take_ack(const Frame& f) {
  mqtt::Ack& a = host_.decoded.ack;
  if (Reason e = mqtt::decode_ack(version_, f.type, f.flags, f.body, a); !ok(e)) return fail(e), nullptr;
  return &a;
}

void Channel::finish_entry(PacketId id) {
  if (InFlight* e = session_->window.find(id)) {
    host_.delivered(*this, id, *e);
    session_->window.erase(id);
  }
  pump();
}

void Channel::pump() {
  if (session_->has_waiting()) pump_queue();
  host_.pump(*this);
}

void Channel::on_puback(const Frame& f) {
  const mqtt::Ack* a = take_ack(f);
  if (!a) return;
  InFlight* e = session_->window.find(a->packet_id);
  if (!e) return;  // of an earlier connection, or a repeat
  if (e->state != OutboundState::sent_qos1) return fail(Reason::protocol_error);
  finish_entry(a->packet_id);
}

void Channel::on_pubrec(const Frame& f) {
  const mqtt::Ack* a = take_ack(f);
  if (!a) return;
  PacketId id = a->packet_id;
  InFlight* e = session_->window.find(id);
  if (!e) {
    std::string packet;  // [MQTT-4.3.3-...]: the exchange is unknown here; PUBREL lets the client end it
    mqtt::encode_ack(packet, version_, PacketType::pubrel, id, Reason::packet_identifier_not_found);
    return send(packet);
  }
  if (e->state == OutboundState::sent_qos1) return fail(Reason::protocol_error);
  if (!ok(a->reason)) return finish_entry(id);      // the client refused it: done [MQTT-4.3.3-4]
  if (e->state == OutboundState::received) return;  // its answer waits for the store
  if (e->state == OutboundState::released) return send_pubrel(id);
  e->state = OutboundState::received;
  session_->window.forget(*e);
  if (host_.release_outbound(*this, id, *e)) return;
  outbound_released(id);
}

void Channel::outbound_released(PacketId id) {
  if (state_ != State::up) return;
  InFlight* e = session_->window.find(id);
  if (!e) return;
  e->state = OutboundState::released;
  send_pubrel(id);
}

void Channel::send_pubrel(PacketId id) {
  mqtt::put_short_ack(out_.reserve(4), PacketType::pubrel, id);
  out_.commit(4);
  host_.counters.packets_sent.add();
  touched_output();
}

void Channel::on_pubcomp(const Frame& f) {
  const mqtt::Ack* a = take_ack(f);
  if (!a) return;
  InFlight* e = session_->window.find(a->packet_id);
  if (!e) return;
  if (e->state != OutboundState::released) return fail(Reason::protocol_error);
  finish_entry(a->packet_id);
}

}  // namespace sb::channel
