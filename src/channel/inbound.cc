// SPDX-License-Identifier: MIT
#include "base/utf8.h"
#include "channel/channel.h"
#include "channel/publish_rate.h"
#include "model/topic.h"
#include "mqtt/encoder.h"

// PUBLISH from the client, to its end: PUBACK, or PUBREC, PUBREL and PUBCOMP.

namespace sb::channel {

using mqtt::Frame;
using mqtt::PacketId;
using mqtt::PacketType;
using mqtt::Reason;
using mqtt::Version;

bool Channel::resolve_alias(const mqtt::Publish& p, std::string_view& topic) {
  std::uint16_t alias = p.properties.topic_alias;
  if (alias > config_.limits.topic_alias_maximum) return fail(Reason::topic_alias_invalid), false;  // [MQTT-3.3.2-9]
  if (!aliases_in_) aliases_in_ = std::make_unique<std::vector<std::string>>();
  if (aliases_in_->size() < alias) aliases_in_->resize(alias);
  std::string& known = (*aliases_in_)[alias - 1u];
  if (!topic.empty()) {
    if (!is_mqtt_utf8(topic)) return fail(Reason::malformed_packet), false;
    if (!model::is_topic_name(topic)) return fail(Reason::topic_name_invalid), false;
    known = topic;
  } else if (known.empty()) {
    return fail(Reason::topic_alias_invalid), false;
  }
  topic = known;
  return true;
}

void Channel::on_publish(const Frame& f) {
  mqtt::Publish& p = host_.decoded.publish;
  if (Reason e = mqtt::decode_publish(version_, f.flags, f.body, p); !ok(e)) return fail(e);
  if (rate_) [[unlikely]]
    rate_->take(f.whole.size(), host_.now);
  host_.counters.publishes_received.add();
  host_.counters.payload_received.add(p.payload.size());
  std::string_view topic = p.topic;
  if (p.has_properties) {
    using mqtt::PropertyId;
    // [MQTT-3.3.4-6]: only the server sends subscription identifiers.
    if (p.properties.has(PropertyId::subscription_identifier)) return fail(Reason::protocol_error);
    if (p.properties.has(PropertyId::response_topic) && !model::is_topic_name(p.properties.response_topic))
      return fail(Reason::protocol_error);  // [MQTT-3.3.2-14]
    if (p.properties.has(PropertyId::topic_alias) && !resolve_alias(p, topic)) return;
  }
  if (memo_ && memo_->topic == topic) [[likely]]
    return accept_publish(p, topic, f);

  if (topic.empty() && version_ == Version::v5) return fail(Reason::protocol_error);  // no topic, no alias
  if (!is_mqtt_utf8(topic)) return fail(Reason::malformed_packet);                    // [MQTT-3.3.2-1]
  if (!model::is_topic_name(topic)) return fail(Reason::topic_name_invalid);          // [MQTT-3.3.2-2]
  if (topic.size() > config_.limits.topic_length || model::level_count(topic) > config_.limits.topic_levels)
    return fail(Reason::topic_name_invalid);
  memo_ = host_.memo(topic);
  memo_allowed_ = host_.may_publish(*this, topic, false);
  memo_may_retain_ = Known::no_idea;
  if (!memo_allowed_) tell(EventKind::denied_publish, "not authorized", topic);
  accept_publish(p, topic, f);
}

/// As memo_allowed_, for messages that are retained; asked with the first of them.
bool Channel::may_retain(std::string_view topic) {
  if (memo_may_retain_ == Known::no_idea)
    memo_may_retain_ = host_.may_publish(*this, topic, true) ? Known::yes : Known::no;
  return memo_may_retain_ == Known::yes;
}

void Channel::accept_publish(const mqtt::Publish& p, std::string_view topic, const Frame& f) {
  // What CONNACK told a version 5 client not to do [MQTT-3.2.2-11] [MQTT-3.2.2-14].
  if (p.qos > config_.limits.max_qos) return fail(Reason::qos_not_supported);
  if (p.retain && !config_.features.retain) return fail(Reason::retain_not_supported);
  PacketType answer = p.qos == 1 ? PacketType::puback : PacketType::pubrec;
  if (p.qos > 0) {
    session::Session::Inbound* known = p.qos == 2 ? session_->inbound(p.packet_id) : nullptr;
    const bool again = known && std::exchange(known->unsure, false);
    if (known && !again) {  // sent again: it was taken before, it is not routed again [MQTT-4.3.3-10]
      if (!acks_ || acks_->empty()) return acknowledge(p.packet_id, answer, Reason::success);
      if (!acks_->pending(p.packet_id)) acks_->push(p.packet_id, answer, true, Reason::success);
      return;
    }
    // QoS 2 counts until PUBCOMP, and is among the inbound ids as long; QoS 1 until PUBACK.
    // What an earlier connection left does not count for this one.
    std::size_t quota = config_.limits.receive_maximum + session_->inbound_carried;
    std::size_t under_way = session_->inbound_count() + (acks_ ? acks_->pubacks() : 0);
    if (under_way >= quota && !again) {
      if (version_ == Version::v5) return fail(Reason::receive_maximum_exceeded);  // [MQTT-3.3.4-9]
      if (p.qos == 2 && session_->inbound_count() >= quota) return fail(Reason::receive_maximum_exceeded);
    }
    if (p.qos == 2) session_->inbound_add(p.packet_id);
  }

  Routed r{false, Reason::not_authorized};
  std::uint64_t seq = acks_ ? acks_->next_seq() : 1;
  if (memo_allowed_ && (!p.retain || may_retain(topic))) [[likely]] {
    model::MessageView m;
    m.topic = topic;
    m.payload = p.payload;
    m.qos = p.qos;
    m.retain = p.retain;
    m.publisher = publisher_;
    EncodedFrame frame;
    bool as_it_came = !p.dup && !p.retain && !f.overlong;
    if (p.has_properties) {
      m.properties = mqtt::forwarded_properties(p.properties, host_.decoded.scratch);
      as_it_came &= m.properties.data() == p.properties.raw.data();
      if (p.properties.has(mqtt::PropertyId::message_expiry_interval))
        m.expires_at = host_.wall + Seconds(p.properties.message_expiry_interval);
    }
    if (as_it_came) {
      frame = {f.whole.data(), static_cast<std::uint32_t>(f.whole.size()), 0};
      if (p.qos) frame.id_at = static_cast<std::uint32_t>(topic.data() + topic.size() - f.whole.data());
    }
    r = host_.route(*this, memo_, m, frame, p.packet_id, seq);
    if (memo_ && memo_->passing) [[unlikely]]
      memo_.reset();
  } else {
    host_.counters.publishes_denied.add();
  }
  if (p.qos == 0 || state_ == State::closed) return;
  if (r.pending || (acks_ && !acks_->empty())) {
    if (!acks_) acks_ = std::make_unique<AckQueue>();
    acks_->push(p.packet_id, answer, !r.pending, r.reason);
    return;
  }
  acknowledge(p.packet_id, answer, r.reason);
}

void Channel::acknowledge(PacketId id, PacketType type, Reason reason) {
  if (type == PacketType::pubrec && !ok(reason)) session_->inbound_remove(id);
  // 3.x has no way to say that a message was not stored, and an acknowledgement means safe: the connection ends
  // instead.
  if (version_ != Version::v5 && (reason == Reason::quota_exceeded || reason == Reason::unspecified_error))
    return shut_down(reason);
  if (reason == Reason::success || version_ != Version::v5) [[likely]] {
    mqtt::put_short_ack(out_.reserve(4), type, id);
    out_.commit(4);
    host_.counters.packets_sent.add();
    return touched_output();
  }
  std::string packet;
  mqtt::encode_ack(packet, version_, type, id, reason, ok(reason) ? std::string() : reason_properties(reason));
  if (packet.size() > client_packet_max_) {  // the reason string is left out rather than the answer [MQTT-3.4.2-2]
    packet.clear();
    mqtt::encode_ack(packet, version_, type, id, reason);
  }
  send(packet);
}

void Channel::routed(std::uint64_t seq, Reason reason) {
  if (state_ != State::up || !acks_) return;
  acks_->finish(seq, reason);
  acks_->release([&](const AckQueue::Entry& e) {
    if (state_ == State::up) acknowledge(e.id, e.type, e.reason);
  });
  if (state_ != State::up) return;
  if (waiting_input_ && !input_must_wait()) transport_.resume_input();
}

void Channel::on_pubrel(const Frame& f) {
  const mqtt::Ack* a = take_ack(f);
  if (!a) return;
  if (!session_->inbound_has(a->packet_id)) {
    // Unknown: answered all the same, so that the client can finish [MQTT-4.3.3-11]; version 5 says so.
    std::string packet;
    mqtt::encode_ack(packet, version_, PacketType::pubcomp, a->packet_id, Reason::packet_identifier_not_found);
    return send(packet);
  }
  if (!host_.release_inbound(*this, a->packet_id)) inbound_released(a->packet_id);
}

void Channel::inbound_released(PacketId id) {
  if (state_ != State::up) return;
  session_->inbound_remove(id);
  mqtt::put_short_ack(out_.reserve(4), PacketType::pubcomp, id);
  out_.commit(4);
  host_.counters.packets_sent.add();
  touched_output();
}

}  // namespace sb::channel
