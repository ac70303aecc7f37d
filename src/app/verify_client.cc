// SPDX-License-Identifier: MIT
#include "app/verify_client.h"

#include <fmt/format.h>

#include <algorithm>

namespace sb::app {
namespace {

constexpr std::uint32_t kSessionExpiry = 24 * 3600;  // seconds: longer than any run, and not for ever if we die
constexpr Millis kFirstPause{20}, kLongestPause{1'000};

client::Options durable(const VerifyShared& s, std::uint32_t number) {
  client::Options o = s.base;
  if (s.options.mixed_versions()) o.version = number % 2 ? mqtt::Version::v5 : mqtt::Version::v311;
  o.clean_start = false;
  o.session_expiry = kSessionExpiry;
  o.resend = true;
  o.max_inflight = static_cast<std::uint16_t>(s.options.window);
  return o;
}

}  // namespace

VerifyClient::VerifyClient(VerifyShared& shared, std::uint32_t number, std::string id)
    : shared_(shared),
      number_(number),
      node_(number / 2 % shared.wirings.size()),  // both versions on each node
      wiring_(shared.wirings[node_]),
      options_(durable(shared, number)),
      connection_(shared.hub, wiring_, options_, std::move(id), *this),
      back_([this] {
        away_ = false;
        connection_.connect();
      }) {}

VerifyClient::~VerifyClient() { shared_.hub.loop().timers().cancel(back_); }

void VerifyClient::come_back(Millis pause) {
  node_ = (node_ + 1) % shared_.wirings.size();
  wiring_ = shared_.wirings[node_];
  shared_.hub.loop().timers().set(back_, shared_.now() + pause);
}

void VerifyClient::cut(Millis away) {
  connection_.abort();
  away_ = away.count() > 0;
  come_back(away);
}

void VerifyClient::leave(Millis away) {
  leaving_ = away_ = true;
  absence_ = away;
  connection_.disconnect();
}

void VerifyClient::ask() {
  answered_ = false;
  (void)engine().unsubscribe({"verify/nothing"});  // lost with the connection, and then asked again
}

void VerifyClient::forget() {
  shared_.hub.loop().timers().cancel(back_);
  ending_ = Ending::closing;
  options_.resend = false;
  if (up()) return connection_.disconnect();
  connection_.abort();
  end_session();
}

/// A clean session takes the place of the durable one and ends with its connection.
void VerifyClient::end_session() {
  ending_ = Ending::cleaning;
  options_.clean_start = true;
  options_.session_expiry = 0;
  connection_.connect();
}

void VerifyClient::on_connected(const mqtt::Connack& c) {
  if (ending_ != Ending::no) return connection_.disconnect();
  attempts_ = 0;
  if (accepted_) ++shared_.conduct.reconnects;
  accepted_ = true;
  connected(c.session_present);
}

void VerifyClient::on_closed(const client::Stop& stop) {
  if (ending_ == Ending::closing) return end_session();
  if (ending_ == Ending::cleaning) {
    ending_ = Ending::gone;
    return;
  }
  if (leaving_) {
    leaving_ = false;
    return come_back(absence_);
  }
  ++shared_.conduct.losses;
  bool never = stop.code == client::errc::refused || stop.code == client::errc::tls_failed;
  if (!shared_.opened && never) {
    std::string why = explain(stop, wiring_.target, false);
    bool old = stop.reason == mqtt::Reason::unsupported_protocol_version && shared_.options.mixed_versions();
    return shared_.fail(old ? why + ". Name one version: -V mqttv311, or -V mqttv5" : why);
  }
  Millis pause = std::min(kLongestPause, kFirstPause * (1 << std::min(attempts_++, 6u)));
  come_back(pause / 2 +
            Millis(static_cast<std::int64_t>(shared_.random() % static_cast<std::uint64_t>(pause.count()))));
}

bool VerifyPublisher::publish() {
  if (!up()) return false;
  const VerifyOptions& o = shared_.options;
  auto topic = static_cast<std::uint32_t>(shared_.random() % o.topics);
  std::uint8_t qos = o.qos == "mixed" ? 1 + shared_.random() % 2 : o.qos == "1" ? 1 : 2;
  MessageName m = shared_.ledger->next(number_, topic, qos);
  auto size = static_cast<std::uint32_t>(o.payload.pick(shared_.random));
  auto error =
      engine().publish({.topic = shared_.wire->topic(topic), .payload = shared_.wire->payload(m, size), .qos = qos},
                       shared_.ledger->token(m));
  if (!error) {
    shared_.ledger->send(m);
    return true;
  }
  bool passing =
      error == client::errc::window_full || error == client::errc::output_full || error == client::errc::not_connected;
  if (!passing) shared_.fail(fmt::format("cannot publish: {}", error.message()));
  return false;
}

void VerifyPublisher::fill() {
  while (shared_.publishing && publish()) {
  }
}

void VerifyPublisher::connected(bool session_present) {
  if (ready_ && !session_present) ++shared_.conduct.lost_publishers;
  ready_ = true;
  on_room();
}

void VerifyPublisher::on_room() {
  if (shared_.options.rate <= 0) fill();
}

void VerifyPublisher::on_published(std::uint64_t token, mqtt::Reason reason, std::string_view) {
  shared_.last_news = shared_.now();
  MessageName m = shared_.ledger->message(token);
  // PUBCOMP with "packet identifier not found" comes after a PUBREC, which has taken the message over [MQTT-4.3.3].
  if (ok(reason) || reason == mqtt::Reason::packet_identifier_not_found)
    shared_.ledger->acknowledge(m);
  else
    shared_.ledger->refuse(m);
  on_room();
}

VerifySubscriber::VerifySubscriber(VerifyShared& shared, std::uint32_t number, std::uint32_t entry, std::string id,
                                   std::vector<std::string> filters, std::uint8_t qos)
    : VerifyClient(shared, number, std::move(id)), entry_(entry), filters_(std::move(filters)), qos_(qos) {}

void VerifySubscriber::connected(bool session_present) {
  if (ready_ && session_present) return;
  if (ready_) ++shared_.conduct.lost_sessions;
  subscribe();
}

void VerifySubscriber::subscribe() {
  std::vector<mqtt::SubscribeEntryOut> entries;
  for (const std::string& f : filters_) {
    entries.push_back({f, {}});
    entries.back().options.qos = qos_ & 3;
  }
  (void)engine().subscribe(entries);  // right after CONNACK nothing is in its way
}

void VerifySubscriber::on_suback(const mqtt::SubscribeAck& a) {
  for (std::size_t i = 0; i < filters_.size(); ++i) {
    unsigned code = i < a.codes.size() ? static_cast<unsigned char>(a.codes[i]) : 0x80;
    if (code == qos_) continue;
    return shared_.fail(
        code >= 0x80
            ? fmt::format("cannot subscribe to {}: {}", filters_[i], in_words(static_cast<mqtt::Reason>(code)))
            : fmt::format("the broker grants QoS {} for {}; try --qos {}", code, filters_[i], std::max(code, 1u)));
  }
  ready_ = true;
}

void VerifySubscriber::on_message(const mqtt::Publish& m) {
  std::string problem;
  if (auto name = shared_.wire->read(m.topic, m.payload, problem))
    shared_.ledger->deliver(entry_, *name, m.qos);
  else
    shared_.ledger->forge(entry_, std::move(problem));
  MonoTime now = shared_.now();
  if (shared_.publishing)
    shared_.conduct.longest_pause = std::max(shared_.conduct.longest_pause, now - shared_.last_delivery);
  shared_.last_delivery = shared_.last_news = now;
}

}  // namespace sb::app
