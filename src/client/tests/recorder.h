// SPDX-License-Identifier: MIT
#pragma once
#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "client/engine.h"

namespace sb::client {

inline std::string packet(mqtt::PacketType type) {
  std::string s;
  encode_empty(s, type);
  return s;
}
inline std::string connack_of(mqtt::Version v, bool session, std::uint8_t code, std::string_view properties = {}) {
  std::string s;
  encode_connack(s, v, session, code, properties);
  return s;
}
inline std::string publish_of(mqtt::Version v, model::MessageView m, mqtt::PacketId id,
                              std::string_view properties = {}, bool dup = false) {
  mqtt::PublishForm f;
  f.version = v;
  f.qos = m.qos;
  f.retain = m.retain;
  f.dup = dup;
  f.packet_id = id;
  m.properties = properties;
  mqtt::PublishSize size = publish_size(m, f);
  std::string s(size.total, '\0');
  put_publish(s.data(), m, f, size);
  return s;
}
inline std::string ack_of(mqtt::PacketType type, mqtt::PacketId id, mqtt::Reason reason = mqtt::Reason::success,
                          std::string_view properties = {}) {
  std::string s;
  encode_ack(s, mqtt::Version::v5, type, id, reason, properties);
  return s;
}

/// Packets as a client sends them, in words.
class Reading {
 public:
  explicit Reading(mqtt::Version v) : version_(v) {}

  std::vector<std::string> all(std::string_view bytes) const {
    std::vector<std::string> lines;
    mqtt::Frame f;
    while (take_frame(bytes, mqtt::kMaxPacketSize, f) == mqtt::FrameStatus::complete) lines.push_back(words(f));
    if (!bytes.empty()) lines.push_back("incomplete packet");
    return lines;
  }

 private:
  std::string words(const mqtt::Frame& f) const {
    using enum mqtt::PacketType;
    switch (f.type) {
      case connect:
        return connect_words(f);
      case publish:
        return publish_words(f);
      case puback:
      case pubrec:
      case pubrel:
      case pubcomp: {
        mqtt::Ack a;
        if (!ok(decode_ack(version_, f.type, f.flags, f.body, a))) return "bad ack";
        return fmt::format("{} {}{}", name(f.type), a.packet_id, in_brackets(a.reason));
      }
      case subscribe: {
        mqtt::Subscribe s;
        if (!ok(decode_subscribe(version_, f.flags, f.body, s))) return "bad SUBSCRIBE";
        std::string w = fmt::format("SUBSCRIBE {}", s.packet_id);
        for (auto& e : s.entries) {
          w += fmt::format(" {}:{}", e.filter, static_cast<int>(e.options.qos));
          if (e.options.no_local) w += "nl";
          if (e.options.retain_handling) w += fmt::format(",rh{}", static_cast<int>(e.options.retain_handling));
        }
        return w;
      }
      case unsubscribe: {
        mqtt::Unsubscribe u;
        if (!ok(decode_unsubscribe(version_, f.flags, f.body, u))) return "bad UNSUBSCRIBE";
        return fmt::format("UNSUBSCRIBE {} {}", u.packet_id, fmt::join(u.filters, " "));
      }
      case disconnect:
      case auth: {
        mqtt::ReasonPacket r;
        bool good = ok(f.type == auth ? decode_auth(version_, f.flags, f.body, r)
                                      : decode_disconnect(version_, f.flags, f.body, r));
        if (!good) return "bad reason packet";
        std::string w = name(f.type) + in_brackets(r.reason);
        if (f.type == auth)
          w += fmt::format(" {}/{}", r.properties.authentication_method, r.properties.authentication_data);
        return w;
      }
      default:
        return name(f.type);
    }
  }
  static std::string in_brackets(mqtt::Reason r) {
    return r == mqtt::Reason::success ? "" : fmt::format(" ({})", text(r));
  }
  static std::string connect_words(const mqtt::Frame& f) {
    mqtt::Connect c;
    if (!ok(decode_connect(f.flags, f.body, c))) return "bad CONNECT";
    std::string w = fmt::format("CONNECT v{} id={}{} keep={}", static_cast<int>(c.version), c.client_id,
                                c.clean_start ? " clean" : "", c.keep_alive);
    using enum mqtt::PropertyId;
    const mqtt::Properties& p = c.properties;
    if (p.has(session_expiry_interval)) w += fmt::format(" expiry={}", p.session_expiry_interval);
    if (p.has(receive_maximum)) w += fmt::format(" receive={}", p.receive_maximum);
    if (p.has(maximum_packet_size)) w += fmt::format(" size={}", p.maximum_packet_size);
    if (p.has(topic_alias_maximum)) w += fmt::format(" aliases={}", p.topic_alias_maximum);
    if (p.has(authentication_data)) w += fmt::format(" auth={}/{}", p.authentication_method, p.authentication_data);
    if (c.username) w += fmt::format(" user={}", *c.username);
    if (c.password) w += fmt::format(" password={}", *c.password);
    if (c.will)
      w += fmt::format(" will={}:{} qos{}{}", c.will->topic, c.will->payload, static_cast<int>(c.will->qos),
                       c.will->retain ? " retain" : "");
    return w;
  }
  std::string publish_words(const mqtt::Frame& f) const {
    mqtt::Publish p;
    if (!ok(decode_publish(version_, f.flags, f.body, p))) return "bad PUBLISH";
    std::string w = fmt::format("PUBLISH {} {} qos{}", p.topic, p.payload, static_cast<int>(p.qos));
    if (p.packet_id) w += fmt::format(" id{}", p.packet_id);
    if (p.retain) w += " retain";
    if (p.dup) w += " dup";
    if (p.has_properties && p.properties.has(mqtt::PropertyId::topic_alias))
      w += fmt::format(" alias{}", p.properties.topic_alias);
    return w;
  }
  mqtt::Version version_;
};

/// An engine whose world writes down what it is told, in order: `calls`, and through take() the packets as
/// well.
struct Bench final : Handler, Link {
  explicit Bench(Options o = {}, std::string id = "c")
      : options(std::move(o)), engine(options, std::move(id), *this, *this, out) {}

