// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/out_buffer.h"
#include "client/engine.h"
#include "mqtt/packets.h"

// Two bytes (version and options; how the rest is cut), then what a broker sends. However it is cut, the application
// must hear the same and the same must be sent; and all that is sent must be whole packets.
namespace {

using namespace sb;

struct World final : client::Handler, client::Link {
  World(const client::Options& o) : engine(o, "fuzz", *this, *this, out) {}

  void on_connected(const mqtt::Connack& c) override {
    heard += c.session_present ? 'C' : 'c';
    act();
  }
  void on_message(const mqtt::Publish& m) override {
    heard += 'm';
    heard += m.topic;
    heard += m.payload;
    if (engine.options().manual_ack && m.qos > 0) engine.ack(m.packet_id, m.qos);
  }
  void on_published(std::uint64_t token, mqtt::Reason r, std::string_view text) override {
    heard += 'p';
    heard += static_cast<char>(token);
    heard += static_cast<char>(r);
    heard += text;
  }
  void on_suback(const mqtt::SubscribeAck& a) override { heard += a.codes; }
  void on_unsuback(const mqtt::SubscribeAck& a) override { heard += a.codes; }
  void on_auth(const mqtt::ReasonPacket&) override {
    engine.authenticate(mqtt::Reason::continue_authentication, "answer");
  }
  void on_output() override {}
  void on_up() override {}
  void on_stop(const client::Stop& s) override {
    heard += 's';
    heard += static_cast<char>(s.code.value());
    heard += s.text;
  }

  void act() {
    for (std::uint8_t qos = 0; qos < 3; ++qos)
      (void)engine.publish({.topic = "t", .payload = "payload", .qos = qos}, qos);
    (void)engine.subscribe({{"f/#", {.qos = 2}}});
    (void)engine.unsubscribe({"f/#"});
  }

  OutBuffer out;
  std::string heard;
  client::Engine engine;
};

struct Seen {
  std::string heard, sent;
  bool operator==(const Seen&) const = default;
};

void take(OutBuffer& out, std::string& to) {
  while (!out.empty()) {
    to += out.front();
    out.consume(out.front().size());
  }
}

Seen play(std::string_view input, const client::Options& options, unsigned cut) {
  World w(options);
  Seen seen;
  w.engine.opened();
  std::string buffer;
  for (std::size_t at = 0, round = 0; at < input.size(); ++round) {
    std::size_t n = cut == 0 ? input.size() : 1 + (cut * (round + 1) * 31) % 23;
    n = std::min(n, input.size() - at);
    buffer += input.substr(at, n);
    std::size_t used = w.engine.received(buffer);
    if (used > buffer.size()) std::abort();
    buffer.erase(0, used);
    at += n;
  }
  w.engine.tick();
  w.engine.tick();
  w.engine.lost();
  w.engine.opened();  // and again, with what is left of the session
  (void)w.engine.received(input);
  take(w.out, seen.sent);
  seen.heard = std::move(w.heard);
  return seen;
}

void check_packets(std::string_view sent) {
  mqtt::Frame f;
  while (!sent.empty())
    if (take_frame(sent, mqtt::kMaxPacketSize, f) != mqtt::FrameStatus::complete) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  client::Options o;
  constexpr mqtt::Version versions[] = {mqtt::Version::v31, mqtt::Version::v311, mqtt::Version::v5, mqtt::Version::v5};
  o.version = versions[data[0] & 3];
  o.manual_ack = data[0] & 4;
  o.resend = data[0] & 8;
  o.topic_aliases = data[0] & 16 ? 4 : 0;
  o.topic_alias_maximum = data[0] & 32 ? 4 : 0;
  o.session_expiry = data[0] & 64 ? 10 : 0;
  o.auth_method = "M";
  std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  Seen whole = play(input, o, 0), pieces = play(input, o, data[1]);
  check_packets(whole.sent);
  if (whole != pieces) std::abort();
  return 0;
}
