// SPDX-License-Identifier: MIT
// What the application and the transport ask of the engine; what comes in is in engine_input.cc.
#include "client/engine.h"

#include <bit>

namespace sb::client {
namespace {

constexpr mqtt::PacketId kFirstRequest = OutWindow::kMaxId + 1;  // 64 ids, one bit of requests_ each
constexpr std::size_t kSharedPayload = 8 * 1024;                 // bytes from which a payload is not copied

}  // namespace

std::string Engine::connect_properties() const {
  const Options& o = options_;
  if (o.version != mqtt::Version::v5) return {};
  using enum mqtt::PropertyId;
  mqtt::PropertyWriter w;
  if (o.session_expiry) w.u32(session_expiry_interval, *o.session_expiry);
  if (o.receive_maximum) w.u16(receive_maximum, o.receive_maximum);
  if (o.maximum_packet_size) w.u32(maximum_packet_size, o.maximum_packet_size);
  if (o.topic_alias_maximum) w.u16(topic_alias_maximum, o.topic_alias_maximum);
  if (!o.auth_method.empty()) w.text(authentication_method, o.auth_method);
  if (!o.auth_data.empty()) w.text(authentication_data, o.auth_data);
  return std::string(w.bytes()) + o.properties;
}

void Engine::opened() {
  const Options& o = options_;
  state_ = State::connecting;
  unanswered_ = 0;
  sent_ = received_ = false;
  keep_alive_ = o.keep_alive;
  in_aliases_.reset();
  out_aliases_.reset(0);
  std::string properties = connect_properties();
  mqtt::ConnectOut c;
  c.version = o.version;
  c.client_id = client_id_;
  c.clean_start = o.clean_start && !(resumed_ && o.durable());
  c.keep_alive = o.keep_alive;
  c.properties = properties;
  c.username = o.username;
  c.password = o.password;
  if (o.will) c.will = {o.will->topic, o.will->payload, o.will->properties, o.will->qos, o.will->retain};
  std::string packet;
  mqtt::encode_connect(packet, c);
  send(packet);
}

void Engine::lost() {
  state_ = State::closed;
  requests_ = 0;
  blocked_ = false;
  resend_.clear();
  if (!options_.resend) window_.clear();
}

void Engine::tick() {
  if (state_ != State::connected || keep_alive_ == 0) return;
  if (received_) unanswered_ = 0;
  if (unanswered_ >= 2) {
    return fail(errc::keep_alive_timeout, mqtt::Reason::keep_alive_timeout, "no answer to PINGREQ");
  }
  // Also when only the other side is silent: whoever publishes all the time would never notice a dead broker.
  if (unanswered_ > 0) {
    ++unanswered_;
  } else if (!sent_ || !received_) {
    constexpr char ping[2] = {static_cast<char>(static_cast<unsigned>(mqtt::PacketType::pingreq) << 4), 0};
    send({ping, sizeof ping});
    unanswered_ = 1;
  }
  sent_ = received_ = false;
}

error_code Engine::publish(const model::MessageView& m, std::uint64_t token, const SharedBytesPtr& owner) {
  if (state_ != State::connected) [[unlikely]]
    return errc::not_connected;
  if (out_.size() >= options_.output_limit) [[unlikely]]
    return blocked_ = true, errc::output_full;
  if (m.qos > max_qos_) [[unlikely]]
    return errc::qos_not_supported;
  if (m.retain && !retain_available_) [[unlikely]]
    return errc::retain_not_supported;
  mqtt::PublishForm form;
  form.version = options_.version;
  form.qos = m.qos;
  form.retain = m.retain;
  constexpr std::size_t alias_bytes = 4;  // it and what it may add to the length of the properties
  mqtt::PublishSize size = publish_size(m, form);
  if (size.total + alias_bytes > max_packet_size_) [[unlikely]]
    if (size.total > max_packet_size_ || options_.topic_aliases) return errc::packet_too_large;
  if (m.qos > 0) return publish_kept(m, token, form);

  auto alias = out_aliases_.use(m.topic);
  if (alias.alias) {
    form.alias = alias.alias;
    form.with_topic = alias.with_topic;
    size = publish_size(m, form);
  }
  if (owner && m.payload.size() >= kSharedPayload) {
    std::size_t head = size.total - m.payload.size();
    put_publish_head(room(head), m, form, size);
    wrote(head);
    out_.append_shared(owner, m.payload);
  } else {
    put_publish(room(size.total), m, form, size);
    wrote(size.total);
  }
  return {};
}

error_code Engine::publish_kept(const model::MessageView& m, std::uint64_t token, mqtt::PublishForm& form) {
  if (window_.used() >= window_size_ || !resend_.empty()) return blocked_ = true, errc::window_full;
  mqtt::PacketId id = window_.take(m.qos == 1 ? OutWindow::State::puback : OutWindow::State::pubrec, token);
  form.packet_id = id;
  if (options_.resend) {
    // Kept with its topic: an alias does not outlive the connection [MQTT-3.3.2-7].
    std::string& packet = window_.at(id).packet;
    mqtt::PublishSize whole = publish_size(m, form);
    packet.resize(whole.total);
    put_publish(packet.data(), m, form, whole);
  }
  auto alias = out_aliases_.use(m.topic);
  form.alias = alias.alias;
  form.with_topic = alias.with_topic;
  mqtt::PublishSize size = publish_size(m, form);
  put_publish(room(size.total), m, form, size);
  wrote(size.total);
  return {};
}

result<mqtt::PacketId> Engine::request_id() {
  if (state_ != State::connected) return make_error_code(errc::not_connected);
  if (requests_ == ~0ull) return make_error_code(errc::too_many_requests);
  // Round robin, so that an answer that comes late is not taken for that of another request.
  while (requests_ >> next_request_ & 1) next_request_ = (next_request_ + 1) % 64;
  std::uint8_t n = next_request_;
  next_request_ = (next_request_ + 1) % 64;
  requests_ |= 1ull << n;
  return static_cast<mqtt::PacketId>(kFirstRequest + n);
}

result<mqtt::PacketId> Engine::subscribe(const std::vector<mqtt::SubscribeEntryOut>& entries,
                                         std::string_view properties) {
  auto id = request_id();
  if (!id) return id;
  std::string packet;
  encode_subscribe(packet, options_.version, *id, entries, properties);
  if (packet.size() > max_packet_size_) {
    requests_ &= ~(1ull << (*id - kFirstRequest));
    return make_error_code(errc::packet_too_large);
  }
  send(packet);
  return id;
}

result<mqtt::PacketId> Engine::unsubscribe(const std::vector<std::string_view>& filters, std::string_view properties) {
  auto id = request_id();
  if (!id) return id;
  std::string packet;
  encode_unsubscribe(packet, options_.version, *id, filters, properties);
  if (packet.size() > max_packet_size_) {
    requests_ &= ~(1ull << (*id - kFirstRequest));
    return make_error_code(errc::packet_too_large);
  }
  send(packet);
  return id;
}

bool Engine::answered(mqtt::PacketId id) {
  if (id < kFirstRequest || id >= kFirstRequest + 64) return false;
  std::uint64_t bit = 1ull << (id - kFirstRequest);
  bool was = requests_ & bit;
  requests_ &= ~bit;
  return was;
}

void Engine::ack(mqtt::PacketId id, std::uint8_t qos, mqtt::Reason reason) {
  if (state_ != State::connected) return;  // the broker sends the message again
  if (qos == 1) return send_ack(mqtt::PacketType::puback, id, reason);
  if (!ok(reason)) inbound_.erase(id);  // refused: there is no PUBREL
  send_ack(mqtt::PacketType::pubrec, id, reason);
}

void Engine::authenticate(mqtt::Reason reason, std::string_view data) {
  if (state_ != State::connected && state_ != State::connecting) return;
  mqtt::PropertyWriter w;
  w.text(mqtt::PropertyId::authentication_method, options_.auth_method);
  if (!data.empty()) w.text(mqtt::PropertyId::authentication_data, data);
  std::string packet;
  encode_auth(packet, reason, w.bytes());
  send(packet);
}

void Engine::disconnect(mqtt::Reason reason, std::string_view properties) {
  if (state_ == State::connected) {
    std::string packet;
    encode_disconnect(packet, options_.version, reason, properties);
    send(packet);
  }
  if (state_ != State::ended && state_ != State::closed) stop({});
}

void Engine::fail(errc code, mqtt::Reason reason, std::string_view text) {
  if (state_ == State::connected && options_.version == mqtt::Version::v5) {
    std::string packet;
    encode_disconnect(packet, options_.version, reason);
    send(packet);
  }
  stop({make_error_code(code), reason, text, {}});
}

void Engine::stop(const Stop& s) {
  state_ = State::ended;
  link_.on_stop(s);
}

void Engine::tell_room() {
  if (state_ != State::connected || !resend_.empty() || !has_room()) return;
  blocked_ = false;
  handler_.on_room();
}

void Engine::send(std::string_view packet) {
  char* at = room(packet.size());
  packet.copy(at, packet.size());
  wrote(packet.size());
}

void Engine::send_ack(mqtt::PacketType type, mqtt::PacketId id, mqtt::Reason reason) {
  if (reason == mqtt::Reason::success || options_.version != mqtt::Version::v5) [[likely]] {
    put_short_ack(room(4), type, id);
    return wrote(4);
  }
  std::string packet;
  encode_ack(packet, options_.version, type, id, reason);
  send(packet);
}

void Engine::prepare_resend(bool session_present) {
  resend_ = window_.newest_first();
  if (session_present) return;
  // The broker has forgotten the session: what it has taken over is done, what it has not is a new message to
  // it.
  for (mqtt::PacketId id : std::vector<mqtt::PacketId>(resend_.rbegin(), resend_.rend()))
    if (window_.at(id).state == OutWindow::State::pubcomp) complete(id, mqtt::Reason::success, {});
  resend_ = window_.newest_first();
}

void Engine::resend() {
  while (!resend_.empty() && window_.used() - resend_.size() < window_size_) {
    mqtt::PacketId id = resend_.back();
    resend_.pop_back();
    OutWindow::Slot& s = window_.at(id);
    if (s.state == OutWindow::State::pubcomp) {
      send_ack(mqtt::PacketType::pubrel, id, mqtt::Reason::success);
    } else {
      send(s.packet);
      handler_.on_resent(s.token);
    }
  }
}

}  // namespace sb::client
