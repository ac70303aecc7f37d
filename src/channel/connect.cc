// SPDX-License-Identifier: MIT
// How a connection comes up and goes in good order: CONNECT, AUTH, CONNACK, DISCONNECT.
#include <algorithm>

#include "channel/channel.h"
#include "channel/connecting.h"
#include "channel/publish_rate.h"
#include "model/topic.h"
#include "mqtt/encoder.h"

namespace sb::channel {

using mqtt::Frame;
using mqtt::PropertyId;
using mqtt::Reason;
using mqtt::Version;

namespace {

std::unique_ptr<model::WillRecord> copy_will(const mqtt::Will& w, std::string& scratch) {
  auto will = std::make_unique<model::WillRecord>();
  model::MessageView m;
  m.topic = w.topic;
  m.payload = w.payload;
  m.qos = w.qos;
  m.retain = w.retain;
  if (w.properties.present) {
    // The delay belongs to the will, not to its message; the rest travels as with a PUBLISH.
    scratch.clear();
    mqtt::PropertyWriter out;
    const auto& p = w.properties;
    if (p.has(PropertyId::payload_format_indicator))
      out.u8(PropertyId::payload_format_indicator, p.payload_format_indicator);
    if (p.has(PropertyId::content_type)) out.text(PropertyId::content_type, p.content_type);
    if (p.has(PropertyId::response_topic)) out.text(PropertyId::response_topic, p.response_topic);
    if (p.has(PropertyId::correlation_data)) out.text(PropertyId::correlation_data, p.correlation_data);
    for (auto& [k, v] : p.user) out.pair(k, v);
    scratch.assign(out.bytes());
    m.properties = scratch;
    if (p.has(PropertyId::will_delay_interval)) will->delay = p.will_delay_interval;
    if (p.has(PropertyId::message_expiry_interval)) {
      will->expires = true;
      will->expiry_interval = p.message_expiry_interval;
    }
  }
  will->message = model::Message::copy(m);
  return will;
}

}  // namespace

/// CONNACK with a refusal, then the end. 3.x: closed without a word where there is no code [MQTT3 3.2.2.3].
void Channel::refuse(Reason reason, std::string_view properties) {
  host_.counters.connects_refused.add();
  host_.refused(*this, reason);
  tell(EventKind::refused, mqtt::text(reason));
  if (version_ == Version::v5) reason = mqtt::connack_reason(reason);
  std::string packet;
  if (version_ == Version::v5) {
    std::string explained(properties);
    explained += reason_properties(reason);
    if ((reason == Reason::server_moved || reason == Reason::use_another_server) && !config_.server_reference.empty()) {
      mqtt::PropertyWriter w;
      w.text(PropertyId::server_reference, config_.server_reference);
      explained += w.bytes();
    }
    mqtt::encode_connack(packet, version_, false, static_cast<std::uint8_t>(reason), explained);
    if (packet.size() > client_packet_max_) {  // what explains it is left out rather than the answer [MQTT-3.2.2-19]
      packet.clear();
      mqtt::encode_connack(packet, version_, false, static_cast<std::uint8_t>(reason), properties);
    }
    send(packet);
  } else if (std::uint8_t code = mqtt::connack_code_v3(reason)) {
    mqtt::encode_connack(packet, version_, false, code);
    send(packet);
  }
  close(Ending::disconnected);
}

void Channel::on_connect(const Frame& f) {
  mqtt::Connect& c = host_.decoded.connect;
  Reason e = mqtt::decode_connect(f.flags, f.body, c);
  if (e == Reason::unsupported_protocol_version) {
    version_ = Version::v311;  // the answer that every version understands [MQTT-3.1.2-2]
    return refuse(e);
  }
  if (c.level == 0) return drop("not MQTT");  // [MQTT-3.1.2-1]
  version_ = static_cast<Version>(c.level);
  if (!ok(e)) return fail(e);
  if (!take_connect(c)) return;
  state_ = State::authenticating;
  host_.admit(*this, connecting_->client_id, connecting_->expiry > 0);
}

void Channel::admitted(Reason reason) {
  if (state_ != State::authenticating || connecting_->admitted) return;
  if (!ok(reason)) return refuse(reason);
  connecting_->admitted = true;
  last_packet_ = host_.now;  // what follows has its own time
  if (auth_method_)
    start_enhanced(std::exchange(connecting_->auth_data, {}));
  else
    host_.authenticate(*this, credentials());
  if (waiting_input_ && state_ != State::closed && !input_must_wait()) transport_.resume_input();
}

/// Checks CONNECT and keeps what is needed of it; false when the connection was refused.
bool Channel::take_connect(const mqtt::Connect& c) {
  const auto& limits = config_.limits;
  if (c.client_id.empty() && version_ != Version::v5 && (!c.clean_start || version_ == Version::v31))
    return refuse(Reason::client_identifier_not_valid), false;  // [MQTT-3.1.3-8]
  if (c.will) {
    if (c.will->topic.size() > limits.topic_length || model::level_count(c.will->topic) > limits.topic_levels)
      return refuse(Reason::topic_name_invalid), false;
    if (c.will->qos > limits.max_qos) return refuse(Reason::qos_not_supported), false;  // [MQTT-3.2.2-12]
    if (c.will->retain && !config_.features.retain)
      return refuse(Reason::retain_not_supported), false;  // [MQTT-3.2.2-13]
    if (c.will->properties.has(PropertyId::response_topic) && version_ == Version::v5 &&
        !model::is_topic_name(c.will->properties.response_topic))
      return refuse(Reason::protocol_error), false;
  }
  connecting_ = std::make_unique<Connecting>();
  Connecting& k = *connecting_;
  k.peer = transport_.peer();
  k.tls_identity = transport_.tls_identity();
  k.assigned_id = c.client_id.empty();
  k.client_id = k.assigned_id ? host_.new_client_id() : std::string(c.client_id);
  if (c.username) k.username = *c.username;
  if (c.password) k.password = *c.password;
  k.clean_start = c.clean_start;
  if (version_ == Version::v5) {
    const auto& p = c.properties;
    k.asked_expiry = p.has(PropertyId::session_expiry_interval) ? p.session_expiry_interval : 0;
    if (p.has(PropertyId::receive_maximum)) client_receive_max_ = p.receive_maximum;
    if (p.has(PropertyId::maximum_packet_size)) client_packet_max_ = p.maximum_packet_size;
    if (p.has(PropertyId::topic_alias_maximum))
      client_alias_max_ = std::min(p.topic_alias_maximum, limits.topic_alias_maximum_out);
    if (p.has(PropertyId::request_problem_information)) problem_information_ = p.request_problem_information;
    k.wants_response_information = p.has(PropertyId::request_response_information) && p.request_response_information;
    if (p.has(PropertyId::authentication_method)) auth_method_ = std::make_unique<std::string>(p.authentication_method);
    if (p.has(PropertyId::authentication_data)) k.auth_data = p.authentication_data;
  } else {
    k.asked_expiry = c.clean_start ? 0 : limits.session_expiry_max;  // 3.x sessions have no end of their own
  }
  k.expiry = std::min(k.asked_expiry, limits.session_expiry_max);
  k.asked_keep_alive = c.keep_alive;
  keep_alive_ = c.keep_alive;
  if (version_ == Version::v5 && limits.keep_alive_max != 65535 &&
      (c.keep_alive == 0 || c.keep_alive > limits.keep_alive_max))
    keep_alive_ = limits.keep_alive_max;
  if (c.will) k.will = copy_will(*c.will, host_.decoded.scratch);
  return true;
}

ports::Credentials Channel::credentials() const {
  ports::Credentials who;
  const Connecting& k = *connecting_;
  who.client_id = k.client_id;
  if (k.username) who.username = *k.username;
  if (k.password) who.password = *k.password;
  who.tls_identity = k.tls_identity;
  who.proven = k.proven;
  who.peer = k.peer;
  who.anonymous_allowed = config_.allow_anonymous;
  return who;
}

// ---------------------------------------------------------------- enhanced authentication [MQTT5 4.12]

void Channel::start_enhanced(std::string_view data) {
  connecting_->exchange = host_.start_exchange(*auth_method_, credentials());
  if (!connecting_->exchange) return refuse(Reason::bad_authentication_method);  // [MQTT-4.12.0-1]
  exchange_step(data);
}

/// One step of the exchange that is under way: the first one, or a re-authentication.
void Channel::exchange_step(std::string_view data) {
  bool first = state_ != State::up;
  auto& exchange = first ? connecting_->exchange : exchange_;
  auto step = exchange->step(data);
  mqtt::PropertyWriter w;
  w.text(PropertyId::authentication_method, *auth_method_);
  if (!step.data.empty()) w.text(PropertyId::authentication_data, step.data);
  std::string packet;
  if (step.reason == Reason::continue_authentication) {
    mqtt::encode_auth(packet, Reason::continue_authentication, w.bytes());  // [MQTT-4.12.0-2]
    return send(packet);
  }
  if (!ok(step.reason)) {
    if (first) return refuse(step.reason);     // [MQTT-4.12.0-4]
    return shut_down(Reason::not_authorized);  // [MQTT-4.12.1-2]; DISCONNECT knows no "bad user name or password"
  }
  if (first) {
    connecting_->auth_data = std::move(step.data);
    connecting_->proven = std::move(step.username);
    exchange.reset();
    return host_.authenticate(*this, credentials());  // who it is is known now, and what it may do is asked there
  }
  exchange_.reset();
  if (step.username != session_->username) return shut_down(Reason::not_authorized);  // it is somebody else now
  mqtt::encode_auth(packet, Reason::success, w.bytes());
  send(packet);
}

void Channel::on_auth(const Frame& f) {
  mqtt::ReasonPacket& a = host_.decoded.reason;
  if (Reason e = mqtt::decode_auth(version_, f.flags, f.body, a); !ok(e)) return fail(e);
  // [MQTT-4.12.0-5] [MQTT-4.12.1-1]: always the method of CONNECT; without one there is no AUTH at all.
  if (!auth_method_ || !a.properties.has(PropertyId::authentication_method) ||
      a.properties.authentication_method != *auth_method_)
    return fail(Reason::protocol_error);
  std::string data(a.properties.has(PropertyId::authentication_data) ? a.properties.authentication_data
                                                                     : std::string_view());
  if (state_ == State::authenticating) {
    if (a.reason != Reason::continue_authentication || !connecting_->exchange) return fail(Reason::protocol_error);
    return exchange_step(data);
  }
  if (a.reason == Reason::reauthenticate) {
    ports::Credentials who;
    who.client_id = session_->client_id;
    exchange_ = host_.start_exchange(*auth_method_, who);
    if (!exchange_) return shut_down(Reason::bad_authentication_method);
  } else if (a.reason != Reason::continue_authentication || !exchange_) {
    return fail(Reason::protocol_error);
  }
  exchange_step(data);
}

// ---------------------------------------------------------------- the way to CONNACK

void Channel::authenticated(const ports::AuthDecision& decision) {
  if (state_ != State::authenticating) return;
  if (!ok(decision.reason)) return refuse(decision.reason);
  ask_for_session(decision);
}

void Channel::ask_for_session(ports::AuthDecision decision) {
  state_ = State::opening;
  Connecting& k = *connecting_;
  OpenRequest r;
  r.client_id = k.client_id;
  r.username = std::move(decision.username);
  r.rights = std::move(decision.rights);
  r.rights_end = decision.end;
  r.clean_start = k.clean_start;
  r.expiry = k.expiry;
  if (k.will) {
    r.will = *k.will;
    will_ = std::move(k.will);
  }
  host_.open(*this, std::move(r));
}

void Channel::opened(std::unique_ptr<session::Session> session, bool present, Reason reason) {
  if (state_ != State::opening) return;
  if (!session) return refuse(reason);
  session_ = std::move(session);
  publisher_ = model::publisher_of(session_->client_id);
  state_ = State::up;
  last_packet_ = host_.now;
  host_.counters.connects.add();
  host_.counters.connections.add();
  if (config_.limits.publish_rate || config_.limits.publish_bytes)
    rate_ = std::make_unique<PublishRate>(config_.limits);
  tell(EventKind::connected, present ? "session present" : "new session", {}, false);
  send_connack(present);
  if (state_ != State::up) return;
  connecting_.reset();
  transport_.deadline_changed();
  host_.started(*this);
  if (state_ == State::up) transport_.resume_input();
}

void Channel::send_connack(bool present) {
  const Connecting& k = *connecting_;
  mqtt::PropertyWriter w;
  if (version_ == Version::v5) {
    const auto& l = config_.limits;
    if (k.expiry != k.asked_expiry) w.u32(PropertyId::session_expiry_interval, k.expiry);
    if (l.receive_maximum != 65535) w.u16(PropertyId::receive_maximum, l.receive_maximum);
    if (l.max_qos < 2) w.u8(PropertyId::maximum_qos, l.max_qos);
    if (!config_.features.retain) w.u8(PropertyId::retain_available, 0);
    if (l.max_packet_size < mqtt::kMaxPacketSize) w.u32(PropertyId::maximum_packet_size, l.max_packet_size);
    if (k.assigned_id) w.text(PropertyId::assigned_client_identifier, k.client_id);  // [MQTT-3.2.2-16]
    if (l.topic_alias_maximum) w.u16(PropertyId::topic_alias_maximum, l.topic_alias_maximum);
    if (!config_.features.wildcard_subscriptions) w.u8(PropertyId::wildcard_subscription_available, 0);
    if (!config_.features.subscription_identifiers) w.u8(PropertyId::subscription_identifier_available, 0);
    if (!config_.features.shared_subscriptions) w.u8(PropertyId::shared_subscription_available, 0);
    if (keep_alive_ != k.asked_keep_alive) w.u16(PropertyId::server_keep_alive, keep_alive_);  // [MQTT-3.1.2-21]
    if (k.wants_response_information && !config_.response_information.empty())
      w.text(PropertyId::response_information, config_.response_information);
    if (auth_method_) {
      w.text(PropertyId::authentication_method, *auth_method_);
      if (!k.auth_data.empty()) w.text(PropertyId::authentication_data, k.auth_data);
    }
  }
  std::string packet;
  mqtt::encode_connack(packet, version_, present, 0, w.bytes());
  if (packet.size() > client_packet_max_) {  // and there is no DISCONNECT before CONNACK [MQTT-3.14.0-1]
    packet.clear();
    mqtt::encode_connack(packet, version_, false, static_cast<std::uint8_t>(Reason::packet_too_large));
    send(packet);
    return close(Ending::disconnected, "CONNACK too large for the client");
  }
  send(packet);
}

/// Reasons that only a server gives are a protocol error from a client [MQTT5 3.14.2.1].
static bool client_may_say(Reason r) {
  switch (r) {
    case Reason::success:
    case Reason::disconnect_with_will:
    case Reason::unspecified_error:
    case Reason::malformed_packet:
    case Reason::protocol_error:
    case Reason::implementation_specific_error:
    case Reason::topic_name_invalid:
    case Reason::receive_maximum_exceeded:
    case Reason::topic_alias_invalid:
    case Reason::packet_too_large:
    case Reason::message_rate_too_high:
    case Reason::quota_exceeded:
    case Reason::administrative_action:
    case Reason::payload_format_invalid:
      return true;
    default:
      return false;
  }
}

void Channel::on_disconnect(const Frame& f) {
  mqtt::ReasonPacket& d = host_.decoded.reason;
  if (Reason e = mqtt::decode_disconnect(version_, f.flags, f.body, d); !ok(e)) return fail(e);
  if (d.properties.has(PropertyId::session_expiry_interval)) {
    // [MQTT5 3.14.2.2.2]: a session that was to end with the connection cannot be made to stay now.
    if (session_->expiry == 0 && d.properties.session_expiry_interval != 0) return fail(Reason::protocol_error);
    session_->expiry = std::min(d.properties.session_expiry_interval, config_.limits.session_expiry_max);
  }
  if (d.properties.has(PropertyId::server_reference) || !client_may_say(d.reason)) return fail(Reason::protocol_error);
  close(d.reason == Reason::success ? Ending::disconnected : Ending::with_will, "disconnected",
        false);  // [MQTT-3.14.4-3]
}

}  // namespace sb::channel
