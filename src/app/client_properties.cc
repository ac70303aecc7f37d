// SPDX-License-Identifier: MIT
#include "app/client_properties.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/utf8.h"
#include "config/nearest.h"
#include "mqtt/encoder.h"

namespace sb::app {
namespace {

using mqtt::PropertyId;

enum class Kind { number, text, binary, pair };
enum Packet : unsigned { connect = 1, publish = 2, subscribe = 4, unsubscribe = 8, disconnect = 16, will = 32 };
constexpr std::string_view kPackets[] = {"connect", "publish", "subscribe", "unsubscribe", "disconnect", "will"};

struct Row {
  std::string_view name;
  PropertyId id;
  Kind kind;
  std::uint32_t max;  ///< of a number; its size on the wire follows from it, but for the one that is a varint
  unsigned packets;
};
constexpr std::uint32_t kByte = 1, kU16 = 0xFFFF, kU32 = 0xFFFFFFFF, kVarint = 268'435'455;

// What a client may send, of table 2-4 of the specification. Names as mosquitto has them.
constexpr Row kRows[] = {
    {"authentication-data", PropertyId::authentication_data, Kind::binary, 0, connect},
    {"authentication-method", PropertyId::authentication_method, Kind::text, 0, connect},
    {"content-type", PropertyId::content_type, Kind::text, 0, publish | will},
    {"correlation-data", PropertyId::correlation_data, Kind::binary, 0, publish | will},
    {"maximum-packet-size", PropertyId::maximum_packet_size, Kind::number, kU32, connect},
    {"message-expiry-interval", PropertyId::message_expiry_interval, Kind::number, kU32, publish | will},
    {"payload-format-indicator", PropertyId::payload_format_indicator, Kind::number, kByte, publish | will},
    {"reason-string", PropertyId::reason_string, Kind::text, 0, disconnect},
    {"receive-maximum", PropertyId::receive_maximum, Kind::number, kU16, connect},
    {"request-problem-information", PropertyId::request_problem_information, Kind::number, kByte, connect},
    {"request-response-information", PropertyId::request_response_information, Kind::number, kByte, connect},
    {"response-topic", PropertyId::response_topic, Kind::text, 0, publish | will},
    {"session-expiry-interval", PropertyId::session_expiry_interval, Kind::number, kU32, connect | disconnect},
    {"subscription-identifier", PropertyId::subscription_identifier, Kind::number, kVarint, subscribe},
    {"topic-alias", PropertyId::topic_alias, Kind::number, kU16, publish},
    {"topic-alias-maximum", PropertyId::topic_alias_maximum, Kind::number, kU16, connect},
    {"user-property", PropertyId::user_property, Kind::pair, 0,
     connect | publish | subscribe | unsubscribe | disconnect | will},
    {"will-delay-interval", PropertyId::will_delay_interval, Kind::number, kU32, will},
};

[[noreturn]] void bad(const std::string& what) { throw CLI::ValidationError("--property", what); }

template <class Names>
std::string or_near(const std::string& word, const Names& names) {
  std::vector<std::string> all(names.begin(), names.end());
  std::string near = config::nearest(word, all);
  return near.empty() ? fmt::format("there are {}", fmt::join(all, ", ")) : fmt::format("did you mean \"{}\"?", near);
}

unsigned packet_of(const std::string& word) {
  for (unsigned i = 0; i < std::size(kPackets); ++i)
    if (word == kPackets[i]) return 1u << i;
  bad(fmt::format("\"{}\" is no packet; {}", word, or_near(word, std::span(kPackets))));
}

const Row& row_of(const std::string& word, unsigned packet) {
  std::vector<std::string> names;
  for (auto& r : kRows) {
    if (!(r.packets & packet)) continue;
    if (r.name == word) return r;
    names.emplace_back(r.name);
  }
  bad(fmt::format("\"{}\" is no property of this packet; {}", word, or_near(word, names)));
}

std::uint32_t number(const Row& r, const std::string& text) {
  std::uint64_t v = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  bool zero_allowed = r.max != kVarint && r.id != PropertyId::receive_maximum && r.id != PropertyId::topic_alias &&
                      r.id != PropertyId::maximum_packet_size;
  std::uint64_t min = zero_allowed ? 0 : 1;
  if (error != std::errc() || end != text.data() + text.size() || v > r.max || v < min)
    bad(fmt::format("{} is a number from {} to {}, not \"{}\"", r.name, min, r.max, text));
  return static_cast<std::uint32_t>(v);
}

void check_text(const Row& r, const std::string& text) {
  if (text.size() > 65535) bad(fmt::format("{} has at most 65535 bytes", r.name));
  if (r.kind != Kind::binary && !is_mqtt_utf8(text)) bad(fmt::format("{} is not UTF-8", r.name));
}

std::string encoded(const Row& r, const std::string& value, const std::string& value2) {
  mqtt::PropertyWriter w;
  check_text(r, value);
  switch (r.kind) {
    case Kind::number: {
      std::uint32_t v = number(r, value);
      if (r.max == kByte)
        w.u8(r.id, static_cast<std::uint8_t>(v));
      else if (r.max == kU16)
        w.u16(r.id, static_cast<std::uint16_t>(v));
      else if (r.max == kU32)
        w.u32(r.id, v);
      else
        w.varint(r.id, v);
      break;
    }
    case Kind::pair:
      check_text(r, value2);
      w.pair(value, value2);
      break;
    default:
      w.text(r.id, value);
  }
  return std::string(w.bytes());
}

/// True when the engine has to know of it.
bool put_into_options(const Row& r, const std::string& value, client::Options& o) {
  switch (r.id) {
    case PropertyId::session_expiry_interval:
      o.session_expiry = number(r, value);
      return true;
    case PropertyId::receive_maximum:
      o.receive_maximum = static_cast<std::uint16_t>(number(r, value));
      return true;
    case PropertyId::maximum_packet_size:
      o.maximum_packet_size = number(r, value);
      return true;
    case PropertyId::topic_alias_maximum:
      o.topic_alias_maximum = static_cast<std::uint16_t>(number(r, value));
      return true;
    case PropertyId::authentication_method:
      o.auth_method = value;
      return true;
    case PropertyId::authentication_data:
      o.auth_data = value;
      return true;
    default:
      return false;
  }
}

}  // namespace

PacketProperties parse_properties(const std::vector<std::string>& words, client::Options& options,
                                  std::string& will_out) {
  PacketProperties out;
  for (std::size_t i = 0; i < words.size();) {
    if (i + 2 >= words.size()) bad("a property is PACKET NAME VALUE");
    unsigned packet = packet_of(words[i]);
    const Row& r = row_of(words[i + 1], packet);
    const std::string& value = words[i + 2];
    i += 3;
    std::string value2;
    if (r.kind == Kind::pair) {
      if (i == words.size()) bad("user-property has a name and a value");
      value2 = words[i++];
    } else if (i < words.size() && words[i].empty()) {
      ++i;
    }
    out.any = true;
    if (packet == connect && put_into_options(r, value, options)) continue;
    std::string bytes = encoded(r, value, value2);
    switch (packet) {
      case connect:
        options.properties += bytes;
        break;
      case publish:
        out.publish += bytes;
        break;
      case subscribe:
        out.subscribe += bytes;
        break;
      case unsubscribe:
        out.unsubscribe += bytes;
        break;
      case disconnect:
        out.disconnect += bytes;
        break;
      default:
        will_out += bytes;
    }
  }
  return out;
}

std::string property_help() {
  std::string text = "MQTT 5 properties (-D PACKET NAME VALUE; user-property: -D PACKET user-property KEY VALUE):\n";
  for (unsigned i = 0; i < std::size(kPackets); ++i) {
    std::string line = fmt::format("  {}:", kPackets[i]);
    for (auto& r : kRows) {
      if (!(r.packets & 1u << i)) continue;
      if (line.size() + r.name.size() > 100) {
        text += line + '\n';
        line = "     ";
      }
      line += fmt::format(" {}", r.name);
    }
    text += line + '\n';
  }
  return text;
}

}  // namespace sb::app
