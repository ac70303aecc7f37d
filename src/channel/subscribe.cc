// SPDX-License-Identifier: MIT
#include "channel/channel.h"
#include "model/topic.h"
#include "mqtt/encoder.h"

// SUBSCRIBE, UNSUBSCRIBE and their answers.

namespace sb::channel {

using mqtt::Frame;
using mqtt::PacketId;
using mqtt::PacketType;
using mqtt::Reason;
using mqtt::Version;

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

void Channel::subscribed(PacketId id, const std::vector<Reason>& codes) {
  answer_subscription(PacketType::suback, id, codes);
}

void Channel::unsubscribed(PacketId id, const std::vector<Reason>& codes) {
  answer_subscription(PacketType::unsuback, id, codes);
}

void Channel::answer_subscription(PacketType type, PacketId id, const std::vector<Reason>& codes) {
  if (state_ != State::up) return;
  std::string packet;
  mqtt::encode_suback(packet, version_, type, id, codes);
  send(packet);
  subscribing_ = false;
  if (waiting_input_ && !input_must_wait()) transport_.resume_input();
}

}  // namespace sb::channel
