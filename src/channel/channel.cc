// SPDX-License-Identifier: MIT
#include "channel/channel.h"

#include <algorithm>

#include "base/log.h"
#include "base/utf8.h"
#include "channel/connecting.h"
#include "model/topic.h"
#include "mqtt/encoder.h"

namespace sb::channel {

using model::OutboundState;
using mqtt::Frame;
using mqtt::FrameStatus;
using mqtt::PacketId;
using mqtt::PacketType;
using mqtt::Reason;
using mqtt::Version;
using session::InFlight;

namespace {
constexpr std::uint32_t kMaxConnect = 256 * 1024;  // bytes
}

Channel::Channel(Transport& transport, Host& host, const ChannelConfig& config)
    : transport_(transport), host_(host), config_(config), last_packet_(host.now) {}

Channel::~Channel() = default;

// ---------------------------------------------------------------- input

bool Channel::input_must_wait() const {
  if (state_ == State::opening || subscribing_) return true;
  if (state_ == State::authenticating && !connecting_->exchange) return true;
  if (out_.size() > config_.limits.output_bytes) return true;  // a client that asks but does not read
  // 3.x knows no Receive Maximum: its publishes just wait. Version 5 may not send more [MQTT-3.3.4-9].
  return acks_ && version_ != Version::v5 && acks_->size() >= config_.limits.receive_maximum;
}

std::size_t Channel::input(std::string_view bytes) {
  std::string_view rest = bytes;
  Frame f;
  waiting_input_ = false;
  while (state_ != State::closed && !rest.empty()) {
    if (input_must_wait()) {
      waiting_input_ = true;
      break;
    }
    // Nobody is known yet: a CONNECT is small, and so is what a stranger can make us keep.
    std::uint32_t bound = config_.limits.max_packet_size;
    if (state_ == State::awaiting_connect) bound = std::min(bound, kMaxConnect);
    switch (mqtt::take_frame(rest, bound, f)) {
      case FrameStatus::complete:
        last_packet_ = host_.now;
        host_.counters.packets_received.add();
        handle(f);
        continue;
      case FrameStatus::partial:
        if (state_ != State::awaiting_connect || static_cast<unsigned char>(rest.front()) >> 4 == 1)
          return bytes.size() - rest.size();
        close(Ending::with_will);  // what else it may be going to be, it is no CONNECT [MQTT-3.1.0-1]
        break;
      case FrameStatus::malformed:
        fail(Reason::malformed_packet);
        break;
      case FrameStatus::too_large:
        fail(Reason::packet_too_large);
        break;  // [MQTT5 3.2.2.3.6]
    }
    break;
  }
  return state_ == State::closed ? bytes.size() : bytes.size() - rest.size();
}

void Channel::handle(const Frame& f) {
  if (f.overlong && version_ == Version::v5) [[unlikely]]
    return fail(Reason::malformed_packet);
  if (f.type == PacketType::publish && state_ == State::up) [[likely]]
    return on_publish(f);
  if (state_ == State::awaiting_connect) {
    if (f.type != PacketType::connect) return close(Ending::with_will);  // [MQTT-3.1.0-1]
    return on_connect(f);
  }
  if (state_ == State::authenticating) {
    // Until CONNACK a client may only go on with the exchange. [MQTT-3.1.4-6]
    if (f.type == PacketType::auth) return on_auth(f);
    if (f.type == PacketType::disconnect) return close(Ending::disconnected);
    return fail(Reason::protocol_error);
  }
  switch (f.type) {
    case PacketType::puback:
      return on_puback(f);
    case PacketType::pubrec:
      return on_pubrec(f);
    case PacketType::pubrel:
      return on_pubrel(f);
    case PacketType::pubcomp:
      return on_pubcomp(f);
    case PacketType::subscribe:
      return on_subscribe(f);
    case PacketType::unsubscribe:
      return on_unsubscribe(f);
    case PacketType::pingreq: {
      if (Reason e = mqtt::decode_empty(f.flags, f.body); !ok(e)) return fail(e);
      return send({"\xD0\x00", 2});
    }
    case PacketType::disconnect:
      return on_disconnect(f);
    case PacketType::auth:
      return on_auth(f);
    case PacketType::reserved:
      return fail(Reason::malformed_packet);
    default:
      return fail(Reason::protocol_error);  // a second CONNECT [MQTT-3.1.0-2], packets only a server sends
  }
}

// ---------------------------------------------------------------- PUBLISH from the client

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
  accept_publish(p, topic, f);
}

