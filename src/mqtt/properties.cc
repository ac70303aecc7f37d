// SPDX-License-Identifier: MIT
#include "mqtt/properties.h"

#include <array>

#include "base/utf8.h"

namespace sb::mqtt {
namespace {

enum class Kind : std::uint8_t { none, byte, flag, u16, u32, varint, string, binary, pair };

struct Row {
  Kind kind = Kind::none;
  std::uint16_t places = 0;  // bit n = PropertyPlace n
};

constexpr std::uint16_t bit(PropertyPlace p) { return static_cast<std::uint16_t>(1u << static_cast<unsigned>(p)); }

// Table 2-4 of the specification.
constexpr std::array<Row, 43> kRows = [] {
  using P = PropertyPlace;
  using I = PropertyId;
  std::array<Row, 43> t{};
  auto row = [&t](I id, Kind kind, std::initializer_list<P> places) {
    Row& r = t[static_cast<std::size_t>(id)];
    r.kind = kind;
    for (P p : places) r.places = static_cast<std::uint16_t>(r.places | bit(p));
  };
  row(I::payload_format_indicator, Kind::flag, {P::publish, P::will});
  row(I::message_expiry_interval, Kind::u32, {P::publish, P::will});
  row(I::content_type, Kind::string, {P::publish, P::will});
  row(I::response_topic, Kind::string, {P::publish, P::will});
  row(I::correlation_data, Kind::binary, {P::publish, P::will});
  row(I::subscription_identifier, Kind::varint, {P::publish, P::subscribe});
  row(I::session_expiry_interval, Kind::u32, {P::connect, P::connack, P::disconnect});
  row(I::assigned_client_identifier, Kind::string, {P::connack});
  row(I::server_keep_alive, Kind::u16, {P::connack});
  row(I::authentication_method, Kind::string, {P::connect, P::connack, P::auth});
  row(I::authentication_data, Kind::binary, {P::connect, P::connack, P::auth});
  row(I::request_problem_information, Kind::flag, {P::connect});
  row(I::will_delay_interval, Kind::u32, {P::will});
  row(I::request_response_information, Kind::flag, {P::connect});
  row(I::response_information, Kind::string, {P::connack});
  row(I::server_reference, Kind::string, {P::connack, P::disconnect});
  row(I::reason_string, Kind::string,
      {P::connack, P::puback, P::pubrec, P::pubrel, P::pubcomp, P::suback, P::unsuback, P::disconnect, P::auth});
  row(I::receive_maximum, Kind::u16, {P::connect, P::connack});
  row(I::topic_alias_maximum, Kind::u16, {P::connect, P::connack});
  row(I::topic_alias, Kind::u16, {P::publish});
  row(I::maximum_qos, Kind::flag, {P::connack});
  row(I::retain_available, Kind::flag, {P::connack});
  row(I::user_property, Kind::pair,
      {P::connect, P::connack, P::publish, P::will, P::puback, P::pubrec, P::pubrel, P::pubcomp, P::subscribe,
       P::suback, P::unsubscribe, P::unsuback, P::disconnect, P::auth});
  row(I::maximum_packet_size, Kind::u32, {P::connect, P::connack});
  row(I::wildcard_subscription_available, Kind::flag, {P::connack});
  row(I::subscription_identifier_available, Kind::flag, {P::connack});
  row(I::shared_subscription_available, Kind::flag, {P::connack});
  return t;
}();

/// The first value of one property, before it is put where it belongs.
struct Value {
  std::uint32_t number = 0;
  std::string_view text, text2;
};

Reason read_value(Reader& r, Kind kind, Value& v) {
  switch (kind) {
    case Kind::none:
      return Reason::malformed_packet;
    case Kind::byte:
      v.number = r.u8();
      break;
    case Kind::flag:
      v.number = r.u8();
      if (!r.failed() && v.number > 1) return Reason::protocol_error;
      break;
    case Kind::u16:
      v.number = r.u16();
      break;
    case Kind::u32:
      v.number = r.u32();
      break;
    case Kind::varint:
      v.number = r.varint();
      break;
    case Kind::string:
      v.text = r.binary();
      if (!is_mqtt_utf8(v.text)) return Reason::malformed_packet;
      break;
    case Kind::binary:
      v.text = r.binary();
      break;
    case Kind::pair:
      v.text = r.binary();
      v.text2 = r.binary();
      if (!is_mqtt_utf8(v.text) || !is_mqtt_utf8(v.text2)) return Reason::malformed_packet;
      break;
  }
  return r.failed() ? Reason::malformed_packet : Reason::success;
}

Reason store(Properties& p, PropertyId id, const Value& v) {
  switch (id) {
    case PropertyId::payload_format_indicator:
      p.payload_format_indicator = static_cast<std::uint8_t>(v.number);
      break;
    case PropertyId::message_expiry_interval:
      p.message_expiry_interval = v.number;
      break;
    case PropertyId::content_type:
      p.content_type = v.text;
      break;
    case PropertyId::response_topic:
      p.response_topic = v.text;
      break;
    case PropertyId::correlation_data:
      p.correlation_data = v.text;
      break;
    case PropertyId::subscription_identifier:
      if (v.number == 0) return Reason::protocol_error;
      p.subscription_identifiers.push_back(v.number);
      break;
    case PropertyId::session_expiry_interval:
      p.session_expiry_interval = v.number;
      break;
    case PropertyId::assigned_client_identifier:
      p.assigned_client_identifier = v.text;
      break;
    case PropertyId::server_keep_alive:
      p.server_keep_alive = static_cast<std::uint16_t>(v.number);
      break;
    case PropertyId::authentication_method:
      p.authentication_method = v.text;
      break;
    case PropertyId::authentication_data:
      p.authentication_data = v.text;
      break;
    case PropertyId::request_problem_information:
      p.request_problem_information = static_cast<std::uint8_t>(v.number);
      break;
    case PropertyId::will_delay_interval:
      p.will_delay_interval = v.number;
      break;
    case PropertyId::request_response_information:
      p.request_response_information = static_cast<std::uint8_t>(v.number);
      break;
    case PropertyId::response_information:
      p.response_information = v.text;
      break;
    case PropertyId::server_reference:
      p.server_reference = v.text;
      break;
    case PropertyId::reason_string:
      p.reason_string = v.text;
      break;
    case PropertyId::receive_maximum:
      if (v.number == 0) return Reason::protocol_error;
      p.receive_maximum = static_cast<std::uint16_t>(v.number);
      break;
    case PropertyId::topic_alias_maximum:
      p.topic_alias_maximum = static_cast<std::uint16_t>(v.number);
      break;
    case PropertyId::topic_alias:
      if (v.number == 0) return Reason::topic_alias_invalid;  // [MQTT-3.3.2-8]
      p.topic_alias = static_cast<std::uint16_t>(v.number);
      break;
    case PropertyId::maximum_qos:
      p.maximum_qos = static_cast<std::uint8_t>(v.number);
      break;
    case PropertyId::retain_available:
      p.retain_available = static_cast<std::uint8_t>(v.number);
      break;
    case PropertyId::user_property:
      p.user.emplace_back(v.text, v.text2);
      break;
    case PropertyId::maximum_packet_size:
      if (v.number == 0) return Reason::protocol_error;
      p.maximum_packet_size = v.number;
      break;
    case PropertyId::wildcard_subscription_available:
      p.wildcard_subscription_available = static_cast<std::uint8_t>(v.number);
      break;
    case PropertyId::subscription_identifier_available:
      p.subscription_identifier_available = static_cast<std::uint8_t>(v.number);
      break;
    case PropertyId::shared_subscription_available:
      p.shared_subscription_available = static_cast<std::uint8_t>(v.number);
      break;
  }
  return Reason::success;
}

bool repeatable(PropertyId id, PropertyPlace place) {
  return id == PropertyId::user_property ||
         (id == PropertyId::subscription_identifier && place == PropertyPlace::publish);
}

}  // namespace

Reason Properties::decode(Reader& r, PropertyPlace place) {
  present = 0;
  subscription_identifiers.clear();
  user.clear();
  std::uint32_t length = r.varint();
  raw = r.bytes(length);
  if (r.failed()) return Reason::malformed_packet;
  Reader in(raw);
  while (!in.done()) {
    std::uint32_t number = in.varint();
    if (in.failed() || number >= kRows.size() || kRows[number].kind == Kind::none) return Reason::malformed_packet;
    auto id = static_cast<PropertyId>(number);
    if (!(kRows[number].places & bit(place))) return Reason::protocol_error;
    if (has(id) && !repeatable(id, place)) return Reason::protocol_error;
    Value v;
    if (Reason e = read_value(in, kRows[number].kind, v); !ok(e)) return e;
    if (Reason e = store(*this, id, v); !ok(e)) return e;
    present |= 1ull << number;
  }
  return Reason::success;
}

std::string_view forwarded_properties(const Properties& p, std::string& scratch) {
  constexpr std::uint64_t rewritten = 1ull << static_cast<unsigned>(PropertyId::message_expiry_interval) |
                                      1ull << static_cast<unsigned>(PropertyId::topic_alias) |
                                      1ull << static_cast<unsigned>(PropertyId::subscription_identifier);
  if (!(p.present & rewritten)) return p.raw;
  scratch.clear();
  Reader in(p.raw);
  while (!in.done()) {
    const char* from = in.position();
    std::uint32_t number = in.varint();
    Value v;
    if (!ok(read_value(in, kRows[number].kind, v))) break;  // decode() accepted it: cannot happen
    if (!(rewritten >> number & 1)) scratch.append(from, static_cast<std::size_t>(in.position() - from));
  }
  return scratch;
}

}  // namespace sb::mqtt