  std::string connack() const { return connack_of(options.version, false, 0); }
  void feed(std::string_view bytes) { engine.received(bytes); }
  /// What happened since the last time. Calls and packets stand in the order in which they were made.
  std::vector<std::string> take() {
    flush();
    std::vector<std::string> done;
    for (auto& c : calls)
      if (c != "output") done.push_back(std::move(c));
    calls.clear();
    return done;
  }

  void on_connected(const mqtt::Connack& c) override { add(c.session_present ? "connected session" : "connected"); }
  void on_message(const mqtt::Publish& p) override {
    add(fmt::format("message {} {} qos{}", p.topic, p.payload, static_cast<int>(p.qos)));
  }
  void on_published(std::uint64_t token, mqtt::Reason r, std::string_view why) override {
    add(fmt::format("published {}", token) + reason(r, why));
  }
  void on_resent(std::uint64_t token) override { resent.push_back(token); }
  void on_suback(const mqtt::SubscribeAck& a) override { add(codes("suback", a)); }
  void on_unsuback(const mqtt::SubscribeAck& a) override { add(codes("unsuback", a)); }
  void on_auth(const mqtt::ReasonPacket& r) override {
    add("auth" + reason(r.reason, {}) + fmt::format(" {}", r.properties.authentication_data));
    if (!on_auth_answer.empty()) engine.authenticate(mqtt::Reason::continue_authentication, on_auth_answer);
  }
  void on_room() override { add("room"); }
  void on_output() override { calls.push_back("output"); }
  void on_up() override {}
  void on_stop(const Stop& s) override {
    std::string w = "stop";
    if (s.code == errc::refused) w += " refused";
    if (s.code == errc::server_disconnect) w += " server_disconnect";
    if (s.code == errc::protocol_error) return add(fmt::format("{} protocol_error '{}'", w, s.text));
    if (s.code == errc::keep_alive_timeout) w += " keep_alive_timeout";
    w += reason(s.reason, s.text);
    if (!s.server_reference.empty()) w += fmt::format(" see {}", s.server_reference);
    add(w);
  }

  Options options;
  OutBuffer out;
  std::vector<std::string> calls;
  std::vector<std::uint64_t> resent;
  std::string on_auth_answer;
  Engine engine;

 private:
  static std::string reason(mqtt::Reason r, std::string_view why) {
    std::string w = r == mqtt::Reason::success ? "" : fmt::format(" ({})", text(r));
    return why.empty() ? w : fmt::format("{} '{}'", w, why);
  }
  static std::string codes(const char* what, const mqtt::SubscribeAck& a) {
    std::string w = fmt::format("{} {}", what, a.packet_id);
    for (char c : a.codes) w += fmt::format(" {:02x}", static_cast<unsigned char>(c));
    return w;
  }
  /// The packets of the output stand before the call that is made now.
  void flush() {
    std::string bytes;
    while (!out.empty()) {
      bytes += out.front();
      out.consume(out.front().size());
    }
    for (auto& line : Reading(options.version).all(bytes)) calls.push_back(std::move(line));
  }
  void add(std::string call) {
    flush();
    calls.push_back(std::move(call));
  }
};

}  // namespace sb::client
