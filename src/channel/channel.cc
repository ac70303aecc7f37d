// SPDX-License-Identifier: MIT
#include "channel/channel.h"

#include <algorithm>

#include "base/log.h"
#include "channel/connecting.h"
#include "channel/publish_rate.h"
#include "mqtt/encoder.h"

namespace sb::channel {

using mqtt::Frame;
using mqtt::FrameStatus;
using mqtt::PacketType;
using mqtt::Reason;
using mqtt::Version;

namespace {
constexpr std::uint32_t kMaxConnect = 256 * 1024;  // bytes
}

Channel::Channel(Transport& transport, Host& host, const ChannelConfig& config)
    : transport_(transport), host_(host), config_(config), last_packet_(host.now) {}

Channel::~Channel() = default;

// ---------------------------------------------------------------- input

bool Channel::input_must_wait() {
  if (rate_ && !rate_->ready(host_.now)) {
    if (!std::exchange(rate_->waiting, true)) {
      host_.counters.limited_publish.add();
      tell(EventKind::quota, "read more slowly", "limits.publish_rate");
      transport_.deadline_changed();
    }
    return true;
  }
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
        drop("no CONNECT");  // whatever else it is going to be [MQTT-3.1.0-1]
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
    if (f.type != PacketType::connect) return drop("no CONNECT");  // [MQTT-3.1.0-1]
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
    case State::up: {
      MonoTime at = kNever;
      if (keep_alive_) at = last_packet_ + Millis(keep_alive_ * 1500u);  // [MQTT-3.1.2-22]: one and a half times
      return rate_ && rate_->waiting ? std::min(at, rate_->ready_at()) : at;
    }
    default:
      return last_packet_ + Seconds(config_.limits.connect_timeout);
  }
}

void Channel::on_deadline() {
  if (state_ == State::closed || host_.now < deadline()) return;
  if (state_ == State::awaiting_connect) return drop("no CONNECT in time");
  if (state_ == State::authenticating && connecting_->exchange) return drop("no AUTH in time");
  if (state_ != State::up)  // it is us who are late
    return refuse(connecting_->admitted ? Reason::server_busy : Reason::connection_rate_exceeded);
  if (rate_ && rate_->waiting && rate_->ready(host_.now)) {
    rate_->waiting = false;
    if (waiting_input_ && !input_must_wait()) transport_.resume_input();
    if (host_.now < deadline()) return;
  }
  if (waiting_input_) {  // it is us who do not listen; limits.output_stall ends this if nothing moves
    last_packet_ = host_.now;
    return;
  }
  host_.counters.keep_alive_timeouts.add();
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
  if (state_ != State::up) return refuse(reason);
  shut_down(reason);
}

void Channel::shut_down(Reason reason, Ending how) {
  if (state_ == State::closed) return;
  // A broker that goes away says where to go instead, when it knows.
  if (reason == Reason::server_shutting_down && !config_.server_reference.empty()) reason = Reason::use_another_server;
  if (state_ != State::up) {
    if (state_ == State::awaiting_connect) return close(how);  // there is no DISCONNECT before CONNACK
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
  const bool ordinary = reason == Reason::server_shutting_down || reason == Reason::use_another_server ||
                        reason == Reason::session_taken_over;
  close(how, mqtt::text(reason), !ordinary);
}

void Channel::lost(std::string_view why, bool fault) {
  if (state_ == State::closed) return;
  out_.clear();
  close(Ending::with_will, why, fault);
}

void Channel::stalled() {
  if (state_ == State::closed) return;
  host_.counters.output_stalls.add();
  lost("takes nothing", true);
}

/// Whoever it is, it is no MQTT client: closed without a word.
void Channel::drop(std::string_view why) {
  host_.counters.connects_refused.add();
  tell(EventKind::refused, why);
  close(Ending::disconnected);
}

void Channel::tell(EventKind kind, std::string_view reason, std::string_view what, bool fault) {
  if (!host_.hears.has(kind)) return;
  const std::string peer = transport_.peer();
  Event e{kind, {}, {}, peer, reason, what, fault};
  if (session_) {
    e.client = session_->client_id;
    e.user = session_->username;
  } else if (connecting_) {
    e.client = connecting_->client_id;
    if (connecting_->username) e.user = *connecting_->username;
  }
  host_.happened(e);
}

void Channel::close(Ending how, std::string_view why, bool fault) {
  if (state_ == State::closed) return;
  if (state_ == State::up) tell(EventKind::disconnected, why, {}, fault);
  state_ = State::closed;
  memo_.reset();
  exchange_.reset();
  host_.closed(*this, std::move(session_), how);
  connecting_.reset();
  will_.reset();  // acks_ stays: it may be what is being worked off
  transport_.close_soon();
}

}  // namespace sb::channel