void Channel::accept_publish(const mqtt::Publish& p, std::string_view topic, const Frame& f) {
  // What CONNACK told a version 5 client not to do [MQTT-3.2.2-11] [MQTT-3.2.2-14].
  if (p.qos > config_.limits.max_qos) return fail(Reason::qos_not_supported);
  if (p.retain && !config_.features.retain) return fail(Reason::retain_not_supported);
  PacketType answer = p.qos == 1 ? PacketType::puback : PacketType::pubrec;
  if (p.qos > 0) {
    bool known = p.qos == 2 && session_->inbound_has(p.packet_id);
    if (known) {  // sent again: it was taken before, it is not routed again [MQTT-4.3.3-10]
      if (!acks_ || acks_->empty()) return acknowledge(p.packet_id, answer, Reason::success);
      if (!acks_->pending(p.packet_id)) acks_->push(p.packet_id, answer, true, Reason::success);
      return;
    }
    // QoS 2 counts until PUBCOMP, and is among the inbound ids as long; QoS 1 until PUBACK.
    // What an earlier connection left does not count for this one.
    std::size_t quota = config_.limits.receive_maximum + session_->inbound_carried;
    std::size_t under_way = session_->inbound_count() + (acks_ ? acks_->pubacks() : 0);
    if (under_way >= quota) {
      if (version_ == Version::v5) return fail(Reason::receive_maximum_exceeded);  // [MQTT-3.3.4-9]
      if (p.qos == 2 && session_->inbound_count() >= quota) return fail(Reason::receive_maximum_exceeded);
    }
    if (p.qos == 2) session_->inbound_add(p.packet_id);
  }

  Routed r{false, Reason::not_authorized};
  std::uint64_t seq = acks_ ? acks_->next_seq() : 1;
  if (memo_allowed_) [[likely]] {
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
  mqtt::Ack& a = host_.decoded.ack;
  if (Reason e = mqtt::decode_ack(version_, f.type, f.flags, f.body, a); !ok(e)) return fail(e);
  if (!session_->inbound_has(a.packet_id)) {
    // Unknown: answered all the same, so that the client can finish [MQTT-4.3.3-11]; version 5 says so.
    std::string packet;
    mqtt::encode_ack(packet, version_, PacketType::pubcomp, a.packet_id, Reason::packet_identifier_not_found);
    return send(packet);
  }
  if (!host_.release_inbound(*this, a.packet_id)) inbound_released(a.packet_id);
}

void Channel::inbound_released(PacketId id) {
  if (state_ != State::up) return;
  session_->inbound_remove(id);
  mqtt::put_short_ack(out_.reserve(4), PacketType::pubcomp, id);
  out_.commit(4);
  host_.counters.packets_sent.add();
  touched_output();
}

// ---------------------------------------------------------------- acknowledgements from the client

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
  mqtt::Ack& a = host_.decoded.ack;
  if (Reason e = mqtt::decode_ack(version_, f.type, f.flags, f.body, a); !ok(e)) return fail(e);
  InFlight* e = session_->window.find(a.packet_id);
  if (!e) return;  // of an earlier connection, or a repeat
  if (e->state != OutboundState::sent_qos1) return fail(Reason::protocol_error);
  finish_entry(a.packet_id);
}

