// SPDX-License-Identifier: MIT
// Messages on their way to the client: the hot half of a channel.
#include <algorithm>

#include "channel/channel.h"
#include "mqtt/publish_encoder.h"

namespace sb::channel {

using model::OutboundState;
using mqtt::PacketId;
using mqtt::Version;
using session::InFlight;

namespace {
constexpr std::size_t kShareFrom = 16 * 1024;  // payload bytes from which on outputs share one copy
}

std::uint32_t Channel::window_maximum() const {
  return std::min<std::uint32_t>(config_.limits.inflight, client_receive_max_);  // [MQTT-3.3.4-9]
}

bool Channel::has_room() const {
  const session::Window& w = session_->window;
  // Who does not read, or does not acknowledge what is kept for it, gets nothing more.
  if (host_.memory_full && (stuck_ || w.kept() > 0)) [[unlikely]]
    return false;
  return !w.full(window_maximum()) && w.kept() < config_.limits.queued_bytes &&
         out_.size() <= config_.limits.output_bytes;
}

void Channel::write_frame(Fanout& f, const EncodedFrame& frame, std::uint8_t qos, PacketId id) {
  const std::string_view payload = f.message().payload;
  if (payload.size() < kShareFrom) [[likely]] {
    char* at = out_.reserve(frame.size);
    std::memcpy(at, frame.data, frame.size);
    if (qos) mqtt::put_u16(at + frame.id_at, id);
    out_.commit(frame.size);
  } else {
    std::size_t head = frame.size - payload.size();
    char* at = out_.reserve(head);
    std::memcpy(at, frame.data, head);
    if (qos) mqtt::put_u16(at + frame.id_at, id);
    out_.commit(head);
    const model::MessagePtr& m = f.held();
    out_.append_shared(m, m->view().payload);
  }
  host_.counters.packets_sent.add();
  host_.counters.publishes_sent.add();
  host_.counters.payload_sent.add(payload.size());
  touched_output();
}

Delivered Channel::deliver(Fanout& f, std::uint8_t qos, bool retain, std::span<const std::uint32_t> ids,
                           std::uint32_t group) {
  if (state_ != State::up) return Delivered::dropped;
  bool v5 = version_ == Version::v5;
  // A message of its own form: identifiers, or an alias for its topic.
  bool special = v5 && (!ids.empty() || client_alias_max_ > 0);
  if (qos == 0) {
    if (out_.size() > config_.limits.output_bytes) [[unlikely]] {
      host_.counters.dropped_output_full.add();
      return Delivered::dropped;
    }
    if (host_.memory_full && stuck_) [[unlikely]] {
      host_.counters.dropped_memory.add();
      return Delivered::dropped;
    }
    if (special)
      return send_special(f.message(), 0, retain, false, 0, ids, f.now(), {}) ? Delivered::sent : Delivered::dropped;
    const EncodedFrame& frame = f.frame(v5, 0, retain);
    if (frame.size > client_packet_max_) [[unlikely]] {
      host_.counters.dropped_too_large.add();
      return Delivered::dropped;
    }
    write_frame(f, frame, 0, 0);
    return Delivered::sent;
  }

  if (!has_room() || session_->has_waiting()) [[unlikely]] {
    if (host_.memory_full) {
      host_.counters.dropped_memory.add();
      return Delivered::dropped;
    }
    session::Waiting w{f.held(), qos, retain, group, {ids.begin(), ids.end()}};
    session::Queue& q = session_->queue();
    std::size_t before = q.size();
    auto outcome =
        q.offer(std::move(w), config_.limits.queued_messages, config_.limits.queued_bytes, config_.limits.drop_oldest);
    host_.counters.dropped_queue_full.add(before + 1 - q.size());  // a large one may push several out
    return outcome == session::Queue::Offered::dropped_new ? Delivered::dropped : Delivered::queued;
  }
  InFlight entry;
  entry.state = qos == 1 ? OutboundState::sent_qos1 : OutboundState::sent_qos2;
  if (group || session_->durable) {  // it may have to be sent again, or by somebody else
    entry.group = group;
    entry.message = f.held();
  }
  if (special) {
    if (!fits(f.message(), qos, ids)) {
      host_.counters.dropped_too_large.add();
      return Delivered::dropped;
    }
    PacketId id = session_->window.push(std::move(entry));
    send_special(f.message(), qos, retain, false, id, ids, f.now(), {});
    return Delivered::sent;
  }
  const EncodedFrame& frame = f.frame(v5, qos, retain);
  if (frame.size > client_packet_max_) [[unlikely]] {
    host_.counters.dropped_too_large.add();
    return Delivered::dropped;
  }
  write_frame(f, frame, qos, session_->window.push(std::move(entry)));
  return Delivered::sent;
}

bool Channel::fits(const model::MessageView& m, std::uint8_t qos, std::span<const std::uint32_t> ids,
                   std::string_view extra) const {
  mqtt::PublishForm form;
  form.version = version_;
  form.qos = qos;
  form.expires = m.expires_at != kNoExpiry;
  form.subscription_ids = ids.data();
  form.subscription_id_count = static_cast<std::uint32_t>(ids.size());
  form.extra_properties = extra;
  if (mqtt::publish_size(m, form).total <= client_packet_max_) return true;
  if (!aliases_out_ || !aliases_out_->contains(m.topic)) return false;
  form.alias = 1;  // any: in place of the topic
  form.with_topic = false;
  return mqtt::publish_size(m, form).total <= client_packet_max_;
}

/// Encodes for this one client. False when it is too large for the client.
bool Channel::send_special(const model::MessageView& m, std::uint8_t qos, bool retain, bool dup, PacketId id,
                           std::span<const std::uint32_t> ids, WallTime now, std::string_view extra) {
  mqtt::PublishForm form;
  form.version = version_;
  form.qos = qos;
  form.retain = retain;
  form.dup = dup;
  form.packet_id = id;
  bool new_alias = false;
  if (version_ == Version::v5) {
    form.subscription_ids = ids.data();
    form.subscription_id_count = static_cast<std::uint32_t>(ids.size());
    form.expires = m.expires_at != kNoExpiry;
    if (form.expires) form.expiry = m.remaining_expiry(now);
    form.extra_properties = extra;
    if (client_alias_max_ > 0) {
      if (!aliases_out_) aliases_out_ = std::make_unique<StringMap<std::uint16_t>>();
      if (auto it = aliases_out_->find(m.topic); it != aliases_out_->end()) {
        form.alias = it->second;
        form.with_topic = false;
      } else if (aliases_out_->size() < client_alias_max_) {
        form.alias = static_cast<std::uint16_t>(aliases_out_->size() + 1);
        new_alias = true;
      }
    }
  }
  mqtt::PublishSize size = mqtt::publish_size(m, form);
  if (size.total > client_packet_max_ && form.alias) [[unlikely]] {  // the alias may be what is too much
    form.alias = 0;
    form.with_topic = true;
    new_alias = false;
    size = mqtt::publish_size(m, form);
  }
  if (size.total > client_packet_max_) {
    host_.counters.dropped_too_large.add();
    return false;
  }
  if (new_alias) aliases_out_->emplace(std::string(m.topic), form.alias);
  mqtt::put_publish(out_.reserve(size.total), m, form, size);
  out_.commit(size.total);
  host_.counters.packets_sent.add();
  host_.counters.publishes_sent.add();
  host_.counters.payload_sent.add(m.payload.size());
  touched_output();
  return true;
}

bool Channel::deliver_stored(const model::MessagePtr& m, bool retain, std::span<const std::uint32_t> ids,
                             InFlight entry, std::string_view extra) {
  std::uint8_t qos = entry.state == OutboundState::sent_qos1 ? 1 : 2;
  if (!fits(m->view(), qos, ids, extra)) {
    host_.counters.dropped_too_large.add();
    return false;
  }
  PacketId id = session_->window.push(std::move(entry));
  send_special(m->view(), qos, retain, false, id, ids, host_.wall, extra);
  return true;
}

bool Channel::send_in_flight(const model::MessageView& m, PacketId id, std::uint8_t qos, bool retain, bool dup,
                             std::span<const std::uint32_t> ids, std::string_view extra) {
  return send_special(m, qos, retain, dup, id, ids, host_.wall, extra);
}

void Channel::pump_queue() {
  session::Queue& q = session_->queue();
  while (!q.empty() && has_room()) {
    const session::Waiting& w = q.front();
    const model::MessageView& m = w.message->view();
    if (m.expired(host_.wall)) {  // [MQTT-3.3.2-5]
      host_.counters.dropped_expired.add();
      q.pop();
      continue;
    }
    InFlight entry;
    entry.state = w.qos == 1 ? OutboundState::sent_qos1 : OutboundState::sent_qos2;
    if (w.group || session_->durable) {
      entry.group = w.group;
      entry.message = w.message;
    }
    deliver_stored(w.message, w.retain, w.subscription_ids, std::move(entry));
    q.pop();
  }
  if (q.empty()) session_->drop_queue();
}

}  // namespace sb::channel