void Channel::on_pubrec(const Frame& f) {
  mqtt::Ack& a = host_.decoded.ack;
  if (Reason e = mqtt::decode_ack(version_, f.type, f.flags, f.body, a); !ok(e)) return fail(e);
  PacketId id = a.packet_id;
  InFlight* e = session_->window.find(id);
  if (!e) {
    std::string packet;  // [MQTT-4.3.3-...]: the exchange is unknown here; PUBREL lets the client end it
    mqtt::encode_ack(packet, version_, PacketType::pubrel, id, Reason::packet_identifier_not_found);
    return send(packet);
  }
  if (e->state == OutboundState::sent_qos1) return fail(Reason::protocol_error);
  if (!ok(a.reason)) return finish_entry(id);       // the client refused it: done [MQTT-4.3.3-4]
  if (e->state == OutboundState::received) return;  // its answer waits for the store
  if (e->state == OutboundState::released) return send_pubrel(id);
  e->state = OutboundState::received;
  e->message.reset();
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
  mqtt::Ack& a = host_.decoded.ack;
  if (Reason e = mqtt::decode_ack(version_, f.type, f.flags, f.body, a); !ok(e)) return fail(e);
  InFlight* e = session_->window.find(a.packet_id);
  if (!e) return;
  if (e->state != OutboundState::released) return fail(Reason::protocol_error);
  finish_entry(a.packet_id);
}

// ---------------------------------------------------------------- SUBSCRIBE, UNSUBSCRIBE

/// success, a code for SUBACK, or malformed_packet / protocol_error / topic_filter_invalid that end the connection.
Reason Channel::check_filter(std::string_view filter, const model::SubscribeOptions& o) const {
  const auto& limits = config_.limits;
  std::string_view inner = filter;
  if (model::is_shared(filter)) {
    if (version_ == Version::v5 && o.no_local) return Reason::protocol_error;  // [MQTT-3.8.3-4]
    auto shared = model::split_shared(filter);
    if (!shared) return Reason::topic_filter_invalid;  // [MQTT-4.8.2-1] [MQTT-4.8.2-2]
    if (!config_.features.shared_subscriptions) return Reason::shared_subscriptions_not_supported;
    inner = shared->filter;
  } else if (!model::is_topic_filter(filter)) {
    return Reason::topic_filter_invalid;
  }
  if (!config_.features.wildcard_subscriptions && model::has_wildcard(inner))
    return Reason::wildcard_subscriptions_not_supported;
  if (filter.size() > limits.topic_length || model::level_count(inner) > limits.topic_levels)
    return Reason::quota_exceeded;
  return Reason::success;
}

void Channel::on_subscribe(const Frame& f) {
  mqtt::Subscribe& s = host_.decoded.subscribe;
  if (Reason e = mqtt::decode_subscribe(version_, f.flags, f.body, s); !ok(e)) return fail(e);
  std::uint32_t subscription_id = 0;
  if (s.properties.has(mqtt::PropertyId::subscription_identifier)) {
    if (!config_.features.subscription_identifiers) return fail(Reason::subscription_identifiers_not_supported);
    subscription_id = s.properties.subscription_identifiers.front();
  }
  auto& items = host_.decoded.items;
  items.clear();
  for (auto& e : s.entries) {
    Reason r = check_filter(e.filter, e.options);
    // Wrong in form, not just refused: the connection ends [MQTT-4.7.1-1] [MQTT-4.13.1-1].
    if (r == Reason::topic_filter_invalid || r == Reason::protocol_error) return fail(r);
    model::SubscribeOptions o = e.options;
    if (o.qos > config_.limits.max_qos) o.qos = config_.limits.max_qos;
    items.push_back({e.filter, o, r});
  }
  subscribing_ = true;
  host_.subscribe(*this, s.packet_id, items, subscription_id);
}

void Channel::subscribed(PacketId id, const std::vector<Reason>& codes) {
  if (state_ != State::up) return;
  std::string packet;
  mqtt::encode_suback(packet, version_, PacketType::suback, id, codes);
  send(packet);
  subscribing_ = false;
  if (waiting_input_ && !input_must_wait()) transport_.resume_input();
}

void Channel::on_unsubscribe(const Frame& f) {
  mqtt::Unsubscribe& u = host_.decoded.unsubscribe;
  if (Reason e = mqtt::decode_unsubscribe(version_, f.flags, f.body, u); !ok(e)) return fail(e);
  for (auto filter : u.filters) {
    bool valid = model::is_shared(filter) ? model::split_shared(filter).has_value() : model::is_topic_filter(filter);
    if (!valid) return fail(Reason::topic_filter_invalid);
  }
  subscribing_ = true;
  host_.unsubscribe(*this, u.packet_id, u.filters);
}

void Channel::unsubscribed(PacketId id, const std::vector<Reason>& codes) {
  if (state_ != State::up) return;
  std::string packet;
  mqtt::encode_suback(packet, version_, PacketType::unsuback, id, codes);
  send(packet);
  subscribing_ = false;
  if (waiting_input_ && !input_must_wait()) transport_.resume_input();
}

// ---------------------------------------------------------------- output, time, end

void Channel::send(std::string_view packet) {
  if (packet.size() > client_packet_max_) return;  // [MQTT-3.1.2-24]
  out_.append(packet);
  host_.counters.packets_sent.add();
  touched_output();
}

void Channel::drained() {
  if (state_ == State::closed) return;
  if (waiting_input_ && !input_must_wait()) transport_.resume_input();
  if (state_ == State::up) pump();
}

MonoTime Channel::deadline() const {
  switch (state_) {
    case State::closed:
      return kNever;
    case State::up:
      if (keep_alive_ == 0) return kNever;
      return last_packet_ + Millis(keep_alive_ * 1500u);  // [MQTT-3.1.2-22]: one and a half times
    default:
      return last_packet_ + Seconds(config_.limits.connect_timeout);
  }
}

void Channel::on_deadline() {
  if (state_ == State::closed || host_.now < deadline()) return;
  if (state_ != State::up) return close(Ending::with_will);
  if (waiting_input_) {  // it is us who do not listen; limits.output_stall ends this if nothing moves
    last_packet_ = host_.now;
    return;
  }
  host_.counters.keep_alive_timeouts.add();
  log::info("keep alive timeout client={} peer={} keep_alive={}", log::name(session_->client_id), transport_.peer(),
            keep_alive_);
  shut_down(Reason::keep_alive_timeout);
}

/// Properties that explain a refusal, when the client wants them [MQTT-3.1.2-29].
std::string Channel::reason_properties(Reason reason) const {
  if (!problem_information_) return {};
  mqtt::PropertyWriter w;
  w.text(mqtt::PropertyId::reason_string, mqtt::text(reason));
  return std::string(w.bytes());
}

/// The client broke the protocol.
void Channel::fail(Reason reason) {
  if (state_ == State::closed) return;
  host_.counters.protocol_errors.add();
  log::info("protocol error client={} peer={} reason=\"{}\"",
            session_ ? log::name(session_->client_id) : std::string("-"), transport_.peer(), mqtt::text(reason));
  if (state_ != State::up) return refuse(reason);
  shut_down(reason);
}

void Channel::shut_down(Reason reason, Ending how) {
  if (state_ == State::closed) return;
  // A broker that goes away says where to go instead, when it knows.
  if (reason == Reason::server_shutting_down && !config_.server_reference.empty()) reason = Reason::use_another_server;
  if (state_ != State::up) {
    if (state_ == State::awaiting_connect) return close(how);
    return refuse(reason);
  }
  if (version_ == Version::v5) {
    mqtt::PropertyWriter w;
    w.text(mqtt::PropertyId::reason_string, mqtt::text(reason));
    if ((reason == Reason::server_moved || reason == Reason::use_another_server) && !config_.server_reference.empty())
      w.text(mqtt::PropertyId::server_reference, config_.server_reference);
    std::string packet;
    mqtt::encode_disconnect(packet, version_, reason, w.bytes());
    if (packet.size() > client_packet_max_) {  // the reason string is left out rather than the reason
      packet.clear();
      mqtt::encode_disconnect(packet, version_, reason);
    }
    send(packet);
  }
  close(how);
}

void Channel::lost() {
  if (state_ == State::closed) return;
  out_.clear();
  close(Ending::with_will);
}

void Channel::close(Ending how) {
  if (state_ == State::closed) return;
  state_ = State::closed;
  memo_.reset();
  exchange_.reset();
  host_.closed(*this, std::move(session_), how);
  connecting_.reset();
  will_.reset();  // acks_ stays: it may be what is being worked off
  transport_.close_soon();
}

}  // namespace sb::channel
